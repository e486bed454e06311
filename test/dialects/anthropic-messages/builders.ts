import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ContentPartSchema, type MessageSchema } from "../../../gen/semaroute/v1/chat_pb.ts";
import { Role } from "../../../src/core/chat.ts";
import { isJsonObject } from "../../../src/dialects/anthropic-messages/fields.ts";
import { type Encoded, encode } from "./support.ts";

/** What a part is made from. */
export type PartInit = MessageInitShape<typeof ContentPartSchema>;
/** What a message is made from. */
export type MessageInit = MessageInitShape<typeof MessageSchema>;

/** A part of text. */
export const text = (value: string) => ({ part: { case: "text" as const, value: { text: value } } });
/** A tool call of the assistant. */
export const call = (id: string, argumentsJson = "{}", name = "f"): PartInit => ({
  part: { case: "toolCall", value: { id, name, argumentsJson } },
});
/** A tool result. */
export const result = (toolCallId: string, value = "ok") => ({
  part: { case: "toolResult" as const, value: { toolCallId, content: [text(value)] } },
});
/** A message of the user. */
export const user = (...content: PartInit[]): MessageInit => ({ role: Role.USER, content });
/** A message of the assistant. */
export const assistant = (...content: PartInit[]): MessageInit => ({ role: Role.ASSISTANT, content });
/** A message of tools. */
export const tool = (...content: PartInit[]): MessageInit => ({ role: Role.TOOL, content });
/** Instructions. */
export const system = (...content: PartInit[]): MessageInit => ({ role: Role.SYSTEM, content });

/** The messages that left for the upstream. */
export function messagesOf(encoded: Encoded): readonly unknown[] {
  return Array.isArray(encoded.body["messages"]) ? encoded.body["messages"] : [];
}

/** The blocks that the parts of one message became. */
export function blocks(content: PartInit[], role: "user" | "assistant" = "user"): unknown {
  // The last message is the user's in any case, since new models go on with nobody else's.
  const messages = role === "user" ? [user(...content)] : [user(text("q")), assistant(...content), user(text("go on"))];
  const message = messagesOf(encode({ messages }))[role === "user" ? 0 : 1];
  return isJsonObject(message) ? message["content"] : undefined;
}
