/** Pieces of answers as vendors write them, for scripts to cut, join and spoil. */
import { chunk, completion, usageChunk } from "../support/scripted-upstream.ts";
import { canaries } from "./canaries.ts";
import { endedStream, event, json, type Step, write } from "./steps.ts";

/** OpenAI's first event, without content. */
export const begun = event(chunk({ role: "assistant", content: "" }));
/** An event with content: the canary by default. */
export function piece(content: string = canaries.answer): string {
  return event(chunk({ content }));
}
/** The event that says why the answer ends. */
export const finished = event(chunk({}, "stop"));
/** The event with the usage. */
export const usage = event(usageChunk(10, 2));
/** The end mark. */
export const done = event("[DONE]");

/** A good whole answer. */
export function wholeOf(text: string = canaries.answer): Step {
  return write(json(completion(text)));
}

/** A good stream. */
export function streamOf(...pieces: readonly string[]): Step {
  return endedStream(...streamEvents(...pieces));
}

/** The events of a good stream. */
export function streamEvents(...pieces: readonly string[]): readonly string[] {
  return [begun, ...pieces.map((content) => piece(content)), finished, usage, done];
}

function anthropicEvent(type: string, more: Readonly<Record<string, unknown>> = {}): string {
  return event({ type, ...more }, type);
}

/** Anthropic's events, by what they are for. */
export const anthropic = {
  begun: anthropicEvent("message_start", {
    message: {
      id: "msg_scripted",
      type: "message",
      role: "assistant",
      model: "claude-haiku-4-5",
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 10, output_tokens: 1 },
    },
  }),
  ping: anthropicEvent("ping"),
  block: anthropicEvent("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
  piece: anthropicEvent("content_block_delta", { index: 0, delta: { type: "text_delta", text: canaries.answer } }),
  blockEnd: anthropicEvent("content_block_stop", { index: 0 }),
  finished: anthropicEvent("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 2 } }),
  end: anthropicEvent("message_stop"),
  overloaded: anthropicEvent("error", { error: { type: "overloaded_error", message: `overloaded: ${canaries.answer}` } }),
} as const;
