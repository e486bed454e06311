import { FinishReason } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";

/** Words of OpenAI, and those of its sloppier relatives. */
const byWord: ReadonlyMap<string, FinishReason> = new Map([
  ["stop", FinishReason.STOP],
  ["length", FinishReason.LENGTH],
  ["tool_calls", FinishReason.TOOL_CALLS],
  ["function_call", FinishReason.TOOL_CALLS],
  ["content_filter", FinishReason.CONTENT_FILTER],
  ["model_length", FinishReason.LENGTH],
  ["max_tokens", FinishReason.LENGTH],
  ["MAX_TOKENS", FinishReason.LENGTH],
  ["eos", FinishReason.STOP],
  ["eos_token", FinishReason.STOP],
  ["stop_sequence", FinishReason.STOP],
  ["end_turn", FinishReason.STOP],
  ["COMPLETE", FinishReason.STOP],
  ["tool_use", FinishReason.TOOL_CALLS],
  ["refusal", FinishReason.REFUSAL],
]);

/** Words by which a host says that it failed. */
export function isErrorFinish(word: string): boolean {
  return word === "error" || word === "insufficient_system_resource";
}

/**
 * What a host's word means; whether tools were called is believed from the calls, not from the word. One that nobody knows, as
 * vLLM's `abort`, is told as an ordinary end, and is not one that an answer may be kept for.
 */
export function decodeFinishReason(word: string, hasCalls: boolean): FinishReason {
  const reason = byWord.get(word) ?? (word === "" ? FinishReason.STOP : FinishReason.OTHER);
  if (hasCalls && isOrdinary(reason)) return FinishReason.TOOL_CALLS;
  return reason === FinishReason.TOOL_CALLS && !hasCalls ? FinishReason.STOP : reason;
}

/** An end that an answer with nothing in it cannot have. */
export function isOrdinary(reason: FinishReason): boolean {
  return reason === FinishReason.STOP || reason === FinishReason.OTHER;
}

/** What a caller must know about its answer to name its end. */
export interface FinishContext {
  /** The answer has the refusal's words, so that its end is an ordinary one. */
  readonly hasRefusal: boolean;
  readonly legacyFunctions: boolean;
}

/** OpenAI's word for an end. Throws where the upstream said that its answer failed: there is no word for that, and none is made up. */
export function encodeFinishReason(reason: FinishReason, context: FinishContext): string {
  switch (reason) {
    case FinishReason.LENGTH:
    case FinishReason.CONTEXT_WINDOW:
      return "length";
    case FinishReason.TOOL_CALLS:
      return context.legacyFunctions ? "function_call" : "tool_calls";
    case FinishReason.CONTENT_FILTER:
      return "content_filter";
    case FinishReason.REFUSAL:
      return context.hasRefusal ? "stop" : "content_filter";
    case FinishReason.ERROR:
      throw new ChatError("UPSTREAM_PROTOCOL", "the upstream said that its answer failed");
    default:
      return "stop";
  }
}
