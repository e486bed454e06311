import type { ChatEvent } from "../../core/chat.ts";
import type { AnswerContext, Quirks, StreamDecoder } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";
import { parseJson } from "../../core/json.ts";
import { failureInside } from "./errors.ts";
import { extensionsOf } from "./fields.ts";
import { answerKnown, broken, serviceTierOf, stopSequenceOf } from "./response-decode.ts";
import { finishReasonFrom } from "./stop-reasons.ts";
import { BlockStream } from "./stream-blocks.ts";
import { usageFrom } from "./usage-decode.ts";

/** A decoder for one stream. Events are told by the name in their frame: `:event-type`, or `:exception-type`. */
export function streamDecoder(_quirks: Quirks, context: AnswerContext = {}): StreamDecoder {
  return new ConverseStream(context);
}

class ConverseStream implements StreamDecoder {
  readonly #blocks: BlockStream;
  #phase: "before" | "content" | "ended" | "completed" = "before";
  /** Fields of the answer without a place of their own. */
  readonly #rest: Fields = {};

  constructor(context: AnswerContext) {
    this.#blocks = new BlockStream(context);
  }

  push(data: string, eventName: string | undefined, out: ChatEvent[]): void {
    if (this.#phase === "completed") return;
    switch (eventName) {
      case "contentBlockDelta":
        this.#blocks.delta(this.#within(data, eventName), out);
        return;
      case "contentBlockStart":
        this.#blocks.start(this.#within(data, eventName), out);
        return;
      case "contentBlockStop":
        this.#blocks.stop(this.#within(data, eventName), out);
        return;
      case "messageStart":
        if (this.#phase !== "before") throw broken("messageStart out of order");
        this.#phase = "content";
        out.push({ case: "started", value: { $typeName: "semaroute.v1.StreamStarted", id: "", model: "" } });
        return;
      case "messageStop":
        this.#stop(this.#within(data, eventName), out);
        return;
      case "metadata":
        this.#complete(parsed(data), out);
        return;
      default:
        if (eventName !== undefined && isFailure(eventName)) throw failureInside(eventName, parsed(data));
      // What later versions add means nothing here.
    }
  }

  /** The metadata's place is behind the message's end, and no part of it: an answer without one is whole. */
  end(out: ChatEvent[]): void {
    if (this.#phase === "completed") return;
    if (this.#phase !== "ended") throw new ChatError("UPSTREAM_UNAVAILABLE", "bedrock's stream ended before messageStop");
    this.#complete({}, out);
  }

  #within(data: string, eventName: string): Fields {
    if (this.#phase !== "content") throw broken(`${eventName} outside the message`);
    return parsed(data);
  }

  #stop(event: Fields, out: ChatEvent[]): void {
    const nativeFinishReason = textAt(event, "stopReason");
    // A message that never said how it ended did not end: somebody in between closed it.
    if (nativeFinishReason === "") throw broken("messageStop without a stopReason");
    this.#blocks.stopAll(out);
    this.#phase = "ended";
    Object.assign(this.#rest, event);
    out.push({
      case: "choiceEnded",
      value: {
        $typeName: "semaroute.v1.ChoiceEnded",
        choiceIndex: 0,
        finishReason: finishReasonFrom(nativeFinishReason, this.#blocks.calledTool),
        nativeFinishReason,
        stopSequence: stopSequenceOf(event),
        extensionsJson: {},
      },
    });
  }

  #complete(metadata: Fields, out: ChatEvent[]): void {
    if (this.#phase !== "ended") throw broken("metadata before messageStop");
    this.#phase = "completed";
    Object.assign(this.#rest, metadata);
    const usage = usageFrom(metadata["usage"]);
    if (usage !== undefined) out.push({ case: "usage", value: usage });
    out.push({
      case: "completed",
      value: {
        $typeName: "semaroute.v1.StreamCompleted",
        ...(usage !== undefined && { usage }),
        serviceTier: serviceTierOf(metadata),
        systemFingerprint: "",
        extensionsJson: extensionsOf(this.#rest, answerKnown),
      },
    });
  }
}

/** Whether a name is an exception's; `error` is one that the service does not model. */
function isFailure(name: string): boolean {
  return name === "error" || /(?:Exception|Error|Fault)$/.test(name);
}

function parsed(data: string): Fields {
  let value: unknown;
  try {
    value = parseJson(data);
  } catch {
    throw broken("a stream event is not valid JSON");
  }
  if (!isJsonObject(value)) throw broken("a stream event is not a JSON object");
  return value;
}
