import { chance, purposeOf } from "../core/chance.ts";
import type { ScoreTerm } from "../core/chat.ts";
import type { Policy, Ranked } from "../core/policy.ts";

const lot = purposeOf("least_busy");

/**
 * Fewest calls in flight relative to the concurrency limit. Whoever fails fast is never busy, so a load counts by the share of answers
 * that are good: half of them bad, and it weighs double. Among equals, idle ones above all, the lot decides, by that share.
 */
export function createLeastBusy(): Policy {
  return ({ seed }, candidates) => {
    const order = candidates.map((candidate): Placed => {
      const { successRatio, warmth } = candidate.health;
      const health = Math.max(healthMin, successRatio * warmth);
      const load = candidate.load / health;
      const late = -Math.log(1 - chance(seed, lot ^ purposeOf(candidate.target.id))) / health;
      return {
        candidate,
        score: 1 / (1 + load),
        terms: [term("load", candidate.load, 1 / (1 + load), 1), term("health", health, health, 0)],
        remark: "",
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
