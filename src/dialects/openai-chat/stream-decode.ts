import type { ChatEvent, Usage } from "../../core/chat.ts";
import type { AnswerContext, Quirks, StreamDecoder } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { keys, shape, unknownOf } from "../../core/extensions.ts";
import { extensionsFrom } from "./extensions.ts";
import { failureInside } from "../../core/openai/failure.ts";
import { isErrorBody } from "../../core/openai/failure-shape.ts";
import { isErrorFinish } from "./finish-reason.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { finishFailure } from "./response-decode.ts";
import { ChoiceReader } from "./stream-choice-decode.ts";
import { decodeUsage } from "./usage.ts";

/** `obfuscation` is padding against eavesdroppers on the upstream's wire, and ends here. */
const chunkShape = shape(
  keys("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint", "error", "obfuscation"),
);

/** Reads one stream of chunks. */
export function createStreamDecoder(quirks: Quirks, context: AnswerContext = {}): StreamDecoder {
  return new ChunkReader(quirks, context);
}

class ChunkReader implements StreamDecoder {
  readonly #reasoningOutside: boolean;
  readonly #context: AnswerContext;
  readonly #choices = new Map<number, ChoiceReader>();
  #started = false;
  /** `completed` was written: whatever else comes is ignored. */
  #done = false;
  /** Names the answer where ids must be invented. */
  #source = "";
  #usage: Usage | undefined;
  #serviceTier = "";
  #systemFingerprint = "";
  /** Unknown fields of chunks; the last of each key counts. */
  #extra: JsonObject | undefined;

  constructor(quirks: Quirks, context: AnswerContext) {
    this.#context = context;
    this.#reasoningOutside = quirks.reasoningOutside === true;
  }

  push(data: string, eventName: string | undefined, out: ChatEvent[]): void {
    if (this.#done || data === "") return;
    // Brackets and quotes: hosts send `[DONE]` bare and as a JSON string.
    if (data.startsWith("[DONE]") || data.startsWith('"[DONE]"')) {
      this.#finish(out, true);
      return;
    }
    const chunk = parsed(data, eventName);
    if (eventName === "error" || chunk["error"] || chunk["object"] === "error") throw failureInside(chunk);
    if (!this.#started) this.#start(chunk, out);
    const { choices } = chunk;
    if (Array.isArray(choices)) for (const [i, each] of choices.entries()) if (isJsonObject(each)) this.#read(each, i, out);
    this.#facts(chunk, out);
  }

  end(out: ChatEvent[]): void {
    if (!this.#done) this.#finish(out, false);
  }

  #start(chunk: JsonObject, out: ChatEvent[]): void {
    this.#started = true;
    const { id, model } = chunk;
    const known = typeof id === "string" ? id : "";
    this.#source = `${known}/${String(chunk["created"])}`;
    const value = { $typeName: "semaroute.v1.StreamStarted", id: known, model: typeof model === "string" ? model : "" } as const;
    out.push({ case: "started", value });
  }

  #read(object: JsonObject, position: number, out: ChatEvent[]): void {
    if (object["error"]) throw failureInside(object);
    const native = object["finish_reason"];
    if (typeof native === "string" && isErrorFinish(native)) throw finishFailure(native);
    const { index } = object;
    const at = typeof index === "number" && Number.isInteger(index) && index >= 0 ? index : position;
    let choice = this.#choices.get(at);
    if (choice === undefined) {
      choice = new ChoiceReader(at, this.#source, this.#context);
      this.#choices.set(at, choice);
    }
    choice.read(object, out);
  }

  /** What a chunk says besides its choices; most say nothing. */
  #facts(chunk: JsonObject, out: ChatEvent[]): void {
    const { usage, service_tier: tier, system_fingerprint: fingerprint } = chunk;
    if (typeof tier === "string") this.#serviceTier = tier;
    if (typeof fingerprint === "string") this.#systemFingerprint = fingerprint;
    const unknown = unknownOf(chunk, chunkShape);
    if (unknown !== undefined) this.#extra = this.#extra === undefined ? unknown : { ...this.#extra, ...unknown };
    const groq = unknown?.["x_groq"];
    const told =
      decodeUsage(usage, this.#reasoningOutside) ?? (isJsonObject(groq) ? decodeUsage(groq["usage"], this.#reasoningOutside) : undefined);
    if (told === undefined) return;
    this.#usage = told;
    out.push({ case: "usage", value: told });
  }

  /** `said`: the upstream itself said that this is the end. */
  #finish(out: ChatEvent[], said: boolean): void {
    const choices = [...this.#choices.values()].toSorted((a, b) => a.index - b.index);
    const finished = choices.filter((choice) => choice.hasFinish || (said && choice.hasWholeCalls));
    // Nor does the upstream's word for the end make an answer whole that says of a choice how it began, and not how it ended.
    if (finished.length === 0 || finished.length < choices.length) {
      if (said) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream ended its stream without a finish reason");
      throw new ChatError("UPSTREAM_UNAVAILABLE", "the upstream's stream was cut");
    }
    this.#done = true;
    // An end without a beginning: hosts under load, or with a history they could not read, "succeed" like this.
    if ((this.#usage?.outputTokens ?? 0) === 0 && choices.every((choice) => choice.isEmptyStop))
      throw new ChatError("UPSTREAM_PROTOCOL", "the upstream's answer is empty");
    for (const choice of choices) choice.finish(out);
    out.push({
      case: "completed",
      value: {
        $typeName: "semaroute.v1.StreamCompleted",
        usage: this.#usage,
        serviceTier: this.#serviceTier,
        systemFingerprint: this.#systemFingerprint,
        extensionsJson: extensionsFrom(this.#extra),
      },
    });
  }
}

function parsed(data: string, eventName: string | undefined): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    // The text itself may be a piece of the answer, so it is not shown.
    if (eventName === "error") throw failureInside(data);
    throw new ChatError("UPSTREAM_PROTOCOL", "an event of the upstream's stream is not JSON");
  }
  if (isJsonObject(value)) return value;
  if (eventName === "error" || isErrorBody(value)) throw failureInside(value);
  throw new ChatError("UPSTREAM_PROTOCOL", "an event of the upstream's stream is not a JSON object");
}
