import type { Attempt, AttemptRecord, Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { chance, purposeOf } from "../core/chance.ts";
import { AttemptKind, isEmbedRequest, ProviderState } from "../core/chat.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { AttemptStream, Handler } from "../core/handler.ts";
import type { ShadowTraffic } from "../core/policy.ts";
import type { CallObserver } from "../core/telemetry.ts";
import { misfit, mustNotRunTwice, needsOf } from "./needs.ts";
import type { Plan, PlanSources } from "./plan.ts";

/** Copies under way in the process; more are not sent. */
const runningMax = 64;

/** Sends copies of calls elsewhere. */
export interface Shadows {
  /** Sends what the plan's policy wants to be copied. Returns at once, and never throws. */
  send(call: Call, plan: Plan): void;
  /** Ends those that run, and sends no more. */
  stop(): void;
}

/** What they work with. */
export interface ShadowParts {
  readonly sources: PlanSources;
  /** The way of every other attempt: slots, breaker, time limits. */
  readonly attempt: Handler<Attempt, AttemptStream>;
  readonly observers: readonly CallObserver[];
  /** Whether memory or time is short now, and nothing is done that nobody waits for. */
  readonly sparing: () => boolean;
}

/** Copies of real calls for comparison: the call does not wait for them, and their answers are read and thrown away. */
export function createShadows(parts: ShadowParts): Shadows {
  const running = new Set<AbortController>();
  let stopped = false;
  return {
    send(call, plan) {
      if (plan.shadows.length === 0 || stopped || mustNotRunTwice(call)) return;
      for (const [index, shadow] of plan.shadows.entries()) {
        if (running.size >= runningMax || parts.sparing()) return;
        if (chance(call.seed, purposeOf(`shadow: ${shadow.target}`)) >= shadow.share) continue;
        const target = shadowTarget(call, shadow, parts);
        if (target === undefined || target.id === plan.ranked[0]?.candidate.target.id) continue;
        const stop = new AbortController();
        running.add(stop);
        // After the call's own attempt has begun, whose turn comes first. Nothing rejects.
        void Promise.resolve()
          .then(() => runCopy({ call, target, stop, ordinal: index + 1 }, parts))
          .finally(() => running.delete(stop));
      }
    },
    stop() {
      stopped = true;
      for (const each of running) each.abort(new ChatError("DRAINING", "this replica is going away"));
    },
  };
}

/** Undefined: it cannot serve this call now. The key's list is not asked, for no caller gets to see the answer. */
function shadowTarget(call: Call, { target: name }: ShadowTraffic, { sources }: ShadowParts): Target | undefined {
  const { request, snapshot } = call;
  const kind = isEmbedRequest(request) ? "embedding" : "chat";
  const [target] = snapshot.catalog.resolve(name, kind, { ...call.key, models: undefined }) ?? [];
  if (target === undefined) return undefined;
  const state = sources.stateOf(target.provider);
  if (state === ProviderState.DISABLED || state === ProviderState.DRAINING) return undefined;
  return misfit(target, needsOf(call)) === undefined ? target : undefined;
}

interface Copy {
  readonly call: Call;
  readonly target: Target;
  readonly stop: AbortController;
  /** From 1. */
  readonly ordinal: number;
}

async function runCopy({ call, target, stop, ordinal }: Copy, { sources: { clock }, attempt, observers }: ShadowParts): Promise<void> {
  const { totalMs } = call.snapshot.options;
  const deadline = clock.now() + totalMs;
  const record: AttemptRecord = {
    id: `${call.id}.shadow${ordinal}`,
    target,
    kind: AttemptKind.SHADOW,
    startWall: clock.wall(),
    startMs: clock.now(),
    firstContentMs: undefined,
    endMs: undefined,
    status: 0,
    upstreamRequestId: "",
    error: undefined,
    usage: undefined,
    won: false,
  };
  // Who leaves, or whose call is cut, ends the copy with it; a call that is over lets it go on.
  const leave = (): void => stop.abort(call.signal.reason);
  if (call.signal.aborted) leave();
  call.signal.addEventListener("abort", leave, { once: true });
  const cancelTimer = clock.after(totalMs, () => stop.abort(new ChatError("TIMEOUT", `the copy took longer than ${totalMs} ms`)));
  try {
    stop.signal.throwIfAborted();
    // Never in anybody's way: it waits for no slot, and goes past no breaker.
    const copy = { ...call, target, signal: stop.signal, deadline, deadlineByCaller: false, ordinal: 0, patienceMs: 0, insist: undefined };
    const stream = await attempt(copy);
    record.firstContentMs = stream.firstContentMs;
    record.status = stream.head.status;
    record.upstreamRequestId = stream.head.requestId;
    stream.onEnd(({ error, usage }) => {
      record.error = error;
      record.usage = usage;
    });
    for (let next = await stream.batches.next(); next.done !== true; next = await stream.batches.next());
  } catch (thrown) {
    const error = chatErrorFrom(thrown);
    record.error ??= error;
    record.usage ??= error.usage;
    if (error.upstream !== undefined && record.status === 0) record.status = error.upstream.status;
  } finally {
    cancelTimer();
    call.signal.removeEventListener("abort", leave);
    record.endMs = clock.now();
    for (const observer of observers) observer.shadowed?.(call, record);
  }
}
