import { type ChatRequest, type Reasoning, ReasoningSummary, type Sampling } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { byName, type Extensions, keys, shape, unknownOf } from "../../core/extensions.ts";
import {
  isJsonObject,
  type JsonObject,
  optionalBoolean,
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
import { effortByWord } from "../../core/openai/words.ts";
import { language } from "./extensions.ts";
import { decodeInput } from "./items-decode.ts";
import { decodeOutputFormat, decodeToolChoice, decodeTools } from "./tools-decode.ts";
import { logprobsWord, sealWord, summaryByWord } from "./words.ts";

/** Reads the body of POST /v1/responses. Throws INVALID_REQUEST, or UNSUPPORTED_FEATURE, with the path of the field at fault. */
export function decodeRequest(body: JsonObject): ChatRequest {
  refuseStored(body);
  const model = requiredName(body, "model", "");
  if (model.length > 256) return refuse("model", "must be at most 256 characters long");
  const text = optionalObject(body, "text", "");
  const include = optionalStrings(body, "include", "") ?? [];
  const tools = decodeTools(body);
  return {
    $typeName: "semaroute.v1.ChatRequest",
    model,
    messages: decodeInput(body),
    tools,
    toolChoice: decodeToolChoice(body, tools),
    sampling: decodeSampling(body, include),
    maxOutputTokens: optionalInteger(body, "max_output_tokens", "", [1, uint32Max]),
    outputFormat: decodeOutputFormat(text),
    reasoning: decodeReasoning(body),
    modalities: [],
    verbosity: (text && optionalString(text, "verbosity", "text")) ?? "",
    serviceTier: optionalString(body, "service_tier", "") ?? "",
    endUserId: decodeEndUser(body),
    promptCacheKey: optionalString(body, "prompt_cache_key", "") ?? "",
    metadata: optionalTexts(body, "metadata", ""),
    extensionsJson: requestExtensions(body, include),
  };
}

/** What means something only to a server that keeps answers. */
function refuseStored(body: JsonObject): void {
  for (const field of ["previous_response_id", "conversation", "prompt"] as const)
    if (body[field] !== undefined && body[field] !== null) throw unsupported(field, "is not supported: nothing is stored here");
  for (const field of ["store", "background"] as const)
    if (optionalBoolean(body, field, "") === true) throw unsupported(field, "must not be true: nothing is stored here");
}

function unsupported(field: string, what: string): ChatError {
  return new ChatError("UNSUPPORTED_FEATURE", `${field} ${what}`, { field });
}

const requestShape = shape(
  keys("model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "top_logprobs", "parallel_tool_calls", "tools"),
  keys("tool_choice", "stream", "service_tier", "safety_identifier", "user", "prompt_cache_key", "metadata", "include", "store"),
  keys("background"),
  {
    text: keys("format", "verbosity"),
    reasoning: keys("effort", "summary", "generate_summary"),
    // Padding is none of what we do, and false asks for just that.
    stream_options: {},
  },
);

/** Always there, be it empty: it says that the request came in this language, which hosts that speak it are then called in. */
function requestExtensions(body: JsonObject, include: readonly string[]): Extensions {
  const rest: Record<string, unknown> = { ...unknownOf(body, requestShape) };
  const options = rest["stream_options"];
  if (isJsonObject(options) && options["include_obfuscation"] === false && Object.keys(options).length === 1) delete rest["stream_options"];
  if (rest["truncation"] === "disabled") delete rest["truncation"];
  const others = include.filter((word) => word !== sealWord && word !== logprobsWord);
  if (others.length > 0) rest["include"] = others;
  return { [language]: JSON.stringify(byName(rest)) };
}

function decodeSampling(body: JsonObject, include: readonly string[]): Sampling | undefined {
  const temperature = optionalNumber(body, "temperature", "", [0, 2]);
  const topP = optionalNumber(body, "top_p", "", [0, 1]);
  const topLogprobs = optionalInteger(body, "top_logprobs", "", [0, 20]);
  // Alternatives without their token mean nothing, and chat completions refuse to be asked for them alone.
  const logprobs = include.includes(logprobsWord) || (topLogprobs ?? 0) > 0 ? true : undefined;
  if (temperature === undefined && topP === undefined && topLogprobs === undefined && logprobs === undefined) return undefined;
  const fields = { temperature, topP, logprobs, topLogprobs: logprobs === undefined ? undefined : topLogprobs };
  return { $typeName: "semaroute.v1.Sampling", ...fields, stop: [], logitBias: {} };
}

function decodeReasoning(body: JsonObject): Reasoning | undefined {
  const object = optionalObject(body, "reasoning", "");
  if (object === undefined) return undefined;
  const effort = optionalWord(object, "effort", "reasoning", effortByWord) ?? 0;
  const summary =
    optionalWord(object, "summary", "reasoning", summaryByWord) ??
    optionalWord(object, "generate_summary", "reasoning", summaryByWord) ??
    ReasoningSummary.UNSPECIFIED;
  if (effort === 0 && summary === ReasoningSummary.UNSPECIFIED) return undefined;
  return { $typeName: "semaroute.v1.Reasoning", effort, summary };
}

function decodeEndUser(body: JsonObject): string {
  const identifier = optionalString(body, "safety_identifier", "");
  const id = identifier ?? optionalString(body, "user", "") ?? "";
  return id.length > 512 ? refuse(identifier === undefined ? "user" : "safety_identifier", "must be at most 512 characters long") : id;
}
