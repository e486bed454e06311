import { chatResponse, type ChatResponse, choice } from "../../core/chat.ts";
import type { AnswerContext, Quirks } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { textOf } from "../../core/fold.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";
import { failureInside } from "./errors.ts";
import { extensionsOf } from "./fields.ts";
import { partFromBlock } from "./parts-decode.ts";
import { finishReasonFrom } from "./stop-reasons.ts";
import { usageFrom } from "./usage-decode.ts";

/** Fields of an answer that the vocabulary names, or that have a place of their own. `p` is padding. */
export const answerKnown: ReadonlySet<string> = new Set(["output", "stopReason", "usage", "serviceTier", "role", "p"]);

/** A whole answer. */
export function decodeResponse(body: unknown, _quirks: Quirks, context: AnswerContext = {}): ChatResponse {
  if (!isJsonObject(body)) throw broken("the answer is not a JSON object");
  if (typeof body["__type"] === "string") throw failureInside(body["__type"], body);
  const message = isJsonObject(body["output"]) ? body["output"]["message"] : undefined;
  if (!isJsonObject(message) || !Array.isArray(message["content"])) throw broken("the answer has no message");
  const parts = message["content"].flatMap((block: unknown) => {
    if (!isJsonObject(block)) throw broken("a content block is not a JSON object");
    return block["text"] === "" ? [] : [partFromBlock(block, context)];
  });
  const calledTool = parts.some((part) => part.part.case === "toolCall");
  const only = choice(0, parts);
  if (only.message !== undefined) only.message.text = textOf(parts);
  only.nativeFinishReason = textAt(body, "stopReason");
  only.finishReason = finishReasonFrom(only.nativeFinishReason, calledTool);
  only.stopSequence = stopSequenceOf(body);
  const response = chatResponse(modelOf(body), [only], usageFrom(body["usage"]));
  response.serviceTier = serviceTierOf(body);
  response.extensionsJson = extensionsOf(body, answerKnown);
  return response;
}

/** Which stop sequence was met, where it was asked for and told. */
export function stopSequenceOf(from: Fields): string {
  const told = from["additionalModelResponseFields"];
  return isJsonObject(told) ? textAt(told, "stop_sequence") : "";
}

/** The tier that served the call. */
export function serviceTierOf(from: Fields): string {
  return isJsonObject(from["serviceTier"]) ? textAt(from["serviceTier"], "type") : "";
}

/** Converse names no model, but for the one that a prompt router chose. */
function modelOf(from: Fields): string {
  const router = isJsonObject(from["trace"]) ? from["trace"]["promptRouter"] : undefined;
  return isJsonObject(router) ? textAt(router, "invokedModelId") : "";
}

/** An answer that broke Converse's protocol. */
export function broken(text: string): ChatError {
  return new ChatError("UPSTREAM_PROTOCOL", `bedrock: ${text}`);
}
