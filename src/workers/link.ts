import { type Clock, within } from "../core/clock.ts";

/** A way to one other process. */
export interface Channel {
  /** Never throws: what is said to a process that is gone is lost. */
  send(message: object): void;
  /** Calls back with what the other process says. */
  listen(listener: (message: unknown) => void): void;
}

/** What a process can be asked: by name, what the question holds and what the answer. */
export type Table<T> = { readonly [Name in keyof T]: { readonly ask: unknown; readonly answer: unknown } };

/** Whoever answers it. What they throw, the asker gets as an error of the same text. */
export type Handlers<T extends Table<T>> = {
  readonly [Name in keyof T]: (ask: T[Name]["ask"]) => T[Name]["answer"] | Promise<T[Name]["answer"]>;
};

/** One end of a channel, to ask what the other end answers, and to answer what it asks. */
export interface Link<T extends Table<T>, Ours extends Table<Ours>> {
  /** From now on the other end is answered, in the order in which it asked; what it asked before has waited. */
  serve(this: void, handlers: Handlers<Ours>): void;
  /** Rejects where the other end throws, is gone, or has not answered within `boundMs`, by default five seconds. */
  ask<Name extends keyof T & string>(this: void, name: Name, ask: T[Name]["ask"], boundMs?: number): Promise<T[Name]["answer"]>;
  /** The same, where nobody needs the answer. Arrives behind everything that was said before. */
  tell<Name extends keyof T & string>(this: void, name: Name, ask: T[Name]["ask"]): void;
  /** The other end is gone: who waits for it is told so. */
  end(): void;
}

/** Questions that wait for an answer; more are refused, for the other end hangs. */
const waitingMax = 20_000;
const boundMsDefault = 5000;

type Message =
  | { readonly kind: "ask"; readonly id: number; readonly name: string; readonly value: unknown }
  | { readonly kind: "tell"; readonly name: string; readonly value: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly text: string };

/** Asks over a channel, and answers what the other end asks. */
export function createLink<Theirs extends Table<Theirs>, Ours extends Table<Ours>>(channel: Channel, clock: Clock): Link<Theirs, Ours> {
  const served = Promise.withResolvers<Handlers<Ours>>();
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let count = 0;
  let isOver = false;
  const handle = async (name: string, value: unknown): Promise<unknown> => {
    const handlers = await served.promise;
    if (!Object.hasOwn(handlers, name)) throw new Error(`nobody answers ${name}`);
    // It is one of the names, and both ends are the same program.
    return handlers[name as keyof Ours](value);
  };
  const answer = async (id: number, work: Promise<unknown>): Promise<void> => {
    try {
      channel.send({ kind: "answer", id, value: await work });
    } catch (thrown) {
      channel.send({ kind: "failure", id, text: thrown instanceof Error ? thrown.message : "unknown reason" });
    }
  };
  channel.listen((received) => {
    const message = messageFrom(received);
    if (message === undefined) return;
    if (message.kind === "ask") void answer(message.id, handle(message.name, message.value));
    // Nobody waits for it, and whoever does it tells of its own troubles.
    else if (message.kind === "tell") void handle(message.name, message.value).catch(() => undefined);
    else {
      const asked = waiting.get(message.id);
      if (message.kind === "answer") asked?.resolve(message.value);
      else asked?.reject(new Error(message.text));
    }
  });
  return {
    serve: (handlers) => served.resolve(handlers),
    async ask(name, value, boundMs = boundMsDefault) {
      if (isOver) throw new Error("the other process is gone");
      if (waiting.size >= waitingMax) throw new Error("the other process does not answer");
      const id = count++;
      const asked = Promise.withResolvers<unknown>();
      waiting.set(id, asked);
      channel.send({ kind: "ask", id, name, value });
      try {
        const settled = await within(
          clock,
          boundMs,
          asked.promise.then((answered) => ({ answered })),
        );
        if (settled === undefined) throw new Error(`the other process did not answer within ${boundMs} ms`);
        // The other end answers each name with its own type.
        return settled.answered;
      } finally {
        waiting.delete(id);
      }
    },
    tell: (name, value) => channel.send({ kind: "tell", name, value }),
    end() {
      isOver = true;
      for (const each of waiting.values()) each.reject(new Error("the other process is gone"));
    },
  };
}

/** Undefined: it is somebody else's. */
function messageFrom(received: unknown): Message | undefined {
  if (typeof received !== "object" || received === null || !("kind" in received)) return undefined;
  const { kind } = received;
  return kind === "ask" || kind === "tell" || kind === "answer" || kind === "failure" ? (received as Message) : undefined;
}
