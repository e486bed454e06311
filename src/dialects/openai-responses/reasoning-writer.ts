import type { ContentPart, Opaque, PartDelta } from "../../core/chat.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { language, ownFields } from "./extensions.ts";
import type { ItemPlace, ItemWriter } from "./item-writer.ts";
import { itemId, type ItemStatus, reasoningItem, sealOf } from "./output-items.ts";

/**
 * Writes reasoning: what can be read of it as summaries, which is what clients of this API show; as the raw chain only what came as
 * one from this API.
 */
export class ReasoningWriter implements ItemWriter {
  readonly #place: ItemPlace;
  readonly #id: string;
  readonly #summary: string[] = [];
  readonly #chain: string[] = [];
  readonly #tokens: Opaque[] = [];
  #own: JsonObject;
  /** The text that grows; undefined: it has not begun, since what is only sealed has none. */
  #text: string | undefined;
  #raw = false;

  constructor(place: ItemPlace, first: ContentPart) {
    this.#place = place;
    this.#own = ownFields(first.extensionsJson);
    this.#id = itemId("rs", place.answerId, place.outputIndex, this.#own);
    const texts = { summary: [], chain: [], tokens: [] };
    this.#emit("response.output_item.added", { item: reasoningItem(this.#id, texts, this.#own) });
  }

  /** An item has room for one token. */
  get strays(): readonly Opaque[] {
    const seal = sealOf(this.#tokens);
    return this.#tokens.filter((token) => token !== seal);
  }

  takes(part: ContentPart): boolean {
    return part.part.case === "reasoning" && ownFields(part.extensionsJson)["continues"] === true;
  }

  begin(part: ContentPart): void {
    this.#raw = ownFields(part.extensionsJson)["raw"] === true;
    if (part.part.case !== "reasoning") return;
    this.#tokens.push(...part.part.value.opaque);
    if (part.part.value.text !== "") this.#say(part.part.value.text, {});
  }

  more({ delta, extensionsJson }: PartDelta): void {
    const own = ownFields(extensionsJson);
    // Fields of the item; those of one of its later texts say only that they are.
    if (extensionsJson[language] !== undefined && own["continues"] !== true) this.#own = own;
    if (delta.case === "reasoning") this.#say(delta.value, isJsonObject(own["delta"]) ? own["delta"] : {});
    else if (delta.case === "opaque") this.#tokens.push(delta.value);
  }

  end(): void {
    const text = this.#text;
    if (text === undefined) return;
    if (this.#raw) {
      this.#at("response.reasoning_text.done", { text });
      this.#at("response.content_part.done", { part: { type: "reasoning_text", text } });
    } else {
      this.#at("response.reasoning_summary_text.done", { text });
      this.#at("response.reasoning_summary_part.done", { part: { type: "summary_text", text } });
    }
    (this.#raw ? this.#chain : this.#summary).push(text);
    this.#text = undefined;
  }

  close(_status: ItemStatus): JsonObject {
    this.end();
    const item = reasoningItem(this.#id, { summary: this.#summary, chain: this.#chain, tokens: this.#tokens }, this.#own);
    this.#emit("response.output_item.done", { item });
    return item;
  }

  #say(text: string, extra: JsonObject): void {
    if (this.#text === undefined) {
      this.#text = "";
      if (this.#raw) this.#at("response.content_part.added", { part: { type: "reasoning_text", text: "" } });
      else this.#at("response.reasoning_summary_part.added", { part: { type: "summary_text", text: "" } });
    }
    this.#text += text;
    this.#at(this.#raw ? "response.reasoning_text.delta" : "response.reasoning_summary_text.delta", { ...extra, delta: text });
  }

  #at(type: string, fields: JsonObject): void {
    const place = this.#raw ? { content_index: this.#chain.length } : { summary_index: this.#summary.length };
    this.#emit(type, { ...fields, ...place, item_id: this.#id });
  }

  #emit(type: string, fields: JsonObject): void {
    this.#place.sink.emit(type, { ...fields, output_index: this.#place.outputIndex });
  }
}
