import { type ChatEvent, type PartDelta, partDelta, partEnded, partStarted, textPart } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { unwrapped } from "../../core/freeform.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";
import { parseJson } from "../../core/json.ts";
import { createUnfencer, type Unfencer } from "../../core/unfence.ts";
import { bedrockToken, citationExtension, citationFrom, isOfServer, nativePart, reasoningPart, toolCallFrom } from "./parts-decode.ts";
import { broken } from "./response-decode.ts";

/** A block under way. */
interface OpenBlock {
  readonly kind: "text" | "reasoning" | "call" | "freeform" | "native";
  readonly partIndex: number;
  /** Arguments of a call whose text is held back until it is whole; whether any came, for others. */
  argumentsText: string;
  signature: string;
  readonly redacted: Buffer[];
  /** Of text that may have a fence around it which is no part of it. */
  readonly unfencer: Unfencer | undefined;
  readonly citations: Fields[];
  /** A native block's start, and its deltas in order. */
  readonly native: Fields;
  readonly deltas: Fields[];
}

/** Turns the events of content blocks into those of parts. Only blocks of tools, images and results announce themselves. */
export class BlockStream {
  readonly #open = new Map<unknown, OpenBlock>();
  readonly #context: AnswerContext;
  #parts = 0;
  #calledTool = false;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  /** Whether a tool of the caller's was called. */
  get calledTool(): boolean {
    return this.#calledTool;
  }

  start({ contentBlockIndex, start }: Fields, out: ChatEvent[]): void {
    if (!isJsonObject(start)) throw broken("contentBlockStart without a start");
    if (this.#open.has(contentBlockIndex)) throw broken("contentBlockStart of an open block");
    const { toolUse, text: _said, reasoningContent: _thought, ...others } = start;
    // Servers that imitate Converse announce text and reasoning as well, with nothing in it; the first delta tells which.
    if (toolUse === undefined && Object.keys(others).length === 0) return;
    if (isJsonObject(toolUse) && !isOfServer(toolUse)) {
      const part = toolCallFrom(toolUse, this.#context);
      const custom = part.part.case === "toolCall" && part.part.value.custom;
      const block = this.#begin(contentBlockIndex, custom ? "freeform" : "call", {});
      this.#calledTool = true;
      out.push(partStarted(0, block.partIndex, part));
      return;
    }
    this.#begin(contentBlockIndex, "native", start);
  }

  delta({ contentBlockIndex, delta }: Fields, out: ChatEvent[]): void {
    if (!isJsonObject(delta)) throw broken("contentBlockDelta without a delta");
    const { text, toolUse, reasoningContent, citation } = delta;
    const open = this.#open.get(contentBlockIndex);
    if (open?.kind === "native") open.deltas.push(delta);
    else if (typeof text === "string") this.#text(open, contentBlockIndex, text, out);
    else if (isJsonObject(reasoningContent)) reason(this.#of("reasoning", contentBlockIndex, out), reasoningContent, out);
    else if (isJsonObject(citation)) cite(this.#of("text", contentBlockIndex, out), citation, out);
    else if (isJsonObject(toolUse)) this.#arguments(open, textAt(toolUse, "input"), out);
    // Anything else is a kind of delta that is younger than this code.
  }

  #text(open: OpenBlock | undefined, index: unknown, text: string, out: ChatEvent[]): void {
    // An empty text is none: answers of tool calls alone begin with one.
    if (text === "" && open === undefined) return;
    const block = this.#of("text", index, out);
    emit(block, { case: "text", value: block.unfencer?.push(text) ?? text }, out);
  }

  stop({ contentBlockIndex }: Fields, out: ChatEvent[]): void {
    const open = this.#open.get(contentBlockIndex);
    // A block of which nothing came has not begun: the model wrote an empty text.
    if (open === undefined) return;
    this.#open.delete(contentBlockIndex);
    end(open, out);
  }

  /** Ends what is open, at the message's own end. */
  stopAll(out: ChatEvent[]): void {
    for (const open of this.#open.values()) end(open, out);
    this.#open.clear();
  }

  #begin(index: unknown, kind: OpenBlock["kind"], native: Fields): OpenBlock {
    const block: OpenBlock = {
      kind,
      partIndex: this.#parts++,
      argumentsText: "",
      signature: "",
      redacted: [],
      unfencer: kind === "text" && this.#context.fencedJson === true ? createUnfencer() : undefined,
      citations: [],
      native,
      deltas: [],
    };
    this.#open.set(index, block);
    return block;
  }

  /** The open block of this kind; a block that changes its kind on the way is two. */
  #of(kind: "text" | "reasoning", index: unknown, out: ChatEvent[]): OpenBlock {
    const open = this.#open.get(index);
    if (open?.kind === kind) return open;
    if (open?.kind === "call" || open?.kind === "freeform") throw broken(`a ${kind} delta in a tool's block`);
    if (open !== undefined) end(open, out);
    const block = this.#begin(index, kind, {});
    out.push(partStarted(0, block.partIndex, kind === "text" ? textPart("") : reasoningPart("", [])));
    return block;
  }

  #arguments(open: OpenBlock | undefined, text: string, out: ChatEvent[]): void {
    if (open?.kind !== "call" && open?.kind !== "freeform") throw broken("arguments outside a tool's block");
    open.argumentsText += text;
    if (open.kind === "call") emit(open, { case: "argumentsJson", value: text }, out);
  }
}

function emit({ partIndex }: OpenBlock, delta: PartDelta["delta"], out: ChatEvent[]): void {
  if (typeof delta.value !== "string" || delta.value !== "") out.push(partDelta(0, partIndex, delta));
}

function reason(open: OpenBlock, content: Fields, out: ChatEvent[]): void {
  emit(open, { case: "reasoning", value: textAt(content, "text") }, out);
  open.signature += textAt(content, "signature");
  const sealed = textAt(content, "redactedContent");
  if (sealed !== "") open.redacted.push(Buffer.from(sealed, "base64"));
}

function cite(open: OpenBlock, citation: Fields, out: ChatEvent[]): void {
  open.citations.push(citation);
  const event = partDelta(0, open.partIndex, { case: "citation", value: citationFrom(citation) });
  // All of them each time: of extensions, the last one stays.
  if (event.case === "partDelta") event.value.extensionsJson = citationExtension(open.citations);
  out.push(event);
}

function end(open: OpenBlock, out: ChatEvent[]): void {
  switch (open.kind) {
    case "text":
      if (open.unfencer !== undefined) emit(open, { case: "text", value: open.unfencer.end() }, out);
      break;
    case "reasoning":
      if (open.signature !== "") emit(open, { case: "opaque", value: bedrockToken("signature", open.signature) }, out);
      if (open.redacted.length > 0)
        emit(open, { case: "opaque", value: bedrockToken("redacted_content", Buffer.concat(open.redacted).toString("base64")) }, out);
      break;
    case "call":
      // A tool without parameters is called without a word.
      if (open.argumentsText === "") emit(open, { case: "argumentsJson", value: "{}" }, out);
      break;
    case "freeform":
      emit(open, { case: "argumentsJson", value: unwrapped(open.argumentsText) }, out);
      break;
    case "native":
      out.push(partStarted(0, open.partIndex, nativePart(wholeNative(open))));
      break;
    default:
      open.kind satisfies never;
  }
  out.push(partEnded(0, open.partIndex));
}

/** A block as a whole answer would have it. */
function wholeNative({ native, deltas }: OpenBlock): Fields {
  const [kind = "", start] = Object.entries(native)[0] ?? [];
  const inner = isJsonObject(start) ? start : {};
  const pieces = deltas.map((delta) => delta[kind]);
  if (kind === "toolResult") return { toolResult: { ...inner, content: pieces.flat() } };
  if (kind === "toolUse") {
    const text = pieces.map((piece) => (isJsonObject(piece) ? textAt(piece, "input") : "")).join("");
    return { toolUse: { ...inner, input: inputFrom(text) } };
  }
  return { [kind]: Object.assign({}, inner, ...pieces.filter(isJsonObject)) };
}

function inputFrom(text: string): Fields {
  if (text === "") return {};
  try {
    const value = parseJson(text);
    if (isJsonObject(value)) return value;
  } catch {
    // Cut off; the block must hold an object to be replayed at all.
  }
  return { _raw: text };
}
