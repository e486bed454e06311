import { type ChatEvent, type ContentPart, type PartDelta, partDelta, partEnded, partStarted, type TokenLogprob } from "../../core/chat.ts";
import { keys, shape, unknownOf } from "../../core/extensions.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { filed } from "./extensions.ts";
import { WholeCharacters } from "./whole-characters.ts";

/** Reads one item of a stream, from its announcement to its end. */
export interface ItemReader {
  /** An event about the item; of a kind that means nothing to it, nothing. */
  read(type: string, event: JsonObject, out: ChatEvent[]): void;
  /** The item is over, and this is what became of it. */
  finish(item: JsonObject, out: ChatEvent[]): void;
}

/** Numbers the parts of an answer, over all its items. */
export type PartNumber = () => number;

/** `obfuscation` is padding against eavesdroppers on the upstream's wire, and ends here. */
const deltaShape = shape(
  keys("type", "sequence_number", "item_id", "output_index", "content_index", "summary_index", "delta", "logprobs", "obfuscation"),
);

/** One part under way. Text is given on in whole characters. */
export class OpenPart {
  readonly #index: number;
  readonly #characters = new WholeCharacters();
  #kind: "text" | "refusal" | "reasoning" | undefined;
  #said = false;
  #own: JsonObject;

  /** Begins it; `own` is what only this language says of it. */
  constructor(index: number, part: ContentPart, own: JsonObject, out: ChatEvent[]) {
    this.#index = index;
    this.#own = own;
    out.push(partStarted(0, index, { ...part, extensionsJson: filed(own) }));
  }

  /** What only this language says of it, as told last. */
  get own(): JsonObject {
    return this.#own;
  }

  /** Whether anything came of it. */
  get said(): boolean {
    return this.#said;
  }

  /** More of its text. */
  say(kind: "text" | "refusal" | "reasoning", event: JsonObject, text: string, logprobs: TokenLogprob[], out: ChatEvent[]): void {
    this.#kind = kind;
    const value = this.#characters.take(text);
    this.#said ||= text !== "";
    if (value !== "" || logprobs.length > 0) this.#emit({ case: kind, value }, event, logprobs, out);
  }

  /** More of a call's arguments, which may be cut anywhere. */
  write(event: JsonObject, text: string, out: ChatEvent[]): void {
    this.#said ||= text !== "";
    if (text !== "") this.#emit({ case: "argumentsJson", value: text }, event, [], out);
  }

  /** Anything else of it. */
  add(delta: PartDelta["delta"], out: ChatEvent[]): void {
    out.push(partDelta(0, this.#index, delta));
  }

  /** Tells what only this language says of it, where that is news; `passing` rides along once and is not kept. */
  tell(own: JsonObject, out: ChatEvent[], passing: JsonObject = {}): void {
    const isNews = Object.keys(passing).length > 0 || JSON.stringify(own) !== JSON.stringify(this.#own);
    this.#own = own;
    if (!isNews) return;
    const event = partDelta(0, this.#index, { case: undefined });
    if (event.case === "partDelta") event.value.extensionsJson = filed({ ...own, ...passing });
    out.push(event);
  }

  /** It is whole. */
  end(out: ChatEvent[]): void {
    const missing = this.#characters.end();
    if (missing !== "" && this.#kind !== undefined) out.push(partDelta(0, this.#index, { case: this.#kind, value: missing }));
    out.push(partEnded(0, this.#index));
  }

  #emit(delta: PartDelta["delta"], event: JsonObject, logprobs: TokenLogprob[], out: ChatEvent[]): void {
    const more = partDelta(0, this.#index, delta);
    out.push(more);
    if (more.case !== "partDelta") return;
    more.value.logprobs = logprobs;
    const unknown = unknownOf(event, deltaShape);
    if (unknown !== undefined) more.value.extensionsJson = filed({ ...this.#own, delta: unknown });
  }
}
