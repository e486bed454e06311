import { type ChoiceEnded, FinishReason } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { extensionFields, type Fields, isJsonObject } from "./fields.ts";
import { finishReasonFrom } from "./stop-reasons.ts";

/** How an answer ended: the facts of a choice, whole or streamed. */
export type Ended = Pick<ChoiceEnded, "finishReason" | "nativeFinishReason" | "stopSequence" | "extensionsJson">;

/** What the answer holds that decides about the word for its end. */
export interface Held {
  readonly toolCall: boolean;
  readonly refusal: boolean;
}

/** `stop_reason`, `stop_sequence` and `stop_details`. Throws where the upstream said that its answer failed. */
export function stopFields(ended: Ended, held: Held): Fields {
  const extension = extensionFields(ended.extensionsJson, "") ?? {};
  const reason = typeof extension["stop_reason"] === "string" ? extension["stop_reason"] : reasonOf(ended, held);
  const details = extension["stop_details"];
  return {
    stop_reason: reason,
    stop_sequence: reason === "stop_sequence" ? ended.stopSequence : null,
    stop_details: isJsonObject(details) ? details : reason === "refusal" ? { type: "refusal", category: null, explanation: null } : null,
  };
}

const words: Readonly<Partial<Record<FinishReason, string>>> = {
  [FinishReason.LENGTH]: "max_tokens",
  [FinishReason.TOOL_CALLS]: "tool_use",
  [FinishReason.CONTENT_FILTER]: "refusal",
  [FinishReason.REFUSAL]: "refusal",
  [FinishReason.CONTEXT_WINDOW]: "model_context_window_exceeded",
  [FinishReason.PAUSE]: "pause_turn",
};

function reasonOf({ finishReason, nativeFinishReason, stopSequence }: Ended, held: Held): string {
  if (finishReason === FinishReason.ERROR) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream said that its answer failed");
  // Several of Anthropic's words have one meaning.
  if (isOwn(nativeFinishReason, finishReason, held)) return nativeFinishReason;
  const word = words[finishReason];
  if (word !== undefined) return word;
  if (held.toolCall) return "tool_use";
  if (held.refusal) return "refusal";
  return stopSequence === "" ? "end_turn" : "stop_sequence";
}

function isOwn(word: string, reason: FinishReason, { toolCall }: Held): boolean {
  const said = finishReasonFrom(word, toolCall);
  return said === reason && said !== FinishReason.OTHER && !(said === FinishReason.TOOL_CALLS && word !== "tool_use");
}
