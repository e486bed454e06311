import { encodeBase64 } from "../../core/base64.ts";
import type { Citation, ContentPart, Opaque, PartDelta } from "../../core/chat.ts";
import { codePoints } from "../../core/code-points.ts";
import { encodeAudio, encodeCitation, encodeImage, encodeToolCall, withExtra } from "./answer-encode.ts";
import { merged } from "../../core/extensions.ts";
import { extraFields, withExtensions } from "./extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { blocksFromReasoning, extraContent, paragraph } from "./opaque.ts";

/** What a stream's writer remembers of one choice. */
export interface ChoiceView {
  readonly index: number;
  /** A text chunk up to its text. */
  readonly textHead: string;
  /** The chunk with the role has left. */
  opened: boolean;
  /** It has a refusal part. */
  refused: boolean;
  /** Tool calls by part; their own indices are dense from 0. */
  readonly calls: Map<number, CallView>;
  /** Reasoning by part, collected for the blocks that carry its seal. */
  readonly reasoning: Map<number, ReasoningView>;
  /** Code points of all texts so far: citations count within their part here, and within the message there. */
  said: number;
  /** Texts by part. */
  readonly texts: Map<number, TextView>;
  /** The choice of its last chunk, kept until the stream is complete. */
  finish: JsonObject | undefined;
}

interface ReasoningView {
  text: string;
  readonly summary: boolean;
  readonly opaque: Opaque[];
}

interface TextView {
  /** Code points before it. */
  readonly start: number;
  /** Citations of the whole part, whose end has not been seen. */
  readonly unplaced: Citation[];
}

interface CallView {
  readonly index: number;
  readonly custom: boolean;
}

/** A choice that nothing was said of; `head` is a chunk up to its choices. */
export function createChoiceView(index: number, head: string): ChoiceView {
  const textHead = `${head}[{"index":${index},"delta":{"content":`;
  const { calls, reasoning, texts } = { calls: new Map(), reasoning: new Map(), texts: new Map() };
  return { index, textHead, opened: false, refused: false, calls, reasoning, said: 0, texts, finish: undefined };
}

/** The delta that begins a part; undefined where nothing needs saying yet, or this dialect has no form for it. */
export function startOf(part: ContentPart, partIndex: number, view: ChoiceView, legacyFunctions: boolean): JsonObject | undefined {
  const { part: inner } = part;
  switch (inner.case) {
    case "text":
      view.texts.set(partIndex, { start: view.said, unplaced: [] });
      view.said += codePoints(inner.value.text);
      return inner.value.text === "" ? undefined : { content: inner.value.text };
    case "refusal":
      view.refused = true;
      return inner.value.text === "" ? undefined : { refusal: inner.value.text };
    case "reasoning":
      view.reasoning.set(partIndex, { text: "", summary: inner.value.summary, opaque: [...inner.value.opaque] });
      return inner.value.text === "" ? undefined : thoughtOf(inner.value.text, partIndex, view);
    case "audio": {
      const audio = encodeAudio(inner.value);
      return Object.keys(audio).length === 0 ? undefined : { audio };
    }
    case "image": {
      const image = encodeImage(inner.value.media);
      return image === undefined ? undefined : { images: [image] };
    }
    case "toolCall": {
      const index = view.calls.size;
      view.calls.set(partIndex, { index, custom: inner.value.custom });
      const call = withExtensions(part.extensionsJson, encodeToolCall(inner.value, extraContent(part.opaque)));
      if (!legacyFunctions) return { tool_calls: [{ index, ...call }] };
      return index === 0 ? { function_call: call["function"] } : undefined;
    }
    default:
      return undefined;
  }
}

/** The delta that goes on with a part; undefined where this dialect has no form for it. */
export function deltaOf(event: PartDelta, view: ChoiceView, legacyFunctions: boolean): JsonObject | undefined {
  const call = view.calls.get(event.partIndex);
  const extra = extraFields(event.extensionsJson);
  if (call !== undefined) return callDelta(event, call, extra, legacyFunctions);
  const known = plainDelta(event, view);
  return extra === undefined ? known : withExtra(extra, known ?? {});
}

function plainDelta(event: PartDelta, view: ChoiceView): JsonObject | undefined {
  const { delta } = event;
  switch (delta.case) {
    case "text":
      view.said += codePoints(delta.value);
      return { content: delta.value };
    case "refusal":
      return { refusal: delta.value };
    case "reasoning":
      return thoughtOf(delta.value, event.partIndex, view);
    case "audio":
      return { audio: { data: encodeBase64(delta.value) } };
    case "audioTranscript":
      return { audio: { transcript: delta.value } };
    case "citation":
      return sourceOf(delta.value, view.texts.get(event.partIndex), view);
    case "opaque":
      view.reasoning.get(event.partIndex)?.opaque.push(delta.value);
      return undefined;
    default:
      return undefined;
  }
}

function thoughtOf(text: string, partIndex: number, view: ChoiceView): JsonObject {
  const part = view.reasoning.get(partIndex);
  if (part === undefined) return { reasoning_content: text };
  const begins = part.text === "";
  part.text += text;
  const follows = begins && [...view.reasoning.values()].some((other) => other !== part && other.text !== "");
  return { reasoning_content: paragraph({ ...part, text }, follows) + text };
}

/** A citation of the whole part waits for its end. */
function sourceOf(citation: Citation, text: TextView | undefined, view: ChoiceView): JsonObject | undefined {
  if (text !== undefined && citation.start === undefined && citation.end === undefined) {
    text.unplaced.push(citation);
    return undefined;
  }
  const annotation = encodeCitation(citation, { start: text?.start ?? 0, end: view.said });
  return annotation === undefined ? undefined : { annotations: [annotation] };
}

/** The delta that a part ends with; undefined where it leaves nothing to be said. */
export function endOf(partIndex: number, view: ChoiceView): JsonObject | undefined {
  const reasoning = view.reasoning.get(partIndex);
  if (reasoning !== undefined) {
    // Sealed reasoning leaves as whole blocks, so that a client only has to collect them.
    const blocks = blocksFromReasoning(reasoning.text, reasoning.opaque);
    return blocks.length === 0 ? undefined : { thinking_blocks: blocks };
  }
  const { start, unplaced } = view.texts.get(partIndex) ?? { start: 0, unplaced: [] };
  const annotations = unplaced.flatMap((citation) => encodeCitation(citation, { start, end: view.said }) ?? []);
  return annotations.length === 0 ? undefined : { annotations };
}

/** The extra fields of a call's delta are those of its entry in `tool_calls`. */
function callDelta(event: PartDelta, call: CallView, extra: JsonObject | undefined, legacyFunctions: boolean): JsonObject | undefined {
  const { delta } = event;
  const text = delta.case === "argumentsJson" ? delta.value : undefined;
  if (legacyFunctions) return text === undefined || call.index > 0 ? undefined : { function_call: { arguments: text } };
  const signature = delta.case === "opaque" ? extraContent([delta.value]) : undefined;
  if (text === undefined && signature === undefined && extra === undefined) return undefined;
  const known: Record<string, unknown> = { index: call.index };
  if (text !== undefined) known[call.custom ? "custom" : "function"] = call.custom ? { input: text } : { arguments: text };
  if (signature !== undefined) known["extra_content"] = signature;
  return { tool_calls: [extra === undefined ? known : merged(extra, known)] };
}
