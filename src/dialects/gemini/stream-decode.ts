import { type ChatEvent, FinishReason } from "../../core/chat.ts";
import type { AnswerContext, StreamDecoder } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { parseJson } from "../../core/json.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";
import { CandidateReader } from "./candidate-decode.ts";
import { broken, failureInside } from "./errors.ts";
import { extensionsOf } from "./fields.ts";
import { isEmptyHanded, usageFrom } from "./usage-decode.ts";

const known: ReadonlySet<string> = new Set(["candidates", "usageMetadata", "modelVersion"]);

/** A decoder for one answer. `whole`: it came in one piece, so that it cannot have been cut off. */
export class AnswerReader implements StreamDecoder {
  readonly #context: AnswerContext;
  readonly #whole: boolean;
  #started = false;
  readonly #candidates = new Map<number, CandidateReader>();
  /** Why the prompt was refused; empty: it was not. */
  #blocked = "";
  #counts: Fields | undefined;
  readonly #rest: Fields = {};

  constructor(context: AnswerContext = {}, whole = false) {
    this.#context = context;
    this.#whole = whole;
  }

  push(data: string, _eventName: string | undefined, out: ChatEvent[]): void {
    // Google's own streams have no end mark; hosts that imitate them may.
    if (data === "" || data === "[DONE]") return;
    let value: unknown;
    try {
      value = parseJson(data);
    } catch {
      throw broken("a stream event is not valid JSON");
    }
    this.take(value, out);
  }

  /** Appends what one answer says, or each of a list of them: each holds the new parts only. */
  take(value: unknown, out: ChatEvent[]): void {
    if (Array.isArray(value)) {
      for (const each of value) this.take(each, out);
      return;
    }
    if (!isJsonObject(value)) throw broken("an answer is not a JSON object");
    if (isJsonObject(value["error"])) throw failureInside(value);
    this.#start(value, out);
    const { candidates, promptFeedback } = value;
    if (candidates !== undefined && !Array.isArray(candidates)) throw broken("candidates are not a list");
    for (const [i, candidate] of (candidates ?? []).entries()) {
      if (!isJsonObject(candidate)) throw broken("a candidate is not a JSON object");
      this.#candidateAt(candidate["index"], i).take(candidate, textAt(value, "responseId"), out);
    }
    if (isJsonObject(promptFeedback) && textAt(promptFeedback, "blockReason") !== "") this.#blocked = textAt(promptFeedback, "blockReason");
    this.#count(value["usageMetadata"], out);
    for (const key of Object.keys(value)) if (!known.has(key)) this.#rest[key] = value[key];
  }

  /** Whatever was told of an end, an answer is complete only when nothing follows: usage, and signatures, come last. */
  end(out: ChatEvent[]): void {
    const candidates = [...this.#candidates.values()];
    if (candidates.length === 0 && this.#blocked === "") throw this.#cut();
    if (!this.#whole && !candidates.every((each) => each.hasEnded) && this.#blocked === "") throw this.#cut();
    if (this.#blocked === "" && candidates.every((each) => each.isEmpty) && isEmptyHanded(this.#counts))
      throw broken("the answer is empty");
    for (const each of candidates) each.finish(out, this.#blocked);
    if (candidates.length === 0) out.push(refusedPrompt(this.#blocked));
    const usage = usageFrom(this.#counts);
    out.push({
      case: "completed",
      value: {
        $typeName: "semaroute.v1.StreamCompleted",
        ...(usage !== undefined && { usage }),
        serviceTier: textAt(this.#counts ?? {}, "serviceTier"),
        systemFingerprint: "",
        extensionsJson: extensionsOf(this.#rest, known),
      },
    });
  }

  #start(value: Fields, out: ChatEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    out.push({ case: "started", value: { $typeName: "semaroute.v1.StreamStarted", id: "", model: textAt(value, "modelVersion") } });
  }

  #candidateAt(index: unknown, position: number): CandidateReader {
    const at = typeof index === "number" && Number.isInteger(index) && index >= 0 && index < candidatesMax ? index : position;
    let found = this.#candidates.get(at);
    if (found === undefined) {
      if (this.#candidates.size === candidatesMax) throw broken("the answer has too many candidates");
      found = new CandidateReader(at, this.#context);
      this.#candidates.set(at, found);
    }
    return found;
  }

  #count(metadata: unknown, out: ChatEvent[]): void {
    if (!isJsonObject(metadata)) return;
    this.#counts = metadata;
    const usage = usageFrom(metadata);
    if (usage !== undefined) out.push({ case: "usage", value: usage });
  }

  #cut(): ChatError {
    if (this.#whole) return broken("the answer has no candidates");
    return new ChatError("UPSTREAM_UNAVAILABLE", "gemini's stream ended before it told a finish reason");
  }
}

/** No vendor gives more. */
const candidatesMax = 128;

/** A prompt that Google refuses is answered with an empty message, as other vendors do it. */
function refusedPrompt(reason: string): ChatEvent {
  return {
    case: "choiceEnded",
    value: {
      $typeName: "semaroute.v1.ChoiceEnded",
      choiceIndex: 0,
      finishReason: FinishReason.CONTENT_FILTER,
      nativeFinishReason: reason,
      stopSequence: "",
      extensionsJson: {},
    },
  };
}
