import type { Citation, ContentPart, Opaque, PartDelta, TextPart, TokenLogprob } from "../../core/chat.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { encodeLogprobs } from "../../core/openai/logprobs.ts";
import { encodeCitation } from "./annotations.ts";
import { deltaHead } from "./event-sink.ts";
import { language, ownFields } from "./extensions.ts";
import type { ItemPlace, ItemWriter } from "./item-writer.ts";
import { itemId, type ItemStatus, messageItem, outputText } from "./output-items.ts";

/** A piece of a message that grows. */
interface Piece {
  readonly isRefusal: boolean;
  readonly text: TextPart;
  readonly logprobs: JsonObject[];
  /** The beginning of its `delta` events. */
  readonly head: string;
  /** Annotations that have been told, or have their turn. */
  annotations: number;
  /** Citations of the whole text, whose end has not been seen, by their turn. */
  readonly unplaced: Map<number, Citation>;
  own: JsonObject;
}

/** Writes a message of the assistant's: text and refusals, one after another. */
export class MessageWriter implements ItemWriter {
  readonly strays: Opaque[] = [];
  readonly #place: ItemPlace;
  readonly #id: string;
  readonly #content: JsonObject[] = [];
  #own: JsonObject;
  #piece: Piece | undefined;

  constructor(place: ItemPlace, first: ContentPart) {
    this.#place = place;
    this.#own = messageFields(ownFields(first.extensionsJson)) ?? {};
    this.#id = itemId("msg", place.answerId, place.outputIndex, this.#own);
    this.#emit("response.output_item.added", { item: messageItem(this.#id, [], "in_progress", this.#own) });
  }

  takes(part: ContentPart): boolean {
    return isSpoken(part) && messageFields(ownFields(part.extensionsJson)) === undefined;
  }

  begin(part: ContentPart): void {
    const { case: kind, value } = part.part;
    const isRefusal = kind === "refusal";
    const type = isRefusal ? "response.refusal.delta" : "response.output_text.delta";
    const where = { item_id: this.#id, output_index: this.#place.outputIndex, content_index: this.#content.length };
    this.#piece = {
      isRefusal,
      text: { $typeName: "semaroute.v1.TextPart", text: "", citations: [] },
      logprobs: [],
      head: deltaHead(type, isRefusal ? where : { ...where, logprobs: [] }),
      annotations: 0,
      unplaced: new Map(),
      own: ownFields(part.extensionsJson),
    };
    this.#at("response.content_part.added", { part: this.#part(this.#piece) });
    this.strays.push(...part.opaque);
    if (kind !== "text" && kind !== "refusal") return;
    if (value.text !== "") this.#say(this.#piece, value.text);
    if (kind === "text") for (const citation of value.citations) this.#cite(this.#piece, citation);
    this.#annotate(this.#piece);
  }

  more(event: PartDelta): void {
    const piece = this.#piece;
    if (piece === undefined) return;
    const { delta, logprobs } = event;
    // The path of nearly every event.
    if (logprobs.length === 0 && event.extensionsJson[language] === undefined) {
      if (delta.case === "text" || delta.case === "refusal") this.#say(piece, delta.value);
      else if (delta.case === "citation") this.#cite(piece, delta.value);
      else if (delta.case === "opaque") this.strays.push(delta.value);
      return;
    }
    this.#moreOf(piece, event, logprobs);
  }

  end(): void {
    const piece = this.#piece;
    if (piece === undefined) return;
    this.#piece = undefined;
    for (const [at, citation] of piece.unplaced) this.#tell(at, encodeCitation(citation, piece.text.text));
    const part = this.#part(piece);
    if (piece.isRefusal) this.#at("response.refusal.done", { refusal: piece.text.text });
    else this.#at("response.output_text.done", { text: piece.text.text, logprobs: piece.logprobs });
    this.#at("response.content_part.done", { part });
    this.#content.push(part);
  }

  close(status: ItemStatus): JsonObject {
    this.end();
    const item = messageItem(this.#id, this.#content, status, this.#own);
    this.#emit("response.output_item.done", { item });
    return item;
  }

  /** What an upstream of this language says besides the text goes along with it. */
  #moreOf(piece: Piece, event: PartDelta, tokens: readonly TokenLogprob[]): void {
    const own = ownFields(event.extensionsJson);
    if (event.extensionsJson[language] !== undefined) {
      piece.own = own;
      this.#own = messageFields(own) ?? this.#own;
    }
    const { delta } = event;
    const text = delta.case === "text" || delta.case === "refusal" ? delta.value : "";
    const logprobs = encodeLogprobs(tokens);
    const extra = isJsonObject(own["delta"]) ? own["delta"] : {};
    if (text !== "" || logprobs.length > 0) {
      piece.text.text += text;
      piece.logprobs.push(...logprobs);
      if (piece.isRefusal) this.#at("response.refusal.delta", { ...extra, delta: text });
      else this.#at("response.output_text.delta", { ...extra, delta: text, logprobs });
    }
    if (delta.case === "citation") this.#cite(piece, delta.value);
    this.#annotate(piece);
  }

  #say(piece: Piece, text: string): void {
    piece.text.text += text;
    this.#place.sink.delta(piece.head, text);
  }

  #cite(piece: Piece, citation: Citation): void {
    piece.text.citations.push(citation);
    const annotation = encodeCitation(citation, piece.text.text);
    if (annotation === undefined || piece.own["annotations"] !== undefined) return;
    const at = piece.annotations++;
    if (citation.start === undefined && citation.end === undefined) piece.unplaced.set(at, citation);
    else this.#tell(at, annotation);
  }

  /** Those that came as they are: all of them each time, of which some are news. */
  #annotate(piece: Piece): void {
    const { annotations } = piece.own;
    if (Array.isArray(annotations)) for (const each of annotations.slice(piece.annotations)) this.#tell(piece.annotations++, each);
  }

  #tell(annotation_index: number, annotation: unknown): void {
    this.#at("response.output_text.annotation.added", { annotation_index, annotation });
  }

  #part(piece: Piece): JsonObject {
    const { message: _ofTheItem, delta: _passed, ...rest } = piece.own;
    return piece.isRefusal
      ? { ...rest, type: "refusal", refusal: piece.text.text }
      : outputText(piece.text, [...piece.logprobs], piece.own);
  }

  #at(type: string, fields: JsonObject): void {
    this.#emit(type, { ...fields, item_id: this.#id, content_index: this.#content.length });
  }

  #emit(type: string, fields: JsonObject): void {
    this.#place.sink.emit(type, { ...fields, output_index: this.#place.outputIndex });
  }
}

/** Whether the part is a piece of a message. */
export function isSpoken({ part }: ContentPart): boolean {
  return part.case === "text" || part.case === "refusal";
}

/** Fields of the message item that begins with this part; undefined: it goes on with the one before, if there is one. */
function messageFields(own: JsonObject): JsonObject | undefined {
  const { message } = own;
  return isJsonObject(message) ? message : undefined;
}
