import { decodeBase64 } from "../../core/base64.ts";
import { type ChatEvent, type ContentPart, FinishReason, partDelta, type PartDelta, partEnded, partStarted } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";
import { fnv1a, hex32 } from "../../core/text-hash.ts";
import { citationsFrom } from "./citations-decode.ts";
import { broken } from "./errors.ts";
import { extensionsOf } from "./fields.ts";
import { finishReasonFrom } from "./finish-reasons.ts";
import { logprobsFrom } from "./logprobs-decode.ts";
import { audioPart, callPart, imagePart, nativePart, openPart, wireCall } from "./parts-decode.ts";

/** A part that later pieces may go on with. */
interface OpenPart {
  readonly kind: "text" | "reasoning" | "audio";
  /** Of sound. */
  readonly mimeType: string;
  /** It stands by itself: only its sources may follow. */
  readonly sealed: boolean;
}

const known: ReadonlySet<string> = new Set(["content", "index", "finishReason", "logprobsResult", "tokenCount"]);
const noReason = "FINISH_REASON_UNSPECIFIED";

/**
 * One candidate, in pieces or whole. Pieces of one kind are one part, but a piece with a signature stays by itself: signatures go
 * back on the very part they came on.
 */
export class CandidateReader {
  readonly #index: number;
  readonly #context: AnswerContext;
  #parts = 0;
  #open: OpenPart | undefined;
  /** Of the last part of text: sources are told in bytes of it. */
  #text = "";
  /** Half of a character, whose other half comes with the next piece. */
  #half = "";
  /** A piece without words that carries the signature, held back because the sources of the text before it come as late. */
  #signed: Fields | undefined;
  #calls = 0;
  #reason = "";
  #substance = false;
  readonly #rest: Fields = {};

  constructor(index: number, context: AnswerContext) {
    this.#index = index;
    this.#context = context;
  }

  /** Whether it was told how the candidate ended. */
  get hasEnded(): boolean {
    return this.#reason !== "";
  }

  /** Whether it came to a good end without anything in it, which Gemini does under load and on histories it cannot make sense of. */
  get isEmpty(): boolean {
    return !this.#substance && (this.#reason === "STOP" || this.#reason === "");
  }

  /** Appends what one answer says of the candidate; `source` is the answer's own id. */
  take(candidate: Fields, source: string, out: ChatEvent[]): void {
    const before = out.length;
    const content = candidate["content"];
    const parts = isJsonObject(content) ? content["parts"] : undefined;
    for (const part of Array.isArray(parts) ? parts : []) {
      if (!isJsonObject(part)) throw broken("a part is not a JSON object");
      this.#part(part, source, out);
    }
    if (candidate["logprobsResult"] !== undefined) this.#logprobs(candidate["logprobsResult"], out, before);
    const reason = textAt(candidate, "finishReason");
    if (reason !== "" && reason !== noReason) this.#reason = reason;
    for (const key of Object.keys(candidate)) if (!known.has(key)) this.#rest[key] = candidate[key];
  }

  /** Appends the end; `blocked` is why the whole answer was refused. */
  finish(out: ChatEvent[], blocked: string): void {
    if (this.#open?.kind === "text")
      for (const value of citationsFrom(this.#rest, this.#text)) this.#emit({ case: "citation", value }, out);
    this.#close(out);
    const isRefused = blocked !== "" && !this.hasEnded;
    out.push({
      case: "choiceEnded",
      value: {
        $typeName: "semaroute.v1.ChoiceEnded",
        choiceIndex: this.#index,
        finishReason: isRefused ? FinishReason.CONTENT_FILTER : finishReasonFrom(this.#reason, this.#calls > 0),
        nativeFinishReason: isRefused ? blocked : this.#reason,
        stopSequence: "",
        extensionsJson: extensionsOf(this.#rest, known),
      },
    });
  }

  #part(part: Fields, source: string, out: ChatEvent[]): void {
    const { functionCall: call, inlineData: data } = part;
    if (isJsonObject(call)) this.#call(part, call, source, out);
    else if (isJsonObject(data)) this.#media(part, data, out);
    else if (typeof part["text"] === "string" || isOnlySigned(part)) this.#words(part, textAt(part, "text"), out);
    else if (Object.keys(part).length > 0) this.#whole(nativePart(part), out);
  }

  #words(part: Fields, text: string, out: ChatEvent[]): void {
    const kind = part["thought"] === true ? "reasoning" : "text";
    const sealed = isSpecial(part);
    if (text === "" && sealed && this.#open?.kind === "text" && this.#signed === undefined) {
      this.#signed = part;
      return;
    }
    if (text === "" && !sealed) return;
    if (sealed || this.#open?.kind !== kind || this.#open.sealed || this.#signed !== undefined) {
      this.#begin({ kind, mimeType: "", sealed }, openPart(part), out);
      if (kind === "text") this.#text = "";
    }
    const value = this.#wholeCharacters(text);
    if (value !== "") this.#emit({ case: kind, value }, out);
    if (kind === "text") this.#text += value;
    if (text !== "") this.#substance = true;
  }

  /** What of the text is whole: the first half of a character waits for the second. */
  #wholeCharacters(text: string): string {
    const all = this.#half + text;
    const unit = all.charCodeAt(all.length - 1);
    const end = unit >= 0xd800 && unit <= 0xdbff ? all.length - 1 : all.length;
    this.#half = all.slice(end);
    return end === all.length ? all : all.slice(0, end);
  }

  #call(part: Fields, call: Fields, source: string, out: ChatEvent[]): void {
    const wire = wireCall(call, this.#context);
    if (wire.name === "") throw broken("a call has no name");
    const id = wire.id === "" ? inventedId(`${source}/${this.#index}/${this.#calls}/${wire.name}/${wire.argumentsJson}`) : wire.id;
    this.#close(out);
    out.push(partStarted(this.#index, this.#parts, callPart(part, wire, id)));
    if (wire.argumentsJson !== "") this.#emit({ case: "argumentsJson", value: wire.argumentsJson }, out);
    out.push(partEnded(this.#index, this.#parts));
    this.#parts++;
    this.#calls++;
    this.#substance = true;
  }

  #media(part: Fields, data: Fields, out: ChatEvent[]): void {
    const mimeType = textAt(data, "mimeType");
    const bytes = decodeBase64(textAt(data, "data"));
    if (bytes === undefined) throw broken("media is not base64");
    // Drafts among the thoughts are no part of the answer.
    if (part["thought"] !== true && mimeType.startsWith("image/")) this.#whole(imagePart(part, mimeType, bytes), out);
    else if (part["thought"] !== true && mimeType.startsWith("audio/")) {
      if (isSpecial(part) || this.#open?.kind !== "audio" || this.#open.mimeType !== mimeType)
        this.#begin({ kind: "audio", mimeType, sealed: false }, audioPart(part, mimeType), out);
      this.#emit({ case: "audio", value: bytes }, out);
      this.#substance = true;
    } else this.#whole(nativePart(part), out);
  }

  /** A part that comes in one piece. */
  #whole(part: ContentPart, out: ChatEvent[]): void {
    this.#close(out);
    out.push(partStarted(this.#index, this.#parts, part), partEnded(this.#index, this.#parts));
    this.#parts++;
    this.#substance = true;
  }

  #begin(open: OpenPart, part: ContentPart, out: ChatEvent[]): void {
    this.#close(out);
    this.#open = open;
    out.push(partStarted(this.#index, this.#parts, part));
  }

  #close(out: ChatEvent[]): void {
    const signed = this.#signed;
    this.#half = "";
    this.#signed = undefined;
    if (this.#open === undefined) return;
    this.#open = undefined;
    out.push(partEnded(this.#index, this.#parts));
    this.#parts++;
    if (signed === undefined) return;
    out.push(partStarted(this.#index, this.#parts, openPart(signed)), partEnded(this.#index, this.#parts));
    this.#parts++;
  }

  #emit(delta: PartDelta["delta"], out: ChatEvent[]): void {
    out.push(partDelta(this.#index, this.#parts, delta));
  }

  /** They belong to the tokens of this piece, so they ride on one of its deltas. */
  #logprobs(result: unknown, out: ChatEvent[], from: number): void {
    const tokens = logprobsFrom(result);
    if (tokens.length === 0) return;
    let delta = out.findLast((event, i) => i >= from && event.case === "partDelta");
    if (delta === undefined && this.#open !== undefined) {
      delta = partDelta(this.#index, this.#parts, { case: undefined });
      out.push(delta);
    }
    if (delta?.case === "partDelta") delta.value.logprobs = tokens;
  }
}

const plainKeys: ReadonlySet<string> = new Set(["text", "thought", "inlineData"]);

/** Whether the part says more than its words: a signature, or something that only Google knows. */
function isSpecial(part: Fields): boolean {
  for (const key of Object.keys(part)) if (!plainKeys.has(key)) return true;
  return false;
}

/** The last piece of a stream may hold nothing but the signature. */
function isOnlySigned(part: Fields): boolean {
  return Object.keys(part).every((key) => key === "thoughtSignature" || key === "thought") && textAt(part, "thoughtSignature") !== "";
}

/** An id for a call that came without: a pure function of the answer and its place in it. */
function inventedId(seed: string): string {
  return `call_${hex32(fnv1a(seed))}${hex32(fnv1a(seed, 0x01000193))}`;
}
