import type { Call } from "../core/call.ts";
import { type ChatRequest, isEmbedRequest, type Message, Role } from "../core/chat.ts";
import { hashText } from "../core/text-hash.ts";

/** What one is known by: no prompt, no name of the caller's, only hashes. */
export interface Conversation {
  readonly id: string;
  /** The caller named it. */
  readonly named: boolean;
}

/** Prompts below are in nobody's prompt cache (OpenAI, Anthropic, Google: 1024 tokens or more). */
export const promptTokensMin = 1024;

/** How much of a text counts at either end: instructions of a hundred pages are not read for each call. */
const sampleLength = 512;

/** The conversation as the caller names it, and else undefined. A key is a tenant: what another one names alike is another one. */
export function namedConversation({ key, request }: Call): Conversation | undefined {
  if (isEmbedRequest(request)) return undefined;
  const { routing, promptCacheKey, model } = request;
  const affinityKey = routing?.affinityKey ?? "";
  if (affinityKey !== "") return { id: `${key.id} a ${hashText(`${model}\n${affinityKey}`)}`, named: true };
  if (promptCacheKey !== "") return { id: `${key.id} p ${hashText(`${model}\n${promptCacheKey}`)}`, named: true };
  return undefined;
}

/** By how it began: its instructions and the first thing the user said, which every later turn sends again. */
export function derivedConversation(call: Call, inputTokens: number): Conversation | undefined {
  const { key, request } = call;
  if (isEmbedRequest(request) || inputTokens < promptTokensMin) return undefined;
  return { id: `${key.id} d ${hashText(`${request.model}\n${beginningOf(request)}`)}`, named: false };
}

function beginningOf({ messages }: ChatRequest): string {
  let text = "";
  for (const message of messages) {
    text += `${message.role}:${sampleOf(message)}\n`;
    if (message.role === Role.USER) break;
  }
  return text;
}

function sampleOf({ text, content }: Message): string {
  let sample = ends(text);
  for (const { part } of content) {
    if (part.case === "text") sample += ends(part.value.text);
    // A few parts tell one beginning from another.
    if (sample.length > 4 * sampleLength) break;
  }
  return sample;
}

function ends(text: string): string {
  if (text.length <= 2 * sampleLength) return text;
  return `${text.slice(0, sampleLength)}${text.length}${text.slice(-sampleLength)}`;
}
