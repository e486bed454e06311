import { chance, purposeOf } from "../core/chance.ts";
import type { LatencyPolicy, ScoreTerm } from "../core/chat.ts";
import { durationFromMs, msFromDuration } from "../core/clock.ts";
import type { CallFacts, Candidate, Policy, Ranked } from "../core/policy.ts";
import { isRetrial } from "./retrial.ts";

/** Of `HealthView.firstTokenMs`; milliseconds. */
export const decayMsDefault = 10_000;
const firstLot = purposeOf("latency: first of two");
const secondLot = purposeOf("latency: second of two");
const retrialLot = purposeOf("latency: retrial");

/** The policy's fields with their defaults. */
export function withLatencyDefaults(config: LatencyPolicy): LatencyPolicy {
  return { ...config, decay: config.decay ?? durationFromMs(decayMsDefault) };
}

/**
 * Lowest expected time to the first content (of unary calls to the whole answer). First is the quicker of two that are drawn by lot, so
 * that not everybody runs to the one that was quickest a moment ago; behind it all others, quickest first. In the mean a failure
 * counts as a slow answer.
 */
export function createLatency(config: LatencyPolicy): Policy {
  const decayMs = msFromDuration(withLatencyDefaults(config).decay ?? durationFromMs(decayMsDefault));

  return (call, candidates) => {
    const expected = candidates.map((candidate, index) => ({ candidate, index, ms: expectedMs(candidate, call, decayMs) }));
    let best = Number.POSITIVE_INFINITY;
    for (const { ms } of expected) if (ms !== undefined && ms < best) best = ms;
    if (best === Number.POSITIVE_INFINITY) best = 0;
    const entries = expected.map(({ candidate, index, ms }): Entry => ({ candidate, index, ms: ms ?? best, isKnown: ms !== undefined }));
    const winner = quickerOfTwo(entries, call.seed);
    // Stable, so that equals keep the catalogue's order.
    const order = entries.toSorted((one, other) => one.ms - other.ms);
    const first = order[0];
    return {
      order: [winner, ...order.filter((each) => each !== winner)].flatMap((each) =>
        each === undefined ? [] : rankedOf(each, best, each === winner && each !== first ? "the quicker of two drawn by lot" : ""),
      ),
      rule: "",
    };
  };
}

interface Entry {
  readonly candidate: Candidate;
  readonly index: number;
  readonly ms: number;
  readonly isKnown: boolean;
}

/** Undefined: nothing is known, or nothing that is still worth something. Longer while a target comes back from an outage. */
function expectedMs(candidate: Candidate, call: CallFacts, decayMs: number): number | undefined {
  const { health } = candidate;
  const { streamed } = call;
  const mean = decayMs === decayMsDefault ? undefined : health.otherMeans.get(decayMs);
  const ms = (streamed ? mean?.firstTokenMs : mean?.unaryMs) ?? (streamed ? health.firstTokenMs : health.unaryMs);
  return ms === undefined || isRetrial(candidate, call, { decayMs, lot: retrialLot }) ? undefined : ms / health.warmth;
}

function quickerOfTwo(entries: readonly Entry[], seed: number): Entry | undefined {
  const count = entries.length;
  const first = Math.floor(chance(seed, firstLot) * count);
  const one = entries[first];
  if (count < 2 || one === undefined) return one;
  const among = Math.floor(chance(seed, secondLot) * (count - 1));
  const other = entries[among < first ? among : among + 1];
  return other !== undefined && other.ms < one.ms ? other : one;
}

function rankedOf({ candidate, ms, isKnown }: Entry, best: number, remark: string): Ranked {
  const ratio = ms === best ? 1 : best / ms;
  const term: ScoreTerm = { $typeName: "semaroute.v1.ScoreTerm", name: "latency", raw: isKnown ? ms : 0, ratio, weight: 1 };
  return { candidate, score: ratio, terms: [term], remark };
}
