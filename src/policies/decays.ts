import type { RoutingPolicy } from "../core/chat.ts";
import { msFromDuration } from "../core/clock.ts";
import { decayMsDefault, withLatencyDefaults } from "./latency.ts";

/** Different time constants beside the usual one that one policy may ask for: a mean of each is kept for every target. */
export const decaysMax = 8;

/** Milliseconds of the time constants beside the usual one that a policy and those in it ask for, each once. */
export function decaysOf(policy: RoutingPolicy): readonly number[] {
  const found = new Set<number>();
  addDecays(policy, found);
  return [...found];
}

function addDecays({ kind }: RoutingPolicy, found: Set<number>): void {
  const add = (policy: RoutingPolicy | undefined): void => {
    if (policy !== undefined) addDecays(policy, found);
  };
  switch (kind.case) {
    case "latency": {
      const { decay } = withLatencyDefaults(kind.value);
      const ms = decay === undefined ? decayMsDefault : msFromDuration(decay);
      if (ms !== decayMsDefault) found.add(ms);
      return;
    }
    case "experiment":
      for (const { policy } of kind.value.arms) add(policy);
      return;
    case "rules":
      for (const { policy } of kind.value.rules) add(policy);
      add(kind.value.otherwise);
      return;
    default:
  }
}
