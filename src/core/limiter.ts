import type { Call } from "./call.ts";
import type { ChatError } from "./error.ts";

/** Leave to run one call; to be given back exactly once, whatever came of it. */
export interface Lease {
  release(): void;
}

/** Who may start now. */
export interface Limiter {
  /** A lease, or why not: SHED, DRAINING, a limit. */
  acquire(call: Call): Lease | ChatError;
}
