import { decodeBase64 } from "../../core/base64.ts";
import type { ChatEvent, ContentPart, PartDelta, TokenLogprob } from "../../core/chat.ts";
import { contentPart, partDelta, partEnded, partStarted, textPart } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { withMessageExtensions } from "../../core/message-extensions.ts";
import { audioPart, decodeCitations, textsOf, withAnnotations } from "./answer-decode.ts";
import { keys, shape, unknownOf } from "../../core/extensions.ts";
import { extensionsFrom } from "./extensions.ts";
import { decodeFinishReason, isOrdinary } from "./finish-reason.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { decodeLogprobs } from "../../core/openai/logprobs.ts";
import { reasoningFromBlock, reasoningPart } from "./opaque.ts";
import { refusalPart } from "./parts-decode.ts";
import { CallReader } from "./stream-calls-decode.ts";
import { callEntry, legacyEntry } from "./tool-call-decode.ts";

const choiceShape = shape(keys("index", "delta", "message", "finish_reason", "error", "logprobs", "text"));
const deltaShape = shape(keys("role", "content", "refusal", "tool_calls", "function_call", "reasoning_content", "reasoning"), {
  audio: keys("id", "data", "expires_at", "transcript"),
  ...keys("annotations", "thinking_blocks"),
});

/** Kinds of part that are open one at a time. */
type Kind = "text" | "reasoning" | "refusal" | "audio";

interface OpenPart {
  readonly kind: Kind;
  readonly partIndex: number;
  /** A high surrogate whose other half comes with the next delta: alone it is no valid text. */
  half: string;
}

/** Reads one choice of a stream. Its parts come strictly one after another; its tool calls may interleave. */
export class ChoiceReader {
  readonly index: number;
  readonly #calls: CallReader;
  #open: OpenPart | undefined;
  /** Index of the next part. */
  #next = 0;
  #finish = "";
  #extra: JsonObject | undefined;
  /** Extra fields of deltas that nothing else came with. */
  #leftover: JsonObject | undefined;
  /** Extra fields and probabilities of the delta being read, for the first event that can carry them. */
  #riding: JsonObject | undefined;
  #logprobs: TokenLogprob[] = [];

  constructor(index: number, source: string, context: AnswerContext) {
    this.index = index;
    this.#calls = new CallReader({ choiceIndex: index, source, context, nextPart: () => this.#next++ });
  }

  /** It has said how it ended. Content may still follow. */
  get hasFinish(): boolean {
    return this.#finish !== "";
  }

  /** It called tools and all of them are whole: xAI leaves the reason out then. */
  get hasWholeCalls(): boolean {
    return this.#calls.areWhole;
  }

  /** It ended without having said anything. */
  get isEmptyStop(): boolean {
    return this.#next === 0 && !this.#calls.any && isOrdinary(decodeFinishReason(this.#finish, false));
  }

  /** Appends what one entry of `choices` means. */
  read(object: JsonObject, out: ChatEvent[]): void {
    const { finish_reason: native, logprobs } = object;
    // Some hosts answer with one chunk that holds the whole message; after deltas it would only repeat them.
    const delta = object["delta"] ?? (this.#next === 0 && !this.#calls.any ? object["message"] : undefined);
    if (logprobs !== undefined && logprobs !== null && isJsonObject(logprobs))
      this.#logprobs = decodeLogprobs(logprobs["content"] ?? logprobs["refusal"]);
    if (isJsonObject(delta)) this.#readDelta(delta, out);
    if (typeof native === "string" && native !== "") this.#finish = native;
    const unknown = unknownOf(object, choiceShape);
    if (unknown !== undefined) this.#extra = this.#extra === undefined ? unknown : { ...this.#extra, ...unknown };
    if (this.#logprobs.length > 0) this.#flushLogprobs(out);
  }

  /** Appends the choice's end. */
  finish(out: ChatEvent[]): void {
    this.#close(out);
    this.#calls.finish(out);
    out.push({
      case: "choiceEnded",
      value: {
        $typeName: "semaroute.v1.ChoiceEnded",
        choiceIndex: this.index,
        finishReason: decodeFinishReason(this.#finish, this.#calls.any),
        nativeFinishReason: this.#finish,
        stopSequence: "",
        extensionsJson: withMessageExtensions(extensionsFrom(this.#extra), extensionsFrom(this.#leftover)),
      },
    });
  }

  #readDelta(delta: JsonObject, out: ChatEvent[]): void {
    this.#riding = withAnnotations(unknownOf(delta, deltaShape), delta["annotations"]);
    const { content } = delta;
    this.#readReasoning(delta, out);
    if (typeof content === "string") {
      if (content !== "") this.#say("text", content, out);
    } else if (Array.isArray(content)) {
      const texts = textsOf(content);
      if (texts.reasoning !== "") this.#say("reasoning", texts.reasoning, out);
      if (texts.content !== "") this.#say("text", texts.content, out);
    }
    if (typeof delta["refusal"] === "string" && delta["refusal"] !== "") this.#say("refusal", delta["refusal"], out);
    if (delta["annotations"] !== undefined) this.#readCitations(delta["annotations"], out);
    if (isJsonObject(delta["audio"])) this.#readAudio(delta["audio"], out);
    this.#readCalls(delta, out);
    if (this.#riding !== undefined) this.#leftover = this.#leftover === undefined ? this.#riding : { ...this.#leftover, ...this.#riding };
    this.#riding = undefined;
  }

  #readReasoning(delta: JsonObject, out: ChatEvent[]): void {
    const text = delta["reasoning_content"] || delta["reasoning"];
    if (typeof text === "string" && text !== "") this.#say("reasoning", text, out);
    if (!Array.isArray(delta["thinking_blocks"])) return;
    for (const block of delta["thinking_blocks"]) {
      const part = isJsonObject(block) ? reasoningFromBlock(block) : undefined;
      if (part?.part.case !== "reasoning") continue;
      // The text came as `reasoning_content`; only its seal is news.
      for (const token of part.part.value.opaque) this.#emit("reasoning", { case: "opaque", value: token }, out);
    }
  }

  #readCitations(annotations: unknown, out: ChatEvent[]): void {
    for (const citation of decodeCitations(annotations)) this.#emit("text", { case: "citation", value: citation }, out);
  }

  #readAudio(audio: JsonObject, out: ChatEvent[]): void {
    if (this.#open?.kind !== "audio") {
      this.#begin("audio", contentPart({ case: "audio", value: audioPart(audio) }), out);
      return;
    }
    const data = typeof audio["data"] === "string" ? decodeBase64(audio["data"]) : undefined;
    if (data !== undefined && data.length > 0) this.#emit("audio", { case: "audio", value: data }, out);
    const { transcript, expires_at: expires } = audio;
    if (typeof transcript === "string" && transcript !== "") this.#emit("audio", { case: "audioTranscript", value: transcript }, out);
    if (expires === undefined || expires === null) return;
    // The vocabulary has a place for it at the part's start only.
    this.#riding = { ...this.#riding, audio: { expires_at: expires } };
    this.#emit("audio", { case: undefined }, out);
  }

  #readCalls(delta: JsonObject, out: ChatEvent[]): void {
    const list = delta["tool_calls"];
    if (Array.isArray(list)) {
      for (const each of list) {
        const entry = callEntry(each);
        if (entry === undefined) continue;
        this.#close(out);
        this.#calls.read(entry, out);
      }
      return;
    }
    const entry = legacyEntry(delta["function_call"]);
    if (entry === undefined) return;
    this.#close(out);
    this.#calls.read(entry, out);
  }

  /** Text of one kind: the path of nearly every delta. */
  #say(kind: "text" | "reasoning" | "refusal", text: string, out: ChatEvent[]): void {
    let value = text;
    if (this.#open?.kind === kind && this.#open.half !== "") {
      value = this.#open.half + text;
      this.#open.half = "";
    }
    const last = value.charCodeAt(value.length - 1);
    const isHalf = last >= 0xd800 && last <= 0xdbff;
    if (isHalf) value = value.slice(0, -1);
    if (value !== "") this.#emit(kind, { case: kind, value }, out);
    if (!isHalf) return;
    if (this.#open?.kind !== kind) this.#begin(kind, emptyPart(kind), out);
    if (this.#open !== undefined) this.#open.half = text.slice(-1);
  }

  #emit(kind: Kind, delta: PartDelta["delta"], out: ChatEvent[]): void {
    if (this.#open?.kind !== kind) this.#begin(kind, emptyPart(kind), out);
    const event = partDelta(this.index, this.#open?.partIndex ?? 0, delta);
    out.push(event);
    if (event.case !== "partDelta") return;
    if (this.#logprobs.length > 0) {
      event.value.logprobs = this.#logprobs;
      this.#logprobs = [];
    }
    if (this.#riding !== undefined) {
      event.value.extensionsJson = extensionsFrom(this.#riding);
      this.#riding = undefined;
    }
  }

  /** Probabilities that came without text belong to what is open; with nothing open they belong to nothing. */
  #flushLogprobs(out: ChatEvent[]): void {
    if (this.#open !== undefined) this.#emit(this.#open.kind, { case: undefined }, out);
    this.#logprobs = [];
  }

  #begin(kind: Kind, part: ContentPart, out: ChatEvent[]): void {
    this.#close(out);
    this.#calls.finish(out);
    this.#open = { kind, partIndex: this.#next++, half: "" };
    out.push(partStarted(this.index, this.#open.partIndex, part));
  }

  #close(out: ChatEvent[]): void {
    const open = this.#open;
    if (open === undefined) return;
    // Its other half never came.
    if (open.half !== "" && open.kind !== "audio") out.push(partDelta(this.index, open.partIndex, { case: open.kind, value: "\ufffd" }));
    out.push(partEnded(this.index, open.partIndex));
    this.#open = undefined;
  }
}

function emptyPart(kind: Kind): ContentPart {
  switch (kind) {
    case "text":
      return textPart("");
    case "reasoning":
      return reasoningPart("", []);
    case "refusal":
      return refusalPart("");
    case "audio":
      return contentPart({ case: "audio", value: audioPart({}) });
    default:
      return kind satisfies never;
  }
}
