import type { ContentPart, ReasoningPart, ServerToolPart, TextPart, ToolCallPart } from "../../core/chat.ts";
import { parseJson } from "../../core/json.ts";
import { sealBlock, signatureText, sortedTokens, tokenBlock } from "./carried-tokens.ts";
import { foreignCitation } from "./citations.ts";
import { extensionFields, type Fields, isJsonObject, issuer, mergedBlock } from "./fields.ts";

/** The blocks that say a part of an answer; none for empty text, and for what has no form here. */
export function answerBlocks(part: ContentPart): readonly Fields[] {
  const blocks = ownBlocks(part);
  // A part that says nothing has no block to stand in front of.
  const of = blocks.length === 0 ? "of_last" : "of_next";
  return part.opaque.length === 0 ? blocks : [...part.opaque.map((token) => tokenBlock(of, token)), ...blocks];
}

function ownBlocks(part: ContentPart): readonly Fields[] {
  const { part: inner } = part;
  switch (inner.case) {
    case "text":
      return inner.value.text === "" ? [] : [textBlock(part, inner.value)];
    case "refusal":
      return inner.value.text === "" ? [] : [{ type: "text", text: inner.value.text }];
    case "audio":
      return inner.value.transcript === "" ? [] : [{ type: "text", text: inner.value.transcript }];
    case "reasoning":
      return reasoningBlocks(part, inner.value);
    case "toolCall":
      return [mergedBlock(extensionOf(part), { ...callStart(inner.value), input: inputOf(inner.value) })];
    case "serverTool":
      return serverToolBlocks(inner.value);
    case "native":
      return inner.value.issuer === issuer ? objectsIn(inner.value.json) : [];
    default:
      // Pictures and the like: Anthropic's answers have none.
      return [];
  }
}

/** A part's fields that only Anthropic has. */
export function extensionOf(part: ContentPart): Fields | undefined {
  return extensionFields(part.extensionsJson, "");
}

/** A text with its citations: Anthropic's own as they came, those of others in its words. */
function textBlock(part: ContentPart, { text, citations }: TextPart): Fields {
  const block = mergedBlock(extensionOf(part), { type: "text", text });
  if (block["citations"] !== undefined) return block;
  const told = citations.map(foreignCitation).filter((citation) => citation !== undefined);
  return told.length === 0 ? block : { ...block, citations: told };
}

function reasoningBlocks(part: ContentPart, { text, opaque }: ReasoningPart): readonly Fields[] {
  const { signatures, seals } = sortedTokens(opaque);
  const blocks: Fields[] = [];
  if (text !== "" || signatures.length > 0) {
    const [first, ...more] = signatures;
    blocks.push(mergedBlock(extensionOf(part), { type: "thinking", thinking: text, signature: signatureText(first) }));
    blocks.push(...more.map((token) => tokenBlock("of_last", token)));
  }
  return [...blocks, ...seals.map(sealBlock)];
}

/** A call's block without its input. */
export function callStart({ id, name }: ToolCallPart): Fields {
  return { type: "tool_use", id, name };
}

function inputOf(call: ToolCallPart): Fields {
  if (call.custom) return { input: call.argumentsJson };
  return objectIn(call.argumentsJson) ?? { _raw: call.argumentsJson };
}

/** The object in a model's text, `{}` where it says nothing; undefined where it is none. */
export function objectIn(text: string): Fields | undefined {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "null") return {};
  try {
    const value = parseJson(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A tool that ran at Anthropic, as its call and its result; those of other vendors have no form here. */
export function serverToolBlocks(tool: ServerToolPart): readonly Fields[] {
  if (tool.issuer !== issuer) return [];
  const call: Fields = { type: "server_tool_use", id: tool.id, name: tool.name, input: objectIn(tool.inputJson) ?? {} };
  return [call, ...(tool.outputJson === "" ? [] : objectsIn(tool.outputJson))];
}

/** A block kept as text; none where it is no object. */
export function objectsIn(json: string): readonly Fields[] {
  const value = objectIn(json);
  return value === undefined ? [] : [value];
}
