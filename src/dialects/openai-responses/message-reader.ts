import type { ChatEvent, TokenLogprob } from "../../core/chat.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { decodeLogprobs } from "../../core/openai/logprobs.ts";
import { decodeAnnotation, decodeAnnotations } from "./annotations.ts";
import { ownFields } from "./extensions.ts";
import { type ItemReader, OpenPart, type PartNumber } from "./item-reader.ts";
import { messageFields, partFromPiece, textAt } from "./output-decode.ts";

/** Reads a message of the assistant's: each piece of its content is a part. */
export class MessageReader implements ItemReader {
  readonly #number: PartNumber;
  readonly #item: JsonObject;
  #part: OpenPart | undefined;
  /** The piece that is open, and how many there were. */
  #contentIndex = 0;
  #pieces = 0;
  /** All annotations of the piece, as they came. */
  #annotations: unknown[] = [];

  constructor(item: JsonObject, number: PartNumber) {
    this.#item = item;
    this.#number = number;
  }

  read(type: string, event: JsonObject, out: ChatEvent[]): void {
    switch (type) {
      case "response.output_text.delta":
        return this.#partAt(event, "output_text", out).say("text", event, textAt(event, "delta"), logprobsIn(event), out);
      case "response.refusal.delta":
        return this.#partAt(event, "refusal", out).say("refusal", event, textAt(event, "delta"), [], out);
      case "response.content_part.added":
        if (isJsonObject(event["part"])) this.#begin(event["part"], event["content_index"], out);
        return;
      case "response.output_text.annotation.added":
        return this.#annotate(event, out);
      case "response.output_text.done":
      case "response.refusal.done": {
        const isRefusal = type === "response.refusal.done";
        const part = this.#partAt(event, isRefusal ? "refusal" : "output_text", out);
        // Servers that write an answer at once leave the deltas out.
        if (!part.said) part.say(isRefusal ? "refusal" : "text", {}, textAt(event, isRefusal ? "refusal" : "text"), logprobsIn(event), out);
        return;
      }
      case "response.content_part.done":
        if (isJsonObject(event["part"])) this.#complete(event["part"], out);
        return;
      default:
    }
  }

  finish(item: JsonObject, out: ChatEvent[]): void {
    const content: readonly unknown[] = Array.isArray(item["content"]) ? item["content"] : [];
    for (const piece of content.slice(this.#pieces)) {
      if (!isJsonObject(piece)) continue;
      this.#begin(piece, this.#pieces, out);
      const isRefusal = piece["type"] === "refusal";
      this.#part?.say(isRefusal ? "refusal" : "text", {}, textAt(piece, isRefusal ? "refusal" : "text"), logprobsIn(piece), out);
    }
    // Only the part that began with the message speaks for it.
    const { message } = this.#part?.own ?? {};
    if (message !== undefined) this.#part?.tell({ ...this.#part.own, message: messageFields(item) }, out);
    this.#part?.end(out);
    this.#part = undefined;
  }

  #partAt({ content_index: index }: JsonObject, type: string, out: ChatEvent[]): OpenPart {
    const isSame = typeof index !== "number" || index === this.#contentIndex;
    return this.#part !== undefined && isSame ? this.#part : this.#begin({ type }, index, out);
  }

  #begin(piece: JsonObject, index: unknown, out: ChatEvent[]): OpenPart {
    this.#part?.end(out);
    const part = partFromPiece(piece, this.#pieces === 0 ? this.#item : undefined);
    this.#part = new OpenPart(this.#number(), part, ownFields(part.extensionsJson), out);
    this.#contentIndex = typeof index === "number" ? index : this.#pieces;
    this.#pieces++;
    this.#annotations = Array.isArray(piece["annotations"]) ? [...piece["annotations"]] : [];
    for (const citation of decodeAnnotations(this.#annotations).citations) this.#part.add({ case: "citation", value: citation }, out);
    return this.#part;
  }

  #annotate(event: JsonObject, out: ChatEvent[]): void {
    const part = this.#partAt(event, "output_text", out);
    this.#annotations.push(event["annotation"]);
    const citation = decodeAnnotation(event["annotation"]);
    const { verbatim } = decodeAnnotations(this.#annotations);
    // All of them each time, for what is told last is what stays.
    if (verbatim !== undefined) part.tell({ ...part.own, annotations: verbatim }, out);
    if (citation !== undefined) part.add({ case: "citation", value: citation }, out);
  }

  /** Its end may say more of it than its beginning. */
  #complete({ annotations: _told, ...piece }: JsonObject, out: ChatEvent[]): void {
    const part = this.#part;
    if (part === undefined) return;
    const { message, annotations } = part.own;
    const own = ownFields(partFromPiece(piece, undefined).extensionsJson);
    part.tell({ ...own, ...(annotations !== undefined && { annotations }), ...(message !== undefined && { message }) }, out);
  }
}

function logprobsIn(object: JsonObject): TokenLogprob[] {
  return decodeLogprobs(object["logprobs"]);
}
