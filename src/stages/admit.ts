import type { Call } from "../core/call.ts";
import { ChatError } from "../core/error.ts";
import type { Stage } from "../core/handler.ts";
import type { Limiter } from "../core/limiter.ts";
import { EndTap } from "./end-tap.ts";

/** Room 3: may one more call run now? Refuses, or takes a lease until the end. */
export function admit(limiter: Limiter): Stage<Call> {
  return (next) => async (call) => {
    const lease = limiter.acquire(call);
    if (lease instanceof ChatError) throw lease;
    try {
      const stream = await next(call);
      return { source: stream.source, batches: new EndTap(stream.batches, () => lease.release()) };
    } catch (thrown) {
      lease.release();
      throw thrown;
    }
  };
}
