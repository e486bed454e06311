import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { usageOf } from "../../src/core/chat.ts";
import { openJournal } from "../../src/stores/journal.ts";
import { createLedgerLog } from "../../src/stores/ledger-log.ts";
import { openSqliteStore } from "../../src/stores/sql/sqlite-store.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { attempt, call, record, target } from "../../test/telemetry/records.ts";

/** Calls that end in the same turn of the loop. */
const burst = 20;
/** Calls after which the store gets time to follow, as it has under a load that one process can bear; else the journal is measured. */
const breath = 200;

/** CPU that settling one call takes, in microseconds: of the thread that serves calls, and of the process. A call has one attempt. */
export async function costOfACall(calls: number): Promise<{ readonly mainMicros: number; readonly allMicros: number }> {
  const folder = await mkdtemp(join(tmpdir(), "semaroute-"));
  const store = await openSqliteStore({ path: join(folder, "x.db") });
  if (store.ledger === undefined) throw new Error("nothing lasts");
  const ignore = (): void => {};
  const journal = await openJournal({ path: join(folder, "x.ledger"), onDamage: ignore });
  const log = createLedgerLog({
    clock: systemClock,
    store: store.ledger,
    journal,
    keepMs: 1e12,
    onAway: ignore,
    onBack: ignore,
    onLost: ignore,
    onFound: ignore,
  });
  const at = target("openai", "gpt");
  const one = call();
  const settle = async (from: number, to: number): Promise<void> => {
    for (let each = from; each < to; each++) {
      const id = `0193a5b2-7c1e-7000-8000-${String(each).padStart(12, "0")}`;
      const attempts = [attempt(at, { id: `${id}.1`, usage: usageOf(100, 20), upstreamRequestId: "req_0123456789" })];
      log.observer.ended(record({ call: { ...one, id }, attempts }));
      if (each % burst === 0) await turn();
      if (each % breath === 0) await log.list({ limit: 1 });
    }
    await log.list({ limit: 1 });
  };
  // What it takes to make the records themselves is not the ledger's.
  const bare = async (from: number, to: number): Promise<void> => {
    for (let each = from; each < to; each++) {
      const id = `0193a5b2-7c1e-7000-8000-${String(each).padStart(12, "0")}`;
      const attempts = [attempt(at, { id: `${id}.1`, usage: usageOf(100, 20), upstreamRequestId: "req_0123456789" })];
      record({ call: { ...one, id }, attempts });
      if (each % burst === 0) await turn();
    }
  };
  await settle(0, calls / 5);
  await bare(0, calls / 5);
  const without = await measured(() => bare(0, calls));
  const withLedger = await measured(() => settle(calls, 2 * calls));
  await log.close();
  await store.close();
  await rm(folder, { recursive: true });
  return { mainMicros: (withLedger.main - without.main) / calls, allMicros: (withLedger.all - without.all) / calls };
}

async function measured(work: () => Promise<void>): Promise<{ readonly main: number; readonly all: number }> {
  const sum = ({ user, system }: NodeJS.CpuUsage): number => user + system;
  const main = process.threadCpuUsage();
  const all = process.cpuUsage();
  await work();
  return { main: sum(process.threadCpuUsage(main)), all: sum(process.cpuUsage(all)) };
}
