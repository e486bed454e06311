import { type ChatResponse, FinishReason, type Message, partDelta } from "../../core/chat.ts";
import { type Echo } from "./echo.ts";
import { EventSink } from "./event-sink.ts";
import { ownFields } from "./extensions.ts";
import { OutputWriter } from "./output-writer.ts";
import { responseObject, standingOf } from "./response-object.ts";

/** A whole answer as JSON text. */
export function encodeResponse(response: ChatResponse, echo: Echo): string {
  const { id, model, createTime, usage, serviceTier, extensionsJson } = response;
  // This language has one choice.
  const [choice] = response.choices;
  const output = new OutputWriter(new EventSink(true), id);
  const { finishReason = FinishReason.STOP, nativeFinishReason = "", logprobs = [] } = choice ?? {};
  writeParts(output, choice?.message, logprobs);
  const standing = standingOf(finishReason, nativeFinishReason, output.refused);
  output.finish(standing.status === "incomplete" ? "incomplete" : "completed");
  const answer = { id, model, createdSeconds: Number(createTime?.seconds ?? 0n), echo };
  const told = ownFields(extensionsJson);
  return JSON.stringify(responseObject(answer, standing, { output: output.items, usage, serviceTier, told }));
}

function writeParts(output: OutputWriter, message: Message | undefined, logprobs: ChatResponse["choices"][number]["logprobs"]): void {
  // Which token stood in which of several texts is not known any more.
  let unplaced = logprobs.length > 0;
  for (const [i, part] of (message?.content ?? []).entries()) {
    output.begin(i, part);
    if (unplaced && part.part.case === "text") {
      const event = partDelta(0, i, { case: undefined });
      if (event.case === "partDelta") output.more({ ...event.value, logprobs });
      unplaced = false;
    }
    output.end(i);
  }
}
