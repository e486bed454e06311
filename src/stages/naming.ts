import type { Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { isEmbedRequest } from "../core/chat.ts";
import { ChatError } from "../core/error.ts";

/**
 * The targets of the model asked for, or of the one that a rule puts in its place. That is the operator's choice, beyond the key's
 * list; it stands only for calls that its model is for: a chat model for chats.
 */
export function modelTargets(call: Call, chosen: string): readonly Target[] {
  const { snapshot, key, request } = call;
  if (chosen === "") return targetsOf(call, request.model, "model");
  expectAllowed(call, request.model, "model");
  const targets = snapshot.catalog.resolve(chosen, isEmbedRequest(request) ? "embedding" : "chat", { ...key, models: undefined });
  if (targets === undefined)
    throw new ChatError("NO_TARGET", `a rule sends this call to model ${JSON.stringify(chosen)}, which is not known here`, {
      retryAfterMs: 1000,
    });
  return targets.length > 0 ? targets : targetsOf(call, request.model, "model");
}

function expectAllowed({ snapshot: { catalog }, key }: Call, name: string, field: string): void {
  if (!catalog.mayAsk(name, key))
    throw new ChatError("CALLER_FORBIDDEN", `key ${key.name} may not use model ${JSON.stringify(name)}`, { field });
}

/**
 * What a name means for this caller. The key's list is checked on the asked name, on each fallback and, by the catalogue,
 * on each target.
 */
export function targetsOf(call: Call, name: string, field: string): readonly Target[] {
  const {
    snapshot: { catalog },
    key,
    request,
  } = call;
  const kind = isEmbedRequest(request) ? "embedding" : "chat";
  expectAllowed(call, name, field);
  const targets = catalog.resolve(name, kind, key);
  if (targets === undefined) throw new ChatError("MODEL_NOT_FOUND", `model ${JSON.stringify(name)} is not known here`, { field });
  // Where nothing is offered at all, the hosts have not told their models yet: that may heal.
  if (targets.length > 0 || (name === "auto" && catalog.targets.length === 0)) return targets;
  const what = kind === "chat" ? "a chat model" : "an embedding model";
  if (name === "auto") throw new ChatError("MODEL_NOT_FOUND", `${what} to choose is not offered to key ${key.name}`, { field });
  const everyone = catalog.resolve(name, kind, { ...key, models: undefined });
  if (everyone?.length !== 0)
    throw new ChatError("CALLER_FORBIDDEN", `key ${key.name} may use no target of model ${JSON.stringify(name)}`, { field });
  throw new ChatError("MODEL_NOT_FOUND", `model ${JSON.stringify(name)} is not ${what}`, { field });
}
