import { FinishReason, choice, textPart, usageOf } from "../../src/core/chat.ts";
import type { ChatRequest, ChatResponse } from "../../src/core/chat.ts";

const roles = ["user", "system", "user", "assistant", "tool"] as const;

/** The upstream's body for a gRPC call. Only texts: the references do no more than the measured call needs. */
export function bodyFromRequest(request: ChatRequest): string {
  const messages = request.messages.map((message) => ({ role: roles[message.role] ?? "user", content: message.text }));
  return JSON.stringify({ model: request.model, messages });
}

/** The gRPC answer for the upstream's. */
export function responseFromAnswer(answer: Buffer): ChatResponse {
  const value: OpenAiAnswer = JSON.parse(answer.toString());
  const [first] = value.choices;
  return {
    $typeName: "semaroute.v1.ChatResponse",
    id: value.id,
    model: value.model,
    choices: [{ ...choice(0, [textPart(first?.message.content ?? "")]), finishReason: FinishReason.STOP }],
    usage: usageOf(value.usage.prompt_tokens, value.usage.completion_tokens),
    serviceTier: "",
    systemFingerprint: "",
    extensionsJson: {},
  };
}

/** What our own upstream answers; it is a constant, so nothing needs checking here. */
interface OpenAiAnswer {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly { readonly message: { readonly content: string } }[];
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number };
}
