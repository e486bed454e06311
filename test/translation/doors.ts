import type { ChatRequest } from "../../src/core/chat.ts";
import type { DoorDialect } from "../../src/core/dialect.ts";
import { parseCallerJson } from "../../src/core/json.ts";
import { anthropicDoor } from "../../src/dialects/anthropic-messages/door.ts";
import { openaiChatDoor } from "../../src/dialects/openai-chat/door.ts";
import { openaiResponsesDoor } from "../../src/dialects/openai-responses/door.ts";

/** The languages of callers. */
export const doors = {
  chat: openaiChatDoor,
  responses: openaiResponsesDoor,
  messages: anthropicDoor,
} as const satisfies Record<string, DoorDialect>;

export type DoorName = keyof typeof doors;

/** A body in a door's words. */
export type Body = Readonly<Record<string, unknown>>;

/** One question, which every body asks that says nothing else. */
const questions: Readonly<Record<DoorName, Body>> = {
  chat: { model: "m", messages: [{ role: "user", content: "q" }] },
  responses: { model: "m", input: [{ role: "user", content: "q" }] },
  messages: { model: "m", max_tokens: 1000, messages: [{ role: "user", content: "q" }] },
};

/** What a caller asks, and how it wants its answer; by the door's own decoder. */
export function decodedAt(door: DoorName, body: Body): ReturnType<DoorDialect["decodeRequest"]> {
  const whole = parseCallerJson(JSON.stringify({ ...questions[door], ...body }));
  return doors[door].decodeRequest(whole, (name) => (name === "anthropic-version" ? "2023-06-01" : undefined));
}

/** What a caller asks. */
export function askedAt(door: DoorName, body: Body = {}): ChatRequest {
  return decodedAt(door, body).request;
}
