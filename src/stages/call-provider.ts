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
    const limitMs = firstContentLimit(attempt);
    // A limit that the call's own deadline comes before needs no timer: the call's signal ends the attempt.
    const cancelTimer =
      clock.now() + limitMs >= attempt.deadline
        ? undefined
        : clock.after(limitMs, () => {
            const what = attempt.streamed ? "first content" : "answer";
            stop.abort(new ChatError("TIMEOUT", `target ${target.id} sent no ${what} within ${limitMs} ms`));
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
 * A provider's own `timeout` replaces either.
 */
function firstContentLimit({ target, streamed, request, snapshot }: Attempt): number {
  const { options } = snapshot;
  const limit = target.timeoutMs ?? (streamed ? Math.min(options.firstTokenMs, options.progressMs) : options.totalMs);
  const wished = request.routing?.firstTokenTimeout;
  if (!streamed || wished === undefined) return limit;
  return Math.min(limit, msFromDuration(wished));
}
