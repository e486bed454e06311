import type { Key, KeyId } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import type { Allowance, Allowances } from "../core/limits.ts";

/** How keys' limits a minute stand, as far as a worker has heard. Bounded. */
export interface HeardAllowances {
  hear(key: Key, allowances: Allowances | undefined): void;
  /** Tokens that were set aside are free again; fewer than none: more were used. */
  unused(key: Key, tokens: number): void;
  /** Undefined: the key is limited in none of them. */
  now(key: Key): Allowances | undefined;
  size(): number;
}

/** Keys that are remembered; the longest unheard of are forgotten. */
const keysMax = 10_000;

interface Heard {
  readonly allowances: Allowances;
  readonly atMs: number;
}

/** Of what others did since then it does not know. */
export function createHeardAllowances(clock: Clock): HeardAllowances {
  const heard = new Map<KeyId, Heard>();
  return {
    hear({ id }, allowances) {
      if (allowances === undefined) return;
      heard.delete(id);
      heard.set(id, { allowances, atMs: clock.now() });
      if (heard.size <= keysMax) return;
      const [oldest] = heard.keys();
      if (oldest !== undefined) heard.delete(oldest);
    },
    unused({ id }, tokens) {
      const known = heard.get(id);
      if (known?.allowances.tokens === undefined) return;
      const { limit, remaining, resetMs } = known.allowances.tokens;
      const corrected = { limit, remaining: Math.min(limit, Math.max(0, remaining + tokens)), resetMs };
      heard.set(id, { ...known, allowances: { ...known.allowances, tokens: corrected } });
    },
    now({ id, limits }) {
      if (limits === undefined || (limits.requestsPerMinute === 0 && limits.tokensPerMinute === 0)) return undefined;
      const known = heard.get(id);
      const elapsedMs = known === undefined ? 0 : clock.now() - known.atMs;
      const { requests, tokens } = known?.allowances ?? {};
      return {
        wallMs: clock.wall(),
        ...(limits.requestsPerMinute > 0 && { requests: allowanceAfter(elapsedMs, limits.requestsPerMinute, requests) }),
        ...(limits.tokensPerMinute > 0 && { tokens: allowanceAfter(elapsedMs, limits.tokensPerMinute, tokens) }),
      };
    },
    size: () => heard.size,
  };
}

/** The limit may be another one meanwhile. */
function allowanceAfter(elapsedMs: number, limit: number, then: Allowance | undefined): Allowance {
  const resetMs = Math.max(0, Math.ceil((then?.resetMs ?? 0) - elapsedMs));
  if (then === undefined || resetMs === 0) return { limit, remaining: limit, resetMs: 0 };
  return { limit, remaining: Math.max(0, limit - (then.limit - then.remaining)), resetMs };
}
