import type { ChatResponse, Choice, Citation, ContentPart } from "../../core/chat.ts";
import { chatResponse, choice, contentPart, textPart, type Usage } from "../../core/chat.ts";
import type { AnswerContext, Quirks } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { textOf } from "../../core/fold.ts";
import { unwrapped } from "../../core/freeform.ts";
import { callerTool } from "../../core/tool-names.ts";
import { audioPart, decodeCitations, textsOf, withAnnotations } from "./answer-decode.ts";
import { keys, shape, unknownOf } from "../../core/extensions.ts";
import { extensionsFrom, extensionsOf } from "./extensions.ts";
import { failureInside } from "../../core/openai/failure.ts";
import { isErrorBody } from "../../core/openai/failure-shape.ts";
import { decodeFinishReason, isOrdinary, isErrorFinish } from "./finish-reason.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { decodeLogprobs } from "../../core/openai/logprobs.ts";
import { callPart } from "./messages-decode.ts";
import { reasoningFromBlock, reasoningPart } from "./opaque.ts";
import { refusalPart } from "./parts-decode.ts";
import { callEntry, inventedId, legacyEntry } from "./tool-call-decode.ts";
import { decodeUsage } from "./usage.ts";

const responseShape = shape(keys("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint", "error"));
const choiceKeys = keys("index", "message", "finish_reason", "error");
const choiceShape = shape(choiceKeys, { logprobs: keys("content") });
/** Of a choice whose probabilities are those of a refusal. */
const refusedShape = shape(choiceKeys, { logprobs: keys("content", "refusal") });
const messageShape = shape(keys("role", "content", "refusal", "tool_calls", "function_call", "reasoning_content", "reasoning"), {
  audio: keys("id", "data", "expires_at", "transcript"),
  ...keys("annotations", "thinking_blocks"),
});

/** An upstream's whole answer. Throws UPSTREAM_PROTOCOL for what is none, or what an error object in it says. */
export function decodeResponse(body: unknown, quirks: Quirks, context: AnswerContext = {}): ChatResponse {
  if (isErrorBody(body)) throw failureInside(body);
  if (!isJsonObject(body)) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream's answer is not a JSON object");
  const { choices } = body;
  if (!Array.isArray(choices) || choices.length === 0) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream's answer has no choices");
  const usage =
    decodeUsage(body["usage"], quirks.reasoningOutside === true) ??
    decodeUsage(isJsonObject(body["x_groq"]) ? body["x_groq"]["usage"] : undefined, quirks.reasoningOutside === true);
  const source = `${text(body["id"])}/${String(body["created"])}`;
  const decoded = choices.map((each, i) => decodeChoice(each, i, { source, context }));
  refuseEmpty(decoded, usage);
  const response = chatResponse(text(body["model"]), decoded, usage);
  response.id = text(body["id"]);
  response.serviceTier = text(body["service_tier"]);
  response.systemFingerprint = text(body["system_fingerprint"]);
  response.extensionsJson = extensionsOf(body, responseShape);
  return response;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** An end without a beginning: hosts under load, or with a history they could not read, "succeed" like this. */
function refuseEmpty(choices: readonly Choice[], usage: Usage | undefined): void {
  const empty = choices.every((each) => isOrdinary(each.finishReason) && saysNothing(each.message?.content ?? []));
  if (empty && (usage?.outputTokens ?? 0) === 0) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream's answer is empty");
}

function saysNothing(parts: readonly ContentPart[]): boolean {
  return parts.every((part) => part.part.case === "text" && part.part.value.text === "");
}

/** What all choices of an answer are read with. */
interface Reading {
  /** Names the answer where ids must be invented. */
  readonly source: string;
  readonly context: AnswerContext;
}

function decodeChoice(value: unknown, position: number, reading: Reading): Choice {
  if (!isJsonObject(value)) throw new ChatError("UPSTREAM_PROTOCOL", "a choice of the upstream's answer is not an object");
  if (value["error"]) throw failureInside(value);
  const native = text(value["finish_reason"]);
  if (isErrorFinish(native)) throw finishFailure(native);
  const message = isJsonObject(value["message"]) ? value["message"] : {};
  const index = typeof value["index"] === "number" && Number.isInteger(value["index"]) && value["index"] >= 0 ? value["index"] : position;
  const parts = decodeMessageParts(message, index, reading);
  const decoded = choice(index, parts);
  if (decoded.message !== undefined) {
    decoded.message.text = textOf(parts);
    decoded.message.extensionsJson = extensionsFrom(withAnnotations(unknownOf(message, messageShape), message["annotations"]));
  }
  decoded.finishReason = decodeFinishReason(
    native,
    parts.some((part) => part.part.case === "toolCall"),
  );
  decoded.nativeFinishReason = native;
  const logprobs = isJsonObject(value["logprobs"]) ? value["logprobs"] : {};
  decoded.logprobs = decodeLogprobs(logprobs["content"] ?? logprobs["refusal"]);
  decoded.extensionsJson = extensionsOf(value, Array.isArray(logprobs["content"]) ? choiceShape : refusedShape);
  return decoded;
}

/** What a host's "I failed" at the end of an answer means. */
export function finishFailure(native: string): ChatError {
  const failure = native === "insufficient_system_resource" ? "OVERLOADED" : "UPSTREAM_UNAVAILABLE";
  return new ChatError(failure, `the upstream ended its answer with ${native}`);
}

function decodeMessageParts(message: JsonObject, choiceIndex: number, { source, context }: Reading): ContentPart[] {
  const parts = reasoningOf(message);
  const citations = decodeCitations(message["annotations"]);
  const { reasoning, content } = textsOf(message["content"]);
  if (reasoning !== "") parts.push(reasoningPart(reasoning, []));
  if (content !== "" || citations.length > 0) parts.push(cited(content, citations));
  if (typeof message["refusal"] === "string" && message["refusal"] !== "") parts.push(refusalPart(message["refusal"]));
  if (isJsonObject(message["audio"])) parts.push(contentPart({ case: "audio", value: audioPart(message["audio"]) }));
  const calls: readonly unknown[] = Array.isArray(message["tool_calls"]) ? message["tool_calls"] : [];
  const entries = calls.flatMap((call) => callEntry(call) ?? []);
  const legacy = entries.length === 0 ? legacyEntry(message["function_call"]) : undefined;
  for (const [i, entry] of (legacy === undefined ? entries : [legacy]).entries()) {
    if (entry.name === "") throw new ChatError("UPSTREAM_PROTOCOL", "the upstream called a tool without a name");
    const { name, custom } = callerTool(entry.name, context);
    const argumentsJson = custom && !entry.custom ? unwrapped(entry.argumentsJson) : entry.argumentsJson;
    const id = entry.id ?? inventedId(source, choiceIndex, i);
    const part = callPart({ id, name, argumentsJson, custom: custom || entry.custom }, entry.opaque);
    part.extensionsJson = entry.extensions;
    parts.push(part);
  }
  return parts;
}

function reasoningOf(message: JsonObject): ContentPart[] {
  const blocks: readonly unknown[] = Array.isArray(message["thinking_blocks"]) ? message["thinking_blocks"] : [];
  const parts = blocks.flatMap((block) => (isJsonObject(block) ? (reasoningFromBlock(block) ?? []) : []));
  if (parts.length > 0) return parts;
  const plain = text(message["reasoning_content"]) || text(message["reasoning"]);
  return plain === "" ? [] : [reasoningPart(plain, [])];
}

function cited(content: string, citations: Citation[]): ContentPart {
  const part = textPart(content);
  if (part.part.case === "text") part.part.value.citations = citations;
  return part;
}
