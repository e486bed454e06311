import { FinishReason } from "../../core/chat.ts";

const reasons: ReadonlyMap<string, FinishReason> = new Map([
  ["end_turn", FinishReason.STOP],
  ["stop_sequence", FinishReason.STOP],
  ["max_tokens", FinishReason.LENGTH],
  ["tool_use", FinishReason.TOOL_CALLS],
  ["refusal", FinishReason.REFUSAL],
  ["model_context_window_exceeded", FinishReason.CONTEXT_WINDOW],
  ["pause_turn", FinishReason.PAUSE],
  ["compaction", FinishReason.PAUSE],
]);

/** Whether the vocabulary has a word for it. */
export function isKnownReason(stopReason: string): boolean {
  return reasons.has(stopReason);
}

/** The neutral word. What the answer holds wins where the two disagree about tool calls. */
export function finishReasonFrom(stopReason: string, calledTool: boolean): FinishReason {
  const reason = reasons.get(stopReason) ?? FinishReason.OTHER;
  if (calledTool && (stopReason === "end_turn" || stopReason === "")) return FinishReason.TOOL_CALLS;
  if (reason === FinishReason.TOOL_CALLS && !calledTool) return FinishReason.STOP;
  return reason;
}
