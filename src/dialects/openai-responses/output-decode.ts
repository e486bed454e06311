import { type ContentPart, FinishReason, type Opaque, textPart, type TokenLogprob } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { keys, shape, unknownOf } from "../../core/extensions.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { decodeLogprobs } from "../../core/openai/logprobs.ts";
import { callerTool } from "../../core/tool-names.ts";
import { decodeAnnotations } from "./annotations.ts";
import { filed, ownToken } from "./extensions.ts";
import { callPart, nativePart, refusalPart } from "./parts.ts";
import { reasoningParts } from "./reasoning-decode.ts";

// Items of an upstream's answer, as whole answers and streams have them.

const messageShape = shape(keys("type", "role", "content", "status"));
const textShape = shape(keys("type", "text", "annotations", "logprobs"));
const refusalShape = shape(keys("type", "refusal"));
const callShape = shape(keys("type", "call_id", "name", "arguments", "input", "status"));

/** The string under the key; empty where there is none. */
export function textAt(object: JsonObject, key: string): string {
  const value = object[key];
  return typeof value === "string" ? value : "";
}

/** The parts of a whole item; `logprobs` takes what is told of its tokens. */
export function partsOfItem(item: JsonObject, logprobs: TokenLogprob[], context: AnswerContext): ContentPart[] {
  switch (item["type"]) {
    case "message":
      return messageParts(item, logprobs);
    case "reasoning":
      return reasoningParts(item, sealFrom);
    case "function_call":
    case "custom_tool_call": {
      const part = callFromItem(item, context);
      const written = textAt(item, item["type"] === "custom_tool_call" ? "input" : "arguments");
      if (part.part.case === "toolCall") part.part.value.argumentsJson = written;
      return [part];
    }
    default:
      return [nativePart(item)];
  }
}

function messageParts(item: JsonObject, logprobs: TokenLogprob[]): ContentPart[] {
  const content: readonly unknown[] = Array.isArray(item["content"]) ? item["content"] : [];
  return content.filter(isJsonObject).map((piece, i) => {
    const part = partFromPiece(piece, i === 0 ? item : undefined);
    if (part.part.case === "text") {
      part.part.value.text = textAt(piece, "text");
      part.part.value.citations = decodeAnnotations(piece["annotations"]).citations;
      logprobs.push(...decodeLogprobs(piece["logprobs"]));
    } else if (part.part.case === "refusal") part.part.value.text = textAt(piece, "refusal");
    return part;
  });
}

/** A piece of a message, without its text. `item`: the message that begins with it. */
export function partFromPiece(piece: JsonObject, item: JsonObject | undefined): ContentPart {
  const isRefusal = piece["type"] === "refusal";
  const part = isRefusal ? refusalPart("") : textPart("");
  const { verbatim } = decodeAnnotations(piece["annotations"]);
  part.extensionsJson = filed({
    ...unknownOf(piece, isRefusal ? refusalShape : textShape),
    ...(verbatim !== undefined && { annotations: verbatim }),
    ...(item !== undefined && { message: messageFields(item) }),
  });
  return part;
}

/** What only this language says of a message. */
export function messageFields(item: JsonObject): JsonObject {
  return unknownOf(item, messageShape) ?? {};
}

/** A call without what was written for it. */
export function callFromItem(item: JsonObject, context: AnswerContext): ContentPart {
  const name = textAt(item, "name");
  if (name === "") throw new ChatError("UPSTREAM_PROTOCOL", "the upstream called a tool without a name");
  const id = textAt(item, "call_id") || textAt(item, "id");
  if (id === "") throw new ChatError("UPSTREAM_PROTOCOL", "the upstream called a tool without an id");
  const part = callPart({ id, name: callerTool(name, context).name, argumentsJson: "", custom: item["type"] === "custom_tool_call" });
  part.extensionsJson = filed(callFields(item));
  return part;
}

/** What only this language says of a call. */
export function callFields(item: JsonObject): JsonObject {
  return unknownOf(item, callShape) ?? {};
}

/** The seal of reasoning. An upstream's own is not looked into: whatever it begins with, it is its. */
export function sealFrom(value: string): Opaque {
  return { $typeName: "semaroute.v1.Opaque", ...ownToken, value };
}

const reasonByWord: ReadonlyMap<string, FinishReason> = new Map([
  ["max_output_tokens", FinishReason.LENGTH],
  ["content_filter", FinishReason.CONTENT_FILTER],
]);

/** How an answer ended. */
export interface End {
  readonly reason: FinishReason;
  /** The upstream's own word. */
  readonly native: string;
}

/** The end of an answer whose status is completed or incomplete. */
export function endOf(response: JsonObject, said: { readonly calls: boolean; readonly refusal: boolean }): End {
  const status = textAt(response, "status") || "completed";
  if (status === "incomplete") {
    const details = response["incomplete_details"];
    const native = isJsonObject(details) ? textAt(details, "reason") : "";
    return { reason: reasonByWord.get(native) ?? FinishReason.OTHER, native };
  }
  if (said.calls) return { reason: FinishReason.TOOL_CALLS, native: status };
  return { reason: said.refusal ? FinishReason.REFUSAL : FinishReason.STOP, native: status };
}
