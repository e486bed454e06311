import type { Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { type ChatRequest, isEmbedRequest } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { Counting } from "../core/provider.ts";
import type { TokenCount } from "../core/router.ts";
import { type Plan, planCall, type PlanSources } from "./plan.ts";

/** Longest wait for a provider's count: our estimate costs nothing. */
const countMs = 5000;

/**
 * Asks the provider that would be tried first, where it has a counter. A count is no call: it takes no slot, is not retried and
 * tells health nothing, so that counting neither opens a breaker nor closes one; a target that may not be called is not asked. What
 * goes wrong with it is answered by the estimate.
 */
export async function countTokens(call: Call, sources: PlanSources): Promise<TokenCount> {
  const plan = planCall(call, sources);
  const target = targetOf(plan);
  const estimate: TokenCount = { inputTokens: plan.inputTokens, estimated: true, provider: target?.provider ?? "" };
  if (target === undefined) return estimate;
  const counting = call.snapshot.providers.get(target.provider)?.counting;
  if (counting === undefined || isEmbedRequest(call.request)) return estimate;
  const inputTokens = await counted(call, { request: call.request, counting, target, clock: sources.clock });
  return inputTokens === undefined ? estimate : { inputTokens, estimated: false, provider: target.provider };
}

/** One that the request is too long for by our estimate can count all the same: that may be why it is asked. */
function targetOf({ ranked, excluded }: Plan): Target | undefined {
  return ranked[0]?.candidate.target ?? excluded.find(({ kind }) => kind === "context")?.target;
}

interface Question {
  readonly request: Readonly<ChatRequest>;
  readonly counting: Counting;
  readonly target: Target;
  readonly clock: Clock;
}

/** Undefined: it gave none. Throws only why the call itself ended. */
async function counted({ signal }: Call, { request, counting, target, clock }: Question): Promise<number | undefined> {
  const patience = new AbortController();
  const cancelTimer = clock.after(countMs, () => patience.abort(new ChatError("TIMEOUT", `no count within ${countMs} ms`)));
  try {
    signal.throwIfAborted();
    return await counting.countTokens(request, target, AbortSignal.any([signal, patience.signal]));
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof ChatError) return undefined;
    throw thrown;
  } finally {
    cancelTimer();
  }
}
