import { FinishReason } from "../../core/chat.ts";

// https://ai.google.dev/api/generate-content#FinishReason; new ones come without notice.
const reasons: ReadonlyMap<string, FinishReason> = new Map([
  ["STOP", FinishReason.STOP],
  ["MAX_TOKENS", FinishReason.LENGTH],
  ...[
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "MODEL_ARMOR",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
  ].map((word) => [word, FinishReason.CONTENT_FILTER] as const),
  ["CONTINUATION", FinishReason.PAUSE],
  ["MALFORMED_FUNCTION_CALL", FinishReason.MALFORMED_TOOL_CALL],
  ["UNEXPECTED_TOOL_CALL", FinishReason.MALFORMED_TOOL_CALL],
  ["TOO_MANY_TOOL_CALLS", FinishReason.MALFORMED_TOOL_CALL],
  ["MISSING_THOUGHT_SIGNATURE", FinishReason.ERROR],
  ["MALFORMED_RESPONSE", FinishReason.ERROR],
]);

/** The neutral word. Gemini says STOP when it calls functions, too; the calls are believed. */
export function finishReasonFrom(word: string, calledTool: boolean): FinishReason {
  const reason = reasons.get(word) ?? (word === "" ? FinishReason.STOP : FinishReason.OTHER);
  return calledTool && (reason === FinishReason.STOP || reason === FinishReason.OTHER) ? FinishReason.TOOL_CALLS : reason;
}
