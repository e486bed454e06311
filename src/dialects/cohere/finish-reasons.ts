import { FinishReason } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { failureInside } from "./errors.ts";

const reasons: ReadonlyMap<string, FinishReason> = new Map([
  ["COMPLETE", FinishReason.STOP],
  ["STOP_SEQUENCE", FinishReason.STOP],
  ["MAX_TOKENS", FinishReason.LENGTH],
  ["TOOL_CALL", FinishReason.TOOL_CALLS],
]);

/** The neutral word. What the answer holds wins where the two disagree about tool calls. */
export function finishReasonFrom(native: string, calledTool: boolean): FinishReason {
  const reason = reasons.get(native) ?? FinishReason.OTHER;
  if (reason === FinishReason.STOP && calledTool) return FinishReason.TOOL_CALLS;
  return reason === FinishReason.TOOL_CALLS && !calledTool ? FinishReason.STOP : reason;
}

/** Throws where the word says that the answer failed; `message` is what Cohere says of it. */
export function refuseFailure(native: string, message: string): void {
  if (native === "TIMEOUT") throw new ChatError("UPSTREAM_UNAVAILABLE", "cohere ran out of time in its answer");
  if (native === "ERROR" || (native === "" && message !== "")) throw failureInside({ message });
}
