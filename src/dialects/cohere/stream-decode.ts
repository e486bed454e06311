import {
  type ChatEvent,
  type ChoiceEnded,
  FinishReason,
  type PartDelta,
  partDelta,
  partEnded,
  partStarted,
  textPart,
} from "../../core/chat.ts";
import type { AnswerContext, StreamDecoder } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { createUnfencer, type Unfencer } from "../../core/unfence.ts";
import { citationsFrom, citedIn, logprobsFrom, nativePart, reasoningPart } from "./answer-decode.ts";
import { failureInside, isErrorBody } from "./errors.ts";
import { extensionsOf, type Fields, fieldsAt, isJsonObject, textAt } from "./fields.ts";
import { finishReasonFrom, refuseFailure } from "./finish-reasons.ts";
import { broken } from "./response-decode.ts";
import { CallStream } from "./stream-calls.ts";
import { usageFrom } from "./usage-decode.ts";

/** A decoder for one stream. */
export function streamDecoder(context: AnswerContext = {}): StreamDecoder {
  return new MessageStream(context);
}

/** The part under way besides tool calls; at most one is. */
interface OpenPart {
  readonly kind: "text" | "plan" | "reasoning";
  readonly partIndex: number;
  /** Cohere's own index of the block; the plan has none. */
  readonly block: unknown;
  /** A high surrogate whose other half comes with the next delta: alone it is no valid text. */
  half: string;
  /** Takes a Markdown fence off, where JSON was asked for in words. */
  readonly unfencer: Unfencer | undefined;
}

class MessageStream implements StreamDecoder {
  #phase: "before" | "content" | "completed" = "before";
  #id = "";
  #open: OpenPart | undefined;
  #next = 0;
  readonly #calls: CallStream;
  readonly #context: AnswerContext;

  constructor(context: AnswerContext) {
    this.#context = context;
    this.#calls = new CallStream(context, () => this.#next++);
  }

  push(data: string, eventName: string | undefined, out: ChatEvent[]): void {
    if (this.#phase === "completed" || data === "" || data.startsWith("[DONE]")) return;
    const event = parsed(data);
    const type = textAt(event, "type") || (eventName ?? "");
    const message = fieldsAt(fieldsAt(event, "delta"), "message");
    switch (type) {
      case "content-delta":
      case "content-start":
        this.#start(out);
        this.#content(event, fieldsAt(message, "content"), out);
        return;
      case "tool-call-delta":
        this.#calls.delta(event["index"], fieldsAt(message, "tool_calls"), out);
        return;
      case "tool-plan-delta":
        this.#start(out);
        this.#say(this.#partFor("plan", undefined), textAt(message, "tool_plan"), out);
        return;
      case "tool-call-start":
        this.#start(out);
        this.#close(out);
        this.#calls.start({ index: event["index"], call: fieldsAt(message, "tool_calls"), answerId: this.#id }, out);
        return;
      case "tool-call-end":
        this.#calls.end(event["index"], out);
        return;
      case "citation-start":
        this.#cite(fieldsAt(message, "citations"), out);
        return;
      case "message-start":
        this.#id = textAt(event, "id");
        this.#start(out);
        return;
      case "message-end":
        this.#complete(fieldsAt(event, "delta"), out);
        return;
      default:
        // `content-end` waits, for citations may follow it; `citation-end`, `debug` and what later versions add mean nothing here.
        if (type === "error" || (type === "" && isErrorBody(event))) throw failureInside(event);
    }
  }

  end(_out: ChatEvent[]): void {
    if (this.#phase === "completed") return;
    throw new ChatError("UPSTREAM_UNAVAILABLE", "cohere's stream ended before message-end");
  }

  #start(out: ChatEvent[]): void {
    if (this.#phase !== "before") return;
    this.#phase = "content";
    out.push({ case: "started", value: { $typeName: "semaroute.v1.StreamStarted", id: this.#id, model: "" } });
  }

  /** More of a block, or its beginning; deltas name no kind, only the field that grows. */
  #content(event: Fields, content: Fields, out: ChatEvent[]): void {
    const { thinking, text, type } = content;
    if (typeof thinking === "string") this.#say(this.#partFor("reasoning", event["index"]), thinking, out);
    else if (typeof text === "string") this.#say(this.#partFor("text", event["index"]), text, out);
    else if (typeof type === "string" && type !== "text" && type !== "thinking") this.#native(content, out);
    if (event["logprobs"] === undefined) return;
    const last = out.at(-1);
    if (last?.case === "partDelta") last.value.logprobs = logprobsFrom(event["logprobs"]);
  }

  #native(content: Fields, out: ChatEvent[]): void {
    this.#close(out);
    out.push(partStarted(0, this.#next, nativePart(content)), partEnded(0, this.#next));
    this.#next++;
  }

  /** The part under way, where it is that one; else one that has not begun. */
  #partFor(kind: OpenPart["kind"], block: unknown): OpenPart {
    if (this.#open?.kind === kind && this.#open.block === block) return this.#open;
    const unfencer = kind === "text" && this.#context.fencedJson === true ? createUnfencer() : undefined;
    return { kind, partIndex: this.#next, block, half: "", unfencer };
  }

  #say(part: OpenPart, text: string, out: ChatEvent[]): void {
    // Blocks begin empty; one that stays so is none.
    if (text === "") return;
    if (part !== this.#open) {
      this.#close(out);
      this.#calls.finish(out);
      this.#next++;
      this.#open = part;
      out.push(partStarted(0, part.partIndex, part.kind === "reasoning" ? reasoningPart("") : textPart("")));
    }
    const whole = part.half + text;
    const last = whole.charCodeAt(whole.length - 1);
    part.half = last >= 0xd800 && last <= 0xdbff ? whole.slice(-1) : "";
    this.#emit(part, part.half === "" ? whole : whole.slice(0, -1), out);
  }

  #emit({ kind, partIndex, unfencer }: OpenPart, text: string, out: ChatEvent[]): void {
    const value = unfencer?.push(text) ?? text;
    if (value !== "") out.push(partDelta(0, partIndex, deltaOf(kind, value)));
  }

  /** A citation of a part that is over has no place any more; Cohere sends them while it goes on. */
  #cite(citation: Fields, out: ChatEvent[]): void {
    const open = this.#open;
    if (open === undefined || open.kind !== citedIn(citation)) return;
    const block = citation["content_index"];
    if (open.kind === "text" && typeof block === "number" && block !== open.block) return;
    for (const value of citationsFrom(citation)) out.push(partDelta(0, open.partIndex, { case: "citation", value }));
  }

  #complete(delta: Fields, out: ChatEvent[]): void {
    const native = textAt(delta, "finish_reason");
    refuseFailure(native, textAt(delta, "error"));
    if (this.#phase === "before" || native === "") throw broken("message-end without a message or a finish_reason");
    const usage = usageFrom(delta["usage"]);
    this.#close(out);
    this.#calls.finish(out);
    const finishReason = finishReasonFrom(native, this.#calls.any);
    // An end without a beginning: hosts under load, or with a history they could not read, "succeed" like this.
    if (this.#next === 0 && finishReason === FinishReason.STOP && (usage?.outputTokens ?? 0) === 0) throw broken("the answer is empty");
    this.#phase = "completed";
    out.push({ case: "choiceEnded", value: choiceEnded(finishReason, native) });
    if (usage !== undefined) out.push({ case: "usage", value: usage });
    out.push({
      case: "completed",
      value: {
        $typeName: "semaroute.v1.StreamCompleted",
        ...(usage !== undefined && { usage }),
        serviceTier: "",
        systemFingerprint: "",
        extensionsJson: extensionsOf(delta, deltaKnown),
      },
    });
  }

  #close(out: ChatEvent[]): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    // Its other half never came.
    if (open.half !== "") this.#emit(open, "\ufffd", out);
    const rest = open.unfencer?.end() ?? "";
    if (rest !== "") out.push(partDelta(0, open.partIndex, deltaOf(open.kind, rest)));
    out.push(partEnded(0, open.partIndex));
  }
}

function choiceEnded(finishReason: FinishReason, nativeFinishReason: string): ChoiceEnded {
  return { $typeName: "semaroute.v1.ChoiceEnded", choiceIndex: 0, finishReason, nativeFinishReason, stopSequence: "", extensionsJson: {} };
}

const deltaKnown: ReadonlySet<string> = new Set(["finish_reason", "usage", "error", "message"]);

function deltaOf(kind: OpenPart["kind"], value: string): PartDelta["delta"] {
  return { case: kind === "reasoning" ? "reasoning" : "text", value };
}

function parsed(data: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    // The text itself may be a piece of the answer, so it is not shown.
    throw broken("a stream event is not valid JSON");
  }
  if (!isJsonObject(value)) throw broken("a stream event is not a JSON object");
  return value;
}
