import { type ChatRequest, type ContentPart, dropped, type Message, Role, type TranslationNote } from "../core/chat.ts";

// Tokens that only their issuer can read (signatures, encrypted reasoning): where they bind a conversation, and how it goes on
// without them.

/**
 * Whose tokens an open tool loop holds: its last turn is results of tools, and the answer that called for them, or one before it
 * in the same loop, carries sealed state. Of several, the latest one's. Undefined: no loop is open, or nothing in it is sealed.
 */
export function loopIssuer({ messages }: Pick<ChatRequest, "messages">): string | undefined {
  if (!messages.at(-1)?.content.some(isResult)) return undefined;
  for (let i = messages.length - 1; i >= 0; i--) {
    const message = messages[i];
    if (message === undefined) continue;
    if (message.role === Role.ASSISTANT) {
      const issuer = message.content.map(issuerOf).find((each) => each !== undefined);
      if (issuer !== undefined) return issuer;
    } else if (message.role === Role.USER && !message.content.some(isResult)) return undefined;
  }
  return undefined;
}

function isResult({ part }: ContentPart): boolean {
  return part.case === "toolResult";
}

function issuerOf({ part, opaque }: ContentPart): string | undefined {
  return (part.case === "reasoning" ? part.value.opaque[0] : undefined)?.issuer ?? opaque[0]?.issuer;
}

/** Whether a request sends tokens back to their issuer. */
export function holdsSealedState({ messages }: Pick<ChatRequest, "messages">): boolean {
  return messages.some(({ content }) => content.some((part) => issuerOf(part) !== undefined));
}

/** The request without the reasoning of earlier turns and without their tokens. */
export function withoutSealedState(request: Readonly<ChatRequest>): ChatRequest {
  return { ...request, messages: request.messages.map(bareMessage) };
}

function bareMessage(message: Message): Message {
  if (!message.content.some((part) => part.part.case === "reasoning" || part.opaque.length > 0)) return message;
  const content = message.content
    .filter(({ part }) => part.case !== "reasoning")
    .map((part) => (part.opaque.length === 0 ? part : { ...part, opaque: [] }));
  return { ...message, content };
}

/** What is told of it. */
export const unsealedNote: TranslationNote = dropped(
  "messages.content.reasoning",
  "the upstream refused the seal of earlier reasoning; it was asked again without it",
);
