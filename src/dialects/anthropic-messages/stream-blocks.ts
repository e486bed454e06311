import { type ChatEvent, type ContentPart, type PartDelta, partDelta, partEnded, partStarted, textPart } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { unwrapped } from "../../core/freeform.ts";
import { parseJson } from "../../core/json.ts";
import { callerTool } from "../../core/tool-names.ts";
import { createUnfencer, type Unfencer } from "../../core/unfence.ts";
import { anthropicToken, citationFrom, nativePart, reasoningFromBlock, textFromBlock, toolCallFromBlock } from "./blocks-decode.ts";
import { type Fields, isJsonObject, textAt } from "./fields.ts";
import { broken } from "./response-decode.ts";

/** The block under way. */
interface OpenBlock {
  readonly kind: "text" | "reasoning" | "call" | "freeform" | "json" | "native";
  /** Anthropic's own index. */
  readonly index: unknown;
  /** As it came in content_block_start; a native block grows here. */
  readonly block: Fields;
  /** Arguments held back until they are whole, because they must be taken out of their wrapping or leave verbatim. */
  argumentsText: string;
  /** Whether any arguments have come. */
  hasArguments: boolean;
  /** Citations so far, verbatim. */
  readonly citations: Fields[];
}

/** Turns the events of content blocks into those of parts. Anthropic's blocks never interleave: at most one is open. */
export class BlockStream {
  readonly #context: AnswerContext;
  #partIndex = 0;
  #open: OpenBlock | undefined;
  #calledTool = false;
  /** Of the text under way, where a fence around it is no part of it. */
  #unfencer: Unfencer | undefined;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  /** Whether a block has begun and not ended. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /** Whether a tool of the caller's was called. */
  get calledTool(): boolean {
    return this.#calledTool;
  }

  start(event: Fields, out: ChatEvent[]): void {
    const block = event["content_block"];
    if (this.#open !== undefined || !isJsonObject(block)) throw broken("content_block_start out of order");
    const kind = kindOf(block, this.#context);
    this.#open = { kind, index: event["index"], block, argumentsText: "", hasArguments: false, citations: [] };
    switch (kind) {
      case "text":
        // A part starts empty; text that is there already follows as a delta.
        out.push(partStarted(0, this.#partIndex, textFromBlock({ ...block, text: "" })));
        this.#unfencer = this.#context.fencedJson === true ? createUnfencer() : undefined;
        this.#text(textAt(block, "text"), out);
        return;
      case "reasoning":
        // Sealed thoughts have no text: one would go back as a field that Anthropic does not know.
        out.push(partStarted(0, this.#partIndex, reasoningFromBlock("thinking" in block ? { ...block, thinking: "" } : block)));
        this.#emitText("reasoning", textAt(block, "thinking"), out);
        return;
      case "call":
      case "freeform":
        this.#calledTool = true;
        out.push(partStarted(0, this.#partIndex, toolCallFromBlock(block, this.#context)));
        return;
      case "json":
        out.push(partStarted(0, this.#partIndex, textPart("")));
        return;
      case "native":
        // Leaves verbatim, so it has to be whole.
        return;
      default:
        kind satisfies never;
    }
  }

  delta(event: Fields, out: ChatEvent[]): void {
    const open = this.#open;
    const { delta } = event;
    if (open === undefined || open.index !== event["index"] || !isJsonObject(delta)) throw broken("content_block_delta without its block");
    if (open.kind === "native") {
      grow(open, delta);
      return;
    }
    switch (delta["type"]) {
      case "text_delta":
        if (open.kind !== "text") throw misfit("text_delta");
        this.#text(textAt(delta, "text"), out);
        return;
      case "thinking_delta":
        if (open.kind !== "reasoning") throw misfit("thinking_delta");
        this.#emitText("reasoning", textAt(delta, "thinking"), out);
        return;
      case "signature_delta":
        if (open.kind !== "reasoning") throw misfit("signature_delta");
        this.#emit({ case: "opaque", value: anthropicToken("signature", textAt(delta, "signature")) }, out);
        return;
      case "input_json_delta":
        this.#arguments(open, textAt(delta, "partial_json"), out);
        return;
      case "citations_delta":
        this.#citation(open, delta["citation"], out);
        return;
      default:
        // A kind of delta that is younger than this code.
        return;
    }
  }

  stop(out: ChatEvent[]): void {
    const open = this.#open;
    if (open === undefined) throw broken("content_block_stop without its block");
    this.#open = undefined;
    if (open.kind === "native") out.push(partStarted(0, this.#partIndex, wholeNative(open)));
    if (open.kind === "text" && this.#unfencer !== undefined) this.#emitText("text", this.#unfencer.end(), out);
    if (open.kind === "freeform") this.#emitText("argumentsJson", unwrapped(open.hasArguments ? open.argumentsText : inputOf(open)), out);
    if (open.kind === "json" && !open.hasArguments) this.#emitText("text", inputOf(open), out);
    if (open.kind === "call" && !open.hasArguments) this.#emitText("argumentsJson", inputOf(open), out);
    out.push(partEnded(0, this.#partIndex));
    this.#partIndex++;
  }

  #text(text: string, out: ChatEvent[]): void {
    this.#emitText("text", this.#unfencer === undefined ? text : this.#unfencer.push(text), out);
  }

  #arguments(open: OpenBlock, text: string, out: ChatEvent[]): void {
    if (open.kind !== "call" && open.kind !== "freeform" && open.kind !== "json") throw misfit("input_json_delta");
    if (text === "") return;
    open.hasArguments = true;
    if (open.kind === "json") this.#emitText("text", text, out);
    else if (open.kind === "freeform") open.argumentsText += text;
    else this.#emit({ case: "argumentsJson", value: text }, out);
  }

  #citation(open: OpenBlock, citation: unknown, out: ChatEvent[]): void {
    if (open.kind !== "text" || !isJsonObject(citation)) throw misfit("citations_delta");
    open.citations.push(citation);
    const event = partDelta(0, this.#partIndex, { case: "citation", value: citationFrom(citation) });
    // All of them each time: of extensions, the last one stays.
    if (event.case === "partDelta") event.value.extensionsJson = textFromBlock({ ...open.block, citations: open.citations }).extensionsJson;
    out.push(event);
  }

  #emitText(kind: "text" | "reasoning" | "argumentsJson", value: string, out: ChatEvent[]): void {
    if (value !== "") this.#emit({ case: kind, value }, out);
  }

  #emit(delta: PartDelta["delta"], out: ChatEvent[]): void {
    out.push(partDelta(0, this.#partIndex, delta));
  }
}

function kindOf(block: Fields, context: AnswerContext): OpenBlock["kind"] {
  switch (block["type"]) {
    case "text":
      return "text";
    case "thinking":
    case "redacted_thinking":
      return "reasoning";
    case "tool_use":
      if (textAt(block, "name") === context.jsonTool) return "json";
      return callerTool(textAt(block, "name"), context).custom ? "freeform" : "call";
    default:
      return "native";
  }
}

function misfit(delta: string): Error {
  return broken(`${delta} does not fit its block`);
}

/** The input that came with the block's start; hosts that do not stream arguments send it so. */
function inputOf(open: OpenBlock): string {
  return JSON.stringify(isJsonObject(open.block["input"]) ? open.block["input"] : {});
}

/** A block of an unknown kind grows as its deltas say: text is appended, everything else replaced. */
function grow(open: OpenBlock, delta: Fields): void {
  if (delta["type"] === "input_json_delta") {
    open.argumentsText += textAt(delta, "partial_json");
    return;
  }
  for (const key of Object.keys(delta)) {
    const [before, more] = [open.block[key], delta[key]];
    if (key !== "type") open.block[key] = typeof before === "string" && typeof more === "string" ? before + more : more;
  }
}

function wholeNative(open: OpenBlock): ContentPart {
  if (open.argumentsText === "") return nativePart(open.block);
  let input: unknown;
  try {
    input = parseJson(open.argumentsText);
  } catch {
    // Cut off by max_tokens; the block must hold an object to be replayed at all.
  }
  return nativePart({ ...open.block, input: isJsonObject(input) ? input : { _raw: open.argumentsText } });
}
