import type { Call } from "../core/call.ts";
import { ChatError } from "../core/error.ts";
import type { Stage } from "../core/handler.ts";
import type { Limiter } from "../core/limiter.ts";
import { EndTap } from "./end-tap.ts";

/** Room 3: may this key ask for these models, and may one more call run now? Refuses, or takes a lease until the end. */
export function admit(limiter: Limiter): Stage<Call> {
  return (next) => async (call) => {
    refuseModels(call);
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

/** The key's list is checked on the asked name and on each fallback; the catalogue checks each resolved target. */
function refuseModels({ request, key, snapshot }: Call): void {
  if (key.models === undefined) return;
  for (const name of [request.model, ...(request.routing?.fallbackModels ?? [])]) {
    if (!snapshot.catalog.mayAsk(name, key)) {
      throw new ChatError("CALLER_FORBIDDEN", `key ${key.name} may not use model ${JSON.stringify(name)}`, { field: "model" });
    }
  }
}
