import { chance, placeOf, purposeOf } from "../core/chance.ts";
import type { ScoreTerm, WeightedPolicy } from "../core/chat.ts";
import type { Policy, Ranked } from "../core/policy.ts";

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
    const own: Provider[] = [];
    let sum = 0;
    for (const { target } of candidates) {
      let provider = providers.get(target.provider);
      if (provider === undefined) {
        provider = providerOf(named.get(target.provider), seed);
        sum += provider.weight;
        providers.set(target.provider, provider);
      }
      own.push(provider);
    }
    putFirst(providers.values(), placeOf(seed) * sum);
    for (const provider of providers.values()) provider.terms = termsOf(provider.weight, sum);
    const order = candidates.map((candidate, index): Placed => {
      const { late, terms, remark } = own[index] ?? nobody;
      return { candidate, score: terms[0]?.ratio ?? 0, terms, remark, late };
    });
    // Stable, so that targets of one provider keep the catalogue's order.
    return { order: order.toSorted(byTime), rule: "" };
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
  terms: readonly ScoreTerm[];
  readonly remark: string;
}

interface Placed extends Ranked {
  readonly late: number;
}

/**
 * When its turn would come: the first of exponentially distributed times, each at the rate of its weight (Efraimidis and Spirakis), so
 * that a greater weight never makes one later.
 */
function providerOf(named: Named | undefined, seed: number): Provider {
  const { weight = 0, purpose = 0 } = named ?? {};
  if (weight > 0) return { weight, late: -Math.log(1 - chance(seed, purpose)) / weight, terms: [], remark: "" };
  const remark = named === undefined ? "not named by the policy" : "a weight of 0 serves only as a last resort";
  return { weight, late: Number.MAX_VALUE, terms: [], remark };
}

function termsOf(weight: number, sum: number): readonly ScoreTerm[] {
  return [{ $typeName: "semaroute.v1.ScoreTerm", name: "weight", raw: weight, ratio: sum === 0 ? 0 : weight / sum, weight: 1 }];
}

const nobody: Provider = { weight: 0, late: Number.MAX_VALUE, terms: [], remark: "" };

/** Whose part of the sum `at` is in. */
function putFirst(providers: Iterable<Provider>, at: number): void {
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

function byTime(one: Placed, other: Placed): number {
  return one.late - other.late;
}
