/**
 * One model of each upstream language, and how its vendor writes an answer: whole, and as the bytes of a stream. The languages
 * are written by their documentation, and know nothing of ours.
 */
import type { UpstreamDialect } from "../../src/core/dialect.ts";
import { anthropicMessages } from "../../src/dialects/anthropic-messages/upstream.ts";
import { bedrockConverse } from "../../src/dialects/bedrock-converse/upstream.ts";
import { cohere } from "../../src/dialects/cohere/upstream.ts";
import { gemini } from "../../src/dialects/gemini/upstream.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { openaiResponses } from "../../src/dialects/openai-responses/upstream.ts";
import { eventFrame, exceptionFrame } from "../support/event-frames.ts";
import { anthropicMessage } from "../support/anthropic-messages.ts";
import { chunk, completion, usageChunk } from "../support/scripted-upstream.ts";

/** A call as a model makes it; the arguments are its own text. */
export interface SaidCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** What an answer holds. */
export type Said =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "reasoning"; readonly text: string }
  | { readonly kind: "calls"; readonly calls: readonly SaidCall[] };

/** A stream's bytes, an event each. */
export interface SaidStream {
  /** Up to the last of the content. */
  readonly begun: readonly Buffer[];
  /** From there to the protocol's own end. */
  readonly ending: readonly Buffer[];
}

/** A vendor. */
export interface Vendor {
  /** Of its language. */
  readonly name: string;
  /** `provider/model`. */
  readonly model: string;
  /** Its line of the configuration. */
  readonly provider: (url: string) => string;
  readonly dialect: UpstreamDialect;
  /** Of its opaque tokens. */
  readonly issuer: string;
  readonly contentType: string;
  /** JSON text. */
  readonly whole: (said: Said) => string;
  readonly stream: (said: Said) => SaidStream;
  /** An error in the place of an answer, and as an event of a stream. */
  readonly error: object;
  readonly errorEvent: Buffer;
  /** Its arguments of tools are JSON, and cannot be anything else. */
  readonly objects?: true;
}

/** Tokens of every answer here. */
export const tokens = { input: 20, output: 3 } as const;

function sse(value: object | string, named = false): Buffer {
  const name = named && typeof value === "object" && "type" in value ? `event: ${String(value.type)}\n` : "";
  return Buffer.from(`${name}data: ${typeof value === "string" ? value : json(value)}\n\n`);
}
const named = (...events: readonly object[]): Buffer[] => events.map((event) => sse(event, true));
const callsOf = (said: Said): readonly SaidCall[] => (said.kind === "calls" ? said.calls : []);
const textOf = (said: Said): string => (said.kind === "text" ? said.text : "");
const thoughtOf = (said: Said): string => (said.kind === "reasoning" ? said.text : "");
/** Cheap, so that it is asked first. */
const priced = (id: string): string => `{id: "${id}", input_price: 1, output_price: 1}`;
/** JSON text among JSON, as it is: digits and the order of keys included. */
const raw = (text: string): string => `@raw${text === "" ? "{}" : text}raw@`;
const json = (value: object): string =>
  JSON.stringify(value).replace(/"@raw((?:[^"\\]|\\.)*)raw@"/g, (_, text: string) => String(JSON.parse(`"${text}"`)));

const functions = (said: Said): object[] =>
  callsOf(said).map(({ id, name, arguments: text }, index) => ({ index, id, type: "function", function: { name, arguments: text } }));
const usage = { prompt_tokens: tokens.input, completion_tokens: tokens.output, total_tokens: tokens.input + tokens.output };
const serverError = { error: { message: "sorry", type: "server_error", param: null, code: "server_error" } };

const chat: Vendor = {
  name: "openai-chat",
  model: "chat/gpt-4o",
  provider: (url) => `chat: {type: openai_compatible, base_url: "${url}/v1", models: [${priced("gpt-4o")}]}`,
  dialect: openaiChat,
  issuer: "openai_compatible",
  contentType: "text/event-stream",
  whole(said) {
    const message = {
      role: "assistant",
      content: said.kind === "text" ? said.text : null,
      ...(said.kind === "reasoning" && { reasoning_content: said.text }),
      ...(said.kind === "calls" && { tool_calls: functions(said) }),
    };
    return json(completion("", { usage, choices: [{ index: 0, message, finish_reason: said.kind === "calls" ? "tool_calls" : "stop" }] }));
  },
  stream(said) {
    const content =
      said.kind === "text" ? { content: said.text } : said.kind === "reasoning" ? { reasoning_content: said.text } : undefined;
    const pieces = content === undefined ? functions(said).map((call) => ({ tool_calls: [call] })) : [content];
    return {
      begun: [{ role: "assistant" }, ...pieces].map((delta) => sse(chunk(delta))),
      ending: [sse(chunk({}, said.kind === "calls" ? "tool_calls" : "stop")), sse(usageChunk(tokens.input, tokens.output)), sse("[DONE]")],
    };
  },
  error: serverError,
  errorEvent: sse(serverError),
};

const responsesHead = {
  id: "resp_1",
  object: "response",
  created_at: 1_790_000_000,
  model: "gpt-5.4-pro",
  error: null,
  incomplete_details: null,
};
const responsesItems = (said: Said): object[] => {
  const summary = [{ type: "summary_text", text: thoughtOf(said) }];
  if (said.kind === "reasoning") return [{ id: "rs_1", type: "reasoning", summary, encrypted_content: "sealed==" }];
  const content = [{ type: "output_text", text: textOf(said), annotations: [] }];
  if (said.kind === "text") return [{ id: "msg_1", type: "message", role: "assistant", status: "completed", content }];
  return said.calls.map(({ id, name, arguments: text }) => ({
    id: `fc_${id}`,
    type: "function_call",
    call_id: id,
    name,
    arguments: text,
    status: "completed",
  }));
};
const responsesDone = (said: Said): object => ({
  ...responsesHead,
  status: "completed",
  output: responsesItems(said),
  usage: { input_tokens: tokens.input, output_tokens: tokens.output, total_tokens: tokens.input + tokens.output },
});

/** The events of one item, up to its end. */
function responsesItem(item: object, at: number): object[] {
  const where = { output_index: at, item_id: "i" };
  const added = (start: object): object => ({ type: "response.output_item.added", output_index: at, item: { ...item, ...start } });
  const done = { type: "response.output_item.done", output_index: at, item };
  if ("arguments" in item)
    return [
      added({ arguments: "" }),
      { type: "response.function_call_arguments.delta", ...where, delta: item.arguments },
      { type: "response.function_call_arguments.done", ...where, arguments: item.arguments },
      done,
    ];
  const [part] =
    "summary" in item && Array.isArray(item.summary) ? item.summary : "content" in item && Array.isArray(item.content) ? item.content : [];
  const kind = "summary" in item ? "reasoning_summary" : "content";
  const index = "summary" in item ? { summary_index: 0 } : { content_index: 0 };
  const delta = "summary" in item ? "response.reasoning_summary_text" : "response.output_text";
  return [
    added("summary" in item ? { summary: [] } : { content: [] }),
    { type: `response.${kind}_part.added`, ...where, ...index, part: { ...part, text: "" } },
    { type: `${delta}.delta`, ...where, ...index, delta: part.text },
    { type: `${delta}.done`, ...where, ...index, text: part.text },
    { type: `response.${kind}_part.done`, ...where, ...index, part },
    done,
  ];
}

const responses: Vendor = {
  name: "openai-responses",
  // Served by the Responses API only.
  model: "responses/gpt-5.4-pro",
  provider: (url) => `responses: {type: openai, base_url: "${url}/v1", api_key: key-for-tests, models: [${priced("gpt-5.4-pro")}]}`,
  dialect: openaiResponses,
  issuer: "openai",
  contentType: "text/event-stream",
  whole: (said) => json(responsesDone(said)),
  stream(said) {
    const begin = { type: "response.created", response: { ...responsesHead, status: "in_progress", output: [], usage: null } };
    const events = [begin, ...responsesItems(said).flatMap(responsesItem)];
    return {
      begun: named(...events.map((event, i) => ({ ...event, sequence_number: i }))),
      ending: named({ type: "response.completed", sequence_number: events.length, response: responsesDone(said) }),
    };
  },
  error: serverError,
  errorEvent: sse({ type: "error", sequence_number: 9, code: "server_error", message: "sorry", param: null }, true),
};

const anthropicBlocks = (said: Said): object[] => {
  if (said.kind === "text") return [{ type: "text", text: said.text }];
  if (said.kind === "reasoning") return [{ type: "thinking", thinking: said.text, signature: "sealed==" }];
  return said.calls.map(({ id, name, arguments: text }) => ({ type: "tool_use", id, name, input: raw(text) }));
};
const anthropicUsage = { input_tokens: tokens.input, output_tokens: tokens.output };
const anthropicStop = (said: Said): object => ({ stop_reason: said.kind === "calls" ? "tool_use" : "end_turn", stop_sequence: null });
const overloaded = { type: "error", error: { type: "overloaded_error", message: "sorry" } };

const anthropic: Vendor = {
  name: "anthropic",
  model: "claude/claude-sonnet-4-5",
  provider: (url) => `claude: {type: anthropic, base_url: "${url}", api_key: key-for-tests, models: [${priced("claude-sonnet-4-5")}]}`,
  dialect: anthropicMessages,
  issuer: "anthropic",
  contentType: "text/event-stream",
  whole: (said) => json(anthropicMessage(anthropicBlocks(said), { usage: anthropicUsage, ...anthropicStop(said) })),
  stream(said) {
    const start = anthropicMessage([], { stop_reason: null, usage: { ...anthropicUsage, output_tokens: 1 } });
    const block = (index: number, content_block: object, deltas: readonly object[]): object[] => [
      { type: "content_block_start", index, content_block },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index },
    ];
    const blocks =
      said.kind === "text"
        ? block(0, { type: "text", text: "" }, [{ type: "text_delta", text: said.text }])
        : said.kind === "reasoning"
          ? block(0, { type: "thinking", thinking: "", signature: "" }, [
              { type: "thinking_delta", thinking: said.text },
              { type: "signature_delta", signature: "sealed==" },
            ])
          : said.calls.flatMap(({ id, name, arguments: text }, i) =>
              block(i, { type: "tool_use", id, name, input: {} }, text === "" ? [] : [{ type: "input_json_delta", partial_json: text }]),
            );
    return {
      begun: named({ type: "message_start", message: start }, ...blocks),
      ending: named(
        { type: "message_delta", delta: anthropicStop(said), usage: { output_tokens: tokens.output } },
        { type: "message_stop" },
      ),
    };
  },
  error: overloaded,
  errorEvent: sse(overloaded, true),
};

const geminiUsage = { promptTokenCount: tokens.input, candidatesTokenCount: tokens.output, totalTokenCount: tokens.input + tokens.output };
const geminiParts = (said: Said): object[] => {
  if (said.kind === "text") return [{ text: said.text }];
  if (said.kind === "reasoning") return [{ text: said.text, thought: true }];
  return said.calls.map(({ id, name, arguments: text }) => ({ functionCall: { id, name, ...(text !== "" && { args: raw(text) }) } }));
};
const geminiAnswer = (parts: readonly object[], more: object = {}): object => ({
  candidates: [{ content: { role: "model", parts }, index: 0, ...more }],
  usageMetadata: geminiUsage,
  modelVersion: "gemini-2.5-flash",
});
const geminiError = { error: { code: 503, message: "sorry", status: "UNAVAILABLE" } };

const google: Vendor = {
  name: "gemini",
  model: "google/gemini-2.5-flash",
  provider: (url) => `google: {type: gemini, base_url: "${url}", api_key: key-for-tests, models: [${priced("gemini-2.5-flash")}]}`,
  dialect: gemini,
  issuer: "google",
  contentType: "text/event-stream",
  whole: (said) => json(geminiAnswer(geminiParts(said), { finishReason: "STOP" })),
  stream: (said) => ({
    begun: [sse(geminiAnswer(geminiParts(said)))],
    ending: [sse(geminiAnswer([{ text: "" }], { finishReason: "STOP" }))],
  }),
  error: geminiError,
  errorEvent: sse(geminiError),
  objects: true,
};

const cohereUsage = {
  billed_units: { input_tokens: 1, output_tokens: 3 },
  tokens: { input_tokens: tokens.input, output_tokens: tokens.output },
};
const cohereFinish = (said: Said): string => (said.kind === "calls" ? "TOOL_CALL" : "COMPLETE");
const coherePart = (said: Said): object =>
  said.kind === "reasoning" ? { type: "thinking", thinking: said.text } : { type: "text", text: textOf(said) };
const cohereError = { id: "c", type: "message-end", delta: { finish_reason: "ERROR", error: "sorry" } };

const command: Vendor = {
  name: "cohere",
  model: "command/command-a-03-2025",
  provider: (url) => `command: {type: cohere, base_url: "${url}", api_key: key-for-tests, models: [${priced("command-a-03-2025")}]}`,
  dialect: cohere,
  issuer: "cohere",
  contentType: "text/event-stream",
  whole: (said) =>
    json({
      id: "c",
      finish_reason: cohereFinish(said),
      message: { role: "assistant", ...(said.kind === "calls" ? { tool_calls: functions(said) } : { content: [coherePart(said)] }) },
      usage: cohereUsage,
    }),
  stream(said) {
    const message = (type: string, index: number, inner: object): object => ({ type, index, delta: { message: inner } });
    const content =
      said.kind === "calls"
        ? said.calls.flatMap(({ id, name, arguments: text }, i) => [
            message("tool-call-start", i, { tool_calls: { id, type: "function", function: { name, arguments: "" } } }),
            message("tool-call-delta", i, { tool_calls: { function: { arguments: text } } }),
            { type: "tool-call-end", index: i },
          ])
        : [
            message("content-start", 0, {
              content: said.kind === "text" ? { type: "text", text: "" } : { type: "thinking", thinking: "" },
            }),
            message("content-delta", 0, { content: said.kind === "text" ? { text: said.text } : { thinking: said.text } }),
            { type: "content-end", index: 0 },
          ];
    return {
      begun: named({ id: "c", type: "message-start", delta: { message: { role: "assistant", content: [] } } }, ...content),
      ending: named({ type: "message-end", delta: { finish_reason: cohereFinish(said), usage: cohereUsage } }),
    };
  },
  error: { id: "c", message: "sorry" },
  errorEvent: sse(cohereError, true),
};

const converseUsage = { inputTokens: tokens.input, outputTokens: tokens.output, totalTokens: tokens.input + tokens.output };
const converseStop = (said: Said): string => (said.kind === "calls" ? "tool_use" : "end_turn");
const converseBlocks = (said: Said): object[] => {
  if (said.kind === "text") return [{ text: said.text }];
  if (said.kind === "reasoning") return [{ reasoningContent: { reasoningText: { text: said.text, signature: "sealed==" } } }];
  return said.calls.map(({ id, name, arguments: text }) => ({ toolUse: { toolUseId: id, name, input: raw(text) } }));
};

const converseModel = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

const bedrock: Vendor = {
  name: "bedrock",
  model: `bedrock/${converseModel}`,
  provider: (url) =>
    `bedrock: {type: bedrock, region: eu-west-1, base_url: "${url}", api_key: key-for-tests, models: [${priced(converseModel)}]}`,
  dialect: bedrockConverse,
  issuer: "bedrock",
  contentType: "application/vnd.amazon.eventstream",
  whole: (said) =>
    json({
      output: { message: { role: "assistant", content: converseBlocks(said) } },
      stopReason: converseStop(said),
      usage: converseUsage,
    }),
  stream(said) {
    const delta = (contentBlockIndex: number, inner: object): Buffer =>
      eventFrame("contentBlockDelta", { contentBlockIndex, delta: inner });
    const stop = (contentBlockIndex: number): Buffer => eventFrame("contentBlockStop", { contentBlockIndex });
    const content =
      said.kind === "calls"
        ? said.calls.flatMap(({ id, name, arguments: text }, i) => [
            eventFrame("contentBlockStart", { contentBlockIndex: i, start: { toolUse: { toolUseId: id, name } } }),
            delta(i, { toolUse: { input: text } }),
            stop(i),
          ])
        : said.kind === "text"
          ? [delta(0, { text: said.text }), stop(0)]
          : [delta(0, { reasoningContent: { text: said.text } }), delta(0, { reasoningContent: { signature: "sealed==" } }), stop(0)];
    return {
      begun: [eventFrame("messageStart", { role: "assistant" }), ...content],
      ending: [eventFrame("messageStop", { stopReason: converseStop(said) }), eventFrame("metadata", { usage: converseUsage })],
    };
  },
  error: { message: "sorry" },
  errorEvent: exceptionFrame("internalServerException", "sorry"),
};

/** All six. */
export const vendors: readonly Vendor[] = [chat, responses, anthropic, google, command, bedrock];
