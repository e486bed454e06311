/** A process whose store hangs: `node hung-store.ts JOURNAL` settles calls and prints their ids as it does, until it is killed. */
import { setTimeout as pause } from "node:timers/promises";
import { usageOf } from "../../src/core/chat.ts";
import { openJournal } from "../../src/stores/journal.ts";
import { createLedgerLog } from "../../src/stores/ledger-log.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { attempt, call, record, target } from "../telemetry/records.ts";

const ignore = (): void => {};
const log = createLedgerLog({
  clock: systemClock,
  store: { ...createMemoryLedger(), add: () => new Promise(ignore) },
  journal: await openJournal({ path: process.argv[2] ?? "", onDamage: ignore }),
  keepMs: 1e12,
  onAway: ignore,
  onBack: ignore,
  onLost: ignore,
  onFound: ignore,
});
for (let number = 0; ; number++) {
  const id = `c${number}`;
  log.observer.ended(record({ call: call({ id }), attempts: [attempt(target("sim", "m"), { id: `${id}.1`, usage: usageOf(10, 1) })] }));
  process.stdout.write(`${id}\n`);
  await pause(1);
}
