import type { Call } from "../core/call.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { ChatStream, Handler, Stage } from "../core/handler.ts";
import type { Lease, Limiter } from "../core/limiter.ts";
import type { Limits, Place } from "../core/limits.ts";
import { EndTap } from "./end-tap.ts";

/**
 * Room 3: may one more call run now? Refuses, or takes a lease until the end; and where its key has limits, counts it as a request
 * and gives it a place among the key's calls.
 */
export function admit(limiter: Limiter, limits: Pick<Limits, "enter">): Stage<Call> {
  return (next) => (call) => {
    const lease = limiter.acquire(call);
    if (lease instanceof ChatError) return Promise.reject(lease);
    return call.key.limits === undefined ? leased(call, next, lease) : placed(call, next, { lease, limits });
  };
}

interface Gates {
  readonly lease: Lease;
  readonly limits: Pick<Limits, "enter">;
}

async function placed(call: Call, next: Handler<Call>, { lease, limits }: Gates): Promise<ChatStream> {
  let place: Place | ChatError;
  try {
    place = await limits.enter(call);
    if (place instanceof ChatError) throw place;
  } catch (thrown) {
    lease.release();
    throw thrown;
  }
  const held = once(place);
  const stream = await leased(call, next, bothOf(lease, held));
  // Before the caller has its last word: he may call again at once, and be served by a process that counts this one's places, too.
  return { source: stream.source, batches: new EndTap(stream.batches, () => held.release(false), true) };
}

function once(place: Place): Place {
  let isHeld = true;
  return {
    release(refused) {
      if (isHeld) place.release(refused);
      isHeld = false;
    },
  };
}

/** Given back when the call is over, whatever came of it. */
interface Held {
  release(error?: ChatError): void;
}

async function leased(call: Call, next: Handler<Call>, held: Held): Promise<ChatStream> {
  try {
    const stream = await next(call);
    return { source: stream.source, batches: new EndTap(stream.batches, () => held.release()) };
  } catch (thrown) {
    held.release(chatErrorFrom(thrown));
    throw thrown;
  }
}

/** Whom a later limit turned away has had no request. */
function bothOf(lease: Lease, place: Place): Held {
  return {
    release(error) {
      lease.release();
      place.release(error !== undefined && limitsNo.has(error.failure) && error.attempts.length === 0);
    },
  };
}

const limitsNo: ReadonlySet<string> = new Set(["CALLER_RATE_LIMITED", "BUDGET_EXHAUSTED", "REQUEST_TOO_LARGE", "STORE_UNAVAILABLE"]);
