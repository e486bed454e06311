import type { ContentPart, Opaque, PartDelta, ToolCallPart } from "../../core/chat.ts";
import { answerBlocks, callStart, extensionOf, objectIn } from "./answer-blocks.ts";
import { sealBlock, signatureText, sortedTokens, tokenBlock } from "./carried-tokens.ts";
import { foreignCitation } from "./citations.ts";
import { extensionFields, type Fields, isJsonObject, mergedBlock } from "./fields.ts";

/** Writes the blocks of one part; open until it is closed. All give server-sent events, or none. */
export interface PartWriter {
  open(): string;
  more(event: PartDelta): string;
  close(): string;
}

/** The index of the next block. */
export type TakeIndex = () => number;

/** One event with its type in both lines. */
export function eventText(type: string, fields: Fields): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

/** The writer for what the part is. */
export function partWriter(part: ContentPart, take: TakeIndex): PartWriter {
  switch (part.part.case) {
    case "text":
    case "refusal":
      return textWriter(part, part.part.value.text, take);
    case "audio":
      return textWriter(part, part.part.value.transcript, take);
    case "reasoning":
      return new ReasoningWriter(part, part.part.value, take);
    case "toolCall":
      return new CallWriter(part, part.part.value, take);
    default:
      return wholeWriter(part, take);
  }
}

function startOf(index: number, block: Fields): string {
  return eventText("content_block_start", { index, content_block: block });
}

function deltaOf(index: number, delta: Fields): string {
  return eventText("content_block_delta", { index, delta });
}

function stopOf(index: number): string {
  return eventText("content_block_stop", { index });
}

/** A block that is known at once. The input of a tool comes as a delta even so, which is where SDKs look for it. */
function wholeBlock(block: Fields, take: TakeIndex): string {
  const index = take();
  const { input } = block;
  if (!isJsonObject(input)) return startOf(index, block) + stopOf(index);
  const delta = deltaOf(index, { type: "input_json_delta", partial_json: JSON.stringify(input) });
  return startOf(index, { ...block, input: {} }) + delta + stopOf(index);
}

function wholeBlocks(blocks: readonly Fields[], take: TakeIndex): string {
  let text = "";
  for (const block of blocks) text += wholeBlock(block, take);
  return text;
}

function wholeWriter(part: ContentPart, take: TakeIndex): PartWriter {
  return { open: () => wholeBlocks(answerBlocks(part), take), more: () => "", close: () => "" };
}

function textWriter(part: ContentPart, first: string, take: TakeIndex): PartWriter {
  return new TextWriter(part, first, take);
}

/** A block begins with its first text: one without any would be refused when it comes back. */
class TextWriter implements PartWriter {
  readonly #part: ContentPart;
  readonly #first: string;
  readonly #take: TakeIndex;
  readonly #late: Opaque[] = [];
  readonly #extension: Fields;
  /** Anthropic's own citations of an answer that came whole: each has its turn when the citation that says the same has. */
  readonly #citations: unknown[];
  #index = -1;
  /** A delta up to its text. */
  #head = "";

  constructor(part: ContentPart, first: string, take: TakeIndex) {
    this.#part = part;
    this.#first = first;
    this.#take = take;
    const { citations, ...rest } = extensionOf(part) ?? {};
    this.#extension = rest;
    this.#citations = Array.isArray(citations) ? [...citations] : [];
  }

  open(): string {
    return this.#first === "" ? "" : this.#text(this.#first);
  }

  more({ delta, extensionsJson }: PartDelta): string {
    switch (delta.case) {
      case "text":
      case "refusal":
      case "audioTranscript":
        return delta.value === "" ? "" : this.#text(delta.value);
      case "citation": {
        const all = extensionFields(extensionsJson, "")?.["citations"];
        const citation: unknown = Array.isArray(all) ? all.at(-1) : (this.#citations.shift() ?? foreignCitation(delta.value));
        return citation === undefined ? "" : this.#begun() + deltaOf(this.#index, { type: "citations_delta", citation });
      }
      case "opaque":
        this.#late.push(delta.value);
        return "";
      default:
        return "";
    }
  }

  close(): string {
    if (this.#index < 0) return wholeLater([...this.#part.opaque, ...this.#late], this.#take);
    return stopOf(this.#index) + wholeLater(this.#late, this.#take);
  }

  #text(text: string): string {
    const begun = this.#index < 0 ? this.#begun() : "";
    return `${begun}${this.#head}${JSON.stringify(text)}}}\n\n`;
  }

  #begun(): string {
    if (this.#index >= 0) return "";
    const before = wholeBlocks(
      this.#part.opaque.map((token) => tokenBlock("of_next", token)),
      this.#take,
    );
    this.#index = this.#take();
    this.#head = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#index},"delta":{"type":"text_delta","text":`;
    return before + startOf(this.#index, mergedBlock(this.#extension, { type: "text", text: "" }));
  }
}

function wholeLater(tokens: readonly Opaque[], take: TakeIndex): string {
  return wholeBlocks(
    tokens.map((token) => tokenBlock("of_last", token)),
    take,
  );
}

/** Thinking, whose signature comes once, at its end, whatever came before. */
class ReasoningWriter implements PartWriter {
  readonly #part: ContentPart;
  readonly #take: TakeIndex;
  readonly #tokens: Opaque[];
  readonly #first: string;
  #index = -1;

  constructor(part: ContentPart, { text, opaque }: { readonly text: string; readonly opaque: readonly Opaque[] }, take: TakeIndex) {
    this.#part = part;
    this.#take = take;
    this.#first = text;
    this.#tokens = [...opaque];
  }

  open(): string {
    return this.#first === "" ? "" : this.#text(this.#first);
  }

  more({ delta }: PartDelta): string {
    if (delta.case === "reasoning") return delta.value === "" ? "" : this.#text(delta.value);
    if (delta.case === "opaque") this.#keep(delta.value);
    return "";
  }

  close(): string {
    const { signatures, seals } = sortedTokens(this.#tokens);
    const [first, ...more] = signatures;
    let text = "";
    if (this.#index >= 0 || first !== undefined) {
      text = this.#begun();
      text += deltaOf(this.#index, { type: "signature_delta", signature: signatureText(first) }) + stopOf(this.#index);
      text += wholeLater(more, this.#take);
    }
    return text + wholeBlocks(seals.map(sealBlock), this.#take);
  }

  /** A token replaces an earlier one of its kind. */
  #keep(token: Opaque): void {
    const known = this.#tokens.findIndex(({ issuer, kind }) => issuer === token.issuer && kind === token.kind);
    if (known < 0) this.#tokens.push(token);
    else this.#tokens[known] = token;
  }

  #text(thinking: string): string {
    return this.#begun() + deltaOf(this.#index, { type: "thinking_delta", thinking });
  }

  #begun(): string {
    if (this.#index >= 0) return "";
    this.#index = this.#take();
    return startOf(this.#index, mergedBlock(extensionOf(this.#part), { type: "thinking", thinking: "", signature: "" }));
  }
}

/**
 * A tool call. SDKs parse its input as it comes, and throw at what can be no JSON: a text that does not begin like an object is
 * held until it is whole, and then wrapped.
 */
class CallWriter implements PartWriter {
  readonly #part: ContentPart;
  readonly #call: ToolCallPart;
  readonly #take: TakeIndex;
  readonly #late: Opaque[] = [];
  #index = -1;
  #held = "";
  #state: "blank" | "passing" | "holding" = "blank";

  constructor(part: ContentPart, call: ToolCallPart, take: TakeIndex) {
    this.#part = part;
    this.#call = call;
    this.#take = take;
    if (call.custom) this.#state = "holding";
  }

  open(): string {
    const before = wholeBlocks(
      this.#part.opaque.map((token) => tokenBlock("of_next", token)),
      this.#take,
    );
    this.#index = this.#take();
    const start = startOf(this.#index, mergedBlock(extensionOf(this.#part), { ...callStart(this.#call), input: {} }));
    return before + start + this.#input(this.#call.argumentsJson);
  }

  more({ delta }: PartDelta): string {
    if (delta.case === "argumentsJson") return this.#input(delta.value);
    if (delta.case === "opaque") this.#late.push(delta.value);
    return "";
  }

  close(): string {
    const held = this.#state === "holding" ? this.#wrapped() : "";
    return held + stopOf(this.#index) + wholeLater(this.#late, this.#take);
  }

  #input(text: string): string {
    if (text === "") return "";
    if (this.#state === "passing") return this.#delta(text);
    this.#held += text;
    if (this.#state === "holding") return "";
    const first = this.#held.trimStart()[0];
    if (first === undefined) return "";
    this.#state = first === "{" ? "passing" : "holding";
    return this.#state === "passing" ? this.#delta(this.#held) : "";
  }

  #wrapped(): string {
    if (this.#call.custom) return this.#delta(JSON.stringify({ input: this.#held }));
    return objectIn(this.#held) === undefined ? this.#delta(JSON.stringify({ _raw: this.#held })) : "";
  }

  #delta(partial_json: string): string {
    return deltaOf(this.#index, { type: "input_json_delta", partial_json });
  }
}
