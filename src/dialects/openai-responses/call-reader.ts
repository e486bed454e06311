import type { ChatEvent } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { type JsonObject } from "../../core/json-fields.ts";
import { ownFields } from "./extensions.ts";
import { type ItemReader, OpenPart, type PartNumber } from "./item-reader.ts";
import { callFields, callFromItem, textAt } from "./output-decode.ts";

/** Reads a call of a function or of a custom tool. */
export class CallReader implements ItemReader {
  readonly #part: OpenPart;
  readonly #field: "arguments" | "input";

  constructor(item: JsonObject, { number, context }: { readonly number: PartNumber; readonly context: AnswerContext }, out: ChatEvent[]) {
    this.#field = item["type"] === "custom_tool_call" ? "input" : "arguments";
    const part = callFromItem(item, context);
    this.#part = new OpenPart(number(), part, ownFields(part.extensionsJson), out);
    this.#part.write({}, textAt(item, this.#field), out);
  }

  read(type: string, event: JsonObject, out: ChatEvent[]): void {
    switch (type) {
      case "response.function_call_arguments.delta":
      case "response.custom_tool_call_input.delta":
        return this.#part.write(event, textAt(event, "delta"), out);
      case "response.function_call_arguments.done":
      case "response.custom_tool_call_input.done":
        // Servers that write a call at once leave the deltas out.
        if (!this.#part.said) this.#part.write({}, textAt(event, this.#field), out);
        return;
      default:
    }
  }

  finish(item: JsonObject, out: ChatEvent[]): void {
    if (!this.#part.said) this.#part.write({}, textAt(item, this.#field), out);
    this.#part.tell(callFields(item), out);
    this.#part.end(out);
  }
}
