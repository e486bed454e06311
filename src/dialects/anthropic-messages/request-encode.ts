import type { Target } from "../../core/catalog.ts";
import type { ChatRequest } from "../../core/chat.ts";
import type { AnswerContext, EncodedRequest } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { noteForeign } from "../../core/foreign.ts";
import { reservedFields } from "../../core/reserved.ts";
import { ToolNames } from "../../core/tool-names.ts";
import { limitBreakpoints } from "./cache-control.ts";
import { extensionFields, type Fields, isJsonObject, issuer, mergedFields, textAt } from "./fields.ts";
import { encodeSampling, outputLimit } from "./limits-encode.ts";
import { encodePrompt, type PromptEncoding } from "./messages-encode.ts";
import { Notes } from "../../core/notes.ts";
import { encodeOutputFormat } from "./output-format.ts";
import { encodeThinking, wishOf } from "../../core/claude-thinking.ts";
import { type ThinkingRules, thinkingRules } from "../../core/claude-rules.ts";
import { isSaidBy, withoutWords, wordsIn } from "./thinking-words.ts";
import { encodeTools, type Toolbox } from "./tools-encode.ts";

/** The version that models old and new answer; sampling parameters are dropped per model instead. */
const version = "2023-06-01";
/** Most characters of a tool's name. */
const toolNameMax = 128;

/** A request in Anthropic's words: pure, and the same bytes for the same history. */
export function encodeRequest(request: Readonly<ChatRequest>, target: Target, streamed: boolean): EncodedRequest {
  const rules = thinkingRules(target.upstreamModel);
  const { systemTurns } = rules;
  const encoding: PromptEncoding = { notes: new Notes(), betas: new Set(), names: new ToolNames(toolNameMax), systemTurns };
  const { notes, names } = encoding;
  refuseUnsupported(request);
  dropUnsupported(request, notes);
  noteForeign(request, { issuer }, notes);
  const all = requestExtension(request, encoding);
  const own = wordsIn(all);
  const words = own !== undefined && isSaidBy(own, request.reasoning) ? own : undefined;
  const extension = all === undefined || words === undefined ? all : withoutWords(all);
  const structured = rules.structuredOutputs && target.capabilities.jsonSchema !== false;
  const shape = encodeOutputFormat(request, { structured, forcible: isForcible(request, rules) }, notes);
  const { system, messages } = encodePrompt(request.messages, shape.instruction, encoding);
  endsWell(messages, rules, notes);
  const { tools, choice, forced } =
    shape.tool === undefined ? encodeTools(request, { strict: structured, names, notes }) : only(shape.tool);
  const limit = { tokens: outputLimit(request, target, notes), asked: request.maxOutputTokens !== undefined };
  const bareToolTurn = isBareToolTurn(messages);
  const thinking = encodeThinking(request.reasoning, { target, rules, limit, forced, bareToolTurn, notes, words });
  const body: Fields = { model: target.upstreamModel, max_tokens: thinking.maxTokens };
  if (streamed) body["stream"] = true;
  // The order is the prompt's own, in which caches and signatures read it.
  if (tools !== undefined) body["tools"] = tools;
  if (choice !== undefined) body["tool_choice"] = choice;
  if (system !== undefined) body["system"] = system;
  body["messages"] = messages;
  if (thinking.field !== undefined) body["thinking"] = thinking.field;
  const outputConfig: Fields = {};
  if (thinking.effort !== undefined) outputConfig["effort"] = thinking.effort;
  if (shape.format !== undefined) outputConfig["format"] = shape.format;
  if (Object.keys(outputConfig).length > 0) body["output_config"] = outputConfig;
  Object.assign(body, encodeSampling(request.sampling, { target, rules, thinkingOn: thinking.on, notes }));
  if (request.endUserId !== "") body["metadata"] = { user_id: request.endUserId };
  if (isKnownTier(request.serviceTier)) body["service_tier"] = request.serviceTier;
  const whole = withExtension(extension, body);
  // What a caller's `thinking` holds besides means nothing without one.
  if (thinking.field === undefined && words !== undefined) delete whole["thinking"];
  limitBreakpoints(whole, notes);
  const answering: AnswerContext = {
    ...names.context(),
    ...(shape.instruction !== undefined && { fencedJson: true }),
    ...(shape.tool !== undefined && { jsonTool: shape.tool.name }),
  };
  return { body: JSON.stringify(whole), notes: notes.list, headers: headersOf(encoding.betas), answering };
}

/** Whether the shape of the answer may be that of a forced call: of a model that does not think unless told to, and is not told. */
function isForcible({ tools, reasoning }: Readonly<ChatRequest>, rules: ThinkingRules): boolean {
  return tools.length === 0 && rules.forcedChoice && !rules.onByDefault && wishOf(reasoning) !== "on";
}

function only(tool: Fields & { readonly name: string }): Toolbox {
  return { tools: [tool], choice: { type: "tool", name: tool.name, disable_parallel_tool_use: true }, forced: true };
}

function headersOf(betas: ReadonlySet<string>): Record<string, string> {
  const headers: Record<string, string> = { "anthropic-version": version };
  if (betas.size > 0) headers["anthropic-beta"] = [...betas].join(",");
  return headers;
}

function isKnownTier(tier: string): boolean {
  return tier === "auto" || tier === "standard_only";
}

/** What would change the answer's meaning is not dropped: another target may have it. */
function refuseUnsupported(request: Readonly<ChatRequest>): void {
  if (request.n !== undefined && request.n > 1)
    throw new ChatError("UNSUPPORTED_FEATURE", "anthropic gives one choice a call", { field: "n" });
  if (request.modalities.some((modality) => modality !== "text"))
    throw new ChatError("UNSUPPORTED_FEATURE", "anthropic answers in text only", { field: "modalities" });
}

function dropUnsupported(request: Readonly<ChatRequest>, notes: Notes): void {
  if (request.audio !== undefined) notes.dropped("audio", "anthropic has no audio output");
  if (request.verbosity !== "") notes.dropped("verbosity", "anthropic has no verbosity");
  if (request.serviceTier !== "" && !isKnownTier(request.serviceTier))
    notes.dropped("service_tier", "anthropic's tiers are auto and standard_only");
  if (request.promptCacheKey !== "") notes.dropped("prompt_cache_key", "anthropic's cache has no key");
  if (Object.keys(request.metadata).length > 0) notes.dropped("metadata", "anthropic stores no metadata");
  if (request.store === true) notes.dropped("store", "anthropic stores no answers");
}

/** The caller's own fields. `anthropic_beta` is the clouds' word in the body for what is a header here. */
function requestExtension(request: Readonly<ChatRequest>, encoding: PromptEncoding): Fields | undefined {
  const extension = extensionFields(request.extensionsJson, "");
  if (extension === undefined) return undefined;
  const { anthropic_beta: betas, ...rest } = extension;
  for (const key of Object.keys(rest)) {
    if (!reservedFields.has(key)) continue;
    encoding.notes.dropped(`extensions_json.${issuer}.${key}`, "decided by the request itself");
    delete rest[key];
  }
  dropThread(rest, encoding);
  const { metadata } = rest;
  if (isJsonObject(metadata) && metadata["user_id"] !== undefined) {
    encoding.notes.dropped(`extensions_json.${issuer}.metadata.user_id`, "decided by the request itself");
    const { user_id: _, ...others } = metadata;
    rest["metadata"] = others;
  }
  for (const beta of Array.isArray(betas) ? betas : [betas]) {
    if (typeof beta !== "string") continue;
    for (const name of beta.split(",")) if (/^[\w.-]+$/.test(name.trim())) encoding.betas.add(name.trim());
  }
  return rest;
}

/** Whoever answers next may be another, who knows nothing of a conversation that was kept here. */
function dropThread(extension: Fields, { notes }: PromptEncoding): void {
  const { thread } = extension;
  if (thread === undefined) return;
  const field = `extensions_json.${issuer}.thread`;
  if (isJsonObject(thread) && thread["type"] === "continue")
    throw new ChatError("UNSUPPORTED_FEATURE", "a conversation that an upstream keeps cannot be gone on with", { field });
  notes.dropped(field, "no conversation is kept at an upstream");
  delete extension["thread"];
}

/** The caller's fields below ours; objects on both sides, such as `output_config`, are joined. */
function withExtension(extension: Fields | undefined, body: Fields): Fields {
  const whole = mergedFields(extension, body);
  if (extension === undefined) return whole;
  for (const [key, value] of Object.entries(body)) {
    const below = extension[key];
    if (isJsonObject(value) && isJsonObject(below)) whole[key] = mergedFields(below, value);
  }
  return whole;
}

/**
 * A conversation that ends with the assistant's text asks to be continued (prefill), which new models refuse. One that ends
 * with a server's tool is a paused turn to go on with, and fine everywhere.
 */
function endsWell(messages: readonly Fields[], rules: ThinkingRules, notes: Notes): void {
  const last = messages.at(-1);
  if (last?.["role"] !== "assistant") return;
  const blocks = contentOf(last);
  const end = blocks.at(-1);
  if (end?.["type"] !== "text" || blocks.some((block) => block["type"] === "server_tool_use")) return;
  if (!rules.prefill)
    throw new ChatError("UNSUPPORTED_FEATURE", "the model cannot go on with a message of the assistant", { field: "messages" });
  const text = textAt(end, "text");
  const trimmed = text.trimEnd();
  if (trimmed === text || trimmed === "") return;
  end["text"] = trimmed;
  notes.approximated("messages.content", "white space at the end of the last message was taken away");
}

/** Whether results of tools wait for an answer whose turn began without signed thinking. */
function isBareToolTurn(messages: readonly Fields[]): boolean {
  const last = messages.at(-1);
  const before = messages.at(-2);
  if (last === undefined || before?.["role"] !== "assistant" || contentOf(last)[0]?.["type"] !== "tool_result") return false;
  const first = contentOf(before)[0]?.["type"];
  return first !== "thinking" && first !== "redacted_thinking";
}

function contentOf(message: Fields): readonly Fields[] {
  const { content } = message;
  return Array.isArray(content) ? content.filter(isJsonObject) : [];
}
