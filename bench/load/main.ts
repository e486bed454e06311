// The load generator: a process of its own that runs one Load after another, as the runner asks over IPC.
// Closed loop: each of a fixed number of callers begins its next call when the last one is answered and verified.
import { createLockstep } from "../lockstep.ts";
import { createUpstream } from "../upstream.ts";
import { grpcCallers } from "./grpc.ts";
import { restCallers } from "./rest.ts";
import type { Caller, CallOutcome, Load, LoadResult } from "./words.ts";

// With a port and a mode, the upstream lives in this process too and keeps step with the callers. Usage: node main.ts [PORT one|burst]
const [upstreamPort, mode] = process.argv.slice(2);
const lockstep = mode === "one" || mode === "burst" ? createLockstep() : undefined;
if (lockstep !== undefined) createUpstream(mode === "burst" ? "burst" : "one", lockstep).listen(Number(upstreamPort), "127.0.0.1");

process.on("message", (load: Load) => {
  run(load).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));

/** After a failure a caller waits this long, so that a dead contender does not turn the loop into a spin. */
const pauseAfterFailureMs = 50;

async function run(load: Load): Promise<LoadResult> {
  const connections = await (load.protocol === "grpc" ? grpcCallers(load) : restCallers(load, lockstep));
  const tally = { calls: 0, failures: 0, pieces: 0, failure: undefined as string | undefined };
  const firsts: number[] = [];
  const begun = performance.now();
  const end = begun + load.seconds * 1000;

  function count(outcome: CallOutcome): void {
    if (outcome.failure !== undefined) {
      tally.failures++;
      tally.failure ??= outcome.failure;
      return;
    }
    tally.calls++;
    tally.pieces += outcome.pieces;
    firsts.push(outcome.firstMs);
  }

  const loop = (caller: Caller): Promise<void> =>
    new Promise((resolve) => {
      const next = (): void => {
        if (performance.now() >= end) return resolve();
        caller((outcome) => {
          count(outcome);
          if (outcome.failure === undefined) next();
          else setTimeout(next, pauseAfterFailureMs);
        });
      };
      next();
    });
  await Promise.all(connections.callers.map(loop));
  const seconds = (performance.now() - begun) / 1000;
  connections.close();

  firsts.sort((a, b) => a - b);
  const quantile = (share: number): number => firsts[Math.min(firsts.length - 1, Math.floor(firsts.length * share))] ?? Number.NaN;
  const { calls, failures, failure, pieces } = tally;
  return { calls, failures, failure, seconds, piecesPerCall: pieces / calls, firstMs: { p50: quantile(0.5), p99: quantile(0.99) } };
}
