/** What each host of OpenAI's language answers that others do not; recorded shapes, trimmed. */
import { type Failure } from "../../../src/core/error.ts";
import type { HostType } from "../../../src/providers/hosts.ts";
import type { Scripted } from "./scene.ts";

/** What comes of an answer; absent: not looked at. */
export interface Expected {
  readonly text?: string;
  readonly reasoning?: string;
  /** `id name arguments`. */
  readonly calls?: readonly string[];
  readonly finish?: string;
  readonly native?: string;
  /** `input+output`, then what else is told. */
  readonly usage?: string;
  /** Parts of JSON text that must come along among the unknown fields. */
  readonly kept?: readonly string[];
  readonly failure?: Failure;
  readonly field?: string;
  readonly waitMs?: number;
  readonly blameless?: boolean;
}

/** One difference of one host, whole and as a stream. */
export interface Answer {
  readonly host: HostType;
  /** Who, where the type is for many. */
  readonly vendor?: string;
  readonly what: string;
  readonly whole?: Scripted;
  /** Bytes of a stream. */
  readonly stream?: string;
  readonly is: Expected;
}

const head = { id: "gen-1", object: "chat.completion", created: 1_790_000_000, model: "up-m" };

function whole(message: object, finish: unknown, more: object = {}, choice: object = {}): Scripted {
  return {
    body: {
      ...head,
      choices: [{ index: 0, message: { role: "assistant", content: null, ...message }, finish_reason: finish, ...choice }],
      ...more,
    },
  };
}

function chunk(delta: object, finish: unknown = null, more: object = {}, choice: object = {}): string {
  return sse({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish, ...choice }], ...more });
}

function sse(data: unknown): string {
  return `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}

const usageOf = (prompt: number, completion: number, more: object = {}) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...more,
});
const usage = usageOf(9, 3);
const done = sse("[DONE]");
const text = { content: "Hi" };
const callOf = (id: string, argumentsText: string, index?: number) => ({
  ...(index !== undefined && { index }),
  id,
  type: "function",
  function: { name: "f", arguments: argumentsText },
});
const error = (message: string, more: object = {}) => ({ error: { message, type: "x", param: null, code: null, ...more } });

const openrouter: readonly Omit<Answer, "host">[] = [
  {
    what: "comments while it looks for a provider, and what that one really said",
    whole: whole(text, "stop", { provider: "DeepInfra", usage: { ...usage, cost: 0.0001 } }, { native_finish_reason: "end_turn" }),
    stream: `: OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n${chunk(text, null, { provider: "DeepInfra" })}${chunk({}, "stop", {}, { native_finish_reason: "end_turn" })}${sse({ ...head, choices: [], usage: { ...usage, cost: 0.0001 } })}${done}`,
    is: {
      text: "Hi",
      finish: "STOP",
      usage: "9+3",
      kept: ['"cost":0.0001', '"provider":"DeepInfra"', '"native_finish_reason":"end_turn"'],
    },
  },
  {
    what: "reasoning, and the details of it that go back",
    whole: whole({ ...text, reasoning: "hm", reasoning_details: [{ type: "reasoning.text", text: "hm", signature: "s" }] }, "stop", {
      usage,
    }),
    stream: `${chunk({ reasoning: "hm", reasoning_details: [{ type: "reasoning.text", text: "hm", signature: "s" }] })}${chunk(text)}${chunk({}, "stop")}${done}`,
    is: { text: "Hi", reasoning: "hm", kept: ['"signature":"s"'] },
  },
  {
    what: "an error with status 200",
    whole: { body: error("Provider returned error", { code: 502, metadata: { provider_name: "X", raw: "bad gateway" } }) },
    stream: sse(error("Provider returned error", { code: 502, metadata: { provider_name: "X", raw: "bad gateway" } })),
    is: { failure: "UPSTREAM_UNAVAILABLE" },
  },
  {
    what: "an error inside its choice",
    whole: whole({}, "error", {}, { error: { code: 429, message: "Rate limit exceeded" } }),
    stream: `${chunk({ content: "" })}${chunk({}, "error", {}, { error: { code: 429, message: "Rate limit exceeded" } })}`,
    is: { failure: "RATE_LIMITED" },
  },
  {
    what: "the end error without a reason",
    whole: whole({}, "error"),
    stream: chunk({ content: "a" }, "error"),
    is: { failure: "UPSTREAM_UNAVAILABLE" },
  },
  {
    what: "an error in the middle, beside a choice that ends so",
    stream: `${chunk({ content: "a" })}${chunk({ content: "" }, "error", { error: { code: "server_error", message: "Provider disconnected" } })}`,
    is: { failure: "UPSTREAM_UNAVAILABLE" },
  },
  {
    what: "a budget that is in flight, which comes back",
    whole: { status: 402, body: error("m", { code: 402, metadata: { limit_source: "openrouter_in_flight_budget" } }) },
    is: { failure: "RATE_LIMITED" },
  },
  {
    what: "the same under its other word",
    whole: { status: 402, body: error("m", { code: 402, metadata: { reason: "in_flight_budget_exhausted" } }) },
    is: { failure: "RATE_LIMITED" },
  },
  {
    what: "no credit",
    whole: { status: 402, body: error("m", { code: 402, metadata: { error_type: "payment_required" } }) },
    is: { failure: "QUOTA_EXHAUSTED" },
  },
];

const deepseek: readonly Omit<Answer, "host">[] = [
  {
    what: "thoughts, and a cache that hits or misses",
    whole: whole({ ...text, reasoning_content: "hm" }, "stop", {
      usage: { ...usage, prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 5 },
    }),
    stream: `${chunk({ reasoning_content: "hm", content: null })}${chunk(text)}${chunk({ content: "" }, "stop", { usage: { ...usage, prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 5 } })}${done}`,
    is: { text: "Hi", reasoning: "hm", usage: "9+3 cached 4" },
  },
  {
    what: "blank lines and comments before it gets round to an answer",
    whole: { body: `\n\n\n\n\n${JSON.stringify(whole(text, "stop", { usage }).body)}` },
    stream: `\n\n: keep-alive\n\n: keep-alive\n\n${chunk(text)}${chunk({}, "stop")}${done}`,
    is: { text: "Hi", finish: "STOP" },
  },
  {
    what: "more blank lines than a sniffer looks at",
    whole: { body: `${"\n".repeat(3000)}${JSON.stringify(whole(text, "stop", { usage }).body)}` },
    stream: `${"\n".repeat(3000)}${chunk(text)}${chunk({}, "stop")}${done}`,
    is: { text: "Hi" },
  },
  {
    what: "an end for want of resources",
    whole: whole({ content: "half" }, "insufficient_system_resource"),
    stream: `${chunk({ content: "half" })}${chunk({}, "insufficient_system_resource")}${done}`,
    is: { failure: "OVERLOADED" },
  },
  {
    what: "no balance",
    whole: { status: 402, body: error("Insufficient Balance", { code: "invalid_request_error" }) },
    is: { failure: "QUOTA_EXHAUSTED" },
  },
  {
    what: "parameters it cannot read",
    whole: { status: 422, body: "Failed to deserialize the JSON body into the target type: top_p: invalid value at line 1" },
    is: { failure: "INVALID_REQUEST" },
  },
];

const groq: readonly Omit<Answer, "host">[] = [
  {
    what: "reasoning, and usage in a place of its own",
    whole: whole({ ...text, reasoning: "hm" }, "stop", { usage, x_groq: { id: "req_1" } }),
    stream: `${chunk({ role: "assistant", content: "" }, null, { x_groq: { id: "req_1" } })}${chunk({ reasoning: "hm" })}${chunk(text)}${chunk({}, "stop", { x_groq: { id: "req_1", usage } })}${done}`,
    is: { text: "Hi", reasoning: "hm", usage: "9+3" },
  },
  {
    what: "a tool call that its model could not write",
    whole: {
      status: 400,
      body: error("Failed to call a function. Please adjust your prompt.", { code: "tool_use_failed", failed_generation: "{" }),
    },
    stream: `event: error\n${sse(error("Failed to call a function.", { code: "tool_use_failed", status_code: 400, failed_generation: "{" }))}`,
    is: { failure: "UPSTREAM_PROTOCOL", blameless: true },
  },
  {
    what: "no room in the flex tier",
    whole: { status: 498, body: error("m", { code: "capacity_exceeded" }) },
    is: { failure: "OVERLOADED" },
  },
  {
    what: "a minute that is used up",
    whole: {
      status: 413,
      headers: { "retry-after": "7" },
      body: error(
        "Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM): Limit 6000, Requested 5000, please reduce",
        {
          type: "tokens",
          code: "rate_limit_exceeded",
        },
      ),
    },
    is: { failure: "RATE_LIMITED", waitMs: 7000 },
  },
  {
    what: "a request that is alone above a minute's limit",
    whole: {
      status: 413,
      headers: { "retry-after": "7" },
      body: error(
        "Request too large for model `m` in organization `o` on tokens per minute (TPM): Limit 6000, Requested 14368, please reduce",
        {
          type: "tokens",
          code: "rate_limit_exceeded",
        },
      ),
    },
    is: { failure: "REQUEST_TOO_LARGE" },
  },
  {
    what: "a body that is too large",
    whole: { status: 413, body: error("Request Entity Too Large", { type: "invalid_request_error" }) },
    is: { failure: "REQUEST_TOO_LARGE" },
  },
  {
    what: "a limit that says when it is over",
    whole: {
      status: 429,
      body: error(
        "Rate limit reached for model `m` on tokens per minute (TPM): Limit 6000, Used 5000, Requested 2000. Please try again in 10.2s.",
        {
          type: "tokens",
          code: "rate_limit_exceeded",
        },
      ),
    },
    is: { failure: "RATE_LIMITED", waitMs: 10_200 },
  },
  {
    what: "a request that it cannot process",
    whole: { status: 422, body: error("m", { type: "invalid_request_error" }) },
    is: { failure: "INVALID_REQUEST" },
  },
  { what: "a dependency of its own that failed", whole: { status: 424, body: error("m") }, is: { failure: "UPSTREAM_UNAVAILABLE" } },
];

const chunks = [
  { type: "thinking", thinking: [{ type: "text", text: "hm" }], closed: true },
  { type: "text", text: "Hi" },
];

const mistral: readonly Omit<Answer, "host">[] = [
  {
    what: "content in chunks, thinking among them",
    whole: whole({ content: chunks }, "stop", { usage }),
    stream: `${chunk({ content: [chunks[0]] })}${chunk({ content: [chunks[1]] })}${chunk({ content: "" }, "stop", { usage })}${done}`,
    is: { text: "Hi", reasoning: "hm", finish: "STOP", usage: "9+3" },
  },
  {
    what: "an end at the model's length",
    whole: whole(text, "model_length", { usage }),
    stream: `${chunk(text)}${chunk({}, "model_length", { usage })}${done}`,
    is: { text: "Hi", finish: "LENGTH", native: "model_length" },
  },
  { what: "an end in error", whole: whole(text, "error"), stream: chunk(text, "error"), is: { failure: "UPSTREAM_UNAVAILABLE" } },
  {
    what: "a complaint about a field, flat and in a list",
    whole: {
      status: 422,
      body: {
        object: "error",
        message: {
          detail: [{ type: "extra_forbidden", loc: ["body", "stream_options"], msg: "Extra inputs are not permitted", input: {} }],
        },
        type: "invalid_request_error",
        param: null,
        code: null,
      },
    },
    is: { failure: "INVALID_REQUEST", field: "stream_options" },
  },
  {
    what: "a complaint in words, flat",
    whole: {
      status: 400,
      body: {
        object: "error",
        message: "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        type: "invalid_request_invalid_args",
        param: null,
        code: "3051",
      },
    },
    is: { failure: "CONTEXT_LENGTH_EXCEEDED" },
  },
  {
    what: "an error with status 200, flat",
    whole: { body: { object: "error", message: "Service unavailable", type: "x", code: "503" } },
    stream: sse({ object: "error", message: "Service unavailable", type: "x", code: "503" }),
    is: { failure: "OVERLOADED" },
  },
  { what: "no room for a key", whole: { status: 401, body: { detail: "Unauthorized" } }, is: { failure: "UPSTREAM_AUTH" } },
];

const together: readonly Omit<Answer, "host">[] = [
  {
    what: "an end called eos, with the usage",
    whole: whole(text, "eos", { usage }),
    stream: `${chunk(text)}${chunk({ content: "" }, "eos", { usage })}${done}`,
    is: { text: "Hi", finish: "STOP", native: "eos", usage: "9+3" },
  },
  {
    what: "reasoning",
    whole: whole({ ...text, reasoning: "hm" }, "stop", { usage }),
    stream: `${chunk({ reasoning: "hm" })}${chunk(text, "stop")}${done}`,
    is: { reasoning: "hm" },
  },
  {
    what: "a prompt that is too long, in other words",
    whole: {
      status: 422,
      body: error("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens", {
        type: "invalid_request_error",
      }),
    },
    is: { failure: "CONTEXT_LENGTH_EXCEEDED" },
  },
  {
    what: "a model it has not",
    whole: { status: 404, body: error("m", { type: "invalid_request_error", code: "model_not_available" }) },
    is: { failure: "MODEL_NOT_FOUND" },
  },
];

const vllm: readonly Omit<Answer, "host">[] = [
  {
    what: "usage in each chunk, of which the last counts",
    stream: `${chunk({ role: "assistant", content: "" }, null, { usage: usageOf(9, 0) })}${chunk({ reasoning: "hm" }, null, { usage: usageOf(9, 1) })}${chunk(text, null, { usage: usageOf(9, 2) })}${chunk({}, "stop", { usage })}${sse({ ...head, choices: [], usage })}${done}`,
    is: { text: "Hi", reasoning: "hm", usage: "9+3" },
  },
  {
    what: "reasoning under its older name",
    whole: whole({ ...text, reasoning_content: "hm" }, "stop", { usage }),
    stream: `${chunk({ reasoning_content: "hm" })}${chunk(text, "stop")}${done}`,
    is: { text: "Hi", reasoning: "hm" },
  },
  {
    what: "nulls where lists are",
    whole: whole({ ...text, tool_calls: null, annotations: null, refusal: null, audio: null, function_call: null }, "stop", {
      usage,
      prompt_logprobs: null,
    }),
    is: { text: "Hi", calls: [] },
  },
  {
    what: "errors with a number for a code",
    whole: {
      status: 400,
      body: error("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens", {
        type: "BadRequestError",
        code: 400,
      }),
    },
    is: { failure: "CONTEXT_LENGTH_EXCEEDED" },
  },
  {
    what: "errors as they were, flat",
    whole: { status: 400, body: { object: "error", message: "bad", type: "BadRequestError", param: null, code: 400 } },
    stream: sse({ object: "error", message: "bad", type: "BadRequestError", param: null, code: 400 }),
    is: { failure: "INVALID_REQUEST" },
  },
  {
    what: "a model it does not serve",
    whole: { status: 404, body: error("The model `x` does not exist.", { type: "NotFoundError", code: 404 }) },
    is: { failure: "MODEL_NOT_FOUND" },
  },
];

const ollama: readonly Omit<Answer, "host">[] = [
  {
    what: "whole calls, all at the same place, that end with stop",
    whole: whole({ content: "", tool_calls: [callOf("call_1", '{"x":1}', 0), callOf("call_2", '{"x":2}', 0)] }, "stop", { usage }),
    stream: `${chunk({ tool_calls: [callOf("call_1", '{"x":1}', 0)] })}${chunk({ tool_calls: [callOf("call_2", '{"x":2}', 0)] })}${chunk({ content: "" }, "stop")}${done}`,
    is: { calls: ['call_1 f {"x":1}', 'call_2 f {"x":2}'], finish: "TOOL_CALLS", native: "stop" },
  },
  {
    what: "a model that nobody pulled",
    whole: { status: 404, body: error('model "llama9" not found, try pulling it first', { type: "api_error" }) },
    is: { failure: "MODEL_NOT_FOUND" },
  },
  {
    what: "the same in younger words",
    whole: { status: 404, body: error("model 'llama9' not found", { type: "not_found_error" }) },
    is: { failure: "MODEL_NOT_FOUND" },
  },
  {
    what: "thoughts",
    whole: whole({ ...text, reasoning: "hm" }, "stop", { usage }),
    stream: `${chunk({ content: "", reasoning: "hm" })}${chunk(text)}${chunk({}, "stop")}${done}`,
    is: { text: "Hi", reasoning: "hm" },
  },
];

const details = { completion_tokens_details: { reasoning_tokens: 100 }, total_tokens: 112 };

const xai: readonly Omit<Answer, "host">[] = [
  {
    what: "thoughts, whose tokens are counted beside the answer's",
    whole: whole({ ...text, reasoning_content: "hm" }, "stop", { usage: usageOf(9, 3, details) }),
    stream: `${chunk({ reasoning_content: "hm" })}${chunk(text)}${chunk({}, "stop", { usage: usageOf(9, 3, details) })}${done}`,
    is: { text: "Hi", reasoning: "hm", usage: "9+103 thought 100" },
  },
  {
    what: "calls without a reason for the end",
    whole: whole({ tool_calls: [callOf("call_1", "{}")] }, null, { usage }),
    stream: `${chunk({ tool_calls: [callOf("call_1", "{}", 0)] })}${done}`,
    is: { calls: ["call_1 f {}"], finish: "TOOL_CALLS" },
  },
  {
    what: "a prompt that it will not have",
    whole: {
      status: 403,
      body: { code: "The caller does not have permission", error: "Content violates usage guidelines. Failed check: SAFETY_CHECK" },
    },
    is: { failure: "CONTENT_POLICY" },
  },
  {
    what: "a wrong key, with the wrong status",
    whole: {
      status: 400,
      body: { code: "Client specified an invalid argument", error: "Incorrect API key provided: xa***cd. You can obtain one at x." },
    },
    is: { failure: "UPSTREAM_AUTH" },
  },
];

const signed = { extra_content: { google: { thought_signature: "sig" } } };

const others: readonly Answer[] = [
  {
    host: "openai_compatible",
    vendor: "Gemini's compatible endpoint",
    what: "calls without an index, which end with stop",
    whole: whole({ tool_calls: [{ ...callOf("a", '{"x":1}'), ...signed }, callOf("b", '{"x":2}')] }, "stop", { usage }),
    stream: `${chunk({ tool_calls: [{ ...callOf("a", '{"x":1}'), ...signed }] })}${chunk({ tool_calls: [callOf("b", '{"x":2}')] })}${chunk({}, "stop", { usage })}${done}`,
    is: { calls: ['a f {"x":1}', 'b f {"x":2}'], finish: "TOOL_CALLS", usage: "9+3" },
  },
  {
    host: "openai_compatible",
    vendor: "Gemini's compatible endpoint",
    what: "arguments in further pieces without an index",
    stream: `${chunk({ tool_calls: [callOf("a", "")] })}${chunk({ tool_calls: [{ function: { arguments: '{"x"' } }] })}${chunk({ tool_calls: [{ function: { arguments: ":1}" } }] })}${chunk({ tool_calls: [signed] })}${chunk({}, "stop")}${done}`,
    is: { calls: ['a f {"x":1}'], finish: "TOOL_CALLS" },
  },
  {
    host: "openai_compatible",
    vendor: "Gemini's compatible endpoint",
    what: "errors as a list",
    whole: { status: 429, body: [error("Resource has been exhausted", { code: 429, status: "RESOURCE_EXHAUSTED" })] },
    is: { failure: "RATE_LIMITED" },
  },
  {
    host: "openai_compatible",
    vendor: "Perplexity",
    what: "citations and usage at the top of each chunk",
    whole: whole(text, "stop", { usage, citations: ["https://example.com"], search_results: [{ title: "T" }] }),
    stream: `${chunk({ role: "assistant", content: "H" }, null, { usage: usageOf(9, 1), citations: ["https://example.com"], search_results: [{ title: "T" }] })}${chunk({ content: "i" }, "stop", { usage, citations: ["https://example.com"], search_results: [{ title: "T" }] })}${done}`,
    is: { text: "Hi", usage: "9+3", kept: ['"citations":["https://example.com"]', '"search_results"'] },
  },
  {
    host: "openai_compatible",
    vendor: "Fireworks",
    what: "a reason that is empty until the end",
    stream: `${chunk({ role: "assistant", content: "" }, "")}${chunk(text, "")}${chunk({}, "stop", { usage })}${done}`,
    is: { text: "Hi", finish: "STOP" },
  },
  {
    host: "openai_compatible",
    vendor: "Cerebras",
    what: "a field that it does not know",
    whole: {
      status: 400,
      body: {
        message: "body.foo: property 'foo' is unsupported",
        type: "invalid_request_error",
        param: "validation_error",
        code: "wrong_api_format",
      },
    },
    is: { failure: "INVALID_REQUEST", field: "validation_error" },
  },
  {
    host: "openai_compatible",
    vendor: "SambaNova",
    what: "an error inside the stream",
    stream: `${chunk({ role: "assistant", content: "" })}${sse({ error: { message: "Too many requests", type: "rate_limit_error", code: null, param: null } })}`,
    is: { failure: "RATE_LIMITED" },
  },
  {
    host: "openai_compatible",
    vendor: "NVIDIA",
    what: "nulls in each delta",
    stream: `${chunk({ role: "assistant", content: null, tool_calls: null, reasoning_content: null }, null, {}, { logprobs: null })}${chunk({ role: "assistant", content: "Hi", tool_calls: null })}${chunk({ role: "assistant", content: null }, "stop", { usage })}${done}`,
    is: { text: "Hi", finish: "STOP" },
  },
  {
    host: "openai_compatible",
    vendor: "Bedrock's compatible endpoint",
    what: "an answer as OpenAI gives it",
    whole: whole(text, "stop", { usage }),
    stream: `${chunk({ role: "assistant", content: "" })}${chunk(text)}${chunk({}, "stop")}${sse({ ...head, choices: [], usage })}${done}`,
    is: { text: "Hi", finish: "STOP", usage: "9+3" },
  },
];

const filtered = { hate: { filtered: false, severity: "safe" } };
const promptFilter = [{ prompt_index: 0, content_filter_results: filtered }];

const azure: readonly Omit<Answer, "host">[] = [
  {
    what: "what its filters found, in front of the answer and beside it",
    whole: whole(text, "stop", { usage, prompt_filter_results: promptFilter }, { content_filter_results: filtered }),
    stream: `${sse({ choices: [], created: 0, id: "", model: "", object: "", prompt_filter_results: promptFilter })}${chunk({ role: "assistant", content: "", refusal: null }, null, {}, { content_filter_results: {} })}${chunk(text, null, {}, { content_filter_results: filtered })}${chunk({}, "stop", {}, { content_filter_results: {} })}${sse({ ...head, choices: [], usage })}${done}`,
    is: { text: "Hi", finish: "STOP", usage: "9+3", kept: ['"prompt_filter_results"', '"content_filter_results"'] },
  },
  {
    what: "findings that come after the text they are about",
    stream: `${sse({ choices: [], created: 0, id: "", model: "", object: "", prompt_filter_results: promptFilter })}${chunk({ role: "assistant", content: "" })}${chunk(text)}${sse({ id: "", object: "", created: 0, model: "", choices: [{ index: 0, finish_reason: null, content_filter_results: filtered, content_filter_offsets: { check_offset: 0, start_offset: 0, end_offset: 2 } }] })}${chunk({}, "stop")}${done}`,
    is: { text: "Hi", finish: "STOP", kept: ['"content_filter_offsets"'] },
  },
  {
    what: "an answer that was cut",
    whole: whole(
      { content: "H" },
      "content_filter",
      { usage },
      { content_filter_results: { violence: { filtered: true, severity: "high" } } },
    ),
    stream: `${chunk({ role: "assistant", content: "H" })}${chunk({}, "content_filter", {}, { content_filter_results: { violence: { filtered: true, severity: "high" } } })}${done}`,
    is: { text: "H", finish: "CONTENT_FILTER", kept: ['"severity":"high"'] },
  },
  {
    what: "a prompt that was refused",
    whole: {
      status: 400,
      body: {
        error: {
          message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
          type: null,
          param: "prompt",
          code: "content_filter",
          status: 400,
          innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: filtered },
        },
      },
    },
    is: { failure: "CONTENT_POLICY", field: "prompt" },
  },
  {
    what: "a deployment that is not there, or not yet",
    whole: {
      status: 404,
      body: { error: { code: "DeploymentNotFound", message: "The API deployment for this resource does not exist." } },
    },
    is: { failure: "MODEL_NOT_FOUND" },
  },
  {
    what: "a path that is not there",
    whole: { status: 404, body: { error: { code: "404", message: "Resource not found" } } },
    is: { failure: "UPSTREAM_UNAVAILABLE" },
  },
  {
    what: "a wrong key",
    whole: {
      status: 401,
      body: { error: { code: "401", message: "Access denied due to invalid subscription key or wrong API endpoint." } },
    },
    is: { failure: "UPSTREAM_AUTH" },
  },
  {
    what: "a limit, with the time in two units",
    whole: {
      status: 429,
      headers: { "retry-after": "6", "retry-after-ms": "6250", "x-ratelimit-reset-requests": "-1" },
      body: {
        error: {
          code: "429",
          message: "Requests to the ChatCompletions_Create Operation have exceeded the call rate limit. Please retry after 6 seconds.",
        },
      },
    },
    is: { failure: "RATE_LIMITED", waitMs: 6250 },
  },
  {
    what: "an operation that the model has not",
    whole: {
      status: 400,
      body: {
        error: { code: "OperationNotSupported", message: "The chatCompletion operation does not work with the specified model, x." },
      },
    },
    is: { failure: "UNSUPPORTED_FEATURE" },
  },
];

const of = (host: HostType, rows: readonly Omit<Answer, "host">[]): readonly Answer[] => rows.map((row) => ({ host, ...row }));

/** Every difference, by host. */
export const answers: readonly Answer[] = [
  ...of("openrouter", openrouter),
  ...of("deepseek", deepseek),
  ...of("groq", groq),
  ...of("mistral", mistral),
  ...of("together", together),
  ...of("vllm", vllm),
  ...of("ollama", ollama),
  ...of("xai", xai),
  ...of("azure_openai", azure),
  ...others,
];
