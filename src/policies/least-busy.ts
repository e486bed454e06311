import { chance, purposeOf } from "../core/chance.ts";
import type { ScoreTerm } from "../core/chat.ts";
import type { Policy, Ranked } from "../core/policy.ts";
import { decayMsDefault } from "./latency.ts";
import { isRetrial } from "./retrial.ts";

const lot = purposeOf("least_busy");
const retrial = { decayMs: decayMsDefault, lot: purposeOf("least_busy: retrial") };
/** Of a target whose last answer was bad. */
const fullLoad = 1;

/**
 * Fewest calls in flight relative to the concurrency limit. Whoever fails fast is never busy, so a load counts by the share of answers
 * that are good: half of them bad, and it weighs double. One whose last answer was bad counts as full at least, but for a few calls. Among
 * equals, idle ones above all, the lot decides, by that share.
 */
export function createLeastBusy(): Policy {
  return (call, candidates) => {
    const { seed } = call;
    const order = candidates.map((candidate): Placed => {
      const { successRatio, warmth, failedAtMs } = candidate.health;
      const health = Math.max(healthMin, successRatio * warmth);
      // Of a model that is seldom asked for the window is mostly empty, and a provider that refuses all calls is idle for all its models.
      const isDoubtful = failedAtMs !== undefined && !isRetrial(candidate, call, retrial);
      const load = Math.max(candidate.load / health, isDoubtful ? fullLoad : 0);
      const late = -Math.log(1 - chance(seed, lot ^ purposeOf(candidate.target.id))) / health;
      return {
        candidate,
        score: 1 / (1 + load),
        terms: [term("load", candidate.load, 1 / (1 + load), 1), term("health", health, health, 0)],
        remark: isDoubtful ? "its last answer was bad" : "",
        load,
        late,
      };
    });
    return { order: order.toSorted((one, other) => one.load - other.load || one.late - other.late), rule: "" };
  };
}

/** A target that never answered well is not infinitely busy. */
const healthMin = 0.01;

interface Placed extends Ranked {
  readonly load: number;
  /** Among equals lower comes first. */
  readonly late: number;
}

function term(name: string, raw: number, ratio: number, weight: number): ScoreTerm {
  return { $typeName: "semaroute.v1.ScoreTerm", name, raw, ratio, weight };
}
