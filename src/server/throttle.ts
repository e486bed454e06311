import type { Clock } from "../core/clock.ts";

/** Counts something unwanted by network address. */
export interface Throttle {
  /** Counts one; 0: still tolerated, else milliseconds until the next one would be. */
  take(address: string): number;
  /** Takes back one that was counted: it turned out to be wanted. */
  forgive(address: string): void;
}

/** How much is tolerated. */
export interface ThrottleOptions {
  readonly clock: Clock;
  /** So many at once; after them one each second. Default 10. */
  readonly burst?: number;
  /** Addresses remembered; the one not seen for the longest is forgotten. Default 10,000. */
  readonly addressesMax?: number;
}

const refillMs = 1000;

/** A token bucket an address. IPv6 is counted by /64, because a single customer owns at least that. */
export function createThrottle({ clock, burst = 10, addressesMax = 10_000 }: ThrottleOptions): Throttle {
  // When each bucket would be full again; in order of use, the oldest first.
  const fullAtMs = new Map<string, number>();
  return {
    take(address) {
      const network = networkOf(address);
      const nowMs = clock.now();
      const fullAt = Math.max(nowMs, fullAtMs.get(network) ?? nowMs);
      fullAtMs.delete(network);
      const waitMs = Math.max(0, fullAt + refillMs - (nowMs + burst * refillMs));
      // What was not tolerated costs nothing, or a guesser could keep everyone else at the address waiting for ever.
      fullAtMs.set(network, waitMs > 0 ? fullAt : fullAt + refillMs);
      if (fullAtMs.size > addressesMax) {
        const oldest = fullAtMs.keys().next();
        if (oldest.done !== true) fullAtMs.delete(oldest.value);
      }
      return waitMs;
    },
    forgive(address) {
      const network = networkOf(address);
      const fullAt = fullAtMs.get(network);
      if (fullAt !== undefined) fullAtMs.set(network, fullAt - refillMs);
    },
  };
}

function networkOf(address: string): string {
  if (!address.includes(":") || address.startsWith("::ffff:")) return address;
  const [head = "", tail = ""] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const groups = address.includes("::")
    ? [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right]
    : left;
  return groups.slice(0, 4).join(":");
}
