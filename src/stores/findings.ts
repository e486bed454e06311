import type { Hint } from "../core/hints.ts";
import type { TargetState } from "./target-state.ts";

/** Until when each axis barred a target before an attempt ended; monotonic milliseconds, 0: it did not. */
export interface BarsBefore {
  readonly openMs: number;
  /** Whether the breaker was not closed. */
  readonly isBroken: boolean;
  readonly coolingMs: number;
  readonly lockedMs: number;
}

/** What bars it now. */
export function barsBefore(state: TargetState, nowMs: number): BarsBefore {
  return {
    openMs: state.openUntilMs(nowMs) ?? 0,
    isBroken: state.breaker.sinceMs !== undefined,
    coolingMs: state.cooldown.untilMs(nowMs) ?? 0,
    lockedMs: state.lockout.untilMs(nowMs) ?? 0,
  };
}

/**
 * What an attempt has taught, so that others may be told. Only what was found here: neither a breaker that opened because
 * others said so, which would go round for ever, nor a wait that the upstream did not name.
 */
export function findingsOf(state: TargetState, before: BarsBefore, nowMs: number): readonly Hint[] {
  const { openMs, isBroken, coolingMs, lockedMs } = barsBefore(state, nowMs);
  const { id: target, breaker, cooldown } = state;
  const found: Hint[] = [];
  if (openMs > before.openMs && !breaker.isHearsay) found.push({ kind: "failing", target, ms: openMs - nowMs });
  if (before.isBroken && !isBroken) found.push({ kind: "recovered", target, ms: 1 });
  if (coolingMs > before.coolingMs && cooldown.isTold) found.push({ kind: "limited", target, ms: coolingMs - nowMs });
  if (lockedMs > before.lockedMs) found.push({ kind: "refused", target, ms: lockedMs - nowMs });
  return found;
}
