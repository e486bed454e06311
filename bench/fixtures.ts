import { Role } from "../src/core/chat.ts";
import type { ChatRequest, Message } from "../src/core/chat.ts";
import { message } from "../src/core/chat.ts";

/** The model every case asks for. */
export const model = "gpt-4o-mini";
/** The path of OpenAI's chat completions, at the upstream and at every contender that speaks REST. */
export const chatPath = "/v1/chat/completions";
/** The text of the upstream's unary answer; a contender's answer must contain it. */
export const answerText =
  "A router reads a request, chooses who should answer it, hands it on and brings the answer back, and should cost next to nothing for it.";
/** Content events in one streamed answer. */
export const contentEvents = 100;
/** The text of the streamed answer, put together. */
export const streamText = Array.from({ length: contentEvents }, (_, index) => contentOf(index)).join("");

const system = "You are a helpful assistant that answers briefly.";
const question = "Say in one sentence what a router does.";
const stamp = { id: "chatcmpl-bench0001", created: 1_700_000_000, model: "gpt-4o-mini-2024-07-18", system_fingerprint: "fp_bench" };
const counts = { prompt_tokens: 24, completion_tokens: 28, total_tokens: 52 };

/** What of a REST call's body differs between calls. */
export interface Wish {
  readonly streamed: boolean;
  /** Bytes of padding in the prompt, to measure what long prompts cost. */
  readonly promptBytes: number;
  /** Number of the caller, for the upstream to read back out of the prompt. */
  readonly caller: number;
}

/** The body of a REST call. */
export function requestBody({ streamed: stream, promptBytes, caller }: Wish): string {
  const asked = stream ? `${question} [caller ${caller}]` : question;
  const content = promptBytes === 0 ? asked : `${asked} ${"All work and no play. ".repeat(Math.ceil(promptBytes / 22))}`;
  const messages = [
    { role: "system", content: system },
    { role: "user", content },
  ];
  return JSON.stringify(stream ? { model, messages, stream } : { model, messages });
}

/** Number of the caller in a body that has come through a router; NaN if it is not there. */
export function callerOf(body: string): number {
  return Number(/\[caller (\d+)\]/.exec(body)?.[1] ?? Number.NaN);
}

/** The same call as a message of the RouterService. */
export function requestMessage(): ChatRequest {
  return {
    $typeName: "semaroute.v1.ChatRequest",
    model,
    messages: [spoken(Role.SYSTEM, system), spoken(Role.USER, question)],
    tools: [],
    modalities: [],
    verbosity: "",
    serviceTier: "",
    endUserId: "",
    promptCacheKey: "",
    metadata: {},
    extensionsJson: {},
  };
}

/** The upstream's unary answer, about 0.6 KB of JSON. */
export function answerBody(): string {
  const choice = { index: 0, message: { role: "assistant", content: answerText, refusal: null }, logprobs: null, finish_reason: "stop" };
  const details = { prompt_tokens_details: { cached_tokens: 0 }, completion_tokens_details: { reasoning_tokens: 0 } };
  return JSON.stringify({ ...stamp, object: "chat.completion", choices: [choice], usage: { ...counts, ...details } });
}

/** The upstream's streamed answer, one SSE event an entry: role, content events, finish, usage if asked for, `[DONE]`. */
export function streamEvents(includeUsage: boolean): string[] {
  const event = (delta: object, finishReason: string | null) =>
    sse({ ...stamp, object: "chat.completion.chunk", choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }] });
  const events = [event({ role: "assistant", content: "" }, null)];
  for (let index = 0; index < contentEvents; index++) events.push(event({ content: contentOf(index) }, null));
  events.push(event({}, "stop"));
  if (includeUsage) events.push(sse({ ...stamp, object: "chat.completion.chunk", choices: [], usage: counts }));
  events.push("data: [DONE]\n\n");
  return events;
}

function spoken(role: Role, text: string): Message {
  return { ...message(role, []), text };
}

function contentOf(index: number): string {
  return ` word${index}`;
}

function sse(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
