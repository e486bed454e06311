import type { Clock } from "../core/clock.ts";
import { entryFrom, isFinal, type LedgerNote, type LedgerStore, noteCopy, noteLook, noteSettlement } from "../core/ledger.ts";
import type { LedgerDesk } from "../core/operations.ts";
import type { CallObserver } from "../core/telemetry.ts";
import { createBatchWriter } from "./batch-writer.ts";
import { createGatherer } from "./gatherer.ts";
import type { Journal } from "./journal.ts";
import { createLedgerKeeper } from "./ledger-keeper.ts";
import { startPruning } from "./pruning.ts";

/** The ledger of this process: it is told of calls, and asked by operators and budgets. */
export interface LedgerLog extends LedgerDesk {
  readonly observer: CallObserver;
  /** See `LedgerStore`; what was settled until now is in it. Rejects as long as some of it is not, for a budget must not forget it. */
  spentSince(this: void, key: string, sinceWall: number): Promise<bigint>;
  /** False: neither the store nor the journal takes rows now, they wait in memory; what is spent from budgets would be forgotten. */
  takes(this: void): boolean;
  /** What was settled until now is in the store. Rejects as long as some of it is not. */
  settled(this: void): Promise<void>;
  /** Calls and copies whose rows neither the store nor the journal took, since start. */
  lost(): number;
  /** Bytes of the journal's file. */
  journalBytes(): number;
  /** Brings what waits into the store, else into the journal, else loses it; stops forgetting. */
  close(): Promise<void>;
}

/** What it needs. */
export interface LedgerLogOptions {
  readonly clock: Clock;
  readonly store: LedgerStore;
  /** Takes what the store does not take. Undefined: there is none. */
  readonly journal: Journal | undefined;
  /** How long rows are kept; milliseconds. */
  readonly keepMs: number;
  /** The store does not take rows, and they go into the journal; told once until it takes them again. Must not throw. */
  readonly onAway: (cause: unknown) => void;
  /** It has all of them again. Must not throw. */
  readonly onBack: () => void;
  /** Neither the store nor the journal takes rows, and they wait in memory; told once until they are taken. Default: nobody is. Must not throw. */
  readonly onFull?: (cause: unknown) => void;
  /** They are taken. Default: nobody is told. Must not throw. */
  readonly onRoom?: () => void;
  /** Rows are being lost; told once until some are taken again. Must not throw. */
  readonly onLost: (cause: unknown) => void;
  /** They are taken again. Must not throw. */
  readonly onFound: (lost: number) => void;
}

/** Entries in memory that neither the store nor the journal takes; more, and the oldest are lost. */
const waitingMax = 20_000;
/** How soon they are tried again. */
const retryMs = 1000;
/** How long an attempt may be behind its call: one that ignores that it was left is not waited for any longer. */
const lateMs = 5000;
/** How long whoever asks waits for a store that has to catch up with the journal. */
const followMs = 2000;
/** How often it is looked after. */
const lookMs = 20;

/**
 * Told of every call and every copy of one, and never in a call's way. What ended is written a few milliseconds later, as soon as
 * what all its attempts used is known, together with what ended beside it.
 */
export function createLedgerLog(options: LedgerLogOptions): LedgerLog {
  const { clock, store, journal, keepMs, onAway, onBack, onLost, onFound } = options;
  const keeper = createLedgerKeeper({ clock, store, journal, onAway, onBack });
  const places = watchedPlaces((entries) => keeper.keep(entries), options);
  const writer = createBatchWriter<string>({
    clock,
    write: places.keep,
    sizeOf: ({ length }) => length,
    waitingMax,
    retryMs,
    onLost,
    onFound,
  });
  const notes = createFinalNotes(clock, (note) => {
    const entry = entryFrom(note);
    if (entry.call !== undefined || entry.attempts.length > 0) writer.add(JSON.stringify(entry));
  });
  /** What was settled until now can be found from now on, if the store is there and can follow. */
  const followed = async (boundMs?: number): Promise<void> => {
    notes.flush();
    await writer.settled();
    await keeper.settled(boundMs);
  };
  const settled = async (): Promise<void> => {
    await followed();
    if (writer.waiting() > 0 || journal?.pending() === true) throw new Error("the ledger is behind: the store does not take its rows");
  };
  const cancelPruning = startPruning({ clock, keepMs }, (beforeWall, limit) => store.prune(beforeWall, limit));
  return {
    observer: {
      began() {
        // Only what is over is settled.
      },
      ended(record) {
        notes.add(noteSettlement(record, clock.wall()));
      },
      shadowed(call, attempt) {
        notes.add(noteCopy(call, attempt, clock.wall()));
      },
      looked(call, look) {
        if (look.attempts.length > 0) notes.add(noteLook(call, look, clock.wall()));
      },
    },
    async list(query) {
      await followed(followMs);
      return store.list(query);
    },
    async usage(query) {
      await followed(followMs);
      return store.usage(query);
    },
    settled,
    async spentSince(key, sinceWall) {
      await settled();
      return store.spentSince(key, sinceWall);
    },
    takes: places.takes,
    lost: () => writer.lost(),
    journalBytes: () => journal?.bytes() ?? 0,
    async close() {
      cancelPruning();
      notes.close();
      await writer.close();
      await keeper.close();
    },
  };
}

/** Whether there is a place for rows. */
function watchedPlaces(
  keep: (entries: readonly string[]) => Promise<void>,
  { onFull, onRoom }: Pick<LedgerLogOptions, "onFull" | "onRoom">,
): { keep(this: void, entries: readonly string[]): Promise<void>; takes(this: void): boolean } {
  let isFull = false;
  return {
    async keep(entries) {
      try {
        await keep(entries);
      } catch (cause) {
        if (!isFull) onFull?.(cause);
        isFull = true;
        throw cause;
      }
      if (isFull) onRoom?.();
      isFull = false;
    },
    takes: () => !isFull,
  };
}

/** Notes that are handed over once all they tell of has ended. */
interface FinalNotes {
  add(note: LedgerNote): void;
  /** Hands over what is final, now. */
  flush(): void;
  /** Hands over all there is. */
  close(): void;
}

function createFinalNotes(clock: Clock, take: (note: LedgerNote) => void): FinalNotes {
  let late: LedgerNote[] = [];
  let cancelLook: (() => void) | undefined;
  let closing = false;
  const notes = createGatherer<LedgerNote>(clock, (noted) => {
    const due = late.length === 0 ? noted : [...late, ...noted];
    late = [];
    for (const note of due) {
      if (closing || isFinal(note) || clock.now() - note.endMs > lateMs) take(note);
      else late.push(note);
    }
    if (late.length > 0) cancelLook ??= clock.after(lookMs, look);
  });
  const look = (): void => {
    cancelLook = undefined;
    notes.flush();
  };
  return {
    ...notes,
    close() {
      closing = true;
      cancelLook?.();
      notes.flush();
    },
  };
}
