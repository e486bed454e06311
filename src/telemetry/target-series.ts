import type { AttemptRecord, Door } from "../core/call.ts";
import { usedPicoUsd } from "../core/attempts.ts";
import type { AttemptKind } from "../core/chat.ts";
import type { Families } from "./families.ts";
import type { Tally } from "./pending-counters.ts";
import { attemptKindWord, outcomeWord } from "./words.ts";

/** A histogram's series. */
export interface Observed {
  observe(seconds: number): void;
}

/** The series of one pair of provider and model, each looked up once. */
export interface TargetSeries {
  calls(door: Door, outcome: string): Tally;
  duration(door: Door): Observed;
  firstContent(): Observed;
  /** Counts what one attempt did; `endMs` is when its call ended. */
  attempted(attempt: AttemptRecord, endMs: number): void;
  /** A copy of a call came to its end: counted among the attempts, and what it used apart. */
  shadowed(attempt: AttemptRecord): void;
  /** The target failed, and the call went on elsewhere. */
  failedOver(): void;
}

/** Series come to be when first counted: most targets never fail in most ways. */
export function createTargetSeries(families: Families, provider: string, model: string): TargetSeries {
  const calls = once2((door: Door, outcome: string) => families.calls(door, provider, model, outcome));
  const attempts = once2((kind: AttemptKind, outcome: string) => families.attempts(provider, model, attemptKindWord(kind), outcome));
  const duration = once((door: Door) => families.duration.labels(door, provider, model));
  const firstContent = lazy(() => families.firstContent.labels(provider, model));
  const upstream = lazy(() => families.upstream.labels(provider, model));
  const tokens = once((kind: string) => families.tokens(provider, model, kind));
  const cost = lazy(() => families.cost(provider, model));
  const unpriced = lazy(() => families.unpriced(provider, model));
  const shadowTokens = once((kind: string) => families.shadowTokens(provider, model, kind));
  const shadowCost = lazy(() => families.shadowCost(provider, model));
  const failovers = lazy(() => families.failovers(provider, model));

  const used = (attempt: AttemptRecord): void => {
    const { usage } = attempt;
    if (usage === undefined) return;
    tokens("input").pending += usage.inputTokens;
    tokens("output").pending += usage.outputTokens;
    if (usage.cacheReadTokens !== undefined) tokens("cache_read").pending += usage.cacheReadTokens;
    if (usage.cacheWriteTokens !== undefined) tokens("cache_write").pending += usage.cacheWriteTokens;
    if (usage.reasoningTokens !== undefined) tokens("reasoning").pending += usage.reasoningTokens;
    const pico = usedPicoUsd(attempt.usage, attempt.target);
    if (pico === undefined) unpriced().pending++;
    else cost().pending += Number(pico) / 1e12;
  };

  return {
    calls,
    duration,
    firstContent,
    attempted(attempt, endMs) {
      attempts(attempt.kind, outcomeWord(attempt.error)).pending++;
      upstream().observe(((attempt.endMs ?? endMs) - attempt.startMs) / 1000);
      used(attempt);
    },
    shadowed({ kind, error, usage, target }) {
      attempts(kind, outcomeWord(error)).pending++;
      if (usage === undefined) return;
      shadowTokens("input").pending += usage.inputTokens;
      shadowTokens("output").pending += usage.outputTokens;
      const pico = usedPicoUsd(usage, target);
      if (pico !== undefined) shadowCost().pending += Number(pico) / 1e12;
    },
    failedOver: () => void failovers().pending++,
  };
}

/** Makes each value once; the keys are few: doors, kinds and outcomes. */
export function once<K, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    made.set(key, value);
    return value;
  };
}

/** Makes a value when it is first wanted. */
export function lazy<V>(make: () => V): () => V {
  const made = once(make);
  return () => made(undefined);
}

function once2<K, L, V>(make: (key: K, second: L) => V): (key: K, second: L) => V {
  const first = once((key: K) => once((second: L) => make(key, second)));
  return (key, second) => first(key)(second);
}
