import { type ChatResponse, chatResponse, choice, type ContentPart, FinishReason, type TokenLogprob } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { type Extensions, keys, shape } from "../../core/extensions.ts";
import { textOf } from "../../core/fold.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { failureInside } from "../../core/openai/failure.ts";
import { isErrorBody } from "../../core/openai/failure-shape.ts";
import { extensionsOf } from "./extensions.ts";
import { endOf, partsOfItem, textAt } from "./output-decode.ts";
import { decodeUsage } from "./usage.ts";

/**
 * What the vocabulary or the door knows of a response. Echoes of the prompt are left out, since the door echoes what its caller said;
 * echoes of settings are kept, for they show what the model was really run with.
 */
const responseShape = shape(
  keys("id", "object", "created_at", "completed_at", "model", "status", "error", "incomplete_details", "output", "output_text", "usage"),
  keys("service_tier", "instructions", "tools", "tool_choice", "metadata", "user", "safety_identifier", "prompt_cache_key", "store"),
  keys("background", "previous_response_id", "conversation", "prompt", "billing"),
);

/** An upstream's whole answer. Throws UPSTREAM_PROTOCOL for what is none, or what an error object in it says. */
export function decodeResponse(body: unknown, context: AnswerContext): ChatResponse {
  if (isErrorBody(body)) throw failureInside(body);
  if (!isJsonObject(body)) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream's answer is not a JSON object");
  if (!Array.isArray(body["output"])) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream's answer has no output");
  refuseUnfinished(body);
  const logprobs: TokenLogprob[] = [];
  const parts = body["output"].filter(isJsonObject).flatMap((item) => partsOfItem(item, logprobs, context));
  const usage = decodeUsage(body["usage"]);
  const kinds = new Set(parts.map(({ part }) => part.case));
  const end = endOf(body, { calls: kinds.has("toolCall"), refusal: kinds.has("refusal") });
  refuseEmpty(!parts.every(saysNothing), end.reason, usage?.outputTokens ?? 0);
  const only = choice(0, parts);
  if (only.message !== undefined) only.message.text = textOf(parts);
  const { reason: finishReason, native: nativeFinishReason } = end;
  const response = chatResponse(textAt(body, "model"), [{ ...only, logprobs, finishReason, nativeFinishReason }], usage);
  response.id = textAt(body, "id");
  response.serviceTier = textAt(body, "service_tier");
  response.extensionsJson = responseExtensions(body);
  return response;
}

function saysNothing({ part }: ContentPart): boolean {
  return part.case === "text" && part.value.text === "";
}

/** What an upstream says of its answer beyond that. */
export function responseExtensions(body: JsonObject): Extensions {
  return extensionsOf(body, responseShape);
}

/** An answer that is none: failed, given up, or still to come. */
export function refuseUnfinished(body: JsonObject): void {
  const status = textAt(body, "status");
  if (status === "failed") throw failureInside(isErrorBody(body) ? body : { error: { code: "server_error", message: "" } });
  if (status === "cancelled") throw new ChatError("UPSTREAM_UNAVAILABLE", "the upstream gave up its answer");
  if (status === "queued" || status === "in_progress")
    throw new ChatError("UPSTREAM_PROTOCOL", "the upstream answered before its answer was there");
}

/** An end without a beginning: hosts under load, or with a history they could not read, "succeed" like this. */
export function refuseEmpty(says: boolean, reason: FinishReason, outputTokens: number): void {
  if (!says && reason === FinishReason.STOP && outputTokens === 0)
    throw new ChatError("UPSTREAM_PROTOCOL", "the upstream's answer is empty");
}
