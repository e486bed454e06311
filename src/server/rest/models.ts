import { create, toJson } from "@bufbuild/protobuf";

import { ModelSchema } from "../../../gen/semaroute/v1/router_pb.ts";
import type { Key } from "../../core/call.ts";
import type { Model } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import type { ServerRequest } from "../listen.ts";
import { sendJson } from "./answer.ts";
import { wishesFrom } from "../wishes.ts";
import { callerOf, oneHeader, type RestCall, type RestParts } from "./context.ts";
import { anthropicModel, anthropicPage } from "./models-anthropic.ts";

/** Whether a list of models is wanted in Anthropic's shape: its clients always name their version of the API. */
export function speaksAnthropic({ headers }: ServerRequest): boolean {
  return headers["anthropic-version"] !== undefined;
}

/** `GET /v1/models`: what the caller may ask for, aliases and bare model ids; all of it as OpenAI lists it, a page as Anthropic does. */
export async function listModels(parts: RestParts, { request, response, headers }: RestCall): Promise<void> {
  const key = await lister(parts, request);
  const models = parts.router.models(key);
  const body = speaksAnthropic(request)
    ? anthropicPage(models, new URL(request.url ?? "/", "http://localhost").searchParams)
    : { object: "list", data: models.map(openaiModel) };
  sendJson(response, 200, headers, JSON.stringify(body));
}

/** `GET /v1/models/{id}`; ids may hold slashes. */
export async function getModel(parts: RestParts, { request, response, headers, params }: RestCall): Promise<void> {
  const key = await lister(parts, request);
  const id = params["*"] ?? "";
  const model = parts.router.model(id, key);
  if (model === undefined) throw new ChatError("MODEL_NOT_FOUND", `model ${JSON.stringify(id)} is not known here`, { field: "model" });
  sendJson(response, 200, headers, JSON.stringify(speaksAnthropic(request) ? anthropicModel(model) : openaiModel(model)));
}

/** Who asks. A malformed header is refused as it is at every door, though a list has no use for it. */
function lister({ settings }: RestParts, request: ServerRequest): Key | Promise<Key> {
  wishesFrom((name) => oneHeader(request, name));
  return callerOf(settings(), request);
}

/** OpenAI's fields, and beside them one of ours: its clients pass on what they do not know. */
function openaiModel(model: Model): Record<string, unknown> {
  const created = Number(model.createTime?.seconds ?? 0n);
  return { id: model.id, object: "model", created, owned_by: model.ownedBy, semaroute: detailsOf(model) };
}

/** What RouterService tells of it, by the same names. */
function detailsOf(model: Model): unknown {
  const { providers, aliasOf, capabilities, price } = model;
  const told = create(ModelSchema, { providers, aliasOf, capabilities, price });
  return toJson(ModelSchema, told, { useProtoFieldName: true });
}
