import { ChatError } from "../core/error.ts";
import type { Limiter } from "../core/limiter.ts";

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

/** `callsMax`: default 10,000. */
export function createCallLimiter({ callsMax = callsMaxDefault }: { readonly callsMax?: number } = {}): CallLimiter {
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
    acquire() {
      if (draining) return new ChatError("DRAINING", "this process is shutting down");
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
