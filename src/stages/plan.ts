import type { Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { isEmbedRequest, ProviderState, TranslationAction, type TranslationNote, UnsupportedFieldPolicy } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import { estimateInputTokens } from "../core/estimate.ts";
import type { HealthTracker, HealthView, Insistence } from "../core/health.ts";
import {
  type CallFacts,
  type Candidate,
  decidedBy,
  type Policy,
  type Ranked,
  type RankedGroup,
  type ShadowTraffic,
  withHolder,
  withRemark,
} from "../core/policy.ts";
import { approximateMicroUsd } from "../core/price.ts";
import type { Conversation } from "./conversation.ts";
import { type Memory, type Outlook, outlookOf } from "./expectation.ts";
import { factsOf } from "./facts.ts";
import { modelTargets, targetsOf } from "./naming.ts";
import { misfit, needsOf, type Needs } from "./needs.ts";
import { loopIssuer } from "./sealed-state.ts";
import { hearsayLast, insistenceOf, lastResortRemark, refusalOf, type Standing, standingOf, withHearsay } from "./standing.ts";

/** What planning looks at besides the call. */
export interface PlanSources extends Memory {
  readonly health: HealthTracker;
  readonly clock: Clock;
  /** Administrative state of a provider. */
  readonly stateOf: (provider: string) => ProviderState;
}

/** Why a target is not in the ranking. */
export interface Exclusion {
  readonly target: Target;
  readonly health: HealthView;
  readonly costMicroUsd: number | undefined;
  /** Calls on their way to it, by this process and its shared count. */
  readonly load: number;
  readonly reason: string;
  /** Whose fault: the request's wishes, its size, its key's budget, or the target's state of the moment. */
  readonly kind: "feature" | "context" | "wish" | "price" | "state";
  /** For `feature`: the path in ChatRequest of what it cannot do. */
  readonly field?: string;
  /** For `state`: milliseconds until it may be over; 0: not known. */
  readonly waitMs: number;
}

/** Who is tried, in which order, and who is not, and why. */
export interface Plan {
  readonly ranked: readonly Ranked[];
  readonly excluded: readonly Exclusion[];
  /** See `PlanView`. */
  readonly groups: readonly RankedGroup[];
  readonly rule: string;
  /** Name of the experiment's arm; empty: none. */
  readonly arm: string;
  /** Who gets copies of a share of such calls. */
  readonly shadows: readonly ShadowTraffic[];
  /** Rules whose condition could not be evaluated. */
  readonly failedRules: readonly string[];
  /** What the policy was told of the call. */
  readonly facts: CallFacts;
  readonly inputTokens: number;
  /** What its attempts are made with: whether the breakers of its targets are asked. */
  readonly insist: Insistence | undefined;
  /** Whose prompt whoever answers will hold; undefined: nobody asks. */
  readonly conversation: Conversation | undefined;
}

/**
 * Names to targets, hard facts first, then the state of the moment, then the policy. The same function routes and explains.
 * Throws where a name is not known or not allowed; an empty ranking is an answer.
 */
export function planCall(call: Call, sources: PlanSources, policy: Policy = call.snapshot.policy.rank): Plan {
  const { request } = call;
  const inputTokens = estimateInputTokens(request);
  const needs = needsOf(call, inputTokens);
  const outlook = outlookOf(call, needs, sources);
  const known = factsOf(call, needs, sources.clock);
  const { nowMs } = known;
  const decided = decidedBy(policy, known);
  const excluded: Exclusion[] = [];
  const fittingTargets = fittingGroups({ call, sources, needs, outlook, model: decided.model }, excluded);
  // Found out with the targets' prices, and only where one depends on it.
  const { conversation, holder } = outlook;
  const facts: CallFacts = holder === undefined ? known : { ...known, holder };
  const fitting = sizeOf(fittingTargets);
  const standing = (wanted: Standing): Candidate[][] =>
    fittingTargets.map((candidates) => candidates.filter((candidate) => standingOf(candidate, call, fitting === 1) === wanted));

  const issuer = isEmbedRequest(request) ? undefined : loopIssuer(request);
  const usable = issuer === undefined ? standing("usable") : issuersFirst(standing("usable"), issuer);
  const insist = insistenceOf(fitting, sizeOf(usable));
  const ranked: Ranked[] = [];
  const groups: RankedGroup[] = [];
  // A policy without rules may still name one with its ranking.
  let { rule, arm } = decided;
  for (const candidates of hearsayLast(usable)) {
    const ranking = decided.rank(facts, candidates);
    if (groups.length === 0 && policy.decide === undefined) ({ rule, arm = "" } = ranking);
    const order = withHearsay(holder === undefined ? ranking.order : withHolder(ranking, holder));
    ranked.push(...(issuer === undefined ? order : order.map((each) => withLoop(each, issuer))));
    groups.push({ candidates, isLastResort: false });
  }
  const { shadows, failedRules } = decided;
  const plan: Plan = { ranked, groups, excluded, rule, arm, shadows, failedRules, facts, inputTokens, insist, conversation };
  if (ranked.length === fitting) return plan;

  // Behind all others, whatever name led to it: who most likely fails is still better than nobody.
  const lastResort = (candidates: readonly Candidate[]): void => {
    if (candidates.length === 0) return;
    groups.push({ candidates, isLastResort: true });
    for (const each of decided.rank(facts, candidates).order)
      ranked.push(withRemark(each, lastResortRemark(each.candidate.health, call, insist)));
  };
  const exclude = (candidates: readonly Candidate[]): void => {
    for (const candidate of candidates)
      excluded.push({ ...candidate, kind: "state", ...refusalOf(candidate.health, call, { nowMs, insist }) });
  };
  standing("open").forEach(insist === undefined ? exclude : lastResort);
  standing("lacking").forEach(ranked.length > 0 ? exclude : lastResort);
  standing("out").forEach(exclude);
  return plan;
}

/** An open tool loop stays where its sealed state can be read, as long as anybody there is usable; each part in the policy's order. */
function issuersFirst(groups: readonly Candidate[][], issuer: string): readonly Candidate[][] {
  const own = groups.map((candidates) => candidates.filter(({ target }) => target.issuer === issuer));
  if (sizeOf(own) === 0) return groups;
  return [...own, ...groups.map((candidates) => candidates.filter(({ target }) => target.issuer !== issuer))];
}

function withLoop(ranked: Ranked, issuer: string): Ranked {
  return ranked.candidate.target.issuer === issuer ? withRemark(ranked, `reads the open tool loop's ${issuer} tokens`) : ranked;
}

/** Targets that can serve the call whatever the moment is like: a group for the model, and one for each fallback. */
function fittingGroups(context: ExclusionContext, excluded: Exclusion[]): Candidate[][] {
  const { call } = context;
  const fallbacks = call.request.routing?.fallbackModels ?? [];
  const seen = new Set<string>();
  const groups: Candidate[][] = [];
  for (let i = -1; i < fallbacks.length; i++) {
    const targets = i < 0 ? modelTargets(call, context.model) : targetsOf(call, fallbacks[i] ?? "", `routing.fallback_models[${i}]`);
    const group: Candidate[] = [];
    for (const target of targets) {
      if (seen.has(target.id)) continue;
      seen.add(target.id);
      const candidate = candidateOf(target, context);
      const no = unfitness(candidate, context);
      if (no === undefined) group.push(candidate);
      else excluded.push({ ...candidate, ...no });
    }
    groups.push(group);
  }
  return groups;
}

function sizeOf(groups: readonly (readonly Candidate[])[]): number {
  let size = 0;
  for (const group of groups) size += group.length;
  return size;
}

/** What a call is refused with when no target is left. */
export function noTarget({ excluded }: Plan, { request }: Pick<Call, "request">): ChatError {
  const { model } = request;
  const why = excluded.slice(0, 8).map((each) => `${each.target.id}: ${each.reason}`);
  const text = `no target can serve ${JSON.stringify(model)}: ${why.length === 0 ? "none is allowed" : why.join("; ")}`;
  const states = excluded.filter((each) => each.kind === "state");
  if (states.length > 0 || excluded.length === 0) {
    const waits = states.map((each) => each.waitMs).filter((ms) => ms > 0);
    return new ChatError("NO_TARGET", text, { retryAfterMs: waits.length === 0 ? 1000 : Math.min(...waits) });
  }
  if (excluded.some((each) => each.kind === "context"))
    return new ChatError("CONTEXT_LENGTH_EXCEEDED", text, { field: isEmbedRequest(request) ? "input" : "messages" });
  if (excluded.some((each) => each.kind === "price")) return new ChatError("INVALID_REQUEST", text, { field: "model" });
  const lacking = excluded.filter((each) => each.kind === "feature");
  if (lacking.length > 0)
    return new ChatError("UNSUPPORTED_FEATURE", text, { field: lacking.find((each) => each.field !== undefined)?.field });
  return new ChatError("NO_TARGET", text, { retryAfterMs: 1000 });
}

function candidateOf(target: Target, { sources, outlook }: ExclusionContext): Candidate {
  const expected = outlook.at(target);
  const cost = target.price === undefined ? undefined : approximateMicroUsd(target.price, expected);
  const { health } = sources;
  return { target, health: health.view(target.id), costMicroUsd: cost, expected, load: health.load(target.id) };
}

type Unfit = Pick<Exclusion, "reason" | "kind" | "waitMs" | "field">;

interface ExclusionContext {
  readonly call: Call;
  readonly needs: Needs;
  readonly outlook: Outlook;
  readonly sources: PlanSources;
  /** Put in the place of the model asked for; empty: it stays. */
  readonly model: string;
}

/** Hard facts: the caller's wishes, the operator's, and what the model is known not to do. */
function unfitness({ target, costMicroUsd }: Candidate, { call, needs, sources }: ExclusionContext): Unfit | undefined {
  const { routing } = call.request;
  if (target.price === undefined && (call.key.limits?.budgetMicroUsd ?? 0) > 0)
    return { reason: "unpriced, and the key has a budget", kind: "price", waitMs: 0 };
  if (routing !== undefined) {
    if (routing.allowProviders.length > 0 && !routing.allowProviders.includes(target.provider)) return wish("not in allow_providers");
    if (routing.denyProviders.includes(target.provider)) return wish("in deny_providers");
    const ceiling = routing.maxCostMicroUsd;
    if (ceiling !== undefined && costMicroUsd === undefined) return wish("unpriced, and the call has a ceiling on its cost");
    if (ceiling !== undefined && costMicroUsd !== undefined && costMicroUsd > Number(ceiling))
      return wish("expected to cost more than max_cost_micro_usd");
  }
  const state = sources.stateOf(target.provider);
  if (state === ProviderState.DISABLED) return { reason: "provider disabled", kind: "state", waitMs: 0 };
  if (state === ProviderState.DRAINING) return { reason: "provider draining", kind: "state", waitMs: 0 };
  const unfit = misfit(target, needs);
  if (unfit !== undefined) return { ...unfit, waitMs: 0 };
  const lost = unsupported(call, target);
  return lost && { reason: `cannot honour ${lost.field}`, kind: "feature", waitMs: 0, field: lost.field };
}

function wish(reason: string): Unfit {
  return { reason, kind: "wish", waitMs: 0 };
}

/** Whether nothing of the request may be dropped: by the caller's wish, else by the server's setting. */
export function requiresAll({ request, snapshot }: Call): boolean {
  const wished = request.routing?.unsupportedFields ?? UnsupportedFieldPolicy.UNSPECIFIED;
  if (wished === UnsupportedFieldPolicy.UNSPECIFIED) return snapshot.options.unsupportedFields === "require";
  return wished === UnsupportedFieldPolicy.REQUIRE;
}

/** Under `require`: what the translation to this target would drop. */
function unsupported(call: Call, target: Target): TranslationNote | undefined {
  return requiresAll(call) ? notesFor(call, target).find((note) => note.action === TranslationAction.DROPPED) : undefined;
}

/** What the translation of this call to this target would change; pure, calls nobody. */
export function notesFor(call: Call, target: Target): readonly TranslationNote[] {
  const translator = call.snapshot.providers.get(target.provider)?.translator;
  if (translator === undefined) return [];
  try {
    return translator.notes(call.request, target, call.streamed);
  } catch (thrown) {
    if (!(thrown instanceof ChatError)) throw thrown;
    return [
      { $typeName: "semaroute.v1.TranslationNote", field: thrown.field ?? "", action: TranslationAction.DROPPED, message: thrown.message },
    ];
  }
}
