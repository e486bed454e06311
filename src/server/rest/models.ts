import type { Model } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { sendJson } from "./answer.ts";
import { callerOf, type RestCall, type RestParts } from "./context.ts";

/** `GET /v1/models`: OpenAI's list of what the caller may ask for, aliases and bare model ids. */
export function listModels(parts: RestParts, { request, response, headers }: RestCall): void {
  const key = callerOf(parts.settings(), request);
  const data = parts.router.models(key).map(openaiModel);
  sendJson(response, 200, headers, JSON.stringify({ object: "list", data }));
}

/** `GET /v1/models/{id}`; ids may hold slashes. */
export function getModel(parts: RestParts, { request, response, headers, params }: RestCall): void {
  const key = callerOf(parts.settings(), request);
  const id = params["*"] ?? "";
  const model = parts.router.model(id, key);
  if (model === undefined) throw new ChatError("MODEL_NOT_FOUND", `model ${JSON.stringify(id)} is not known here`, { field: "model" });
  sendJson(response, 200, headers, JSON.stringify(openaiModel(model)));
}

function openaiModel(model: Model): Record<string, unknown> {
  return { id: model.id, object: "model", created: Number(model.createTime?.seconds ?? 0n), owned_by: model.ownedBy };
}
