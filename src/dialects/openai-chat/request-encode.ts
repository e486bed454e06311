import type { Target } from "../../core/catalog.ts";
import type { ChatRequest } from "../../core/chat.ts";
import type { EncodedRequest, Quirks } from "../../core/dialect.ts";
import { reservedFields } from "../../core/reserved.ts";
import { ToolNames } from "../../core/tool-names.ts";
import { type EncodeContext, unsupported } from "./encode-context.ts";
import { merged } from "../../core/extensions.ts";
import { noteForeign } from "../../core/foreign.ts";
import { Notes } from "../../core/notes.ts";
import { extensionIssuer, extraFields } from "./extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { encodeMessages } from "./messages-encode.ts";
import { isReplayed } from "./opaque.ts";
import { encodeReasoning, encodeSampling } from "./sampling-encode.ts";
import { encodeOutputFormat, encodeTools } from "./tools-encode.ts";

/** Most characters of a tool's name. */
const toolNameMax = 64;

/** The body of POST …/chat/completions for one target, and what had to be changed. */
export function encodeRequest(request: Readonly<ChatRequest>, target: Target, quirks: Quirks, streamed: boolean): EncodedRequest {
  const notes = new Notes();
  const names = new ToolNames(toolNameMax);
  const context: EncodeContext = { target, quirks, notes, names };
  noteForeign(request, { issuer: extensionIssuer, token: (token, part) => isReplayed(token, part, target) }, notes);
  const known: Record<string, unknown> = { model: target.upstreamModel };
  encodeTools(request, known, context);
  encodeSampling(request, known, context);
  encodeReasoning(request, known, context);
  encodeLimits(request, known, context);
  encodeHints(request, known, quirks);
  known["stream"] = streamed;
  if (streamed && quirks.streamOptions !== false) known["stream_options"] = { include_usage: true };
  const body: Record<string, unknown> = { ...merged(extraOf(request, context), known) };
  // Last, so that the bodies of two turns begin alike.
  delete body["messages"];
  refuseFields(body, context);
  body["messages"] = encodeMessages(request.messages, context);
  return { body: JSON.stringify(body), notes: notes.list, answering: names.context() };
}

function extraOf(request: Readonly<ChatRequest>, context: EncodeContext): JsonObject {
  const extra: Record<string, unknown> = { ...extraFields(request.extensionsJson) };
  for (const key of Object.keys(extra)) {
    const path = `extensions_json.${extensionIssuer}.${key}`;
    if (reservedFields.has(key)) context.notes.dropped(path, "decided by the request itself");
    else if (context.quirks.strictFields === true && context.quirks.takes?.has(key) !== true)
      context.notes.dropped(path, "the host refuses fields it does not know");
    else continue;
    delete extra[key];
  }
  return extra;
}

function encodeLimits(request: Readonly<ChatRequest>, body: Record<string, unknown>, context: EncodeContext): void {
  const wanted = request.maxOutputTokens;
  const most = context.target.capabilities.maxOutputTokens;
  if (wanted !== undefined) {
    body[context.quirks.maxTokensField ?? "max_completion_tokens"] = most === undefined ? wanted : Math.min(wanted, most);
    if (most !== undefined && wanted > most) context.notes.clamped("max_output_tokens", `the model writes at most ${most} tokens`);
  }
  if (request.n !== undefined) body["n"] = request.n;
}

function encodeHints(request: Readonly<ChatRequest>, body: Record<string, unknown>, quirks: Quirks): void {
  const format = encodeOutputFormat(request);
  if (format !== undefined) body["response_format"] = format;
  if (request.modalities.length > 0) body["modalities"] = request.modalities;
  if (request.audio !== undefined) {
    const { voice, format: sound } = request.audio;
    body["audio"] = voice === "" ? { format: sound } : { voice, format: sound };
  }
  if (request.verbosity !== "") body["verbosity"] = request.verbosity;
  // Anthropic's word for "no priority".
  if (request.serviceTier !== "") body["service_tier"] = request.serviceTier === "standard_only" ? "default" : request.serviceTier;
  if (request.endUserId !== "") body[quirks.endUserField ?? "user"] = request.endUserId;
  if (request.promptCacheKey !== "") body["prompt_cache_key"] = request.promptCacheKey;
  if (Object.keys(request.metadata).length > 0) body["metadata"] = request.metadata;
  if (request.store !== undefined) body["store"] = request.store;
}

/** The vocabulary's paths of fields that have another name there. */
const paths: ReadonlyMap<string, string> = new Map([
  ...["temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty"].map(inSampling),
  ...["seed", "random_seed", "logit_bias", "stop", "logprobs", "top_logprobs"].map(inSampling),
  ["max_tokens", "max_output_tokens"],
  ["max_completion_tokens", "max_output_tokens"],
  ["response_format", "output_format"],
  ["reasoning_effort", "reasoning.effort"],
  ["parallel_tool_calls", "tool_choice.parallel"],
  ["user", "end_user_id"],
  ["safety_identifier", "end_user_id"],
]);

function inSampling(name: string): [string, string] {
  return [name, `sampling.${name === "random_seed" ? "seed" : name}`];
}

function refuseFields(body: Record<string, unknown>, context: EncodeContext): void {
  for (const field of context.quirks.refuses ?? []) {
    if (body[field] === undefined) continue;
    // One choice is what it gives; more are what the caller counts on.
    if (field === "n" && body[field] !== 1) unsupported(context, "n", "gives one choice a call");
    delete body[field];
    if (field === "n") continue;
    // What the gateway added by itself is no loss to the caller.
    if (field !== "stream_options") context.notes.dropped(paths.get(field) ?? field, "the host refuses it");
  }
}
