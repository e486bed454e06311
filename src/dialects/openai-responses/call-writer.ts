import type { ContentPart, Opaque, PartDelta, ToolCallPart } from "../../core/chat.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { language, ownFields } from "./extensions.ts";
import type { ItemPlace, ItemWriter } from "./item-writer.ts";
import { callItem, itemId, type ItemStatus } from "./output-items.ts";

/** Writes a call of a function or of a custom tool. */
export class CallWriter implements ItemWriter {
  readonly strays: Opaque[] = [];
  readonly #place: ItemPlace;
  readonly #id: string;
  readonly #call: ToolCallPart;
  #own: JsonObject;
  #ended = false;

  constructor(place: ItemPlace, part: ContentPart, call: ToolCallPart) {
    this.#place = place;
    this.#own = ownFields(part.extensionsJson);
    this.#id = itemId(call.custom ? "ctc" : "fc", place.answerId, place.outputIndex, this.#own);
    this.#call = { ...call, argumentsJson: "" };
    this.#emit("response.output_item.added", { item: callItem(this.#id, this.#call, "in_progress", this.#own) });
    if (call.argumentsJson !== "") this.#say(call.argumentsJson, {});
  }

  takes(): boolean {
    return false;
  }

  begin(): void {
    // It began when it was made.
  }

  more({ delta, extensionsJson }: PartDelta): void {
    const own = ownFields(extensionsJson);
    if (extensionsJson[language] !== undefined) this.#own = own;
    if (delta.case === "argumentsJson") this.#say(delta.value, isJsonObject(own["delta"]) ? own["delta"] : {});
    else if (delta.case === "opaque") this.strays.push(delta.value);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { name, argumentsJson, custom } = this.#call;
    if (custom) this.#at("response.custom_tool_call_input.done", { input: argumentsJson });
    else this.#at("response.function_call_arguments.done", { name, arguments: argumentsJson });
  }

  close(status: ItemStatus): JsonObject {
    this.end();
    const item = callItem(this.#id, this.#call, status, this.#own);
    this.#emit("response.output_item.done", { item });
    return item;
  }

  #say(text: string, extra: JsonObject): void {
    this.#call.argumentsJson += text;
    const type = this.#call.custom ? "response.custom_tool_call_input.delta" : "response.function_call_arguments.delta";
    this.#at(type, { ...extra, delta: text });
  }

  #at(type: string, fields: JsonObject): void {
    this.#emit(type, { ...fields, item_id: this.#id });
  }

  #emit(type: string, fields: JsonObject): void {
    this.#place.sink.emit(type, { ...fields, output_index: this.#place.outputIndex });
  }
}
