import { keepLedgerMs } from "./assembly/store.ts";
import type { Settings } from "./config/schema.ts";
import type { Clock } from "./core/clock.ts";
import type { LedgerStore } from "./core/ledger.ts";
import { type Journal, openJournal } from "./stores/journal.ts";
import { createLedgerLog, type LedgerLog } from "./stores/ledger-log.ts";
import { createMemoryLedger } from "./stores/memory-ledger.ts";
import { describeCause } from "./telemetry/cause.ts";
import type { Log } from "./telemetry/log.ts";

/** What the ledger stands on. */
export interface LedgerParts {
  readonly settings: Settings;
  /** Undefined: the ledger ends with the process. */
  readonly store: LedgerStore | undefined;
  /** File of the database, which the journal lies beside; undefined: there is none, or the store has a journal of its own. */
  readonly path: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** The ledger of this process, and what is told of its troubles. */
export async function startLedger({ settings, store, path, clock, log }: LedgerParts): Promise<LedgerLog> {
  return createLedgerLog({
    clock,
    store: store ?? createMemoryLedger(),
    journal: store === undefined || path === undefined ? undefined : await journalAt(`${path}.ledger`, log),
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

/** Without one the ledger is as lasting as its store is at hand. */
async function journalAt(path: string, log: Log): Promise<Journal | undefined> {
  const onDamage = (rows: number): void => log.error({ path, rows }, "the ledger's journal was damaged, some of its rows are lost");
  try {
    return await openJournal({ path, onDamage });
  } catch (cause) {
    log.error({ path, cause: describeCause(cause) }, "the ledger has no journal");
    return undefined;
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : "";
}
