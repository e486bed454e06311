import type { ChatEvent, StreamCompleted } from "../../core/chat.ts";
import type { AnswerContext, StreamDecoder } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { failureInside } from "../../core/openai/failure.ts";
import { isErrorBody } from "../../core/openai/failure-shape.ts";
import { isContent } from "../../core/stream.ts";
import { CallReader } from "./call-reader.ts";
import type { ItemReader } from "./item-reader.ts";
import { MessageReader } from "./message-reader.ts";
import { NativeReader } from "./native-reader.ts";
import { endOf, partsOfItem, textAt } from "./output-decode.ts";
import { pushPart, ReasoningReader } from "./reasoning-reader.ts";
import { refuseEmpty, responseExtensions } from "./response-decode.ts";
import { decodeUsage } from "./usage.ts";

/** Reads one stream of events; it is whole with `response.completed` or `response.incomplete`, and with nothing else. */
export function createStreamDecoder(context: AnswerContext): StreamDecoder {
  return new ResponseReader(context);
}

/** An item that has been announced. */
interface OpenItem {
  readonly announced: JsonObject;
  readonly reader: ItemReader;
}

class ResponseReader implements StreamDecoder {
  /** Items by their place in the output; undefined: it is over. */
  readonly #items = new Map<number, OpenItem | undefined>();
  readonly #context: AnswerContext;
  #started = false;
  /** `completed` was written: whatever else comes is ignored. */
  #done = false;
  #parts = 0;
  readonly #number = (): number => this.#parts++;
  /** Events before this one have been looked at. */
  #watched = 0;
  #says = false;
  #calls = false;
  #refuses = false;

  constructor(context: AnswerContext) {
    this.#context = context;
  }

  push(data: string, eventName: string | undefined, out: ChatEvent[]): void {
    // This language has no such mark, and servers that imitate it send it all the same.
    if (this.#done || data === "" || data.startsWith("[DONE]")) return;
    const event = parsed(data, eventName);
    this.#watched = out.length;
    this.#read(textAt(event, "type") || (eventName ?? ""), event, out);
    this.#watch(out);
  }

  end(): void {
    if (!this.#done) throw new ChatError("UPSTREAM_UNAVAILABLE", "the upstream's stream was cut");
  }

  #read(type: string, event: JsonObject, out: ChatEvent[]): void {
    switch (type) {
      case "error":
        throw failureInside(event);
      case "response.failed":
        throw failureInside(isErrorBody(event["response"]) ? event["response"] : event);
      case "response.created":
      case "response.in_progress":
      case "response.queued":
        return this.#start(event["response"], out);
      case "response.completed":
      case "response.incomplete":
        return this.#complete(event["response"], type === "response.completed" ? "completed" : "incomplete", out);
      case "response.output_item.added":
        return this.#begin(event["item"], indexOf(event), out);
      case "response.output_item.done":
        return this.#finish(event["item"], indexOf(event), out);
      default:
        if (isErrorBody(event)) throw failureInside(event);
        this.#items.get(indexOf(event))?.reader.read(type, event, out);
    }
  }

  #start(response: unknown, out: ChatEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    const { id = "", model = "" } = isJsonObject(response) ? response : {};
    out.push({ case: "started", value: { $typeName: "semaroute.v1.StreamStarted", id: String(id), model: String(model) } });
  }

  #begin(item: unknown, index: number, out: ChatEvent[]): void {
    if (!isJsonObject(item) || this.#items.has(index)) return;
    this.#start(undefined, out);
    this.#items.set(index, { announced: item, reader: this.#readerOf(item, out) });
  }

  #readerOf(item: JsonObject, out: ChatEvent[]): ItemReader {
    switch (item["type"]) {
      case "message":
        return new MessageReader(item, this.#number);
      case "reasoning":
        return new ReasoningReader(item, this.#number);
      case "function_call":
      case "custom_tool_call":
        return new CallReader(item, { number: this.#number, context: this.#context }, out);
      default:
        return new NativeReader(item, this.#number, out);
    }
  }

  /** The end of an item that was announced, or all of one that was not; what is over is over. */
  #finish(item: unknown, index: number, out: ChatEvent[]): void {
    if (!isJsonObject(item)) return;
    this.#start(undefined, out);
    const open = this.#items.get(index);
    if (open !== undefined) open.reader.finish({ ...open.announced, ...item }, out);
    else if (!this.#items.has(index)) for (const part of partsOfItem(item, [], this.#context)) pushPart(part, this.#number(), out);
    this.#items.set(index, undefined);
  }

  #complete(response: unknown, status: "completed" | "incomplete", out: ChatEvent[]): void {
    if (!isJsonObject(response)) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream ended its stream without a response");
    this.#start(response, out);
    const output: readonly unknown[] = Array.isArray(response["output"]) ? response["output"] : [];
    for (const [i, item] of output.entries()) this.#finish(item, i, out);
    for (const [i, open] of this.#items) {
      if (open === undefined) continue;
      // What was cut off may never have been told to be over.
      if (status === "completed") throw new ChatError("UPSTREAM_PROTOCOL", "the upstream ended its stream within an item");
      this.#finish({}, i, out);
    }
    this.#watch(out);
    const { reason, native } = endOf({ ...response, status }, { calls: this.#calls, refusal: this.#refuses });
    const usage = decodeUsage(response["usage"]);
    refuseEmpty(this.#says, reason, usage?.outputTokens ?? 0);
    this.#done = true;
    const ended = { choiceIndex: 0, finishReason: reason, nativeFinishReason: native, stopSequence: "", extensionsJson: {} };
    out.push({ case: "choiceEnded", value: { $typeName: "semaroute.v1.ChoiceEnded", ...ended } });
    if (usage !== undefined) out.push({ case: "usage", value: usage });
    const known = { serviceTier: textAt(response, "service_tier"), systemFingerprint: "", extensionsJson: responseExtensions(response) };
    const value: StreamCompleted = { $typeName: "semaroute.v1.StreamCompleted", ...known };
    if (usage !== undefined) value.usage = usage;
    out.push({ case: "completed", value });
  }

  /** Whether anything was said, and of which kinds that its end depends on. */
  #watch(out: readonly ChatEvent[]): void {
    for (; this.#watched < out.length; this.#watched++) {
      const event = out[this.#watched];
      if (event === undefined) continue;
      this.#says ||= isContent(event);
      const kind = event.case === "partStarted" ? event.value.part?.part.case : undefined;
      this.#calls ||= kind === "toolCall";
      this.#refuses ||= kind === "refusal";
    }
  }
}

function indexOf(event: JsonObject): number {
  const { output_index: index } = event;
  return typeof index === "number" ? index : -1;
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
  throw new ChatError("UPSTREAM_PROTOCOL", "an event of the upstream's stream is not a JSON object");
}
