import type { RoutingPolicy } from "../core/chat.ts";
import { msFromDuration } from "../core/clock.ts";
import { decayMsDefault, withLatencyDefaults } from "./latency.ts";
import { withNested } from "./nested.ts";

/** Different time constants beside the usual one that one policy may ask for: a mean of each is kept for every target. */
export const decaysMax = 8;

/** Milliseconds of the time constants beside the usual one that a policy and those in it ask for, each once. */
export function decaysOf(policy: RoutingPolicy): readonly number[] {
  const found = new Set<number>();
  for (const { kind } of withNested(policy)) {
    if (kind.case !== "latency") continue;
    const { decay } = withLatencyDefaults(kind.value);
    const ms = decay === undefined ? decayMsDefault : msFromDuration(decay);
    if (ms !== decayMsDefault) found.add(ms);
  }
  return [...found];
}
