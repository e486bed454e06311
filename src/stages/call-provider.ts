import type { Attempt } from "../core/call.ts";
import { type Clock, msFromDuration } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { AttemptStream, Handler } from "../core/handler.ts";
import { ProviderStream } from "./provider-stream.ts";

/**
 * Room 7: calls the provider and waits for its first content, so that a vendor that answers 200 and then says
 * "overloaded" inside the stream is still a failed attempt, and may be tried elsewhere.
 */
export function callProvider(clock: Clock): Handler<Attempt, AttemptStream> {
  return async (attempt) => {
    const { target, snapshot } = attempt;
    const provider = snapshot.providers.get(target.provider);
    if (provider === undefined) throw new ChatError("NO_TARGET", `provider ${target.provider} is not configured`);
    const stop = new AbortController();
    const leave = (): void => {
      stop.abort(attempt.signal.reason);
    };
    if (attempt.signal.aborted) throw attempt.signal.reason;
    attempt.signal.addEventListener("abort", leave, { once: true });
    const unlink = (): void => {
      attempt.signal.removeEventListener("abort", leave);
    };
    const ownMs = ownLimitMs(attempt);
    const limitMs = Math.min(ownMs, wishedMs(attempt));
    // Where the call's deadline comes first, its signal ends the attempt. It may be put off, by callers who join; but for none
    // of them beyond the total, so that only a limit that is shorter needs a timer then.
    const isLate = clock.now() + limitMs >= attempt.deadline;
    const cancelTimer =
      isLate && limitMs >= snapshot.options.totalMs
        ? undefined
        : clock.after(isLate ? limitMs + 1 : limitMs, () => {
            const what = attempt.streamed ? "first content" : "answer";
            const impatient = limitMs < ownMs;
            stop.abort(new ChatError("TIMEOUT", `target ${target.id} sent no ${what} within ${limitMs} ms`, { impatient }));
          });
    const stream = new ProviderStream({ attempt, stop, unlink, clock }, provider.chat({ ...attempt, signal: stop.signal }));
    try {
      await stream.prime();
      return stream;
    } finally {
      cancelTimer?.();
    }
  };
}

/**
 * Streams: until the first content, which `progress` bounds as it does those after it. Unary calls: until the whole answer.
 * A provider's own `timeout` replaces either. Milliseconds, from the configuration alone.
 */
export function ownLimitMs({ target, streamed, snapshot: { options } }: Attempt): number {
  return target.timeoutMs ?? (streamed ? Math.min(options.firstTokenMs, options.progressMs) : options.totalMs);
}

/** What the caller would wait for the first content; of a whole answer that is not the request's business. */
function wishedMs({ streamed, request }: Attempt): number {
  const wished = request.routing?.firstTokenTimeout;
  return streamed && wished !== undefined ? msFromDuration(wished) : Number.POSITIVE_INFINITY;
}
