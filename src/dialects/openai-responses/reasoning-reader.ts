import { type ChatEvent, type ContentPart, partEnded, partStarted } from "../../core/chat.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { ownFields } from "./extensions.ts";
import { type ItemReader, OpenPart, type PartNumber } from "./item-reader.ts";
import { sealFrom, textAt } from "./output-decode.ts";
import { reasoningPart } from "./parts.ts";
import { reasoningFields, reasoningParts } from "./reasoning-decode.ts";

/** Reads reasoning: each summary, and each piece of the raw chain, is a part. */
export class ReasoningReader implements ItemReader {
  readonly #number: PartNumber;
  readonly #item: JsonObject;
  #part: OpenPart | undefined;
  /** Which of the item's texts is open. */
  #open = "";
  #begun = 0;

  constructor(item: JsonObject, number: PartNumber) {
    this.#item = item;
    this.#number = number;
  }

  read(type: string, event: JsonObject, out: ChatEvent[]): void {
    switch (type) {
      case "response.reasoning_summary_part.added":
        this.#partAt(event, false, out);
        return;
      case "response.reasoning_summary_text.delta":
        return this.#partAt(event, false, out).say("reasoning", event, textAt(event, "delta"), [], out);
      case "response.reasoning_text.delta":
        return this.#partAt(event, true, out).say("reasoning", event, textAt(event, "delta"), [], out);
      case "response.reasoning_summary_text.done":
      case "response.reasoning_text.done": {
        const part = this.#partAt(event, type === "response.reasoning_text.done", out);
        if (!part.said) part.say("reasoning", {}, textAt(event, "text"), [], out);
        return;
      }
      case "response.content_part.added":
        if (isJsonObject(event["part"])) this.#partAt(event, true, out);
        return;
      default:
    }
  }

  finish(item: JsonObject, out: ChatEvent[]): void {
    const part = this.#part;
    if (part === undefined) {
      for (const each of reasoningParts({ ...this.#item, ...item }, sealFrom)) pushPart(each, this.#number(), out);
      return;
    }
    const [first] = reasoningParts(item, sealFrom);
    const { continues, raw } = part.own;
    // The first text speaks for the item.
    if (this.#begun === 1 && first !== undefined) part.tell(reasoningFields(fieldsOfItem(first), continues === true, raw === true), out);
    const sealed = textAt(item, "encrypted_content");
    if (sealed !== "") part.add({ case: "opaque", value: sealFrom(sealed) }, out);
    part.end(out);
    this.#part = undefined;
  }

  #partAt(event: JsonObject, raw: boolean, out: ChatEvent[]): OpenPart {
    const { content_index: place = 0, summary_index: order = 0 } = event;
    const open = JSON.stringify(raw ? ["chain", place] : ["summary", order]);
    if (this.#part !== undefined && this.#open === open) return this.#part;
    this.#part?.end(out);
    const [first] = reasoningParts(this.#item, sealFrom);
    const isFirst = this.#begun++ === 0;
    const own = reasoningFields(isFirst && first !== undefined ? fieldsOfItem(first) : undefined, !isFirst, raw);
    this.#open = open;
    this.#part = new OpenPart(this.#number(), reasoningPart("", !raw), own, out);
    return this.#part;
  }
}

function fieldsOfItem(first: ContentPart): JsonObject {
  const { raw: _kind, ...own } = ownFields(first.extensionsJson);
  return own;
}

/** A part that comes whole. */
export function pushPart(part: ContentPart, index: number, out: ChatEvent[]): void {
  out.push(partStarted(0, index, part), partEnded(0, index));
}
