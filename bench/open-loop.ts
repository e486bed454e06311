import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { chatPath } from "./fixtures.ts";
import { createMessageReader } from "./http1-reader.ts";

/** What came of a call. */
export interface Outcome {
  /** `unsent`: no connection was free, so slow were the calls before it. */
  readonly kind: "ok" | "shed" | "failed" | "unsent";
  /** When it was due; milliseconds of `performance.now`. */
  readonly dueMs: number;
  /** From then to its last byte. */
  readonly ms: number;
}

/** Calls that come whether those before them were answered or not, as those of many callers do. */
export interface OpenLoop {
  /** So many a second. */
  open(perSecond: number, seconds: number): Promise<Outcome[]>;
  /** So many at once, each as soon as one before it is answered. */
  closed(concurrency: number, seconds: number): Promise<Outcome[]>;
}

/** Who calls, and how much it sends. */
export interface OpenLoopOptions {
  readonly port: number;
  /** Of a prompt. */
  readonly bytes: number;
  /** Default: none is shown. */
  readonly key?: string;
  /** Opened beforehand: the kernel makes callers wait for seconds who all connect at once. Default: 1000. */
  readonly connections?: number;
}

/** Milliseconds between two bursts of due calls. */
const burstMs = 5;

/** Prompts of so many bytes, answered whole. */
export async function createOpenLoop({ port, bytes, key, connections = 1000 }: OpenLoopOptions): Promise<OpenLoop> {
  const content = "lorem ipsum ".repeat(Math.ceil(bytes / 12)).slice(0, bytes);
  const body = JSON.stringify({ model: "sim-chat", messages: [{ role: "user", content }] });
  const shown = key === undefined ? "" : `authorization: Bearer ${key}\r\n`;
  const head = `POST ${chatPath} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${shown}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  const request = Buffer.from(head + body);
  const idle: Line[] = [];
  const renew = async (): Promise<Line> => {
    const line = await createLine(port);
    // A connection that says nothing is soon closed; one that has asked something may rest.
    await line.ask(Buffer.from(`GET /health/live HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`));
    return line;
  };
  for (let open = 0; open < connections; open++) idle.push(await renew());

  const call = async (dueMs: number, onOutcome: (outcome: Outcome) => void): Promise<void> => {
    const line = idle.pop();
    if (line === undefined) {
      onOutcome({ kind: "unsent", dueMs, ms: 0 });
      return;
    }
    const status = await line.ask(request);
    idle.push(status === undefined ? await renew() : line);
    const kind = status === 200 ? "ok" : status === 503 ? "shed" : "failed";
    onOutcome({ kind, dueMs, ms: performance.now() - dueMs });
  };

  return {
    async open(perSecond, seconds) {
      const outcomes: Outcome[] = [];
      const under = new Set<Promise<void>>();
      const startMs = performance.now();
      const total = Math.round(perSecond * seconds);
      for (let sent = 0; sent < total; await sleep(burstMs)) {
        const due = Math.min(total, Math.floor(((performance.now() - startMs) / 1000) * perSecond));
        for (; sent < due; sent++) {
          const done: Promise<void> = call(startMs + (sent / perSecond) * 1000, (outcome) => outcomes.push(outcome)).finally(() => {
            under.delete(done);
          });
          under.add(done);
        }
      }
      await Promise.all(under);
      return outcomes;
    },
    async closed(concurrency, seconds) {
      const outcomes: Outcome[] = [];
      const endMs = performance.now() + seconds * 1000;
      const caller = async (): Promise<void> => {
        while (performance.now() < endMs) await call(performance.now(), (outcome) => outcomes.push(outcome));
      };
      await Promise.all(Array.from({ length: concurrency }, caller));
      return outcomes;
    },
  };
}

/** One connection, one call at a time. */
interface Line {
  /** The answer's status; undefined: the connection broke. */
  ask(request: Buffer): Promise<number | undefined>;
}

async function createLine(port: number): Promise<Line> {
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  let status: number | undefined;
  let answered: ((status: number | undefined) => void) | undefined;
  const end = (outcome: number | undefined): void => {
    const told = answered;
    answered = undefined;
    told?.(outcome);
  };
  socket.on(
    "data",
    createMessageReader({
      onHead(text) {
        status = Number(text.slice(9, 12));
      },
      onBody() {
        // Only the status and the end count.
      },
      onEnd: () => end(status),
    }),
  );
  socket.on("error", () => end(undefined));
  socket.on("close", () => end(undefined));
  return {
    ask(request) {
      if (socket.destroyed) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        answered = resolve;
        socket.write(request);
      });
    },
  };
}
