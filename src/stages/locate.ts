import type { Affinity } from "../core/affinity.ts";
import type { Call } from "../core/call.ts";
import { isEmbedRequest } from "../core/chat.ts";
import { estimateInputTokens } from "../core/estimate.ts";
import type { Stage } from "../core/handler.ts";
import { derivedConversation, namedConversation } from "./conversation.ts";
import type { Memory } from "./expectation.ts";

/**
 * Before the first plan of a call: where its conversation is not known here, the other replicas are asked once who holds it. Other calls
 * pass through unseen, and all of them do where there are no others.
 */
export function locate({ affinity }: Memory): Stage<Call> {
  if (affinity?.recollect === undefined) return (next) => next;
  return (next) => (call) => {
    const asked = locating(call, affinity);
    return asked === undefined ? next(call) : asked.then(() => next(call));
  };
}

/** Undefined: nobody needs to be asked. Never rejects. */
export function locating(call: Call, affinity: Affinity | undefined): Promise<void> | undefined {
  if (affinity?.recollect === undefined) return undefined;
  const conversation =
    namedConversation(call) ?? (isPromptCacheable(call) ? derivedConversation(call, estimateInputTokens(call.request)) : undefined);
  if (conversation === undefined || affinity.find(conversation.id) !== undefined) return undefined;
  return affinity.recollect(conversation.id, call.signal);
}

/** Whether some price depends on who holds the prompt. Of a model that a rule puts in the place of the one asked for nobody knows yet. */
function isPromptCacheable({ request, snapshot, key }: Call): boolean {
  if (isEmbedRequest(request)) return false;
  const names = [request.model, ...(request.routing?.fallbackModels ?? [])];
  return names.some((name) =>
    snapshot.catalog
      .resolve(name, "chat", key)
      ?.some(({ price }) => price !== undefined && (price.cacheRead !== undefined || price.cacheWrite !== undefined)),
  );
}
