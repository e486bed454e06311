import type { Attempt, AttemptRecord, Call, Source } from "../core/call.ts";
import { CacheStatus, isEmbedRequest } from "../core/chat.ts";
import { sleep } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { AttemptStream, Handler } from "../core/handler.ts";
import { contest, type Contest, type DispatchSources } from "./contest.ts";
import { learnFrom } from "./lessons.ts";
import { noTarget, type Plan, planCall, requiresAll } from "./plan.ts";
import { Progress } from "./progress.ts";
import { holdsSealedState } from "./sealed-state.ts";
import type { Shadows } from "./shadow.ts";

/**
 * Room 5, the seam: the only function that turns a call into attempts, and the only loop that tries again. The first
 * content wins; until then a failure is somebody else's chance, after it the stream belongs to the caller.
 */
export function dispatch(sources: DispatchSources, attempt: Handler<Attempt, AttemptStream>, shadows?: Shadows): Handler<Call> {
  const { clock, retries } = sources;
  return async (call) => {
    const plan = planCall(call, sources);
    if (plan.ranked.length === 0) throw planned(noTarget(plan, call), plan);
    shadows?.send(call, plan);
    const { model } = call.request;
    const { options } = call.snapshot;
    retries.began(model);
    const progress = new Progress({
      ranked: call.request.routing?.allowFallback === false ? plan.ranked.slice(0, 1) : plan.ranked,
      attemptsMax: attemptsMax(call),
      isLone: plan.insist === "lone",
      options,
      mayBare: !isEmbedRequest(call.request) && !requiresAll(call) && holdsSealedState(call.request),
      random: randomFrom(call.seed),
      mayRepeat: () => retries.take(model, options.retryBudget),
    });
    const attempts: AttemptRecord[] = [];
    const parts: Contest = { call, progress, attempts, attempt, sources, insist: plan.insist };
    for (let step = progress.next(); step !== undefined; step = progress.next()) {
      // A wait that would outlive the deadline is not begun: the answer is known already.
      if (step.pauseMs > 0 && clock.now() + step.pauseMs >= call.deadline) break;
      try {
        if (step.pauseMs > 0) await sleep(clock, step.pauseMs, call.signal);
        const won = await contest(step, parts);
        if (won !== undefined) {
          const { stream, target, notes } = won;
          learnFrom({ call, plan, target, stream }, sources);
          return {
            source: { target, cache: CacheStatus.BYPASS, attempts, notes, ...decisionOf(plan), plan },
            batches: stream.batches,
          };
        }
      } catch (thrown) {
        if (!call.signal.aborted) throw thrown;
      }
      if (call.signal.aborted) throw planned(ended(call.signal.reason, attempts), plan);
    }
    throw planned(ended(withTrueWait(progress.verdict(), plan, sources), attempts), plan);
  };
}

/** What of the policy's decision an answer tells. */
function decisionOf({ rule, arm, failedRules }: Plan): Pick<Source, "rule" | "arm" | "failedRules"> {
  return { rule, ...(arm !== "" && { arm }), ...(failedRules.length > 0 && { failedRules }) };
}

/** A wait that is told has to be true: until the first of the call's targets may be asked again, whatever the last one said. */
function withTrueWait(error: ChatError, { ranked, excluded }: Plan, { health, clock }: DispatchSources): ChatError {
  if (error.failure !== "RATE_LIMITED" && error.failure !== "OVERLOADED") return error;
  const nowMs = clock.now();
  const targets = [
    ...ranked.map(({ candidate }) => candidate.target),
    ...excluded.flatMap((each) => (each.kind === "state" ? each.target : [])),
  ];
  const waitMs = Math.min(...targets.map(({ id }) => Math.max(0, health.view(id).coolingUntilMs - nowMs)));
  if (waitMs > (error.retryAfterMs ?? 0)) error.retryAfterMs = Math.ceil(waitMs);
  return error;
}

function attemptsMax({ request, snapshot }: Call): number {
  const { routing } = request;
  if (routing?.allowFallback === false) return 1;
  return Math.min(snapshot.options.attemptsMax, routing?.maxAttempts ?? Number.POSITIVE_INFINITY);
}

function ended(reason: unknown, attempts: readonly AttemptRecord[]): ChatError {
  const error = reason instanceof ChatError ? reason : new ChatError("CANCELLED", "the call was aborted", { cause: reason });
  error.attempts = attempts;
  return error;
}

function planned(error: ChatError, plan: Plan): ChatError {
  error.plan = plan;
  return error;
}

/** Mulberry32 (Tommy Ettinger, public domain): small, seeded, good enough for jitter. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
