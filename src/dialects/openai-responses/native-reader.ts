import type { ChatEvent } from "../../core/chat.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { type ItemReader, OpenPart, type PartNumber } from "./item-reader.ts";
import { nativePart } from "./parts.ts";

/** Reads an item of any other kind: as it was announced, what is told of it meanwhile, and what became of it. */
export class NativeReader implements ItemReader {
  readonly #part: OpenPart;
  readonly #announced: string;

  constructor(item: JsonObject, number: PartNumber, out: ChatEvent[]) {
    this.#announced = JSON.stringify(item);
    this.#part = new OpenPart(number(), nativePart(item), {}, out);
  }

  read(type: string, event: JsonObject, out: ChatEvent[]): void {
    const { sequence_number: _ours, output_index: _place, item_id: _name, ...rest } = event;
    this.#part.tell({}, out, { event: { ...rest, type } });
  }

  finish(item: JsonObject, out: ChatEvent[]): void {
    if (JSON.stringify(item) !== this.#announced) this.#part.tell({ item }, out);
    this.#part.end(out);
  }
}
