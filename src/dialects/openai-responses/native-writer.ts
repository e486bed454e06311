import type { PartDelta } from "../../core/chat.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { ownFields } from "./extensions.ts";
import type { ItemPlace, ItemWriter } from "./item-writer.ts";

/** Writes an item as it came: what a tool of the vendor's did, or an item of a kind that is not known here. */
export class NativeWriter implements ItemWriter {
  readonly strays = [];
  readonly #place: ItemPlace;
  #item: JsonObject;

  /** `final`: what is known already of how it ends. */
  constructor(place: ItemPlace, item: JsonObject, final: JsonObject | undefined) {
    this.#place = place;
    this.#item = item;
    this.#emit("response.output_item.added", { item });
    if (final !== undefined) this.#item = final;
  }

  takes(): boolean {
    return false;
  }

  begin(): void {
    // It began when it was made.
  }

  /** Its progress, as it is told; at last what became of it. */
  more({ extensionsJson }: PartDelta): void {
    const { event, item } = ownFields(extensionsJson);
    if (isJsonObject(event) && typeof event["type"] === "string") this.#emit(event["type"], { ...event, item_id: this.#item["id"] });
    if (isJsonObject(item)) this.#item = item;
  }

  end(): void {
    // There is nothing to tell before it is closed.
  }

  close(): JsonObject {
    this.#emit("response.output_item.done", { item: this.#item });
    return this.#item;
  }

  #emit(type: string, fields: JsonObject): void {
    this.#place.sink.emit(type, { ...fields, output_index: this.#place.outputIndex });
  }
}
