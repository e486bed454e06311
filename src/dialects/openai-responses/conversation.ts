import { type ContentPart, message, type Message, type Opaque, Role } from "../../core/chat.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { filed, ownFields } from "./extensions.ts";

/** Tokens of parts that have no place for one in this language: they travel in an empty reasoning item beside their part. */
export const carriedKind = "thought_signature";

/**
 * Puts items together to messages: what the model said in one go is one message, with its reasoning in front and its calls at
 * the end, so that languages that know only messages get what they would have said.
 */
export class Conversation {
  readonly #messages: Message[] = [];
  /** The assistant's message that goes on; undefined: somebody else has spoken. */
  #open: Message | undefined;
  /** Tokens of the next part. */
  #carried: Opaque[] = [];

  /** Anybody's message but the assistant's. */
  add(each: Message): void {
    this.#settle();
    this.#open = undefined;
    this.#messages.push(each);
  }

  /** A message item of the assistant's; `own` is what only this language says of it. */
  message(content: readonly ContentPart[], own: JsonObject | undefined): void {
    // Calls wait for their results, and nothing may stand between.
    const goesOn = this.#has("toolCall") || !this.#speaks();
    const to = this.#assistant(goesOn);
    const [first] = content;
    const splits = own !== undefined || (first !== undefined && speaks(to.at(-1)));
    if (first !== undefined && splits) first.extensionsJson = filed({ ...ownFields(first.extensionsJson), message: own ?? {} });
    this.#carry(first);
    to.push(...content);
  }

  /** A call of the model's. */
  call(part: ContentPart): void {
    this.#carry(part);
    this.#assistant(true).push(part);
  }

  /** The parts of one reasoning item: they are about what follows. */
  reasoning(parts: readonly ContentPart[]): void {
    const [first] = parts;
    const tokens = first?.part.case === "reasoning" && first.part.value.text === "" ? first.part.value.opaque : [];
    if (parts.length === 1 && tokens.length > 0 && tokens.every(({ kind }) => kind === carriedKind)) {
      // Two in a row: the first one came behind its part, the second comes in front of its own.
      this.#settle();
      this.#carried = tokens;
      return;
    }
    this.#assistant(this.#has("toolCall") || !this.#speaks()).push(...parts);
  }

  /** Any other item. */
  native(part: ContentPart): void {
    this.#assistant(true).push(part);
  }

  /** All messages. */
  end(): Message[] {
    this.#settle();
    return this.#messages;
  }

  #assistant(goesOn: boolean): ContentPart[] {
    if (this.#open === undefined || !goesOn) {
      this.#open = message(Role.ASSISTANT, []);
      this.#messages.push(this.#open);
    }
    return this.#open.content;
  }

  #has(kind: ContentPart["part"]["case"]): boolean {
    return this.#open?.content.some(({ part }) => part.case === kind) === true;
  }

  #speaks(): boolean {
    return this.#open?.content.some(speaks) === true;
  }

  #carry(part: ContentPart | undefined): void {
    if (part === undefined || this.#carried.length === 0) return;
    part.opaque.push(...this.#carried);
    this.#carried = [];
  }

  /** Tokens behind which nothing came are the last part's: a stream learns of some when their part has left. */
  #settle(): void {
    this.#carry(this.#open?.content.at(-1));
    this.#carried = [];
  }
}

function speaks(part: ContentPart | undefined): boolean {
  return part?.part.case === "text" || part?.part.case === "refusal";
}
