import type { Attempt } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { AttemptStage } from "../core/handler.ts";
import type { Bar, HealthTracker, Outcome, Slots } from "../core/health.ts";
import { ownLimitMs } from "./call-provider.ts";
import { Witnesses } from "./witnesses.ts";

/** A slot that comes so shortly before the deadline serves nobody; a refusal that comes then still arrives. */
const deadlineReserveMs = 10;

/** Whoever is slower than that in its own measure counts as failed where nobody waited any longer. */
const usualShare = 0.95;
/** The same of a target that has not enough answers to be measured by. */
const slowMs = 5000;
/** An attempt begins a moment after its call: this much of a limit is the whole of it. */
const wholeShare = 0.9;

/**
 * Room 6: fails at once where the target is barred or full, so that dispatch moves on; and tells health what came of the
 * rest.
 */
export function guard(health: HealthTracker, slots: Slots, clock: Clock): AttemptStage {
  // When a race that a target lost last counted against it.
  const lostMs = new WeakMap<Target, number>();
  const witnesses = new Witnesses();
  const ofImpatience = (error: ChatError, attempt: Attempt, startMs: number): Outcome => {
    const nowMs = clock.now();
    const outcome = notAwaited(error, attempt, nowMs - startMs, health);
    if (outcome.kind !== "failed") return outcome;
    // A caller in a hurry, with a long question, must not close to others a target that answers them.
    if (isCallersHurry(error) && witnesses.hasOtherSince(attempt.target, attempt.key.id, startMs)) return { kind: "neutral" };
    if (!isLostRace(error)) return outcome;
    // What began before the last loss belongs to the same moment: a stall of a tenth of a second under many calls is one, not many.
    if (startMs < (lostMs.get(attempt.target) ?? Number.NEGATIVE_INFINITY)) return { kind: "neutral" };
    lostMs.set(attempt.target, nowMs);
    return outcome;
  };
  return (next) => async (attempt) => {
    const { target, streamed } = attempt;
    const release = slots.take(attempt) ?? (attempt.patienceMs > 0 ? await waitForSlot(slots, attempt, clock) : undefined);
    if (release === undefined) {
      const retryAfterMs = Math.ceil(slots.waitEstimateMs(attempt));
      throw new ChatError("SHED", `target ${target.id} has no free slot`, { skipped: "busy", retryAfterMs });
    }
    const trial = health.begin(target.id, attempt.insist);
    if ("barred" in trial) {
      release();
      const { barred, retryAfterMs } = trial;
      throw new ChatError("NO_TARGET", `target ${target.id} is not called: ${reasons[barred]}`, { skipped: barred, retryAfterMs });
    }
    const startMs = clock.now();
    // The outcome first: a freed slot is given away by the limit that the outcome leads to.
    const end = (outcome: Outcome): void => {
      trial.end(outcome);
      release();
    };
    try {
      const stream = await next(attempt);
      trial.answered();
      witnesses.answered(target, attempt.key.id, clock.now());
      stream.onEnd(({ error }) => {
        if (error === undefined) end({ kind: "succeeded", streamed, firstContentMs: stream.firstContentMs - startMs });
        else end(isImpatience(error, attempt) ? { kind: "neutral" } : failed(error, streamed));
      });
      return stream;
    } catch (thrown) {
      const error = chatErrorFrom(thrown);
      end(isImpatience(error, attempt) ? ofImpatience(error, attempt, startMs) : failed(error, streamed));
      throw thrown;
    }
  };
}

const reasons: Readonly<Record<Bar, string>> = {
  credential: "its credential is refused",
  cooling: "it asked to be left alone",
  open: "its breaker is open",
};

/** Never past the deadline, and not at all where a slot will not come before it. */
async function waitForSlot(slots: Slots, attempt: Attempt, clock: Clock): Promise<(() => void) | undefined> {
  const leftMs = attempt.deadline - clock.now() - deadlineReserveMs;
  if (leftMs < attempt.patienceMs && slots.waitEstimateMs(attempt) > leftMs) return undefined;
  try {
    return await slots.wait(attempt, Math.min(attempt.patienceMs, leftMs), attempt.signal);
  } catch (thrown) {
    // Why the call ended, and that the target was never called.
    const { failure, message } = chatErrorFrom(thrown);
    throw new ChatError(failure, message, { cause: thrown, skipped: "busy" });
  }
}

/** Whether it was ended from outside because time was up for somebody else: a deadline, our `total`, a wish, a lost race. */
function isImpatience(error: ChatError, { signal }: Attempt): boolean {
  if (error.impatient || error.failure === "DEADLINE_EXCEEDED") return true;
  if (!signal.aborted) return false;
  return error.failure === "STREAM_INTERRUPTED" ? error.cause === signal.reason : error.failure === "TIMEOUT" && error === signal.reason;
}

/** Whether the caller itself had set the time that was up: a deadline, or a wish. */
function isCallersHurry({ failure, impatient }: ChatError): boolean {
  return failure === "DEADLINE_EXCEEDED" || (failure === "TIMEOUT" && impatient);
}

/** Whether another target answered first: a hedge. */
function isLostRace({ failure, impatient }: ChatError): boolean {
  return failure === "CANCELLED" && impatient;
}

/** Impatience before the first content says something only about a target that was slow for its own measure. */
function notAwaited(error: ChatError, attempt: Attempt, ranMs: number, health: HealthTracker): Outcome {
  const { target, streamed, snapshot } = attempt;
  const usualMs = health.latencyQuantileMs(target.id, streamed, usualShare) ?? slowMs;
  const byTotal = error.failure === "TIMEOUT" && !error.impatient;
  const wholeMs = byTotal ? wholeShare * Math.min(ownLimitMs(attempt), snapshot.options.totalMs) : Number.POSITIVE_INFINITY;
  if (ranMs <= usualMs && ranMs < wholeMs) return { kind: "neutral" };
  const text = `target ${target.id} had not answered after ${Math.round(ranMs)} ms`;
  return { kind: "failed", streamed, error: new ChatError("TIMEOUT", text, { cause: error }) };
}

/** Callers who leave and faults of ours say nothing about a target. */
function failed(error: ChatError, streamed: boolean): Outcome {
  switch (error.failure) {
    case "CANCELLED":
    case "DRAINING":
    case "BUDGET_EXHAUSTED":
    case "STORE_UNAVAILABLE":
    case "INTERNAL":
    case "INVALID_REQUEST":
    case "CONTENT_POLICY":
      return { kind: "neutral" };
    default:
      return { kind: "failed", streamed, error };
  }
}
