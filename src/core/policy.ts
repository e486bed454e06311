import type { Holding } from "./affinity.ts";
import type { Key } from "./call.ts";
import type { Target } from "./catalog.ts";
import type { ScoreTerm } from "./chat.ts";
import type { HealthView } from "./health.ts";
import type { PricedCounts } from "./price.ts";

/** What a policy may know of a call. No prompt, no key's secret. */
export interface CallFacts {
  /** Model as asked for. */
  readonly model: string;
  readonly inputTokens: number;
  readonly streamed: boolean;
  /** It offers the model at least one tool. */
  readonly hasTools: boolean;
  /** It shows the model at least one image. */
  readonly hasImages: boolean;
  /** Of the day in UTC, 0 to 23. */
  readonly hour: number;
  readonly key: Pick<Key, "id" | "name" | "labels">;
  /** The caller's word. */
  readonly tags: Readonly<Record<string, string>>;
  /** What belongs together by the caller's word; empty: it did not say. */
  readonly affinityKey: string;
  /** For whom the caller asks; empty: it did not say. */
  readonly endUserId: string;
  /** Monotonic milliseconds, the clock of `HealthView`. */
  readonly nowMs: number;
  /** All randomness, so that a ranking can be made again; see `chance.ts`. */
  readonly seed: number;
  /** Who holds the conversation's prompt warm; absent: nobody, or it does not matter to this call. */
  readonly holder?: Holder | undefined;
}

/** A holder of the call's conversation. */
export interface Holder extends Holding {
  /** The caller itself named the conversation, and wants to stay. */
  readonly named: boolean;
}

/** The counts that a call is expected to have at a target. */
export type Expectation = Pick<
  PricedCounts,
  "inputTokens" | "outputTokens" | "cacheReadTokens" | "cacheWriteTokens" | "cacheWriteHourTokens"
>;

/** A target that can serve the call, with what is known of it now. */
export interface Candidate {
  readonly target: Target;
  readonly health: HealthView;
  /** Expected cost of the call in millionths of a US dollar; undefined: unpriced. */
  readonly costMicroUsd: number | undefined;
  /** See `HealthTracker.load`. */
  readonly load: number;
  /** What that cost is the price of. */
  readonly expected?: Expectation;
}

/** A candidate in its place. */
export interface Ranked {
  readonly candidate: Candidate;
  /** Higher is better; 0 where the policy does not score. */
  readonly score: number;
  readonly terms: readonly ScoreTerm[];
  /** Why it stands where it stands, where the score does not say it; empty otherwise. */
  readonly remark: string;
}

/** Best first; holds every candidate exactly once. */
export interface Ranking {
  readonly order: readonly Ranked[];
  /** Name of the rule that matched, those of nested rules behind it with a `/` between them; empty: none. */
  readonly rule: string;
  /** Name of the experiment's arm, written likewise; absent: none. */
  readonly arm?: string;
  /** Present where the order has weighed by itself what leaving a conversation's holder means; else a named one's is put first. */
  readonly weighsHolder?: true;
}

/** A copy of some calls for a target whose answers nobody sees. */
export interface ShadowTraffic {
  /** `provider/model`. */
  readonly target: string;
  /** Of the calls, 0 to 1. */
  readonly share: number;
}

/** Which policy orders a call's targets, and what else follows from the facts alone. */
export interface Decided {
  readonly rank: Policy;
  /** Replaces the model asked for; empty: it stays. */
  readonly model: string;
  /** As in `Ranking`. */
  readonly rule: string;
  /** Empty: none. */
  readonly arm: string;
  readonly shadows: readonly ShadowTraffic[];
  /** Rules whose condition could not be evaluated, and that therefore did not match. */
  readonly failedRules: readonly string[];
}

/** Candidates that were ranked together. */
export interface RankedGroup {
  /** In the order in which the policy was given them: equals keep it, and lots are drawn by it. */
  readonly candidates: readonly Candidate[];
  /** Nobody in it is usable, and nobody is put first for the sake of a conversation. */
  readonly isLastResort: boolean;
}

/** How the targets of a call were ranked, as its record keeps it. Holds nothing of what the caller wrote but the model's name. */
export interface PlanView {
  /** What the policy was told of the call. */
  readonly facts: CallFacts;
  readonly ranked: readonly Ranked[];
  /** What the policy ordered one by one: the model's targets, each fallback's, the last resorts. `ranked` is their orders in a row. */
  readonly groups: readonly RankedGroup[];
  readonly excluded: readonly (Candidate & { readonly reason: string })[];
  /** Name of the rule that matched; empty: none. */
  readonly rule: string;
  /** Name of the experiment's arm; empty or absent: none. */
  readonly arm?: string;
}

/** Pure over an immutable snapshot, so that routing, Explain and Simulate are the same function. */
export interface Policy {
  (call: CallFacts, candidates: readonly Candidate[]): Ranking;
  /** Present where facts decide what applies, before the call's targets are looked up. */
  readonly decide?: (call: CallFacts) => Decided;
}

/** What follows from the facts; of a policy that does not decide, itself and nothing else. */
export function decidedBy(policy: Policy, call: CallFacts): Decided {
  return policy.decide?.(call) ?? { rank: policy, model: "", rule: "", arm: "", shadows: [], failedRules: [] };
}

/** A policy that facts decide on. */
export function decidingPolicy(decide: (call: CallFacts) => Decided): Policy {
  const rank = (call: CallFacts, candidates: readonly Candidate[]): Ranking => {
    const { rank: chosen, rule, arm } = decide(call);
    return { order: chosen(call, candidates).order, rule, arm };
  };
  return Object.assign(rank, { decide });
}

/** Says who holds the conversation, and puts it first where the caller named it and the policy has no word of its own on that. */
export function withHolder({ order, weighsHolder }: Ranking, { target, tokens, named }: Holder): readonly Ranked[] {
  const at = order.findIndex(({ candidate }) => candidate.target.id === target);
  const found = order[at];
  if (found === undefined) return order;
  const holder = withRemark(found, tokens > 0 ? `holds about ${tokens} tokens of this conversation` : "holds this conversation");
  if (!named || weighsHolder === true) return order.with(at, holder);
  return [holder, ...order.toSpliced(at, 1)];
}

/** With one more reason behind those it has. */
export function withRemark(ranked: Ranked, why: string): Ranked {
  return { ...ranked, remark: ranked.remark === "" ? why : `${ranked.remark}; ${why}` };
}
