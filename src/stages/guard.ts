import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { AttemptStage } from "../core/handler.ts";
import type { HealthTracker, Outcome, Slots } from "../core/health.ts";
import type { Clock } from "../core/clock.ts";

/**
 * Room 6: fails at once where the breaker is open, the target cools down or its provider has no free slot, so that
 * dispatch moves on; and tells health what came of the rest.
 */
export function guard(health: HealthTracker, slots: Slots, clock: Clock): AttemptStage {
  return (next) => async (attempt) => {
    const { target, patienceMs, signal, streamed } = attempt;
    const release = slots.take(target.provider) ?? (patienceMs > 0 ? await slots.wait(target.provider, patienceMs, signal) : undefined);
    if (release === undefined) {
      throw new ChatError("SHED", `provider ${target.provider} has no free slot`, { skipped: "busy", retryAfterMs: 1000 });
    }
    const trial = health.begin(target.id);
    if ("barred" in trial) {
      release();
      const why = trial.barred === "open" ? "its breaker is open" : "it asked to be left alone";
      throw new ChatError("NO_TARGET", `target ${target.id} is not called: ${why}`, {
        skipped: trial.barred,
        retryAfterMs: trial.retryAfterMs,
      });
    }
    const startMs = clock.now();
    try {
      const stream = await next(attempt);
      trial.answered();
      stream.onEnd(({ error }) => {
        release();
        trial.end(
          error === undefined ? { kind: "succeeded", streamed, firstContentMs: stream.firstContentMs - startMs } : outcomeFrom(error),
        );
      });
      return stream;
    } catch (thrown) {
      release();
      trial.end(outcomeFrom(chatErrorFrom(thrown)));
      throw thrown;
    }
  };
}

/** Callers who leave, deadlines of theirs and faults of ours say nothing about a target. */
function outcomeFrom(error: ChatError): Outcome {
  switch (error.failure) {
    case "CANCELLED":
    case "DEADLINE_EXCEEDED":
    case "DRAINING":
    case "INTERNAL":
    case "INVALID_REQUEST":
    case "CONTENT_POLICY":
      return { kind: "neutral" };
    default:
      return { kind: "failed", error };
  }
}
