import type { ChatRequest, Reasoning, Sampling } from "../../core/chat.ts";
import { ReasoningSummary } from "../../core/chat.ts";
import { byName, type Extensions, keys, shape, unknownOf } from "../../core/extensions.ts";
import { extensionsFrom } from "./extensions.ts";
import {
  isJsonObject,
  type JsonObject,
  optionalArray,
  optionalBoolean,
  optionalInt64,
  optionalInteger,
  optionalNumber,
  optionalObject,
  optionalString,
  optionalStrings,
  optionalTexts,
  optionalWord,
  refuse,
  requiredName,
  uint32Max,
} from "../../core/json-fields.ts";
import { decodeMessages } from "./messages-decode.ts";
import { decodeOutputFormat, decodeTools, decodeToolChoice } from "./tools-decode.ts";
import { effortByWord } from "../../core/openai/words.ts";

/** A caller's chat completion, and how it wants the answer. */
export interface DecodedChatRequest {
  readonly request: ChatRequest;
  /** Answer as server-sent events. */
  readonly streamed: boolean;
  /** Send the usage as one more chunk; streams only. */
  readonly includeUsage: boolean;
  /** The caller speaks of `functions`: answer with `function_call`. */
  readonly legacyFunctions: boolean;
}

/** Reads the body of POST /v1/chat/completions. Throws INVALID_REQUEST with the path of the field at fault. */
export function decodeChatRequest(body: unknown): DecodedChatRequest {
  if (!isJsonObject(body)) return refuse("body", "must be a JSON object");
  const streamed = optionalBoolean(body, "stream", "") ?? false;
  const streamOptions = optionalObject(body, "stream_options", "");
  if (streamOptions !== undefined && !streamed) return refuse("stream_options", "is only allowed when stream is true");
  const includeUsage = streamOptions !== undefined && optionalBoolean(streamOptions, "include_usage", "stream_options") === true;
  const legacyFunctions = body["functions"] !== undefined && body["functions"] !== null;
  return { request: decodeRequest(body), streamed, includeUsage, legacyFunctions };
}

function decodeRequest(body: JsonObject): ChatRequest {
  const model = requiredName(body, "model", "");
  if (model.length > 256) return refuse("model", "must be at most 256 characters long");
  const messages = optionalArray(body, "messages", "") ?? refuse("messages", "is missing");
  if (messages.length === 0) return refuse("messages", "must not be empty");
  if (messages.length > 10_000) return refuse("messages", "must have at most 10000 elements");
  const tools = decodeTools(body);
  const endUserId = optionalString(body, "safety_identifier", "") ?? optionalString(body, "user", "") ?? "";
  if (endUserId.length > 512)
    return refuse(body["safety_identifier"] ? "safety_identifier" : "user", "must be at most 512 characters long");
  return {
    $typeName: "semaroute.v1.ChatRequest",
    model,
    messages: decodeMessages(messages),
    tools,
    toolChoice: decodeToolChoice(body, tools),
    sampling: decodeSampling(body),
    maxOutputTokens:
      optionalInteger(body, "max_completion_tokens", "", [1, uint32Max]) ?? optionalInteger(body, "max_tokens", "", [1, uint32Max]),
    outputFormat: decodeOutputFormat(body),
    reasoning: decodeReasoning(body),
    n: optionalInteger(body, "n", "", [1, 128]),
    modalities: [...new Set(optionalStrings(body, "modalities", ""))],
    audio: decodeAudio(body),
    verbosity: optionalString(body, "verbosity", "") ?? "",
    serviceTier: optionalString(body, "service_tier", "") ?? "",
    endUserId,
    promptCacheKey: optionalString(body, "prompt_cache_key", "") ?? "",
    metadata: optionalTexts(body, "metadata", ""),
    store: optionalBoolean(body, "store", ""),
    extensionsJson: requestExtensions(body),
  };
}

const samplingKeys = keys("temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty");
const requestShape = shape(
  samplingKeys,
  keys("seed", "logit_bias", "stop", "logprobs", "top_logprobs", "model", "messages", "stream", "stream_options", "tools", "tool_choice"),
  keys("functions", "function_call", "parallel_tool_calls", "max_tokens", "max_completion_tokens", "reasoning_effort", "n", "modalities"),
  keys("verbosity", "service_tier", "user", "safety_identifier", "prompt_cache_key", "metadata", "store"),
  {
    response_format: keys("type", "json_schema"),
    reasoning: keys("effort", "max_tokens", "exclude"),
    audio: keys("voice", "format"),
  },
);

function requestExtensions(body: JsonObject): Extensions {
  const rest: Record<string, unknown> = { ...unknownOf(body, requestShape) };
  // Kinds of format that only some hosts have, such as vLLM's structural_tag, and voices that are no word.
  const { response_format: format, audio } = body;
  if (isJsonObject(format) && !["text", "json_object", "json_schema"].includes(String(format["type"]))) rest["response_format"] = format;
  if (isJsonObject(audio) && isJsonObject(audio["voice"])) {
    const other = rest["audio"];
    rest["audio"] = { ...(isJsonObject(other) ? other : undefined), voice: audio["voice"] };
  }
  // One of two that differ is the end user; the other one has no place, and that is noted where it is left out.
  const { user, safety_identifier: safety } = body;
  if (typeof user === "string" && typeof safety === "string" && user !== safety) rest["user"] = user;
  return Object.keys(rest).length === 0 ? {} : extensionsFrom(byName(rest));
}

function decodeSampling(body: JsonObject): Sampling | undefined {
  const sampling: Sampling = {
    $typeName: "semaroute.v1.Sampling",
    temperature: optionalNumber(body, "temperature", "", [0, 2]),
    topP: optionalNumber(body, "top_p", "", [0, 1]),
    // vLLM and its kin say -1 for "all tokens", which is what absence says.
    topK: body["top_k"] === -1 ? undefined : optionalInteger(body, "top_k", "", [0, uint32Max]),
    minP: optionalNumber(body, "min_p", "", [0, 1]),
    frequencyPenalty: optionalNumber(body, "frequency_penalty", "", [-2, 2]),
    presencePenalty: optionalNumber(body, "presence_penalty", "", [-2, 2]),
    repetitionPenalty: optionalNumber(body, "repetition_penalty", "", [0, Number.MAX_VALUE]),
    seed: optionalInt64(body, "seed", ""),
    logitBias: decodeLogitBias(body),
    stop: decodeStop(body),
    logprobs: optionalBoolean(body, "logprobs", ""),
    topLogprobs: optionalInteger(body, "top_logprobs", "", [0, 20]),
  };
  for (const [key, value] of Object.entries(sampling)) {
    if (key === "$typeName" || value === undefined) continue;
    if (typeof value !== "object" || Object.keys(value).length > 0) return sampling;
  }
  return undefined;
}

function decodeStop(body: JsonObject): string[] {
  const { stop } = body;
  const words = typeof stop === "string" ? [stop] : (optionalStrings(body, "stop", "") ?? []);
  if (words.length > 64) return refuse("stop", "must have at most 64 elements");
  // An empty word stops nothing; clients send it for "none".
  return words.filter((word) => word !== "");
}

function decodeLogitBias(body: JsonObject): Record<string, number> {
  const bias = optionalObject(body, "logit_bias", "");
  const decoded: Record<string, number> = {};
  if (bias === undefined) return decoded;
  for (const key of Object.keys(bias)) {
    if (!/^\d{1,10}$/.test(key)) return refuse("logit_bias", "must have token ids as keys");
    const value = optionalNumber(bias, key, "logit_bias", [-100, 100]);
    if (value !== undefined) decoded[key] = value;
  }
  return decoded;
}

/** `reasoning_effort`, and OpenRouter's `reasoning` object. */
function decodeReasoning(body: JsonObject): Reasoning | undefined {
  const object = optionalObject(body, "reasoning", "");
  const effort =
    optionalWord(body, "reasoning_effort", "", effortByWord) ?? (object && optionalWord(object, "effort", "reasoning", effortByWord));
  const budgetTokens = object && optionalInteger(object, "max_tokens", "reasoning", [0, uint32Max]);
  const omitted = object !== undefined && optionalBoolean(object, "exclude", "reasoning") === true;
  if (effort === undefined && budgetTokens === undefined && !omitted) return undefined;
  const summary = omitted ? ReasoningSummary.OMITTED : ReasoningSummary.UNSPECIFIED;
  return { $typeName: "semaroute.v1.Reasoning", effort: effort ?? 0, budgetTokens, summary };
}

function decodeAudio(body: JsonObject): ChatRequest["audio"] {
  const audio = optionalObject(body, "audio", "");
  if (audio === undefined) return undefined;
  const voice = isJsonObject(audio["voice"]) ? "" : requiredName(audio, "voice", "audio");
  return { $typeName: "semaroute.v1.AudioOutput", voice, format: requiredName(audio, "format", "audio") };
}
