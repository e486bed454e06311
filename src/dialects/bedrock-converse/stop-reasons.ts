import { FinishReason } from "../../core/chat.ts";

const reasons: ReadonlyMap<string, FinishReason> = new Map([
  ["end_turn", FinishReason.STOP],
  ["stop_sequence", FinishReason.STOP],
  ["max_tokens", FinishReason.LENGTH],
  ["tool_use", FinishReason.TOOL_CALLS],
  ["content_filtered", FinishReason.CONTENT_FILTER],
  ["guardrail_intervened", FinishReason.CONTENT_FILTER],
  ["malformed_tool_use", FinishReason.MALFORMED_TOOL_CALL],
  ["malformed_model_output", FinishReason.MALFORMED_TOOL_CALL],
  ["model_context_window_exceeded", FinishReason.CONTEXT_WINDOW],
  // Words of Claude's own, should they come through.
  ["refusal", FinishReason.REFUSAL],
  ["pause_turn", FinishReason.PAUSE],
]);

/** The neutral word. What the answer holds wins where the two disagree about tool calls. */
export function finishReasonFrom(stopReason: string, calledTool: boolean): FinishReason {
  const reason = reasons.get(stopReason) ?? FinishReason.OTHER;
  if (calledTool && (stopReason === "end_turn" || stopReason === "")) return FinishReason.TOOL_CALLS;
  if (reason === FinishReason.TOOL_CALLS && !calledTool) return FinishReason.STOP;
  return reason;
}
