import { chance, placeOf, purposeOf } from "../core/chance.ts";
import type { ScoreTerm, WeightedPolicy } from "../core/chat.ts";
import type { Candidate, Policy, Ranked } from "../core/policy.ts";

/**
 * Shares of calls by the weights of providers. The first is the one in whose part of the sum of weights the call's seed falls: seeds
 * that follow each other are spread evenly, so shares come out as smoothly as with a turn that goes round, and yet the seed alone makes
 * the ranking again. The others follow by lot, each as likely as its weight among those that are left; providers of weight 0 come last.
 */
export function createWeighted({ weights }: WeightedPolicy): Policy {
  const entries = Object.entries(weights).map(([name, weight]): [string, Named] => [name, { weight, purpose: purposeOf(name) }]);
  const named: ReadonlyMap<string, Named> = new Map(entries);

  return ({ seed }, candidates) => {
    const providers = new Map<string, Provider>();
    let sum = 0;
    for (const candidate of candidates) {
      const name = candidate.target.provider;
      const known = providers.get(name);
      if (known !== undefined) {
        known.candidates.push(candidate);
        continue;
      }
      const { weight, purpose } = named.get(name) ?? unnamed;
      sum += weight;
      // The first of exponentially distributed times, each at the rate of its weight (Efraimidis and Spirakis): a greater weight never
      // makes one later.
      const late = weight === 0 ? Number.POSITIVE_INFINITY : -Math.log(1 - chance(seed, purpose)) / weight;
      providers.set(name, { weight, late, isNamed: named.has(name), candidates: [candidate] });
    }
    const order = [...providers.values()];
    putFirst(order, placeOf(seed) * sum);
    return { order: order.toSorted(byTime).flatMap((provider) => rankedOf(provider, sum)), rule: "" };
  };
}

interface Named {
  readonly weight: number;
  readonly purpose: number;
}

interface Provider {
  readonly weight: number;
  /** Lower is earlier. */
  late: number;
  readonly isNamed: boolean;
  /** In the catalogue's order. */
  readonly candidates: Candidate[];
}

const unnamed: Named = { weight: 0, purpose: 0 };

/** Whose part of the sum `at` is in. */
function putFirst(providers: readonly Provider[], at: number): void {
  let until = 0;
  let chosen: Provider | undefined;
  for (const provider of providers) {
    if (provider.weight === 0) continue;
    chosen = provider;
    until += provider.weight;
    if (at < until) break;
  }
  if (chosen !== undefined) chosen.late = -1;
}

function byTime(one: Provider, other: Provider): number {
  // Two that are never have no difference.
  return one.late === other.late ? 0 : one.late - other.late;
}

function rankedOf({ weight, isNamed, candidates }: Provider, sum: number): Ranked[] {
  const score = sum === 0 ? 0 : weight / sum;
  const terms: readonly ScoreTerm[] = [{ $typeName: "semaroute.v1.ScoreTerm", name: "weight", raw: weight, ratio: score, weight: 1 }];
  const remark = weight > 0 ? "" : isNamed ? "a weight of 0 serves only as a last resort" : "not named by the policy";
  return candidates.map((candidate) => ({ candidate, score, terms, remark }));
}
