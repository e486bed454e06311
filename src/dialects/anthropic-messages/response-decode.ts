import { chatResponse, type ChatResponse, choice } from "../../core/chat.ts";
import type { AnswerContext, Quirks } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { textOf } from "../../core/fold.ts";
import { partFromBlock } from "./blocks-decode.ts";
import { failureInside } from "./errors.ts";
import { extensionsOf, type Fields, isJsonObject, issuer, textAt } from "./fields.ts";
import { finishReasonFrom, isKnownReason } from "./stop-reasons.ts";
import { usageFrom } from "./usage-decode.ts";

/** Fields of a message that the vocabulary names, or that have a place of their own. */
export const messageKnown: ReadonlySet<string> = new Set([
  "id",
  "type",
  "role",
  "model",
  "content",
  "stop_reason",
  "stop_sequence",
  "stop_details",
  "usage",
]);

/** A whole answer. */
export function decodeResponse(body: unknown, _quirks: Quirks, context: AnswerContext = {}): ChatResponse {
  if (!isJsonObject(body)) throw broken("the answer is not a JSON object");
  if (isJsonObject(body["error"])) throw failureInside(body);
  const { content } = body;
  if (!Array.isArray(content)) throw broken("the answer has no content");
  const parts = content.map((block: unknown) => {
    if (!isJsonObject(block)) throw broken("a content block is not a JSON object");
    return partFromBlock(block, context);
  });
  const calledTool = parts.some((part) => part.part.case === "toolCall");
  const only = choice(0, parts);
  if (only.message !== undefined) only.message.text = textOf(parts);
  only.nativeFinishReason = textAt(body, "stop_reason");
  only.finishReason = finishReasonFrom(only.nativeFinishReason, calledTool);
  only.stopSequence = textAt(body, "stop_sequence");
  only.extensionsJson = stopExtensions(body);
  const response = chatResponse(textAt(body, "model"), [only], usageFrom(body["usage"]));
  response.serviceTier = serviceTierOf(body["usage"]);
  response.extensionsJson = extensionsOf(body, messageKnown);
  return response;
}

/** Why a model declined, and words for an end that the vocabulary has not, for those who know Anthropic. */
export function stopExtensions(from: Fields): Record<string, string> {
  const extension: Fields = {};
  const reason = textAt(from, "stop_reason");
  if (reason !== "" && !isKnownReason(reason)) extension["stop_reason"] = reason;
  if (isJsonObject(from["stop_details"])) extension["stop_details"] = from["stop_details"];
  return Object.keys(extension).length === 0 ? {} : { [issuer]: JSON.stringify(extension) };
}

/** The tier that served the call; Anthropic says it with the usage. */
export function serviceTierOf(usage: unknown): string {
  return isJsonObject(usage) ? textAt(usage, "service_tier") : "";
}

/** An answer that broke Anthropic's protocol. */
export function broken(text: string): ChatError {
  return new ChatError("UPSTREAM_PROTOCOL", `anthropic: ${text}`);
}
