import type { Clock } from "../core/clock.ts";
import type { Slots } from "../core/health.ts";

/** `max_concurrent` where nobody declared another. */
const slotsDefault = 256;
/** Calls that may wait for a slot of one provider; more are sent away at once. */
const waitersMax = 1000;

/** Slots whose sizes come from the configuration. */
export interface ProviderSlots extends Slots {
  /** Sets a provider's maximum; waiters move up where it grew, and nobody is thrown out where it shrank. */
  declare(provider: string, max: number): void;
  /** Slots taken now. */
  inUse(provider: string): number;
}

interface Pool {
  max: number;
  used: number;
  /** In order of arrival; each is given its slot, or removes itself. */
  readonly waiters: Set<(release: () => void) => void>;
}

/** Bounds the concurrent calls of each provider, first come first served. */
export function createSlots(clock: Clock): ProviderSlots {
  const pools = new Map<string, Pool>();

  const poolOf = (provider: string): Pool => {
    const known = pools.get(provider);
    if (known !== undefined) return known;
    const pool: Pool = { max: slotsDefault, used: 0, waiters: new Set() };
    pools.set(provider, pool);
    return pool;
  };

  return {
    declare(provider, max) {
      const pool = poolOf(provider);
      pool.max = max;
      admitWaiters(pool);
    },
    inUse: (provider) => pools.get(provider)?.used ?? 0,
    take: (provider) => take(poolOf(provider)),
    wait(provider, ms, signal) {
      const pool = poolOf(provider);
      if (signal.aborted) return Promise.reject(signal.reason);
      const free = take(pool);
      if (free !== undefined || ms <= 0 || pool.waiters.size >= waitersMax) return Promise.resolve(free);
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          pool.waiters.delete(admitted);
          cancelTimer();
          signal.removeEventListener("abort", onAbort);
        };
        const admitted = (release: () => void): void => {
          leave();
          resolve(release);
        };
        const onAbort = (): void => {
          leave();
          reject(signal.reason);
        };
        const cancelTimer = clock.after(ms, () => {
          leave();
          resolve(undefined);
        });
        signal.addEventListener("abort", onAbort, { once: true });
        pool.waiters.add(admitted);
      });
    },
  };
}

function take(pool: Pool): (() => void) | undefined {
  if (pool.used >= pool.max) return undefined;
  pool.used += 1;
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    pool.used -= 1;
    admitWaiters(pool);
  };
}

/** A freed slot is taken for the first waiter before anybody else can ask, so that newcomers never overtake. */
function admitWaiters(pool: Pool): void {
  for (const admitted of pool.waiters) {
    const release = take(pool);
    if (release === undefined) return;
    admitted(release);
  }
}
