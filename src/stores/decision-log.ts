import type { Clock } from "../core/clock.ts";
import { decisionFrom, type DecisionRecord, noteCall, type NotedCall } from "../core/decision.ts";
import type { DecisionDesk } from "../core/operations.ts";
import type { DecisionRow, DecisionStore } from "../core/store.ts";
import type { CallObserver } from "../core/telemetry.ts";
import { createDecisionRing } from "./decision-ring.ts";

/** The decisions of this process: it is told of calls, and asked by operators. */
export interface DecisionLog extends DecisionDesk {
  readonly observer: CallObserver;
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

/** How long decisions may wait for each other before they are written; what a killed process loses. */
const gatherMs = 10;
/** So many do not wait. */
const gatherMax = 256;
/** Decisions of one write, and about so many characters. */
const batchMax = 500;
const batchCharactersMax = 4 * 2 ** 20;
/** Decisions that wait for a slow store; more, in number or in characters, and the oldest are lost. */
const waitingMax = 20_000;
const waitingCharactersMax = 64 * 2 ** 20;
const ringMaxDefault = 10_000;
const ringBytesMax = 64 * 2 ** 20;
/** How often what is too old is forgotten, and how much of it at once. */
const pruneEveryMs = 60_000;
const pruneMax = 2000;

/**
 * Made for every call, never sampled, and never in a call's way: a call leaves a note of what its decision is made of, the rest
 * happens afterwards, many at a time.
 */
export function createDecisionLog(options: DecisionLogOptions): DecisionLog {
  const { clock, replica, store } = options;
  const ring = createDecisionRing(options.ringMax ?? ringMaxDefault, ringBytesMax);
  const watchers = new Set<(record: DecisionRecord) => void>();
  const writer = store === undefined ? undefined : createWriter(store, options);
  let noted: NotedCall[] = [];
  let cancelTimer: (() => void) | undefined;

  const gather = (): void => {
    cancelTimer?.();
    cancelTimer = undefined;
    const notes = noted;
    noted = [];
    for (const note of notes) {
      const record = decisionFrom(note);
      const row = rowFrom(record);
      ring.add(row);
      writer?.add(row);
      for (const watcher of watchers) watcher(record);
    }
  };
  /** What was noted until now can be found from now on. */
  const settled = async (): Promise<void> => {
    gather();
    await writer?.settled();
  };
  const cancelPruning = startPruning(options, (beforeWall) => ring.prune(beforeWall));

  return {
    observer: {
      began() {
        // A decision is made of what came of it.
      },
      ended(record) {
        noted.push(noteCall(record, clock, replica));
        if (noted.length >= gatherMax) gather();
        else cancelTimer ??= clock.after(gatherMs, gather);
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
    lost: () => writer?.lost() ?? 0,
    async close() {
      cancelPruning();
      await settled();
    },
  };
}

interface Writer {
  add(row: DecisionRow): void;
  /** Resolves when all that was added so far is kept, or lost; what is added meanwhile is not waited for. */
  settled(): Promise<void>;
  lost(): number;
}

/** One write at a time, as large as what has come meanwhile. */
function createWriter(store: DecisionStore, { onLost, onFound }: DecisionLogOptions): Writer {
  const waiting: DecisionRow[] = [];
  let characters = 0;
  /** The oldest that wait, which no longer do. */
  const taken = (): DecisionRow[] => {
    let count = 0;
    let size = 0;
    while (count < batchMax && count < waiting.length && size < batchCharactersMax) size += waiting[count++]?.text.length ?? 0;
    characters -= size;
    return waiting.splice(0, count);
  };
  let running: Promise<void> | undefined;
  let added = 0;
  /** Of those, how many of the oldest are kept or lost. */
  let done = 0;
  let settlers: { readonly at: number; readonly resolve: () => void }[] = [];
  let lost = 0;
  let isLosing = false;
  const settle = (): void => {
    done = added - waiting.length;
    for (const { at, resolve } of settlers) if (at <= done) resolve();
    settlers = settlers.filter(({ at }) => at > done);
  };
  const lose = (count: number, cause: unknown): void => {
    lost += count;
    if (!isLosing) onLost(cause);
    isLosing = true;
  };
  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = taken();
      try {
        await store.add(batch);
        if (isLosing) onFound?.(lost);
        isLosing = false;
      } catch (cause) {
        lose(batch.length, cause);
      }
      settle();
    }
    running = undefined;
  };
  return {
    add(row) {
      waiting.push(row);
      added++;
      characters += row.text.length;
      if (waiting.length > waitingMax || characters > waitingCharactersMax) lose(taken().length, new Error("the store is too slow"));
      running ??= Promise.resolve().then(write);
    },
    settled: () => (done === added ? Promise.resolve() : new Promise((resolve) => settlers.push({ at: added, resolve }))),
    lost: () => lost,
  };
}

/** What is too old goes a little at a time, so that the store's other work is not kept waiting. */
function startPruning({ clock, store, keepMs }: DecisionLogOptions, pruneRing: (beforeWall: number) => void): () => void {
  let cancel: (() => void) | undefined;
  const over = new AbortController();
  const prune = async (): Promise<void> => {
    const beforeWall = clock.wall() - keepMs;
    pruneRing(beforeWall);
    // A store that does not answer will be asked again in a minute.
    if (store !== undefined) while ((await store.prune(beforeWall, pruneMax).catch(() => 0)) === pruneMax && !over.signal.aborted);
    if (!over.signal.aborted) cancel = clock.after(pruneEveryMs, () => void prune());
  };
  // Never rejects.
  void prune();
  return () => {
    over.abort();
    cancel?.();
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
