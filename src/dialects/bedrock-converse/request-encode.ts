import type { Target } from "../../core/catalog.ts";
import type { ChatRequest } from "../../core/chat.ts";
import type { AnswerContext, EncodedRequest } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { noteForeign } from "../../core/foreign.ts";
import { type Fields, mergedFields, textAt } from "../../core/json-fields.ts";
import { Notes } from "../../core/notes.ts";
import { ToolNames } from "../../core/tool-names.ts";
import { issuer, toolNameMax } from "./fields.ts";
import { limitCachePoints } from "./cache-points.ts";
import { dropUnsupported, encodeMetadata, encodeServiceTier, joined, refuseUnsupported, requestExtension } from "./extensions-encode.ts";
import { encodeSampling, outputLimit } from "./limits-encode.ts";
import { encodePrompt, type Turn } from "./messages-encode.ts";
import { type ModelRules, modelRules } from "./model-rules.ts";
import { encodeOutputFormat } from "./output-format.ts";
import type { Encoding } from "./parts-encode.ts";
import { encodeReasoning } from "./reasoning-encode.ts";
import { encodeTools } from "./tools-encode.ts";

/** A request in Converse's words: pure, and the same bytes for the same history. Model and streaming are in the path. */
export function encodeRequest(request: Readonly<ChatRequest>, target: Target): EncodedRequest {
  const notes = new Notes();
  const rules = modelRules(target.upstreamModel);
  const names = new ToolNames(toolNameMax);
  const encoding: Encoding = { notes, rules, documentNames: new Set(), names };
  refuseUnsupported(request);
  dropUnsupported(request, notes);
  noteForeign(request, { issuer }, notes);
  const extension = requestExtension(request, notes);
  const structured = rules.structuredOutputs && target.capabilities.jsonSchema !== false;
  const shape = encodeOutputFormat(request, structured, notes);
  const { system, messages } = encodePrompt(request.messages, shape.instruction, encoding);
  endsWell(messages, rules, notes);
  const { tools, choice, forced } = encodeTools(request, messages, encoding);
  limitCachePoints([tools, system, ...messages.map(({ content }) => content)], notes);
  const limit = outputLimit(request, target, notes);
  const reasoning = encodeReasoning(request, { target, rules, limit, forced, bareToolTurn: isBareToolTurn(messages), notes });
  const sampling = encodeSampling(request.sampling, { target, rules, fixed: reasoning.fixedSampling, notes });

  const body: Fields = {};
  if (tools.length > 0) body["toolConfig"] = { tools, ...(choice !== undefined && { toolChoice: choice }) };
  if (system.length > 0) body["system"] = system;
  body["messages"] = messages.map(({ role, content, extension: own }) => mergedFields(own, { role, content }));
  const config = { ...(reasoning.maxTokens !== undefined && { maxTokens: reasoning.maxTokens }), ...sampling.config };
  if (Object.keys(config).length > 0) body["inferenceConfig"] = config;
  if (shape.textFormat !== undefined) body["outputConfig"] = { textFormat: shape.textFormat };
  const additional = { ...reasoning.fields, ...sampling.fields };
  if (Object.keys(additional).length > 0) body["additionalModelRequestFields"] = additional;
  // Only Claude tells which of them it met.
  if (rules.claude !== undefined && sampling.config["stopSequences"] !== undefined)
    body["additionalModelResponseFieldPaths"] = withStopSequence(extension?.["additionalModelResponseFieldPaths"]);
  const metadata = encodeMetadata(request, notes);
  if (metadata !== undefined) body["requestMetadata"] = metadata;
  const tier = encodeServiceTier(request.serviceTier, notes);
  if (tier !== undefined) body["serviceTier"] = tier;
  const answering: AnswerContext = { ...names.context(), ...(shape.instruction !== undefined && { fencedJson: true }) };
  return { body: JSON.stringify(joined(extension, body)), notes: notes.list, answering };
}

function withStopSequence(paths: unknown): readonly unknown[] {
  const others: readonly unknown[] = Array.isArray(paths) ? paths : [];
  return others.includes("/stop_sequence") ? others : [...others, "/stop_sequence"];
}

/** A conversation that ends with the assistant's text asks to be continued (prefill), which new models of Anthropic's refuse. */
function endsWell(messages: readonly Turn[], rules: ModelRules, notes: Notes): void {
  const last = messages.at(-1);
  const end = last?.content.at(-1);
  if (last?.role !== "assistant" || end === undefined || !("text" in end)) return;
  if (rules.claude?.prefill === false)
    throw new ChatError("UNSUPPORTED_FEATURE", "the model cannot go on with a message of the assistant", { field: "messages" });
  const text = textAt(end, "text");
  const trimmed = text.trimEnd();
  if (trimmed === text) return;
  end["text"] = trimmed;
  notes.approximated("messages.content", "white space at the end of the last message was taken away");
}

/** Whether results of tools wait for an answer whose turn began without signed reasoning. */
function isBareToolTurn(messages: readonly Turn[]): boolean {
  const before = messages.at(-2);
  const first = messages.at(-1)?.content[0];
  if (before?.role !== "assistant" || first === undefined || !("toolResult" in first)) return false;
  return before.content[0] === undefined || !("reasoningContent" in before.content[0]);
}
