import { ChatError } from "../core/error.ts";
import type { Limiter } from "../core/limiter.ts";
import { type LoadGate, priorityOf } from "../core/overload.ts";

/** Calls in the process beyond which new ones are shed, where nobody says otherwise. */
const callsMaxDefault = 10_000;

/** The process's own bound on running calls, and its way to stop. */
export interface CallLimiter extends Limiter {
  /** From now on every call is refused with DRAINING; running ones go on. */
  drain(): void;
  /** Calls that hold a lease. */
  running(): number;
  /** Resolves as soon as no call runs; at once where none does. */
  idle(): Promise<void>;
}

/** What bounds calls. */
export interface CallLimiterOptions {
  /** Default: 10,000. */
  readonly callsMax?: number;
  /** Undefined: nothing is shed but by number. */
  readonly gate?: LoadGate | undefined;
}

/** One for the process: every call of every door asks it. */
export function createCallLimiter({ callsMax = callsMaxDefault, gate }: CallLimiterOptions = {}): CallLimiter {
  let running = 0;
  let draining = false;
  let waiting: (() => void)[] = [];

  const release = (): void => {
    running -= 1;
    if (running > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };

  return {
    acquire(call) {
      if (draining) return new ChatError("DRAINING", "this process is shutting down");
      const refusal = gate?.refusal(priorityOf(call), running);
      if (refusal !== undefined) return refusal;
      if (running >= callsMax) return new ChatError("SHED", `all ${callsMax} places for running calls are taken`, { retryAfterMs: 1000 });
      running += 1;
      let held = true;
      return {
        release() {
          if (!held) return;
          held = false;
          release();
        },
      };
    },
    drain() {
      draining = true;
    },
    running: () => running,
    idle() {
      if (running === 0) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}
