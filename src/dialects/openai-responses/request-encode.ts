import type { Target } from "../../core/catalog.ts";
import { type ChatRequest, ReasoningEffort } from "../../core/chat.ts";
import type { EncodedRequest } from "../../core/dialect.ts";
import { fieldsUnder, merged } from "../../core/extensions.ts";
import { noteForeign } from "../../core/foreign.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { Notes } from "../../core/notes.ts";
import { effortFromBudget, wordByEffort } from "../../core/openai/words.ts";
import { reservedFields } from "../../core/reserved.ts";
import { dropSampling } from "../../core/sampling.ts";
import { ToolNames } from "../../core/tool-names.ts";
import { type EncodeContext, unsupported } from "./encode-context.ts";
import { issuer, language, ownFields } from "./extensions.ts";
import { encodePrompt } from "./items-encode.ts";
import { encodeOutputFormat, encodeTools } from "./tools-encode.ts";
import { logprobsWord, sealWord, wordBySummary } from "./words.ts";

/** Most characters of a tool's name. */
const toolNameMax = 64;
/** The API takes no smaller limit. */
const outputTokensMin = 16;

/** The body of POST …/responses for one target, and what had to be changed. Nothing is stored unless the caller wants it to be. */
export function encodeRequest(request: Readonly<ChatRequest>, target: Target, streamed: boolean): EncodedRequest {
  const context: EncodeContext = { target, notes: new Notes(), names: new ToolNames(toolNameMax) };
  refuseUnsupported(request, context);
  noteForeign(request, { issuer: language, shared: sharedPaths }, context.notes);
  const { include, ...extra } = extraOf(request, context);
  const known: Record<string, unknown> = { model: target.upstreamModel };
  encodeTools(request, known, context);
  const wantsLogprobs = encodeSampling(request, known, context);
  encodeThinking(request, known, context);
  encodeLimit(request, known, context);
  encodeHints(request, known);
  const included = includedWords(include, wantsLogprobs, target);
  if (included.length > 0) known["include"] = included;
  known["store"] = request.store ?? false;
  known["stream"] = streamed;
  // Padding against eavesdroppers on our own connection, which is encrypted and not interactive.
  if (streamed) known["stream_options"] = { include_obfuscation: false };
  const { instructions, input } = encodePrompt(request.messages, context);
  const body = { ...merged(extra, known), ...(instructions !== undefined && { instructions }), input };
  return { body: JSON.stringify(body), notes: context.notes.list, answering: context.names.context() };
}

/** A stateless answer is worth the next turn's time only with its reasoning's seal; a model that does not think answers 400 to the wish. */
function includedWords(include: unknown, logprobs: boolean, { capabilities }: Target): readonly unknown[] {
  const words = new Set<unknown>([sealWord, ...(logprobs ? [logprobsWord] : []), ...(Array.isArray(include) ? include : [])]);
  if (capabilities.reasoning === false) words.delete(sealWord);
  return [...words];
}

/** What would change the answer's meaning is not dropped: another target may have it. */
function refuseUnsupported(request: Readonly<ChatRequest>, context: EncodeContext): void {
  if ((request.n ?? 1) > 1) unsupported(context, "n", "gives one choice a call in this dialect");
  if ((request.sampling?.stop.length ?? 0) > 0) unsupported(context, "sampling.stop", "takes no stop sequences in this dialect");
  if (request.audio !== undefined || request.modalities.some((modality) => modality !== "text"))
    unsupported(context, "modalities", "answers in text only in this dialect");
}

/** Fields that chat completions and this language have in common, beyond what the vocabulary knows. */
const shared: ReadonlySet<string> = new Set(["moderation", "prompt_cache_options", "prompt_cache_retention"]);
const sharedPaths: ReadonlySet<string> = new Set([...shared].map((key) => `extensions_json.${issuer}.${key}`));

/** The caller's own fields; of chat completions' ones those that mean the same here. */
function extraOf(request: Readonly<ChatRequest>, context: EncodeContext): JsonObject {
  const { extensionsJson } = request;
  const extra: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fieldsUnder(issuer, extensionsJson) ?? {})) if (shared.has(key)) extra[key] = value;
  for (const [key, value] of Object.entries(ownFields(extensionsJson)))
    if (reservedFields.has(key)) context.notes.dropped(`extensions_json.${language}.${key}`, "decided by the request itself");
    else extra[key] = value;
  return extra;
}

const lacking = ["top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "logit_bias"] as const;

/** Models that think sample as they like, and refuse to be told. Returns whether probabilities are wanted. */
function encodeSampling(request: Readonly<ChatRequest>, body: Record<string, unknown>, context: EncodeContext): boolean {
  const { sampling } = request;
  if (sampling === undefined) return false;
  const fixed = context.target.capabilities.samplingParameters === false && request.reasoning?.effort !== ReasoningEffort.NONE;
  const { logprobs = false, topLogprobs } = sampling;
  for (const [key, value, neutral] of [
    ["temperature", sampling.temperature, 1],
    ["top_p", sampling.topP, 1],
    ["top_logprobs", logprobs ? topLogprobs : undefined, undefined],
    ["logprobs", logprobs, false],
  ] as const) {
    if (value === undefined) continue;
    if (fixed && value !== neutral) context.notes.dropped(`sampling.${key}`, "the model takes no sampling parameters");
    else if (!fixed && key !== "logprobs") body[key] = value;
  }
  dropSampling(sampling, lacking, context.notes);
  return logprobs && !fixed;
}

function encodeThinking(request: Readonly<ChatRequest>, body: Record<string, unknown>, context: EncodeContext): void {
  const { reasoning } = request;
  if (reasoning === undefined) return;
  const { budgetTokens, summary } = reasoning;
  const effort = wordByEffort.get(reasoning.effort) ?? (budgetTokens === undefined ? undefined : effortFromBudget(budgetTokens));
  if (context.target.capabilities.reasoning === false) {
    if (effort !== undefined && effort !== "none") context.notes.dropped("reasoning", "the model does not think");
    return;
  }
  if (budgetTokens !== undefined) context.notes.approximated("reasoning.budget_tokens", "sent as an effort word");
  const word = wordBySummary.get(summary);
  if (effort !== undefined || word !== undefined)
    body["reasoning"] = { ...(effort !== undefined && { effort }), ...(word !== undefined && { summary: word }) };
}

function encodeLimit(request: Readonly<ChatRequest>, body: Record<string, unknown>, context: EncodeContext): void {
  const wanted = request.maxOutputTokens;
  if (wanted === undefined) return;
  const most = context.target.capabilities.maxOutputTokens ?? wanted;
  const sent = Math.max(outputTokensMin, Math.min(wanted, most));
  body["max_output_tokens"] = sent;
  if (sent !== wanted) {
    const text = sent < wanted ? `the model writes at most ${most} tokens` : `this dialect takes no limit below ${outputTokensMin} tokens`;
    context.notes.clamped("max_output_tokens", text);
  }
}

function encodeHints(request: Readonly<ChatRequest>, body: Record<string, unknown>): void {
  const format = encodeOutputFormat(request);
  const { verbosity } = request;
  if (format !== undefined || verbosity !== "")
    body["text"] = { ...(format !== undefined && { format }), ...(verbosity !== "" && { verbosity }) };
  // Anthropic's word for "no priority".
  if (request.serviceTier !== "") body["service_tier"] = request.serviceTier === "standard_only" ? "default" : request.serviceTier;
  // 64 characters at most; what is longer keeps its meaning as the older field.
  if (request.endUserId !== "") body[request.endUserId.length <= 64 ? "safety_identifier" : "user"] = request.endUserId;
  if (request.promptCacheKey !== "") body["prompt_cache_key"] = request.promptCacheKey;
  if (Object.keys(request.metadata).length > 0) body["metadata"] = request.metadata;
}
