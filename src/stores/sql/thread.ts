import { Worker } from "node:worker_threads";
import { StoreError } from "../../core/store.ts";

/** Calls that wait for a thread; more are refused, for it hangs. */
const waitingMax = 1000;

/** From a thread: first whether its file could be opened, then an answer to each call. */
export type ThreadReply =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly text: string; readonly unwritable: boolean }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly text: string };

/** A thread that waits for a disk, so that nobody else has to; `Answers` says what each kind of call is answered with. */
export interface Thread<Call extends { readonly kind: string }, Answers extends Record<Call["kind"], unknown>> {
  /** Rejects with a `StoreError` where its file cannot be opened. */
  readonly opened: Promise<void>;
  /** Rejects where the file does not do it, or the thread has ended. */
  ask<C extends Call>(this: void, call: C): Promise<Answers[C["kind"]]>;
  /** Ends it. */
  ended(this: void): Promise<unknown>;
}

/** Starts the program beside this file, named without its ending; `options` are what it is given. */
export function startThread<Call extends { readonly kind: string }, Answers extends Record<Call["kind"], unknown>>(
  name: string,
  options: unknown,
): Thread<Call, Answers> {
  // The thread runs what this file was made from: types are stripped in a clone, and are gone from the package.
  const program = new URL(`./${name}.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url);
  const worker = new Worker(program, { workerData: options, execArgv: ["--disable-warning=ExperimentalWarning"] });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const opened = Promise.withResolvers<void>();
  let count = 0;
  let death: Error | undefined;
  const die = (error: Error): void => {
    death ??= error;
    opened.reject(death);
    for (const each of waiting.values()) each.reject(death);
    waiting.clear();
  };
  worker.on("message", (reply: ThreadReply) => {
    if (reply.kind === "opened") opened.resolve();
    else if (reply.kind === "refused") die(new StoreError(reply.text, reply.unwritable));
    else {
      const asked = waiting.get(reply.id);
      waiting.delete(reply.id);
      if (reply.kind === "answer") asked?.resolve(reply.value);
      else asked?.reject(new Error(reply.text));
    }
  });
  worker.on("error", (error) => die(error));
  worker.on("exit", () => die(new Error("the store's thread has ended")));
  return {
    opened: opened.promise,
    async ask<C extends Call>(call: C): Promise<Answers[C["kind"]]> {
      if (death !== undefined) throw death;
      if (waiting.size >= waitingMax) throw new Error("the store does not answer");
      const id = count++;
      const asked = Promise.withResolvers<unknown>();
      waiting.set(id, asked);
      worker.postMessage({ id, call }, []);
      // The thread answers each kind with its own type.
      return (await asked.promise) as Answers[C["kind"]];
    },
    ended: () => worker.terminate(),
  };
}
