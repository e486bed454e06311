import type { Failure } from "../core/error.ts";
import type { RefusalObserver } from "../core/telemetry.ts";
import type { Log } from "./log.ts";

/** What an operator should look into: somebody without the right to come in, perhaps somebody who guesses. */
const suspicious: ReadonlySet<Failure> = new Set(["CALLER_UNAUTHENTICATED", "CALLER_FORBIDDEN", "CALLER_RATE_LIMITED"]);

/** One line a refused request. `statusOf` is the REST status of a failure, also for requests by other doors. */
export function refusalLog(log: Log, statusOf: (failure: Failure) => number): RefusalObserver {
  return {
    refused({ id, requestId, door, action, address, failure, key }) {
      const fields = { call_id: id, request_id: requestId, door, action, address, reason: failure, status: statusOf(failure), key };
      // Who is known and has had enough guesses nothing.
      log[suspicious.has(failure) && key === undefined ? "warn" : "info"](fields, "refused");
    },
  };
}
