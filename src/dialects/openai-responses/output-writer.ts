import { type ContentPart, type Opaque, type PartDelta } from "../../core/chat.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { parseJson } from "../../core/json.ts";
import { encodeBase64 } from "../../core/base64.ts";
import { CallWriter } from "./call-writer.ts";
import type { EventSink } from "./event-sink.ts";
import { language, ownFields } from "./extensions.ts";
import type { ItemPlace, ItemWriter } from "./item-writer.ts";
import { isSpoken, MessageWriter } from "./message-writer.ts";
import { NativeWriter } from "./native-writer.ts";
import { itemId, type ItemStatus } from "./output-items.ts";
import { reasoningPart } from "./parts.ts";
import { ReasoningWriter } from "./reasoning-writer.ts";

/** An item that can still grow, or whose end has not been told. */
interface OpenItem {
  readonly outputIndex: number;
  readonly writer: ItemWriter;
  /** Its piece is whole; the next part may be another one of it. */
  ended: boolean;
  /** Tokens of parts behind it that said nothing. */
  readonly left: Opaque[];
}

/** Puts the parts of an answer together to items, and tells how they grow. */
export class OutputWriter {
  readonly #sink: EventSink;
  readonly #answerId: string;
  readonly #items: (JsonObject | undefined)[] = [];
  readonly #open: OpenItem[] = [];
  readonly #byPart = new Map<number, OpenItem>();
  /** Texts that have begun and said nothing: what never does is no piece of a message. */
  readonly #blank = new Map<number, ContentPart>();
  #refused = false;

  constructor(sink: EventSink, answerId: string) {
    this.#sink = sink;
    this.#answerId = answerId;
  }

  /** Items that are over, in their order. */
  get items(): JsonObject[] {
    return this.#items.filter((item) => item !== undefined);
  }

  /** Whether one of its parts is a refusal. */
  get refused(): boolean {
    return this.#refused;
  }

  /** A part begins. */
  begin(partIndex: number, part: ContentPart): void {
    if (isBlank(part)) this.#blank.set(partIndex, part);
    else this.#begin(partIndex, part);
  }

  #begin(partIndex: number, part: ContentPart): void {
    this.#refused ||= part.part.case === "refusal";
    const last = this.#open.at(-1);
    let open = last?.ended === true && last.writer.takes(part) ? last : undefined;
    if (open === undefined) {
      this.#closeEnded("completed");
      // In front of what they belong to; a message has them behind, for when it begins nobody knows of all of its pieces.
      if (part.part.case === "toolCall") this.#carry(part.opaque);
      open = this.#start(part);
    }
    if (open === undefined) return;
    open.ended = false;
    this.#byPart.set(partIndex, open);
    open.writer.begin(part);
  }

  /** More of a part; of one that has no form here, nothing. */
  more(event: PartDelta): void {
    let open = this.#byPart.get(event.partIndex);
    if (open === undefined) {
      const blank = this.#blank.get(event.partIndex);
      if (blank === undefined) return;
      this.#blank.delete(event.partIndex);
      this.#begin(event.partIndex, blank);
      open = this.#byPart.get(event.partIndex);
    }
    open?.writer.more(event);
  }

  /** A part is whole. Its item may go on, or be the one that an answer breaks off at, so that its end is told later. */
  end(partIndex: number): void {
    const open = this.#byPart.get(partIndex);
    if (open === undefined) {
      this.#leave(this.#blank.get(partIndex)?.opaque ?? []);
      this.#blank.delete(partIndex);
      return;
    }
    open.writer.end();
    open.ended = true;
  }

  /** There are no more parts: the last item is what the answer's length was cut at. */
  finish(status: ItemStatus): void {
    for (const open of this.#open) open.ended = true;
    this.#closeEnded(status);
  }

  /** `status` is the last one's; those before it were whole. */
  #closeEnded(status: ItemStatus): void {
    const ended = this.#open.filter((open) => open.ended);
    for (const [i, open] of ended.entries()) {
      this.#items[open.outputIndex] = open.writer.close(i === ended.length - 1 ? status : "completed");
      this.#open.splice(this.#open.indexOf(open), 1);
      this.#carry([...open.writer.strays, ...open.left]);
    }
  }

  /** Tokens of a part that said nothing: with those that the message before it has no place for, or alone. */
  #leave(tokens: readonly Opaque[]): void {
    const last = this.#open.at(-1);
    if (last?.ended === true) last.left.push(...tokens);
    else this.#carry(tokens);
  }

  /** Each token in an empty item of its own. */
  #carry(tokens: readonly Opaque[]): void {
    for (const token of tokens) {
      const part = reasoningPart("", true, [token]);
      const place = this.#nextPlace();
      const writer = new ReasoningWriter(place, part);
      writer.begin(part);
      this.#items[place.outputIndex] = writer.close("completed");
    }
  }

  #start(part: ContentPart): OpenItem | undefined {
    const outputIndex = this.#items.length;
    const writer = writerOf(part, () => this.#nextPlace());
    if (writer === undefined) return undefined;
    const open = { outputIndex, writer, ended: false, left: [] };
    this.#open.push(open);
    return open;
  }

  #nextPlace(): ItemPlace {
    return { sink: this.#sink, answerId: this.#answerId, outputIndex: this.#items.push(undefined) - 1 };
  }
}

/** Whether it is a text that has nothing yet, and that no upstream of this language has named. */
function isBlank({ part, extensionsJson }: ContentPart): boolean {
  return part.case === "text" && part.value.text === "" && part.value.citations.length === 0 && extensionsJson[language] === undefined;
}

/** Undefined: what ran at another vendor, or has no form here, is not part of this language's answer. */
function writerOf(part: ContentPart, place: () => ItemPlace): ItemWriter | undefined {
  const { part: inner } = part;
  if (isSpoken(part)) return new MessageWriter(place(), part);
  if (inner.case === "reasoning") return new ReasoningWriter(place(), part);
  if (inner.case === "toolCall") return new CallWriter(place(), part, inner.value);
  if (inner.case === "native") {
    const item = inner.value.issuer === language ? itemIn(inner.value.json) : undefined;
    const { item: final } = ownFields(part.extensionsJson);
    return item && new NativeWriter(place(), item, isJsonObject(final) ? final : undefined);
  }
  const source = inner.case === "image" ? inner.value.media?.source : undefined;
  if (source?.case !== "data") return undefined;
  const where = place();
  const id = itemId("ig", where.answerId, where.outputIndex, {});
  return new NativeWriter(where, { type: "image_generation_call", id, status: "completed", result: encodeBase64(source.value) }, undefined);
}

function itemIn(json: string): JsonObject | undefined {
  const value = parseJson(json);
  return isJsonObject(value) ? value : undefined;
}
