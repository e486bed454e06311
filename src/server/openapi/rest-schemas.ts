import { type JsonSchema, listOf, open, reference } from "./words.ts";

const text = { type: "string" } as const;
const number = { type: "number" } as const;
const integer = { type: "integer" } as const;
const flag = { type: "boolean" } as const;
const anything = {} as const;
const object = open({});
const orNull = (type: string) => ({ type: [type, "null"] });
const only = (value: string) => ({ const: value });
const oneOf = (...values: readonly string[]) => ({ type: "string", enum: values });
const schema = (name: string) => reference("schemas", name);
const textOrParts = { oneOf: [text, listOf(object)] };

const openaiError = open({ message: text, type: text, param: orNull("string"), code: orNull("string") }, [
  "message",
  "type",
  "param",
  "code",
]);
const frameId = { oneOf: [{ type: "string", minLength: 1, maxLength: 128 }, integer] };

const openai: Readonly<Record<string, JsonSchema>> = {
  OpenAIError: open({ error: openaiError }, ["error"]),
  ChatCompletionRequest: open(
    {
      model: text,
      messages: {
        ...listOf(open({ role: oneOf("developer", "system", "user", "assistant", "tool", "function"), content: anything }, ["role"])),
        minItems: 1,
      },
      stream: orNull("boolean"),
      stream_options: open({ include_usage: flag }),
      temperature: orNull("number"),
      top_p: orNull("number"),
      n: orNull("integer"),
      max_completion_tokens: orNull("integer"),
      max_tokens: orNull("integer"),
      stop: { oneOf: [text, listOf(text), { type: "null" }] },
      seed: orNull("integer"),
      tools: listOf(object),
      tool_choice: anything,
      response_format: object,
      reasoning_effort: orNull("string"),
      logprobs: orNull("boolean"),
      user: text,
    },
    ["model", "messages"],
  ),
  ChatCompletion: open(
    {
      id: text,
      object: only("chat.completion"),
      created: integer,
      model: text,
      choices: listOf(
        open({ index: integer, message: object, finish_reason: text, logprobs: anything }, ["index", "message", "finish_reason"]),
      ),
      usage: schema("OpenAIUsage"),
    },
    ["id", "object", "created", "model", "choices"],
  ),
  ChatCompletionChunk: open(
    {
      id: text,
      object: only("chat.completion.chunk"),
      created: integer,
      model: text,
      choices: listOf(open({ index: integer, delta: object, finish_reason: orNull("string"), logprobs: anything }, ["index", "delta"])),
      usage: { oneOf: [schema("OpenAIUsage"), { type: "null" }] },
    },
    ["id", "object", "created", "model", "choices"],
  ),
  OpenAIUsage: open({ prompt_tokens: integer, completion_tokens: integer, total_tokens: integer }),
  ResponsesRequest: open(
    {
      model: text,
      input: textOrParts,
      instructions: orNull("string"),
      stream: orNull("boolean"),
      store: { type: ["boolean", "null"], description: "Absent or false; true is refused, for nothing is kept." },
      max_output_tokens: orNull("integer"),
      temperature: orNull("number"),
      tools: listOf(object),
      tool_choice: anything,
      reasoning: object,
      text: object,
    },
    ["model", "input"],
  ),
  Response: open(
    {
      id: text,
      object: only("response"),
      created_at: number,
      status: text,
      model: text,
      output: listOf(object),
      usage: object,
      store: flag,
    },
    ["id", "object", "status", "model", "output"],
  ),
  EmbeddingsRequest: open(
    {
      model: text,
      input: { oneOf: [text, listOf(text), listOf(integer), listOf(listOf(integer))] },
      encoding_format: oneOf("float", "base64"),
      dimensions: integer,
      user: text,
    },
    ["model", "input"],
  ),
  Embeddings: open(
    {
      object: only("list"),
      model: text,
      data: listOf(
        open({ object: only("embedding"), index: integer, embedding: { oneOf: [listOf(number), text] } }, ["index", "embedding"]),
      ),
      usage: open({ prompt_tokens: integer, total_tokens: integer }),
    },
    ["object", "data", "model"],
  ),
  Model: open({ id: text, object: only("model"), created: integer, owned_by: text, semaroute: open({}) }, [
    "id",
    "object",
    "created",
    "owned_by",
  ]),
  ModelList: open({ object: only("list"), data: listOf(schema("Model")) }, ["object", "data"]),
};

const anthropic: Readonly<Record<string, JsonSchema>> = {
  AnthropicError: open({ type: only("error"), error: open({ type: text, message: text }, ["type", "message"]), request_id: text }, [
    "type",
    "error",
  ]),
  AnthropicModel: open({ type: only("model"), id: text, display_name: text, created_at: text }, ["type", "id"]),
  AnthropicModelList: open(
    { data: listOf(schema("AnthropicModel")), has_more: flag, first_id: orNull("string"), last_id: orNull("string") },
    ["data"],
  ),
  MessagesRequest: open(
    {
      model: text,
      max_tokens: { type: "integer", minimum: 1 },
      messages: listOf(open({ role: text, content: textOrParts }, ["role", "content"])),
      system: textOrParts,
      stream: flag,
      temperature: number,
      tools: listOf(object),
      tool_choice: object,
      thinking: object,
      stop_sequences: listOf(text),
      metadata: object,
    },
    ["model", "max_tokens", "messages"],
  ),
  Message: open(
    {
      id: text,
      type: only("message"),
      role: only("assistant"),
      model: text,
      content: listOf(object),
      stop_reason: orNull("string"),
      stop_sequence: orNull("string"),
      usage: object,
    },
    ["id", "type", "role", "model", "content", "usage"],
  ),
  CountTokensRequest: open(
    { model: text, messages: listOf(object), system: textOrParts, tools: listOf(object), tool_choice: object, thinking: object },
    ["model", "messages"],
  ),
  TokenCount: open({ input_tokens: integer }, ["input_tokens"]),
};

const ours: Readonly<Record<string, JsonSchema>> = {
  Health: open(
    {
      status: oneOf("healthy", "degraded", "unhealthy"),
      version: text,
      uptime_seconds: integer,
      providers: {
        type: "object",
        additionalProperties: open(
          { status: oneOf("unknown", "healthy", "degraded", "unhealthy"), breaker: oneOf("closed", "half_open", "open") },
          ["status", "breaker"],
        ),
      },
      redis: open(
        {
          status: oneOf("up", "away", "silent", "read_only"),
          breaker: oneOf("closed", "half_open", "open"),
          cache: oneOf("shared", "local", "off"),
          limits: oneOf("shared", "local"),
          budgets: oneOf("shared", "local"),
        },
        ["status", "breaker", "cache", "limits", "budgets"],
      ),
    },
    ["status", "version", "uptime_seconds", "providers"],
  ),
  Status: open({ status: text }, ["status"]),
  ConnectError: open({ code: text, message: text, details: listOf(object) }, ["code"]),
  RealtimeCallerFrame: {
    oneOf: [
      open(
        {
          type: only("chat"),
          id: frameId,
          request: schema("ChatCompletionRequest"),
          headers: {
            type: "object",
            additionalProperties: text,
            description: "What would be headers of a request of its own; they win over those of the socket's.",
          },
        },
        ["type", "id", "request"],
      ),
      open({ type: only("cancel"), id: frameId }, ["type", "id"]),
    ],
  },
  RealtimeServerFrame: {
    oneOf: [
      open({ type: only("chunk"), id: frameId, data: schema("ChatCompletionChunk") }, ["type", "id", "data"]),
      open({ type: only("done"), id: frameId, request_id: text, route: schema("Route") }, ["type", "id", "request_id", "route"]),
      open(
        {
          type: only("error"),
          id: { oneOf: [frameId, { type: "null" }] },
          error: openaiError,
          partial: flag,
          status: integer,
          retry_after_ms: integer,
          should_retry: flag,
          request_id: text,
          route: schema("Route"),
        },
        ["type", "id", "error", "partial", "status", "request_id"],
      ),
    ],
  },
  Route: open(
    {
      decision: text,
      policy: text,
      provider: text,
      model: text,
      attempts: integer,
      cache: oneOf("hit", "miss", "bypass"),
      cost_usd: text,
      notes: text,
    },
    ["decision", "policy"],
  ),
};

/** Bodies of the REST doors, compact: what a caller must know, and that there may be more. */
export const restSchemas: Readonly<Record<string, JsonSchema>> = { ...openai, ...anthropic, ...ours };
