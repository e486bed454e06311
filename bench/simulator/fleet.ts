import { purposeOf } from "../../src/core/chance.ts";
import type { TargetId } from "../../src/core/catalog.ts";
import { createDraws, type Draws } from "./draws.ts";

/** Providers that offer a model. */
const providersEach = 10;
/** How many times the calls of the busiest hour all targets of a model together can take. */
const headroom = 3;
/** No target takes less at a time. */
const capacityMin = 4;
/** Of calls to models: the second is asked for about half as often as the first, and so on (Zipf). */
const popularityExponent = 1.1;
/** What an answer holds its place for, roughly; seconds. */
const heldSeconds = 7;

/** A model at a provider, as it really is. What the router knows of it is the price. */
export interface VirtualTarget {
  readonly id: TargetId;
  readonly provider: string;
  readonly model: string;
  /** US dollars per million tokens. */
  readonly inputPrice: number;
  readonly outputPrice: number;
  /** Median milliseconds to the first token while nobody else asks. */
  readonly firstTokenMs: number;
  readonly tokensPerSecond: number;
  /** Of calls, on an ordinary day. */
  readonly failureRatio: number;
  /** Calls at a time; more are refused with 429. */
  readonly capacity: number;
  /** Its own luck, for `chance`. */
  readonly purpose: number;
}

/** Whom calls can go to. */
export interface Fleet {
  /** Names, the cheapest first. The first offers every model, and is the one that the scenes happen to. */
  readonly providers: readonly string[];
  /** Names, the most popular first. */
  readonly models: readonly string[];
  /** Sums up to 1. */
  readonly popularity: readonly number[];
  readonly targets: readonly VirtualTarget[];
}

/** What a fleet is drawn from. */
export interface FleetOptions {
  readonly seed: number;
  /** How many, roughly: ten a model. */
  readonly targets: number;
  /** Calls in a second of the busiest hour, which capacities are made for. */
  readonly peakPerSecond: number;
}

interface ProviderTraits {
  readonly name: string;
  /** Of prices, of milliseconds to the first token, of capacity: 1 is the middle. */
  readonly price: number;
  readonly slowness: number;
  readonly size: number;
  readonly failureRatio: number;
}

/** Draws providers, models, and who offers what. */
export function createFleet({ seed, targets: count, peakPerSecond }: FleetOptions): Fleet {
  const draws = createDraws(seed);
  const providers = providersFrom(draws, count >= 400 ? 2 * providersEach : providersEach);
  const modelCount = Math.max(1, Math.round(count / providersEach));
  const weights = Array.from({ length: modelCount }, (_, i) => 1 / (i + 1) ** popularityExponent);
  const sum = weights.reduce((one, other) => one + other, 0);
  const popularity = weights.map((weight) => weight / sum);
  const models = popularity.map((_, i) => `model-${i}`);
  const targets = models.flatMap((model, i) => offersOf(model, (popularity[i] ?? 0) * peakPerSecond * heldSeconds, providers, draws));
  return { providers: providers.map(({ name }) => name), models, popularity, targets };
}

/** Who is cheaper is a little slower, as a rule. */
function providersFrom(draws: Draws, count: number): ProviderTraits[] {
  const traits = Array.from({ length: count }, (): Omit<ProviderTraits, "name"> => {
    const price = draws.logNormal(1, 0.35);
    return {
      price,
      slowness: draws.logNormal(1, 0.3) / Math.sqrt(price),
      size: draws.logNormal(1, 0.4),
      failureRatio: Math.min(0.03, draws.logNormal(0.004, 0.7)),
    };
  });
  return traits.toSorted((one, other) => one.price - other.price).map((each, i) => ({ name: `p${i}`, ...each }));
}

/** `peak`: calls at a time in the busiest hour. */
function offersOf(model: string, peak: number, providers: readonly ProviderTraits[], draws: Draws): VirtualTarget[] {
  const [first, ...others] = providers;
  if (first === undefined) return [];
  const drawn = others.map((provider) => ({ provider, lot: draws.uniform() })).toSorted((one, other) => one.lot - other.lot);
  const offering = [first, ...drawn.slice(0, providersEach - 1).map(({ provider }) => provider)];
  const sizes = offering.reduce((sum, { size }) => sum + size, 0);
  const price = draws.logNormal(1, 1);
  const firstTokenMs = draws.logNormal(450, 0.4);
  const tokensPerSecond = draws.logNormal(60, 0.35);
  return offering.map((provider) => {
    const id = `${provider.name}/${model}` as TargetId;
    const inputPrice = price * provider.price * draws.logNormal(1, 0.1);
    return {
      id,
      provider: provider.name,
      model,
      inputPrice,
      outputPrice: 4 * inputPrice,
      firstTokenMs: firstTokenMs * provider.slowness * draws.logNormal(1, 0.2),
      tokensPerSecond: (tokensPerSecond * draws.logNormal(1, 0.15)) / provider.slowness,
      failureRatio: provider.failureRatio,
      capacity: Math.max(capacityMin, Math.round((headroom * peak * provider.size) / sizes)),
      purpose: purposeOf(id),
    };
  });
}
