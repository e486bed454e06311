import { chance, purposeOf } from "../core/chance.ts";
import type { CallFacts, Candidate } from "../core/policy.ts";

/** After so many time constants without a word of a target, what is known of its latency may be wrong. */
const staleDecays = 6;
/** Share of the calls for which it then counts as one that nothing is known of. */
const retrialShare = 0.05;

/**
 * Whether this call is to find out how quick a target is that nothing was heard of for long: a target that was slow once, and is not
 * asked for it, would stay slow for ever. `decayMs`: the mean's time constant. `lot`: the policy's own.
 */
export function isRetrial(
  { health, target }: Candidate,
  { nowMs, seed }: CallFacts,
  how: { readonly decayMs: number; readonly lot: number },
): boolean {
  if (health.heardMs === undefined || nowMs - health.heardMs <= staleDecays * how.decayMs) return false;
  return chance(seed, how.lot ^ purposeOf(target.id)) < retrialShare;
}
