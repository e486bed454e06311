import type {
  ChatRequest,
  ChoiceEnded,
  ContentPart,
  PartDelta,
  StreamCompleted,
  StreamEvent,
  StreamStarted,
  Usage,
} from "../../core/chat.ts";
import { usageOf } from "../../core/chat.ts";
import type { StreamEncoder } from "../../core/dialect.ts";
import { estimateInputTokens } from "../../core/estimate.ts";
import { messageStart } from "./answer-encode.ts";
import { stopFields } from "./answer-stop.ts";
import { messageUsage, tierWord, usageFields } from "./answer-usage.ts";
import { eventText, type PartWriter, partWriter } from "./answer-writers.ts";
import { extensionFields, type Fields } from "./fields.ts";

/** A sign of life that SDKs skip. */
export const pingText = eventText("ping", {});

/** A fresh encoder; `request` is the one that is answered. `message_stop` follows `completed` only. */
export function createAnswerStream(request: Readonly<ChatRequest>): StreamEncoder {
  return new AnswerStream(request);
}

class AnswerStream implements StreamEncoder {
  readonly #request: Readonly<ChatRequest>;
  readonly #blocks = new BlockQueue();
  #started: StreamStarted | undefined;
  #begun = false;
  #usage: Usage | undefined;
  /** Kept until `completed`, so that nothing looks finished that is not. */
  #ended: ChoiceEnded | undefined;
  #calledTool = false;
  #refused = false;

  constructor(request: Readonly<ChatRequest>) {
    this.#request = request;
  }

  push(event: StreamEvent): string {
    switch (event.case) {
      case "partDelta":
        return event.value.choiceIndex > 0 ? "" : this.#begin() + this.#blocks.more(event.value);
      case "partStarted":
        return event.value.choiceIndex > 0 || event.value.part === undefined ? "" : this.#start(event.value.partIndex, event.value.part);
      case "partEnded":
        return event.value.choiceIndex > 0 ? "" : this.#blocks.end(event.value.partIndex);
      case "started":
        this.#started = event.value;
        return "";
      case "usage":
        this.#usage = event.value;
        return "";
      case "choiceEnded":
        if (event.value.choiceIndex === 0) this.#ended = event.value;
        return "";
      case "completed":
        return this.#complete(event.value);
      case "heartbeat":
        return pingText;
      default:
        return event satisfies never;
    }
  }

  #start(partIndex: number, part: ContentPart): string {
    this.#calledTool ||= part.part.case === "toolCall";
    this.#refused ||= part.part.case === "refusal";
    return this.#begin() + this.#blocks.start(partIndex, part);
  }

  /** Held back until there is more: Anthropic's own first counts come right behind the start. Of others they come last. */
  #begin(): string {
    if (this.#begun) return "";
    this.#begun = true;
    const usage = messageUsage(this.#usage ?? usageOf(estimateInputTokens(this.#request), 0), "");
    const { id = "", model = this.#request.model } = this.#started ?? {};
    const message: Fields = {
      ...messageStart(id, model),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      usage,
    };
    return eventText("message_start", { message });
  }

  #complete(event: StreamCompleted): string {
    const begin = this.#begin();
    const blocks = this.#blocks.close();
    const ended = this.#ended ?? { finishReason: 0, nativeFinishReason: "", stopSequence: "", extensionsJson: {} };
    const stop = stopFields(ended, { toolCall: this.#calledTool, refusal: this.#refused });
    const { context_management: managed, ...rest } = extensionFields(event.extensionsJson, "") ?? {};
    const usage = usageFields(event.usage ?? this.#usage);
    if (event.serviceTier !== "") usage["service_tier"] = tierWord(event.serviceTier);
    const delta = eventText("message_delta", {
      delta: { ...rest, ...stop },
      usage,
      ...(managed !== undefined && { context_management: managed }),
    });
    return begin + blocks + delta + eventText("message_stop", {});
  }
}

/** A part on its way. */
interface Waiting {
  readonly writer: PartWriter;
  /** Deltas that came while another part's blocks were open. */
  readonly held: PartDelta[];
  ended: boolean;
}

/** Blocks never interleave: what comes for a part waits until the parts before it are whole. */
class BlockQueue {
  #nextIndex = 0;
  readonly #parts = new Map<number, Waiting>();
  /** In the order they began; the first one is open. */
  readonly #line: Waiting[] = [];
  readonly #take = (): number => this.#nextIndex++;

  start(partIndex: number, part: ContentPart): string {
    const waiting: Waiting = { writer: partWriter(part, this.#take), held: [], ended: false };
    this.#parts.set(partIndex, waiting);
    return this.#line.push(waiting) === 1 ? waiting.writer.open() : "";
  }

  more(event: PartDelta): string {
    const waiting = this.#parts.get(event.partIndex);
    if (waiting === undefined) return "";
    if (waiting === this.#line[0]) return waiting.writer.more(event);
    waiting.held.push(event);
    return "";
  }

  end(partIndex: number): string {
    const waiting = this.#parts.get(partIndex);
    if (waiting === undefined) return "";
    this.#parts.delete(partIndex);
    waiting.ended = true;
    return this.#advance();
  }

  /** Ends whatever is still open. */
  close(): string {
    for (const waiting of this.#line) waiting.ended = true;
    return this.#advance();
  }

  /** Closes what has ended at the head of the line, and opens what comes next. */
  #advance(): string {
    let text = "";
    while (this.#line[0]?.ended === true) {
      text += this.#line.shift()?.writer.close() ?? "";
      const next = this.#line[0];
      if (next === undefined) break;
      text += next.writer.open();
      for (const event of next.held) text += next.writer.more(event);
      next.held.length = 0;
    }
    return text;
  }
}
