import type { ChoiceEnded, StreamCompleted, StreamEvent, StreamStarted, Usage } from "../../core/chat.ts";
import type { StreamEncoder } from "../../core/dialect.ts";
import type { ChatError } from "../../core/error.ts";
import { type Echo } from "./echo.ts";
import { EventSink } from "./event-sink.ts";
import { ownFields } from "./extensions.ts";
import { failedText } from "./failed.ts";
import { OutputWriter } from "./output-writer.ts";
import { type Answer, nothingYet, responseObject, type Standing, standingOf } from "./response-object.ts";

/** A sign of life between events. */
export const keepalive = ": keepalive\n\n";

/** A fresh encoder. The last event is `response.completed`, `response.incomplete` or `response.failed`; no other mark follows. */
export function createStreamEncoder(echo: Echo): StreamEncoder {
  return new ResponseWriter(echo);
}

class ResponseWriter implements StreamEncoder {
  readonly #sink = new EventSink(false);
  readonly #echo: Echo;
  #answer: Answer | undefined;
  #output: OutputWriter;
  #standing: Standing = { status: "completed" };
  #usage: Usage | undefined;

  constructor(echo: Echo) {
    this.#echo = echo;
    this.#output = new OutputWriter(this.#sink, "");
  }

  push(event: StreamEvent): string {
    switch (event.case) {
      case "started":
        this.#start(event.value);
        break;
      case "partStarted":
        // This language has one choice.
        if (event.value.choiceIndex === 0 && event.value.part !== undefined) this.#output.begin(event.value.partIndex, event.value.part);
        break;
      case "partDelta":
        if (event.value.choiceIndex === 0) this.#output.more(event.value);
        break;
      case "partEnded":
        if (event.value.choiceIndex === 0) this.#output.end(event.value.partIndex);
        break;
      case "choiceEnded":
        if (event.value.choiceIndex === 0) this.#endChoice(event.value);
        break;
      case "usage":
        this.#usage = event.value;
        break;
      case "completed":
        this.#complete(event.value);
        break;
      case "heartbeat":
        return keepalive;
      default:
        return event satisfies never;
    }
    return this.#sink.take();
  }

  fail(error: ChatError): string {
    const answer = this.#answer ?? { id: "", model: "", createdSeconds: 0, echo: this.#echo };
    const { items } = this.#output;
    this.#sink.emit("response.failed", failedText(error, answer, { ...nothingYet, output: items, usage: this.#usage }));
    return this.#sink.take();
  }

  #start({ id, model, createTime }: StreamStarted): void {
    this.#answer = { id, model, createdSeconds: Number(createTime?.seconds ?? 0n), echo: this.#echo };
    this.#output = new OutputWriter(this.#sink, id);
    const response = responseObject(this.#answer, { status: "in_progress" }, nothingYet);
    this.#sink.emit("response.created", { response });
    this.#sink.emit("response.in_progress", { response });
  }

  /** How it ended is told with the whole, so that nothing looks finished that is not. */
  #endChoice({ finishReason, nativeFinishReason }: ChoiceEnded): void {
    this.#standing = standingOf(finishReason, nativeFinishReason, this.#output.refused);
    this.#output.finish(this.#standing.status === "incomplete" ? "incomplete" : "completed");
  }

  #complete({ usage = this.#usage, serviceTier, extensionsJson }: StreamCompleted): void {
    const answer = this.#answer;
    if (answer === undefined) return;
    const outcome = { output: this.#output.items, usage, serviceTier, told: ownFields(extensionsJson) };
    this.#sink.emit(`response.${this.#standing.status}`, { response: responseObject(answer, this.#standing, outcome) });
  }
}
