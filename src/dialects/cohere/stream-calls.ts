import { type ChatEvent, partDelta, partEnded, partStarted } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { unwrapped } from "../../core/freeform.ts";
import { callPart } from "./answer-decode.ts";
import { type Fields, fieldsAt } from "./fields.ts";
import { broken, inventedId } from "./response-decode.ts";
import { saysNothing } from "./tool-arguments.ts";

interface OpenCall {
  readonly partIndex: number;
  /** Free-form input must be taken out of its wrapping, so it waits until it is whole. */
  readonly custom: boolean;
  /** Arguments that have not left: all of a free-form call's, and what may still turn out to be `null`. */
  held: string;
  /** Some have left. */
  begun: boolean;
}

interface NewCall {
  /** Cohere's own. */
  readonly index: unknown;
  readonly call: Fields;
  /** For an id, where the call has none. */
  readonly answerId: string;
}

/** Reads the tool calls of a stream. Their indices count apart from those of content. */
export class CallStream {
  readonly #open = new Map<unknown, OpenCall>();
  readonly #context: AnswerContext;
  readonly #nextPart: () => number;
  #count = 0;

  constructor(context: AnswerContext, nextPart: () => number) {
    this.#context = context;
    this.#nextPart = nextPart;
  }

  /** Whether a tool was called. */
  get any(): boolean {
    return this.#count > 0;
  }

  start({ index, call, answerId }: NewCall, out: ChatEvent[]): void {
    if (this.#open.has(index)) throw broken("a tool call began twice");
    const part = callPart(call, inventedId(answerId, this.#count++), this.#context);
    if (part.part.case !== "toolCall" || part.part.value.name === "") throw broken("a tool was called without a name");
    const open: OpenCall = { partIndex: this.#nextPart(), custom: part.part.value.custom, held: "", begun: false };
    this.#open.set(index, open);
    out.push(partStarted(0, open.partIndex, part));
    this.#more(open, fieldsAt(call, "function")["arguments"], out);
  }

  delta(index: unknown, call: Fields, out: ChatEvent[]): void {
    const open = this.#open.get(index);
    if (open === undefined) throw broken("more of a tool call that has not begun");
    this.#more(open, fieldsAt(call, "function")["arguments"], out);
  }

  end(index: unknown, out: ChatEvent[]): void {
    const open = this.#open.get(index);
    if (open === undefined) throw broken("the end of a tool call that has not begun");
    this.#open.delete(index);
    this.#finish(open, out);
  }

  /** Ends what is open: something else begins, or the answer is over. */
  finish(out: ChatEvent[]): void {
    for (const open of this.#open.values()) this.#finish(open, out);
    this.#open.clear();
  }

  #more(open: OpenCall, more: unknown, out: ChatEvent[]): void {
    if (typeof more !== "string" || more === "") return;
    if (open.begun) {
      this.#emit(open, more, out);
      return;
    }
    open.held += more;
    if (open.custom || "null".startsWith(open.held.trim())) return;
    this.#emit(open, open.held, out);
  }

  #finish(open: OpenCall, out: ChatEvent[]): void {
    if (open.custom) this.#emit(open, unwrapped(open.held), out);
    else if (!open.begun) this.#emit(open, saysNothing(open.held) ? "{}" : open.held, out);
    out.push(partEnded(0, open.partIndex));
  }

  #emit(open: OpenCall, value: string, out: ChatEvent[]): void {
    open.begun = true;
    if (value !== "") out.push(partDelta(0, open.partIndex, { case: "argumentsJson", value }));
  }
}
