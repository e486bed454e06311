import type { Attempt } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { AttemptStage } from "../core/handler.ts";
import type { Bar, HealthTracker, Outcome, Slots } from "../core/health.ts";

/** A slot that comes so shortly before the deadline serves nobody; a refusal that comes then still arrives. */
const deadlineReserveMs = 10;

/**
 * Room 6: fails at once where the target is barred or full, so that dispatch moves on; and tells health what came of the
 * rest.
 */
export function guard(health: HealthTracker, slots: Slots, clock: Clock): AttemptStage {
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
      stream.onEnd(({ error }) => {
        end(
          error === undefined ? { kind: "succeeded", streamed, firstContentMs: stream.firstContentMs - startMs } : failed(error, streamed),
        );
      });
      return stream;
    } catch (thrown) {
      end(failed(chatErrorFrom(thrown), streamed));
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

/** Callers who leave, deadlines of theirs and faults of ours say nothing about a target. */
function failed(error: ChatError, streamed: boolean): Outcome {
  switch (error.failure) {
    case "CANCELLED":
    case "DEADLINE_EXCEEDED":
    case "DRAINING":
    case "INTERNAL":
    case "INVALID_REQUEST":
    case "CONTENT_POLICY":
      return { kind: "neutral" };
    default:
      return { kind: "failed", streamed, error };
  }
}
