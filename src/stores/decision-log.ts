import type { Clock } from "../core/clock.ts";
import { decisionFrom, type DecisionRecord, noteCall, type NotedCall } from "../core/decision.ts";
import type { DecisionDesk } from "../core/operations.ts";
import type { DecisionRow, DecisionStore } from "../core/store.ts";
import type { CallObserver } from "../core/telemetry.ts";
import { createBatchWriter } from "./batch-writer.ts";
import { createDecisionRing } from "./decision-ring.ts";
import { createGatherer } from "./gatherer.ts";
import { startPruning } from "./pruning.ts";

/** The decisions of this process: it is told of calls, and asked by operators. */
export interface DecisionLog extends DecisionDesk {
  readonly observer: CallObserver;
  /** Resolves when what was decided until now can be found in the store, or is lost. */
  settled(this: void): Promise<void>;
  /** Decisions that the store did not take, since start. */
  lost(): number;
  /** Keeps what waits, or loses it; stops forgetting. */
  close(): Promise<void>;
}

/** What it needs. */
export interface DecisionLogOptions {
  readonly clock: Clock;
  /** Name of this process. */
  readonly replica: string;
  /** Undefined: only memory. */
  readonly store: DecisionStore | undefined;
  /** How long decisions are kept; milliseconds. */
  readonly keepMs: number;
  /** The store did not take decisions; told once until it takes some again. Must not throw. */
  readonly onLost: (cause: unknown) => void;
  /** It takes them again. Must not throw. */
  readonly onFound?: (lost: number) => void;
  /** Default 10,000. */
  readonly ringMax?: number;
}

/** Decisions that wait for a slow store; more, and the oldest are lost. */
const waitingMax = 20_000;
const ringMaxDefault = 10_000;
const ringBytesMax = 64 * 2 ** 20;

/**
 * Made for every call, never sampled, and never in a call's way: a call leaves a note of what its decision is made of, the rest
 * happens afterwards, many at a time.
 */
export function createDecisionLog(options: DecisionLogOptions): DecisionLog {
  const { clock, replica, store } = options;
  const ring = createDecisionRing(options.ringMax ?? ringMaxDefault, ringBytesMax);
  const watchers = new Set<(record: DecisionRecord) => void>();
  const { onLost, onFound } = options;
  const writer =
    store &&
    createBatchWriter<DecisionRow>({
      clock,
      write: (rows) => store.add(rows),
      sizeOf: ({ text }) => text.length,
      waitingMax,
      onLost,
      onFound,
    });
  const notes = createGatherer<NotedCall>(clock, (noted) => {
    for (const note of noted) {
      const record = decisionFrom(note);
      const row = rowFrom(record);
      ring.add(row);
      writer?.add(row);
      for (const watcher of watchers) watcher(record);
    }
  });
  /** What was noted until now can be found from now on. */
  const settled = async (): Promise<void> => {
    notes.flush();
    await writer?.settled();
  };
  const cancelPruning = startPruning({ clock, keepMs: options.keepMs }, (beforeWall, limit) => {
    ring.prune(beforeWall);
    return store?.prune(beforeWall, limit);
  });

  return {
    observer: {
      began() {
        // A decision is made of what came of it.
      },
      ended(record) {
        notes.add(noteCall(record, clock, replica));
      },
    },
    async list(query) {
      await settled();
      const texts = store === undefined ? ring.list(query) : await store.list(query).catch(() => ring.list(query));
      return texts.map(recordFrom);
    },
    async find(id) {
      await settled();
      const text = store === undefined ? ring.find(id) : ((await store.find(id).catch(() => undefined)) ?? ring.find(id));
      return text === undefined ? undefined : recordFrom(text);
    },
    watch(listener) {
      watchers.add(listener);
      return () => void watchers.delete(listener);
    },
    settled,
    lost: () => writer?.lost() ?? 0,
    async close() {
      cancelPruning();
      await settled();
    },
  };
}

function rowFrom(record: DecisionRecord): DecisionRow {
  const { id, wall, key, model, requestId, reason, attempts, target, candidates } = record;
  const answered = candidates.find((each) => each.target === target)?.provider ?? target?.slice(0, target.indexOf("/"));
  const providers = new Set([...attempts.map(({ provider }) => provider), ...(answered === undefined ? [] : [answered])]);
  return {
    id,
    wall,
    key,
    model,
    requestId,
    providers: `,${[...providers].join(",")},`,
    failed: reason !== 0,
    retried: attempts.length > 1,
    text: JSON.stringify(record),
  };
}

/** Written by this process or an earlier one of the same product, and read by nobody else. */
function recordFrom(text: string): DecisionRecord {
  const record: DecisionRecord = JSON.parse(text);
  return record;
}
