import { keepLedgerMs } from "./assembly/store.ts";
import type { Settings } from "./config/schema.ts";
import type { Clock } from "./core/clock.ts";
import type { LedgerStore } from "./core/ledger.ts";
import { type Journal, openJournal } from "./stores/journal.ts";
import { emptyLeftJournals, isProcess, type LeftJournals } from "./stores/left-journals.ts";
import { createLedgerLog, type LedgerLog } from "./stores/ledger-log.ts";
import { createMemoryLedger } from "./stores/memory-ledger.ts";
import { describeCause } from "./telemetry/cause.ts";
import type { Log } from "./telemetry/log.ts";

/** What the ledger stands on. */
export interface LedgerParts {
  readonly settings: Settings;
  /** Undefined: the ledger ends with the process. */
  readonly store: LedgerStore | undefined;
  /** File of the journal; undefined: nothing lasts, or the store has a journal of its own. */
  readonly journal: string | undefined;
  /** Where workers of an earlier start had theirs (`emptyLeftJournals`); undefined: whoever lends the store looks after that. */
  readonly left: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** The ledger of this process, and what is told of its troubles. */
export async function startLedger({ settings, store, journal, left, clock, log }: LedgerParts): Promise<LedgerLog> {
  if (left !== undefined && store !== undefined) await emptyLeft({ path: left, unnumbered: false, store, isLive: isProcess }, log);
  return createLedgerLog({
    clock,
    store: store ?? createMemoryLedger(),
    journal: store === undefined || journal === undefined ? undefined : await journalAt(journal, log),
    keepMs: settings.store.retention?.ledger ?? keepLedgerMs,
    onAway: (cause) => log.error({ reason: reasonOf(cause) }, "the store does not take ledger rows, they wait in the journal"),
    onBack: () => log.info({}, "the store has all ledger rows again"),
    onFull: (cause) =>
      log.error(
        { reason: reasonOf(cause) },
        "neither the store nor the journal takes ledger rows, they wait in memory, and keys with a budget are refused",
      ),
    onRoom: () => log.info({}, "ledger rows have a place again, and keys with a budget are served"),
    onLost: (cause) => log.error({ reason: reasonOf(cause) }, "neither the store nor the journal takes ledger rows, they are lost"),
    onFound: (lost) => log.info({ lost }, "ledger rows are taken again"),
  });
}

/** Brings in what workers left that have ended. False: the store does not take it now; the log says so. */
export async function emptyLeft(left: Omit<LeftJournals, "onDamage">, log: Log): Promise<boolean> {
  try {
    await emptyLeftJournals({ ...left, onDamage: damageLine(log) });
    return true;
  } catch (cause) {
    log.error({ path: left.path, reason: reasonOf(cause) }, "the store does not take ledger rows that ended processes left, they wait");
    return false;
  }
}

function damageLine(log: Log): LeftJournals["onDamage"] {
  return (path, rows) => log.error({ path, rows }, "the ledger's journal was damaged, some of its rows are lost");
}

/** Without one the ledger is as lasting as its store is at hand. */
async function journalAt(path: string, log: Log): Promise<Journal | undefined> {
  try {
    return await openJournal({ path, onDamage: (rows) => damageLine(log)(path, rows) });
  } catch (cause) {
    log.error({ path, cause: describeCause(cause) }, "the ledger has no journal");
    return undefined;
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : "";
}
