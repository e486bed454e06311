import { Worker } from "node:worker_threads";
import { type Store, StoreError } from "../../core/store.ts";
import type { SqliteOptions } from "./node-sqlite.ts";
import type { StoreAnswers, StoreCall, StoreReply } from "./store-calls.ts";

/** Calls that wait for the thread; more are refused, for it hangs. */
const waitingMax = 1000;

/** A store in one SQLite file, which is this process's alone. Rejects with a `StoreError` where it cannot be opened. */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const thread = startThread(options);
  await thread.opened;
  const { ask } = thread;
  return {
    kind: "sqlite",
    decisions: {
      add: (rows) => ask({ kind: "addDecisions", rows }),
      list: (query) => ask({ kind: "listDecisions", query }),
      find: (id) => ask({ kind: "findDecision", id }),
      prune: (beforeWall, limit) => ask({ kind: "pruneDecisions", beforeWall, limit }),
    },
    policies: {
      load: () => ask({ kind: "loadPolicies" }),
      save: (change) => ask({ kind: "savePolicies", change }),
    },
    ledger: {
      add: (entries) => ask({ kind: "addLedger", entries }),
      list: (query) => ask({ kind: "listLedger", query }),
      usage: (query) => ask({ kind: "sumLedger", query }),
      spentSince: (key, sinceWall) => ask({ kind: "spentSince", key, sinceWall }),
      prune: (beforeWall, limit) => ask({ kind: "pruneLedger", beforeWall, limit }),
    },
    async close() {
      await ask({ kind: "close" }).catch(() => undefined);
      await thread.ended();
    },
  };
}

interface StoreThread {
  readonly opened: Promise<void>;
  ask<C extends StoreCall>(this: void, call: C): Promise<StoreAnswers[C["kind"]]>;
  ended(): Promise<unknown>;
}

function startThread(options: SqliteOptions): StoreThread {
  // The thread runs what this file was made from: types are stripped in a clone, and are gone from the package.
  const program = new URL(import.meta.url.endsWith(".ts") ? "./sqlite-worker.ts" : "./sqlite-worker.js", import.meta.url);
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
  worker.on("message", (reply: StoreReply) => {
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
    async ask<C extends StoreCall>(call: C): Promise<StoreAnswers[C["kind"]]> {
      if (death !== undefined) throw death;
      if (waiting.size >= waitingMax) throw new Error("the store does not answer");
      const id = count++;
      const asked = Promise.withResolvers<unknown>();
      waiting.set(id, asked);
      worker.postMessage({ id, call }, []);
      // The thread answers each kind with its own type (`StoreAnswers`).
      return (await asked.promise) as StoreAnswers[C["kind"]];
    },
    ended: () => worker.terminate(),
  };
}
