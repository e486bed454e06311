/**
 * `npm run ledger -- --calls 1000000`: calls of every kind by every door at vendors that keep their own books and have bad days,
 * and then both books side by side. Fails where they differ. Before it, what the ledger costs a call.
 */
import { parseArgs } from "node:util";
import { compare, quiet, readRows } from "../../test/ledger/books.ts";
import { createMeter } from "../../test/ledger/meter.ts";
import { meteredConfig } from "../../test/ledger/metered-server.ts";
import { mixedCalls } from "../../test/ledger/mixed-calls.ts";
import { startServer } from "../../test/support/server.ts";
import { costOfACall } from "./cost.ts";

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "50000" },
    callers: { type: "string", default: "48" },
    seed: { type: "string", default: "1" },
  },
});
const calls = Number(values.calls);
const seed = Number(values.seed);

const { mainMicros, allMicros } = await costOfACall(100_000);
console.log(`the ledger costs a call ${mainMicros.toFixed(2)} µs of the main thread, ${allMicros.toFixed(2)} µs with the store's`);

const meters = await Promise.all([
  createMeter("one", 0.1, seed),
  createMeter("two", 0.05, seed + 1),
  createMeter("copies", 0.05, seed + 2),
]);
const server = await startServer(meteredConfig(meters, true));
const beganMs = performance.now();
const endings = await mixedCalls({ url: server.url, calls, callers: Number(values.callers), seed: seed + 3, leavers: true });
const seconds = (performance.now() - beganMs) / 1000;
await quiet(server.url);
const readMs = performance.now();
const rows = await readRows(server.url, "secret");
const found = compare(meters, rows);
console.log(`${calls} calls in ${seconds.toFixed(0)} s, ${(calls / seconds).toFixed(0)} a second`);
for (const [ending, times] of [...endings].toSorted(([, one], [, other]) => other - one))
  console.log(`${String(times).padStart(9)}  ${ending}`);
console.log(`${found.requests} requests at vendors, ${found.rows} rows, read in ${((performance.now() - readMs) / 1000).toFixed(1)} s`);
for (const [kind, times] of found.kinds) console.log(`${String(times).padStart(9)}  ${kind}`);
console.log(`${found.estimated} rows estimated; ${found.unsent} attempts given up unsent, ${found.crossed} in the moment of their answer`);
console.log(`told    ${shown(found.told)}`);
console.log(`booked  ${shown(found.booked)}`);
console.log(`difference ${found.told.pico - found.booked.pico} of 10^-12 dollars`);
const sumMs = performance.now();
await fetch(`${server.url}/admin/usage?groupBy=key&groupBy=model&groupBy=provider&groupBy=day`, {
  headers: { authorization: "Bearer secret" },
});
console.log(`GetUsage by everything took ${(performance.now() - sumMs).toFixed(0)} ms`);
for (const fault of found.faults.slice(0, 20)) console.log(fault);
const code = await server.stop();
for (const meter of meters) await meter[Symbol.asyncDispose]();
const passed = found.faults.length === 0 && found.told.pico === found.booked.pico && code === 0;
console.log(passed ? "ledger: passed" : `ledger: FAILED (${found.faults.length} faults, exit code ${code})`);
process.exit(passed ? 0 : 1);

function shown({ input, output, cached, pico }: typeof found.told): string {
  return `${input} input (${cached} cached), ${output} output, ${pico} of 10^-12 dollars`;
}
