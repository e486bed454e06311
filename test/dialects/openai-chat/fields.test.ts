import { describe, expect, test } from "vitest";

import { hosts } from "../../../src/providers/hosts.ts";
import { ask, decoded, encoded as encodedFor, target } from "./support.ts";

// Every field of the chat completions API, by name: what a caller of ours says reaches OpenAI as it was said.

const encoded: typeof encodedFor = (request, options) => encodedFor(request, { quirks: hosts.openai.quirks, ...options });

const fn = { type: "function", function: { name: "f", description: "d", parameters: { type: "object", properties: {} }, strict: true } };
const custom = (format: unknown) => ({ type: "custom", custom: { name: "sh", description: "d", format } });
const grammar = { type: "grammar", grammar: { definition: "start: /x/", syntax: "lark" } };
const tools = [fn];

/** Fields of the request; what must be there for them to mean anything is in `beside`. */
const kept: readonly { readonly field: string; readonly value: unknown; readonly beside?: Record<string, unknown> }[] = [
  { field: "max_completion_tokens", value: 100 },
  { field: "temperature", value: 0.5 },
  { field: "top_p", value: 0.5 },
  { field: "n", value: 3 },
  { field: "stop", value: ["a", "b"] },
  { field: "frequency_penalty", value: -1.5 },
  { field: "presence_penalty", value: 1.5 },
  { field: "logit_bias", value: { "50256": -100 } },
  { field: "logprobs", value: true, beside: { top_logprobs: 5 } },
  { field: "top_logprobs", value: 20, beside: { logprobs: true } },
  { field: "seed", value: 42 },
  { field: "tools", value: [fn] },
  { field: "tools", value: [{ type: "function", function: { name: "bare" } }] },
  { field: "tools", value: [custom(grammar)] },
  { field: "tools", value: [{ type: "custom", custom: { name: "sh" } }] },
  { field: "tools", value: [{ type: "web_search", filters: { allowed_domains: ["a.b"] } }] },
  { field: "tool_choice", value: "none", beside: { tools } },
  { field: "tool_choice", value: "auto", beside: { tools } },
  { field: "tool_choice", value: "required", beside: { tools } },
  { field: "tool_choice", value: { type: "function", function: { name: "f" } }, beside: { tools } },
  { field: "tool_choice", value: { type: "custom", custom: { name: "sh" } }, beside: { tools: [custom(grammar)] } },
  {
    field: "tool_choice",
    value: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "f" } }] } },
    beside: { tools },
  },
  {
    field: "tool_choice",
    value: {
      type: "allowed_tools",
      allowed_tools: {
        mode: "required",
        tools: [
          { type: "function", function: { name: "f" } },
          { type: "custom", custom: { name: "sh" } },
        ],
      },
    },
    beside: { tools: [fn, custom(grammar)] },
  },
  { field: "parallel_tool_calls", value: false, beside: { tools } },
  { field: "parallel_tool_calls", value: true, beside: { tools } },
  { field: "response_format", value: { type: "json_object" } },
  {
    field: "response_format",
    value: { type: "json_schema", json_schema: { name: "shape", description: "d", schema: { type: "object" }, strict: true } },
  },
  { field: "response_format", value: { type: "structural_tag", structures: [] } },
  { field: "reasoning_effort", value: "xhigh" },
  { field: "reasoning_effort", value: "none" },
  { field: "verbosity", value: "low" },
  { field: "modalities", value: ["text", "audio"], beside: { audio: { voice: "alloy", format: "wav" } } },
  { field: "audio", value: { voice: "alloy", format: "pcm16" } },
  { field: "audio", value: { voice: { id: "voice_1" }, format: "pcm16" } },
  { field: "prediction", value: { type: "content", content: "code" } },
  { field: "prediction", value: { type: "content", content: [{ type: "text", text: "code" }] } },
  {
    field: "web_search_options",
    value: { search_context_size: "low", user_location: { type: "approximate", approximate: { city: "Rome", country: "IT" } } },
  },
  { field: "metadata", value: { a: "b" } },
  { field: "store", value: true },
  { field: "store", value: false },
  { field: "service_tier", value: "flex" },
  { field: "service_tier", value: "fast" },
  { field: "safety_identifier", value: "user-1" },
  { field: "prompt_cache_key", value: "key" },
  { field: "prompt_cache_options", value: { mode: "explicit", ttl: "30m" } },
  { field: "prompt_cache_retention", value: "24h" },
  { field: "moderation", value: { model: "omni", policy: { input: { mode: "block" }, output: { mode: "score" } } } },
  // Extensions of compatible hosts, and what nobody knows.
  { field: "chat_template_kwargs", value: { enable_thinking: false } },
  { field: "guided_json", value: { type: "object" } },
  { field: "thinking", value: { type: "enabled" } },
  { field: "future_field", value: { deep: [1, { big: 2 }] } },
];

describe("a field of the request", () => {
  test.each(kept)("$field $value reaches OpenAI as it is", ({ field, value, beside }) => {
    const { body, fields } = encoded(decoded(ask({ [field]: value, ...beside })));
    expect(body[field]).toEqual(value);
    expect(fields).toEqual([]);
  });

  test.each([
    { field: "max_tokens", value: 100, as: { max_completion_tokens: 100 } },
    { field: "stop", value: "a", as: { stop: ["a"] } },
    { field: "user", value: "a", as: { safety_identifier: "a" } },
    { field: "user beside safety_identifier", in: { user: "a", safety_identifier: "a" }, as: { safety_identifier: "a" } },
    {
      field: "functions",
      in: { functions: [{ name: "f", description: "d", parameters: { type: "object" } }], function_call: { name: "f" } },
      as: {
        tools: [{ type: "function", function: { name: "f", description: "d", parameters: { type: "object" } } }],
        tool_choice: { type: "function", function: { name: "f" } },
        parallel_tool_calls: false,
      },
    },
    { field: "function_call none", in: { functions: [{ name: "f" }], function_call: "none" }, as: { tool_choice: "none" } },
    { field: "reasoning of OpenRouter", in: { reasoning: { effort: "high", exclude: true } }, as: { reasoning_effort: "high" } },
    {
      field: "null",
      in: { temperature: null, tools: null, stop: null, response_format: null, audio: null, metadata: null, user: null },
      as: {},
    },
  ])("$field reaches it in today's words", ({ field, value, as, in: given }) => {
    const { body } = encoded(decoded(ask(given ?? { [field]: value })));
    expect(body).toMatchObject(as);
  });

  test.each(["top_k", "min_p", "repetition_penalty"])(
    "%s of open models is left out, and that is told: OpenAI would answer 400",
    (field) => {
      const { body, fields } = encoded(decoded(ask({ [field]: 1 })));
      expect(body[field]).toBeUndefined();
      expect(fields).toEqual([`sampling.${field}`]);
    },
  );

  test("a user who is not the one of safety_identifier is left out, and that is told", () => {
    const { body, fields } = encoded(decoded(ask({ user: "b", safety_identifier: "a" })));
    expect(body).toMatchObject({ safety_identifier: "a" });
    expect(body["user"]).toBeUndefined();
    expect(fields).toEqual(["extensions_json.openai.user"]);
  });

  test.each(["model", "models", "provider", "route", "fallbacks", "previous_response_id", "background"])(
    "%s of an unknown kind never passes",
    (field) => {
      const request = decoded(ask());
      request.extensionsJson = { openai: JSON.stringify({ [field]: "x" }) };
      const { body, fields } = encoded(request);
      expect(body[field]).toBe(field === "model" ? "gpt-test-1" : undefined);
      expect(fields).toEqual([`extensions_json.openai.${field}`]);
    },
  );
});

const png = "data:image/png;base64,iVBORw0KGgo=";
const user = (part: unknown) => ({ role: "user", content: [{ type: "text", text: "see" }, part] });
const calling = (more: Record<string, unknown>) => ({ role: "assistant", content: null, ...more });
const call = { id: "a", type: "function", function: { name: "f", arguments: '{"b":1, "a": 9007199254740993}' } };
const result = { role: "tool", tool_call_id: "a", content: "done" };

/** Messages that come out as they went in. */
const messages: readonly { readonly what: string; readonly list: readonly unknown[] }[] = [
  { what: "a developer's message with a name", list: [{ role: "developer", content: "be kind", name: "boss" }] },
  {
    what: "a system message of parts",
    list: [
      {
        role: "system",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
    ],
  },
  { what: "a user's name", list: [{ role: "user", content: "hi", name: "ann" }] },
  { what: "an image with its detail", list: [user({ type: "image_url", image_url: { url: png, detail: "high" } })] },
  { what: "an image by URL", list: [user({ type: "image_url", image_url: { url: "https://a.b/c.png" } })] },
  { what: "sound", list: [user({ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } })] },
  { what: "sound as mp3", list: [user({ type: "input_audio", input_audio: { data: "AAAA", format: "mp3" } })] },
  { what: "a file", list: [user({ type: "file", file: { file_data: "data:application/pdf;base64,JVBERi0=", filename: "a.pdf" } })] },
  { what: "a file by its id", list: [user({ type: "file", file: { file_id: "file-1" } })] },
  { what: "a video", list: [user({ type: "video_url", video_url: { url: "https://a.b/c.mp4" } })] },
  { what: "a part of an unknown kind", list: [user({ type: "hologram", hologram: { x: 1 } })] },
  { what: "unknown fields of a part", list: [user({ type: "text", text: "x", future: { a: 1 } })] },
  { what: "a cache breakpoint of OpenAI's", list: [user({ type: "text", text: "x", prompt_cache_breakpoint: { mode: "explicit" } })] },
  { what: "unknown fields of a message", list: [{ role: "user", content: "hi", future: true }] },
  { what: "an answer", list: [{ role: "assistant", content: "hi", name: "bot" }] },
  {
    what: "an answer of parts",
    list: [
      {
        role: "assistant",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
    ],
  },
  { what: "a refusal", list: [calling({ refusal: "no" })] },
  { what: "sound of an earlier answer", list: [calling({ audio: { id: "audio_1" } })] },
  { what: "calls and their results", list: [calling({ tool_calls: [call] }), result] },
  { what: "a call beside text", list: [{ role: "assistant", content: "so", tool_calls: [call] }, result] },
  {
    what: "a call of a free-form tool",
    list: [calling({ tool_calls: [{ id: "a", type: "custom", custom: { name: "sh", input: "ls" } }] }), result],
  },
  {
    what: "arguments that are no JSON",
    list: [calling({ tool_calls: [{ ...call, function: { name: "f", arguments: '{"a":' } }] }), result],
  },
  {
    what: "a result of parts",
    list: [
      calling({ tool_calls: [call] }),
      {
        ...result,
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
    ],
  },
  { what: "an empty result", list: [calling({ tool_calls: [call] }), { ...result, content: "" }] },
  { what: "unknown fields of a call", list: [calling({ tool_calls: [{ ...call, future: 1 }] }), result] },
];

describe("a conversation", () => {
  test.each(messages)("with $what reaches OpenAI as it is", ({ list }) => {
    const { whole, body, fields } = encoded(decoded({ model: "m", messages: list }));
    expect(body["messages"]).toEqual(JSON.parse(JSON.stringify(list)));
    expect(whole.body).not.toContain("9007199254740992");
    expect(fields).toEqual([]);
  });

  test.each([
    {
      what: "a bare image URL",
      list: [user({ type: "image_url", image_url: png })],
      as: [user({ type: "image_url", image_url: { url: png } })],
    },
    {
      what: "a bare video URL",
      list: [user({ type: "video_url", video_url: "https://a.b/c.mp4" })],
      as: [user({ type: "video_url", video_url: { url: "https://a.b/c.mp4" } })],
    },
    {
      what: "a function's call and result of old",
      list: [calling({ function_call: { name: "f", arguments: "{}" } }), { role: "function", name: "f", content: "done" }],
      as: [
        calling({ tool_calls: [{ id: "call_0_f", type: "function", function: { name: "f", arguments: "{}" } }] }),
        { role: "tool", tool_call_id: "call_0_f", content: "done" },
      ],
    },
    {
      what: "arguments that were parsed on the way",
      list: [calling({ tool_calls: [{ ...call, function: { name: "f", arguments: { b: 1, a: 2 } } }] }), result],
      as: [calling({ tool_calls: [{ ...call, function: { name: "f", arguments: '{"b":1,"a":2}' } }] }), result],
    },
    {
      what: "empty arguments",
      list: [calling({ tool_calls: [{ ...call, function: { name: "f", arguments: "" } }] }), result],
      as: [calling({ tool_calls: [{ ...call, function: { name: "f", arguments: "{}" } }] }), result],
    },
  ])("with $what reaches it in today's words", ({ list, as }) => {
    expect(encoded(decoded({ model: "m", messages: list })).body["messages"]).toEqual(as);
  });

  test("tells of a cache breakpoint of Anthropic's that nobody here takes, and gives it to OpenRouter", () => {
    const list = [user({ type: "text", text: "x", cache_control: { type: "ephemeral", ttl: "1h" } })];
    expect(encoded(decoded({ model: "m", messages: list })).fields).toEqual(["messages[0].content[1].cache_control"]);
    const openrouter = { target: target({ issuer: "openrouter" }), quirks: { cacheControl: true } };
    expect(encoded(decoded({ model: "m", messages: list }), openrouter).body["messages"]).toEqual(list);
  });

  const thoughts = {
    role: "assistant",
    content: "so",
    reasoning_content: "Hm.",
    reasoning_details: [{ type: "reasoning.encrypted", data: "x" }],
    thinking_blocks: [{ type: "thinking", thinking: "Hm.", signature: "sealed" }],
  };

  test("tells that OpenAI does not get the thoughts of earlier answers", () => {
    const { body, fields } = encoded(decoded({ model: "m", messages: [thoughts] }));
    expect(body["messages"]).toEqual([{ role: "assistant", content: "so" }]);
    expect(fields).toEqual(["messages[0].content[0].reasoning", "messages[0].extensions_json.openai.reasoning_details"]);
  });

  test("gives OpenRouter its own back", () => {
    const openrouter = { target: target({ issuer: "openrouter" }), quirks: { replayReasoning: "reasoning" } as const };
    const { body, fields } = encoded(decoded({ model: "m", messages: [thoughts] }), openrouter);
    expect(body["messages"]).toEqual([
      { role: "assistant", content: "so", reasoning: "Hm.", reasoning_details: thoughts.reasoning_details },
    ]);
    expect(fields).toEqual(["messages[0].content[0].reasoning.opaque"]);
  });
});
