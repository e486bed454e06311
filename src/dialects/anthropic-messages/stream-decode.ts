import type { ChatEvent, Usage } from "../../core/chat.ts";
import type { AnswerContext, Quirks, StreamDecoder } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { parseJson } from "../../core/json.ts";
import { failureInside } from "./errors.ts";
import { extensionsOf, type Fields, isJsonObject, textAt } from "./fields.ts";
import { broken, messageKnown, serviceTierOf, stopExtensions } from "./response-decode.ts";
import { finishReasonFrom } from "./stop-reasons.ts";
import { BlockStream } from "./stream-blocks.ts";
import { usageFrom } from "./usage-decode.ts";

/** A decoder for one stream. */
export function streamDecoder(_quirks: Quirks, context: AnswerContext = {}): StreamDecoder {
  return new MessageStream(context);
}

class MessageStream implements StreamDecoder {
  readonly #blocks: BlockStream;
  #phase: "before" | "content" | "ended" | "completed" = "before";
  /** As told so far; counts are cumulative, so later ones replace earlier ones. */
  readonly #counts: Fields = {};
  #usage: Usage | undefined;
  /** Fields of the message without a place of their own. */
  readonly #rest: Fields = {};

  constructor(context: AnswerContext) {
    this.#blocks = new BlockStream(context);
  }

  push(data: string, eventName: string | undefined, out: ChatEvent[]): void {
    if (this.#phase === "completed" || data === "") return;
    const event = parsed(data, eventName);
    switch (event["type"]) {
      case "content_block_delta":
        this.#blocks.delta(event, out);
        return;
      case "content_block_start":
        if (this.#phase !== "content") throw broken("content_block_start outside the message");
        this.#blocks.start(event, out);
        return;
      case "content_block_stop":
        this.#blocks.stop(out);
        return;
      case "message_start":
        this.#start(event, out);
        return;
      case "message_delta":
        this.#change(event, out);
        return;
      case "message_stop":
        this.#complete(out);
        return;
      default:
        // `error`, and hosts that forget to call it so. `ping` and what later versions add mean nothing here.
        if (event["type"] === "error" || isJsonObject(event["error"])) throw failureInside(event);
    }
  }

  end(_out: ChatEvent[]): void {
    if (this.#phase === "completed") return;
    throw new ChatError("UPSTREAM_UNAVAILABLE", "anthropic's stream ended before message_stop");
  }

  #start(event: Fields, out: ChatEvent[]): void {
    const { message } = event;
    if (this.#phase !== "before" || !isJsonObject(message)) throw broken("message_start out of order");
    this.#phase = "content";
    out.push({ case: "started", value: { $typeName: "semaroute.v1.StreamStarted", id: "", model: textAt(message, "model") } });
    this.#remember(message, messageKnown);
    this.#count(message["usage"], out);
  }

  #change(event: Fields, out: ChatEvent[]): void {
    if (this.#phase === "before") throw broken("message_delta before message_start");
    const delta = isJsonObject(event["delta"]) ? event["delta"] : {};
    this.#remember(delta, messageKnown);
    this.#remember(event, deltaEventKnown);
    const reason = textAt(delta, "stop_reason");
    if (reason !== "") this.#endChoice(delta, reason, out);
    this.#count(event["usage"], out);
  }

  #complete(out: ChatEvent[]): void {
    if (this.#phase === "before") throw broken("message_stop before message_start");
    // A message that never said how it ended did not end: somebody in between closed it.
    if (this.#phase === "content") throw broken("message_stop without a stop_reason");
    this.#phase = "completed";
    out.push({
      case: "completed",
      value: {
        $typeName: "semaroute.v1.StreamCompleted",
        ...(this.#usage !== undefined && { usage: this.#usage }),
        serviceTier: serviceTierOf(this.#counts),
        systemFingerprint: "",
        extensionsJson: extensionsOf(this.#rest, messageKnown),
      },
    });
  }

  #endChoice(delta: Fields, nativeFinishReason: string, out: ChatEvent[]): void {
    if (this.#blocks.isOpen) throw broken("the message ended inside a block");
    if (this.#phase !== "content") return;
    this.#phase = "ended";
    out.push({
      case: "choiceEnded",
      value: {
        $typeName: "semaroute.v1.ChoiceEnded",
        choiceIndex: 0,
        finishReason: finishReasonFrom(nativeFinishReason, this.#blocks.calledTool),
        nativeFinishReason,
        stopSequence: textAt(delta, "stop_sequence"),
        extensionsJson: stopExtensions(delta),
      },
    });
  }

  #count(usage: unknown, out: ChatEvent[]): void {
    if (!isJsonObject(usage)) return;
    for (const [key, value] of Object.entries(usage)) if (value !== null) this.#counts[key] = value;
    const counted = usageFrom(this.#counts);
    this.#usage = counted;
    if (counted !== undefined) out.push({ case: "usage", value: counted });
  }

  #remember(fields: Fields, known: ReadonlySet<string>): void {
    for (const [key, value] of Object.entries(fields)) if (!known.has(key)) this.#rest[key] = value;
  }
}

const deltaEventKnown: ReadonlySet<string> = new Set(["type", "delta", "usage"]);

function parsed(data: string, eventName: string | undefined): Fields {
  let value: unknown;
  try {
    // Deltas hold text only; a block that comes whole may hold long integers.
    value = eventName === "content_block_delta" ? JSON.parse(data) : parseJson(data);
  } catch {
    throw broken("a stream event is not valid JSON");
  }
  if (!isJsonObject(value)) throw broken("a stream event is not a JSON object");
  return value;
}
