import { type ChatEvent, type ContentPart, type PartDelta, partDelta, partEnded, partStarted } from "../../core/chat.ts";
import { parseJson } from "../../core/json.ts";
import { anthropicToken, citationFrom, nativePart, reasoningFromBlock, textFromBlock, toolCallFromBlock } from "./blocks-decode.ts";
import { type Fields, isFields, textAt } from "./fields.ts";
import { callerToolName, unwrapped } from "../../core/freeform.ts";
import { broken } from "./response-decode.ts";

/** The block under way. */
interface OpenBlock {
  readonly kind: "text" | "reasoning" | "call" | "freeform" | "native";
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
  #partIndex = 0;
  #open: OpenBlock | undefined;
  #calledTool = false;

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
    if (this.#open !== undefined || !isFields(block)) throw broken("content_block_start out of order");
    const kind = kindOf(block);
    this.#open = { kind, index: event["index"], block, argumentsText: "", hasArguments: false, citations: [] };
    switch (kind) {
      case "text":
        // A part starts empty; text that is there already follows as a delta.
        out.push(partStarted(0, this.#partIndex, textFromBlock({ ...block, text: "" })));
        this.#emitText("text", textAt(block, "text"), out);
        return;
      case "reasoning":
        out.push(partStarted(0, this.#partIndex, reasoningFromBlock({ ...block, thinking: "" })));
        this.#emitText("reasoning", textAt(block, "thinking"), out);
        return;
      case "call":
      case "freeform":
        this.#calledTool = true;
        out.push(partStarted(0, this.#partIndex, toolCallFromBlock(block)));
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
    if (open === undefined || open.index !== event["index"] || !isFields(delta)) throw broken("content_block_delta without its block");
    if (open.kind === "native") {
      grow(open, delta);
      return;
    }
    switch (delta["type"]) {
      case "text_delta":
        if (open.kind !== "text") throw misfit("text_delta");
        this.#emitText("text", textAt(delta, "text"), out);
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
    if (open.kind === "freeform") this.#emitText("argumentsJson", unwrapped(open.hasArguments ? open.argumentsText : inputOf(open)), out);
    if (open.kind === "call" && !open.hasArguments) this.#emitText("argumentsJson", inputOf(open), out);
    out.push(partEnded(0, this.#partIndex));
    this.#partIndex++;
  }

  #arguments(open: OpenBlock, text: string, out: ChatEvent[]): void {
    if (open.kind !== "call" && open.kind !== "freeform") throw misfit("input_json_delta");
    if (text === "") return;
    open.hasArguments = true;
    if (open.kind === "freeform") open.argumentsText += text;
    else this.#emit({ case: "argumentsJson", value: text }, out);
  }

  #citation(open: OpenBlock, citation: unknown, out: ChatEvent[]): void {
    if (open.kind !== "text" || !isFields(citation)) throw misfit("citations_delta");
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

function kindOf(block: Fields): OpenBlock["kind"] {
  switch (block["type"]) {
    case "text":
      return "text";
    case "thinking":
    case "redacted_thinking":
      return "reasoning";
    case "tool_use":
      return callerToolName(textAt(block, "name")).custom ? "freeform" : "call";
    default:
      return "native";
  }
}

function misfit(delta: string): Error {
  return broken(`${delta} does not fit its block`);
}

/** The input that came with the block's start; hosts that do not stream arguments send it so. */
function inputOf(open: OpenBlock): string {
  return JSON.stringify(isFields(open.block["input"]) ? open.block["input"] : {});
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
  return nativePart({ ...open.block, input: isFields(input) ? input : { _raw: open.argumentsText } });
}
