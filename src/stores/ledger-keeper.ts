import type { Clock } from "../core/clock.ts";
import type { LedgerStore } from "../core/ledger.ts";
import type { Journal } from "./journal.ts";

/** Brings entries into the store, by way of the journal where the store is not there or slow. */
export interface LedgerKeeper {
  /** Resolves as soon as the store or the journal has them; rejects where neither takes them. */
  keep(entries: readonly string[]): Promise<void>;
  /** Resolves when what is in the journal is in the store, or cannot be brought there now, or after so many milliseconds. */
  settled(boundMs?: number): Promise<void>;
  /** Leaves what is in the journal to the next process. */
  close(): Promise<void>;
}

/** What it needs. */
export interface LedgerKeeperOptions {
  readonly clock: Clock;
  readonly store: Pick<LedgerStore, "add">;
  /** Undefined: there is none. */
  readonly journal: Journal | undefined;
  /** The store does not take entries, they go into the journal; told once until it takes them again. Must not throw. */
  readonly onAway: (cause: unknown) => void;
  /** The journal is empty again. Must not throw. */
  readonly onBack: () => void;
}

/** So long a store may take for what is nowhere else: a killed process loses no more. */
const patienceMs = 50;
/** Entries that go from the journal into the store at once. */
const batchMax = 500;
/** How long the end waits for a store that hangs: what it has not taken is in the journal. */
const farewellMs = 5000;
/** Between two tries of a store that is away; twice as long each time. */
const pauseMinMs = 500;
const pauseMaxMs = 15_000;

/**
 * As long as all is well entries go straight into the store. What it has not taken after a moment is in the journal a moment later,
 * and from then on everything goes there first, and from there into the store in its order, until the journal is empty. Some of it
 * may reach the store twice, which counts it once.
 */
export function createLedgerKeeper({ clock, store, journal, onAway, onBack }: LedgerKeeperOptions): LedgerKeeper {
  let draining: Promise<void> | undefined;
  let isAway = false;
  let closed = false;
  let wake: (() => void) | undefined;
  const away = (cause: unknown): void => {
    if (!isAway) onAway(cause);
    isAway = true;
  };
  const back = (): void => {
    if (isAway && !closed) onBack();
    isAway = false;
  };
  const drain = async (from: Journal): Promise<void> => {
    let pauseMs = pauseMinMs;
    for (;;) {
      if (closed || !from.pending()) break;
      try {
        const entries = await from.peek(batchMax);
        if (entries.length > 0) await store.add(entries);
        await from.drop();
        pauseMs = pauseMinMs;
      } catch (cause) {
        away(cause);
        if (closed) break;
        await pause(pauseMs);
        pauseMs = Math.min(2 * pauseMs, pauseMaxMs);
      }
    }
    draining = undefined;
    back();
  };
  const pause = (ms: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.after(ms, resolve);
    wake = () => {
      cancel();
      resolve();
    };
    return promise;
  };
  const start = (): void => {
    if (journal?.pending() === true && !closed) draining ??= drain(journal);
  };
  start();
  return {
    async keep(entries) {
      if (journal === undefined) return store.add(entries);
      if (!journal.pending()) {
        const outcome = await within(clock, patienceMs, store.add(entries));
        // Where the journal took nothing either, this is how it ends.
        if (outcome === "kept") return back();
        if (outcome !== "late") away(outcome.cause);
      }
      await journal.append(entries);
      start();
    },
    async settled(boundMs) {
      if (isAway || draining === undefined) return;
      await (boundMs === undefined ? draining : within(clock, boundMs, draining));
    },
    async close() {
      closed = true;
      wake?.();
      if (draining !== undefined) await within(clock, farewellMs, draining);
      await journal?.close();
    },
  };
}

/** What came of it in time. */
async function within(clock: Clock, ms: number, work: Promise<void>): Promise<"kept" | "late" | { readonly cause: unknown }> {
  const late = Promise.withResolvers<"late">();
  const cancel = clock.after(ms, () => late.resolve("late"));
  const done = work.then(
    () => "kept" as const,
    (cause: unknown) => ({ cause }),
  );
  const outcome = await Promise.race([done, late.promise]);
  cancel();
  return outcome;
}
