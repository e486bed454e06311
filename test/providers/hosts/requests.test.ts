/** What each host is sent that others are not. */
import { describe, expect, test } from "vitest";
import { TranslationAction } from "../../../src/core/chat.ts";
import type { HostType } from "../../../src/providers/hosts.ts";
import { callHost } from "./scene.ts";

const answer = { body: { choices: [{ index: 0, message: { role: "assistant", content: "a" }, finish_reason: "stop" }] } };
const tools = ["f", "g"].map((name) => ({ type: "function", function: { name, parameters: { type: "object", properties: {} } } }));
const called = (id: string, more: object = {}) => ({
  role: "assistant",
  content: null,
  tool_calls: [{ id, type: "function", function: { name: "f", arguments: "{}" } }],
  ...more,
});
const user = (content: unknown) => ({ role: "user", content });
const image = (url: string) => ({ type: "image_url", image_url: { url } });

function actionName(action: TranslationAction): string {
  return Object.entries(TranslationAction).find(([, value]) => value === action)?.[0] ?? "";
}

interface Row {
  readonly host: HostType;
  readonly what: string;
  readonly request: object;
  readonly streamed?: boolean;
  readonly has?: object;
  readonly lacks?: readonly string[];
  /** `ACTION field`. */
  readonly notes?: readonly string[];
}

const rows: readonly Row[] = [
  {
    host: "openrouter",
    what: "limits under the older name",
    request: { max_completion_tokens: 5 },
    has: { max_tokens: 5 },
    lacks: ["max_completion_tokens"],
  },
  {
    host: "openrouter",
    what: "developers by their name",
    request: { messages: [{ role: "developer", content: "d" }, user("hi")] },
    has: { messages: [{ role: "developer" }, {}] },
  },
  {
    host: "openrouter",
    what: "reasoning wishes in an object",
    request: { reasoning_effort: "high" },
    has: { reasoning: { effort: "high" } },
    lacks: ["reasoning_effort"],
  },
  {
    host: "openrouter",
    what: "its reasoning and the details of it, back as they came",
    request: {
      messages: [
        user("q"),
        { role: "assistant", content: "a", reasoning: "hm", reasoning_details: [{ type: "reasoning.text", signature: "s" }] },
        user("r"),
      ],
    },
    has: { messages: [{}, { reasoning: "hm", reasoning_details: [{ signature: "s" }] }, {}] },
  },
  {
    host: "openrouter",
    what: "its own fields",
    request: { provider: { order: ["x"] }, transforms: [] },
    has: { transforms: [] },
    lacks: ["provider"],
    notes: ["DROPPED extensions_json.openai.provider"],
  },
  {
    host: "deepseek",
    what: "developers as the system",
    request: { messages: [{ role: "developer", content: "d" }, user("hi")] },
    has: { messages: [{ role: "system" }, {}] },
  },
  {
    host: "deepseek",
    what: "its thoughts back beside calls",
    request: { tools, messages: [user("q"), called("c", { reasoning_content: "hm" }), { role: "tool", tool_call_id: "c", content: "1" }] },
    has: { messages: [{}, { reasoning_content: "hm" }, {}] },
  },
  {
    host: "deepseek",
    what: "no thoughts back elsewhere",
    request: { messages: [user("q"), { role: "assistant", content: "a", reasoning_content: "hm" }, user("r")] },
    has: { messages: [{}, { role: "assistant", content: "a" }, {}] },
  },
  {
    host: "deepseek",
    what: "no biases",
    request: { logit_bias: { "1": 1 } },
    lacks: ["logit_bias"],
    notes: ["DROPPED sampling.logit_bias"],
  },
  {
    host: "groq",
    what: "no probabilities",
    request: { logprobs: true, top_logprobs: 2, logit_bias: { "1": 1 } },
    lacks: ["logprobs", "top_logprobs", "logit_bias"],
    notes: ["DROPPED sampling.logit_bias", "DROPPED sampling.logprobs", "DROPPED sampling.top_logprobs"],
  },
  { host: "groq", what: "one choice, unsaid", request: { n: 1 }, lacks: ["n"] },
  {
    host: "groq",
    what: "limits under the newer name",
    request: { max_tokens: 5 },
    has: { max_completion_tokens: 5 },
    lacks: ["max_tokens"],
  },
  {
    host: "mistral",
    what: "nothing that it would answer 422 to",
    streamed: true,
    request: { max_completion_tokens: 5, seed: 7, user: "u", store: false, verbosity: "low", foo: 1 },
    has: { max_tokens: 5, random_seed: 7, stream: true },
    lacks: ["max_completion_tokens", "seed", "user", "store", "verbosity", "foo", "stream_options"],
    notes: ["DROPPED extensions_json.openai.foo", "DROPPED store", "DROPPED end_user_id", "DROPPED verbosity"],
  },
  {
    host: "mistral",
    what: "fields of its own",
    request: { safe_prompt: true, prompt_mode: "reasoning" },
    has: { safe_prompt: true, prompt_mode: "reasoning" },
  },
  { host: "mistral", what: "any, where a call is required", request: { tools, tool_choice: "required" }, has: { tool_choice: "any" } },
  {
    host: "mistral",
    what: "ids of nine letters and digits, alike in call and result",
    request: { messages: [user("q"), called("call_abc"), { role: "tool", tool_call_id: "call_abc", content: "1" }] },
    has: {
      messages: [
        {},
        { tool_calls: [{ id: expect.stringMatching(/^[A-Za-z0-9]{9}$/) }] },
        { tool_call_id: expect.stringMatching(/^[A-Za-z0-9]{9}$/) },
      ],
    },
  },
  {
    host: "mistral",
    what: "a mark on the message to go on with",
    request: { messages: [user("q"), { role: "assistant", content: "The answer is" }] },
    has: { messages: [{}, { role: "assistant", content: "The answer is", prefix: true }] },
  },
  {
    host: "mistral",
    what: "no mark on an answer that is over, or calls",
    request: { messages: [user("q"), { role: "assistant", content: "a" }, user("r"), called("call_abc")] },
    has: { messages: [{}, { role: "assistant", content: "a" }, {}, { role: "assistant" }] },
  },
  {
    host: "together",
    what: "what open models know",
    request: { top_k: 5, repetition_penalty: 1.1, min_p: 0.1 },
    has: { top_k: 5, repetition_penalty: 1.1, min_p: 0.1 },
  },
  {
    host: "vllm",
    what: "turns that alternate",
    request: {
      messages: [
        { role: "developer", content: "A" },
        { role: "system", content: "B" },
        user("1"),
        user([{ type: "text", text: "2" }, image("https://example.com/a.png")]),
        { role: "assistant", content: "a" },
        { role: "assistant", content: "b" },
        user("3"),
      ],
    },
    has: {
      messages: [
        { role: "system", content: "A\n\nB" },
        { role: "user", content: [{ type: "text", text: "1" }, { type: "text", text: "2" }, { type: "image_url" }] },
        { role: "assistant", content: "a\n\nb" },
        { role: "user", content: "3" },
      ],
    },
  },
  {
    host: "vllm",
    what: "results and their calls each for itself",
    request: {
      tools,
      messages: [
        user("q"),
        called("a"),
        { role: "tool", tool_call_id: "a", content: "1" },
        called("b"),
        { role: "tool", tool_call_id: "b", content: "2" },
      ],
    },
    has: { messages: [{}, {}, { tool_call_id: "a" }, {}, { tool_call_id: "b" }] },
  },
  {
    host: "vllm",
    what: "two speakers as two",
    request: {
      messages: [
        { ...user("1"), name: "a" },
        { ...user("2"), name: "b" },
      ],
    },
    has: { messages: [{ name: "a" }, { name: "b" }] },
  },
  { host: "vllm", what: "no empty list of tools", request: { tools: [] }, lacks: ["tools"] },
  {
    host: "vllm",
    what: "its own fields",
    request: { guided_json: { type: "object" }, chat_template_kwargs: { a: 1 } },
    has: { guided_json: { type: "object" }, chat_template_kwargs: { a: 1 } },
  },
  { host: "ollama", what: "no biases", request: { logit_bias: { "1": 1 } }, lacks: ["logit_bias"], notes: ["DROPPED sampling.logit_bias"] },
  {
    host: "ollama",
    what: "only the tool that is to be called, since it hears of no choice",
    request: { tools, tool_choice: { type: "function", function: { name: "g" } } },
    has: { tools: [{ function: { name: "g" } }] },
    lacks: ["tool_choice"],
    notes: ["APPROXIMATED tool_choice.mode"],
  },
  {
    host: "ollama",
    what: "all tools, where one is required",
    request: { tools, tool_choice: "required" },
    has: { tools: [{}, {}] },
    lacks: ["tool_choice"],
    notes: ["APPROXIMATED tool_choice.mode"],
  },
  {
    host: "ollama",
    what: "no tools, where none is to be called",
    request: { tools, tool_choice: "none" },
    lacks: ["tools", "tool_choice"],
  },
  {
    host: "ollama",
    what: "images as bytes",
    request: { messages: [user([image("data:image/png;base64,iVBORw0KGgo=")])] },
    has: { messages: [{ content: [{ image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }] }] },
  },
  {
    host: "xai",
    what: "developers as the system, and limits under the newer name",
    request: { max_tokens: 5, messages: [{ role: "developer", content: "d" }, user("hi")] },
    has: { max_completion_tokens: 5, messages: [{ role: "system" }, {}] },
  },
  {
    host: "azure_openai",
    what: "what OpenAI is sent",
    streamed: true,
    request: { max_tokens: 5, reasoning_effort: "low", messages: [{ role: "developer", content: "d" }, user("hi")] },
    has: {
      model: "up-m",
      max_completion_tokens: 5,
      reasoning_effort: "low",
      stream_options: { include_usage: true },
      messages: [{ role: "developer" }, {}],
    },
  },
  {
    host: "openai_compatible",
    what: "the older words, and what nobody knows",
    request: { max_completion_tokens: 5, foo: 1, messages: [{ role: "developer", content: "d" }, user("hi")] },
    has: { max_tokens: 5, foo: 1, messages: [{ role: "system" }, {}] },
  },
];

describe.each(rows)("$host is sent $what", ({ host, request, streamed = false, has = {}, lacks = [], notes = [] }) => {
  test("and nothing else is lost", async () => {
    const outcome = await callHost(host, answer, { request, streamed });
    expect(outcome.sent.body).toMatchObject(has);
    for (const field of lacks) expect(outcome.sent.body).not.toHaveProperty(field);
    const told = outcome.notes.map(({ action, field }) => `${actionName(action)} ${field}`);
    expect(told).toEqual(notes);
    // What matches an object may still have more fields.
    expect(JSON.stringify(outcome.sent.body).includes('"prefix"')).toBe(JSON.stringify(has).includes('"prefix"'));
  });
});

test.each<{ host: HostType; what: string; request: object; field: string }>([
  { host: "groq", what: "two choices", request: { n: 2 }, field: "n" },
  { host: "deepseek", what: "two choices", request: { n: 2 }, field: "n" },
  {
    host: "ollama",
    what: "an image by its address",
    request: { messages: [user([image("https://example.com/a.png")])] },
    field: "messages[0].content[0].image",
  },
])("$host is not asked for $what: another target may serve it", async ({ host, request, field }) => {
  await expect(callHost(host, answer, { request })).rejects.toMatchObject({ failure: "UNSUPPORTED_FEATURE", field });
});

describe("a key goes", () => {
  test("to Azure in its own header, and nowhere else", async () => {
    const { sent } = await callHost("azure_openai", answer, { settings: 'api_version: "2024-10-21"' });
    expect(sent.headers).toMatchObject({ "api-key": "test-key" });
    expect(sent.headers["authorization"]).toBeUndefined();
    expect(sent.path).toBe("/openai/deployments/up-m/chat/completions?api-version=2024-10-21");
  });

  test("to Azure's newer API as well", async () => {
    const { sent } = await callHost("azure_openai", answer);
    expect(sent.path).toBe("/openai/v1/chat/completions");
    expect(sent.body).toMatchObject({ model: "up-m" });
  });

  test("to Cohere as a bearer's", async () => {
    const { sent } = await callHost("cohere", {
      body: { id: "x", finish_reason: "COMPLETE", message: { content: [{ type: "text", text: "a" }] } },
    });
    expect(sent).toMatchObject({ path: "/v2/chat", headers: { authorization: "Bearer test-key" }, body: { model: "up-m", stream: false } });
  });
});

test.each<{ host: HostType; headers: Record<string, string>; id: string }>([
  { host: "azure_openai", headers: { "apim-request-id": "apim-1", "x-request-id": "x-1" }, id: "apim-1" },
  { host: "openai", headers: { "x-request-id": "x-1" }, id: "x-1" },
  { host: "openrouter", headers: { "x-generation-id": "gen-1" }, id: "gen-1" },
  { host: "openai", headers: {}, id: "" },
])("$host's own id of a request is $id", async ({ host, headers, id }) => {
  expect((await callHost(host, { ...answer, headers })).requestId).toBe(id);
  const refused = await callHost(host, { status: 500, headers, body: "" });
  if (host !== "openrouter") expect(refused.error?.upstream?.requestId).toBe(id);
});
