import { describe, expect, test } from "vitest";

import {
  type ChatRequest,
  contentPart,
  message,
  ReasoningEffort,
  Role,
  textPart,
  ToolChoice_Mode,
  TranslationAction,
} from "../../../src/core/chat.ts";
import type { Quirks } from "../../../src/core/dialect.ts";
import { media } from "../../../src/core/media.ts";
import { opaque, reasoningPart } from "../../../src/dialects/openai-chat/opaque.ts";
import { toolCallId } from "../../../src/dialects/openai-chat/tool-call-id.ts";
import { ask, decoded, encoded, target, thrown } from "./support.ts";

const tools = [
  { type: "function", function: { name: "f" } },
  { type: "function", function: { name: "g" } },
  { type: "custom", custom: { name: "c" } },
];
const allowed = { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [tools[0], tools[2]] } };

describe("quirks of hosts", () => {
  const table: readonly {
    name: string;
    ask: Record<string, unknown>;
    quirks: Quirks;
    streamed?: boolean;
    has: Record<string, unknown>;
    lacks?: string[];
    notes?: string[];
  }[] = [
    {
      name: "a stream asks for usage",
      ask: {},
      quirks: {},
      streamed: true,
      has: { stream: true, stream_options: { include_usage: true } },
    },
    {
      name: "stream_options can be left out",
      ask: {},
      quirks: { streamOptions: false },
      streamed: true,
      has: { stream: true },
      lacks: ["stream_options"],
    },
    { name: "stream_options never go without a stream", ask: {}, quirks: {}, has: { stream: false }, lacks: ["stream_options"] },
    { name: "the new name of the limit", ask: { max_tokens: 9 }, quirks: {}, has: { max_completion_tokens: 9 }, lacks: ["max_tokens"] },
    {
      name: "the old name of the limit",
      ask: { max_completion_tokens: 9 },
      quirks: { maxTokensField: "max_tokens" },
      has: { max_tokens: 9 },
      lacks: ["max_completion_tokens"],
    },
    { name: "Mistral's seed", ask: { seed: 4 }, quirks: { seedField: "random_seed" }, has: { random_seed: 4 }, lacks: ["seed"] },
    { name: "Mistral's any", ask: { tools, tool_choice: "required" }, quirks: { toolChoiceRequired: "any" }, has: { tool_choice: "any" } },
    {
      name: "developer as system",
      ask: { messages: [{ role: "developer", content: "x" }] },
      quirks: { developerRole: false },
      has: { messages: [{ role: "system", content: "x" }] },
    },
    {
      name: "refused fields go with a note",
      ask: { logit_bias: { 1: 1 }, user: "u" },
      quirks: { refuses: new Set(["logit_bias", "user", "n"]) },
      has: {},
      lacks: ["logit_bias", "user"],
      notes: ["sampling.logit_bias", "end_user_id"],
    },
    {
      name: "strict hosts get no unknown field",
      ask: { foo: 1 },
      quirks: { strictFields: true },
      has: {},
      lacks: ["extensions_json.openai.foo"],
      notes: ["extensions_json.openai.foo"],
    },
    {
      name: "common extensions are sent",
      ask: { top_k: 5, min_p: 0.1, repetition_penalty: 1.1 },
      quirks: {},
      has: { top_k: 5, min_p: 0.1, repetition_penalty: 1.1 },
    },
    {
      name: "OpenRouter's reasoning object",
      ask: { reasoning: { max_tokens: 7, exclude: true } },
      quirks: { reasoningObject: true },
      has: { reasoning: { max_tokens: 7, exclude: true } },
      lacks: ["reasoning_effort"],
    },
    { name: "unknown fields pass", ask: { foo: { a: 1 } }, quirks: {}, has: { foo: { a: 1 } } },
  ];
  for (const each of table)
    test(each.name, () => {
      const { body, fields } = encoded(decoded(ask(each.ask)), { quirks: each.quirks, streamed: each.streamed ?? false });
      expect(body).toMatchObject({ model: "gpt-test-1", ...each.has });
      for (const key of each.lacks ?? []) expect(body).not.toHaveProperty(key);
      expect(fields).toEqual(each.notes ?? []);
    });
});

test("extra fields never override what the gateway decides", () => {
  const request = decoded(ask({ n: 1 }));
  const extra = {
    model: "x",
    models: ["y"],
    messages: [],
    stream: true,
    n: 9,
    max_tokens: 1,
    user: "z",
    store: true,
    tools: [],
    temperature: 0.3,
    foo: 1,
  };
  const { body, fields } = encoded({
    ...request,
    extensionsJson: { openai: JSON.stringify(extra), anthropic: '{"top_k":1}', openai_responses: "{}" },
  });
  expect(body).toEqual({ model: "gpt-test-1", n: 1, stream: false, temperature: 0.3, foo: 1, messages: [{ role: "user", content: "hi" }] });
  expect(fields).toContain("extensions_json.openai.models");
  expect(fields.filter((field) => !field.startsWith("extensions_json.openai."))).toEqual(["extensions_json.anthropic.top_k"]);
});

test("extra fields that are no JSON object are the caller's mistake", () => {
  for (const text of ["{", "[]", "1"]) {
    const request = { ...decoded(ask()), extensionsJson: { openai: text } };
    expect(thrown(() => encoded(request))).toMatchObject({ failure: "INVALID_REQUEST", field: "extensions_json.openai" });
  }
});

test("a schema that is no JSON is refused with its path", () => {
  const request = decoded(ask({ tools }));
  const [first] = request.tools;
  if (first?.kind.case === "function") first.kind.value.parametersJsonSchema = "{";
  expect(thrown(() => encoded(request))).toMatchObject({ failure: "INVALID_REQUEST", field: "tools[0].function.parameters_json_schema" });
});

test("big integers leave as they came", () => {
  const request: ChatRequest = decoded(ask({ tools }));
  const [first] = request.tools;
  if (first?.kind.case === "function") first.kind.value.parametersJsonSchema = '{"const":12345678901234567890}';
  const sampling = { ...decoded(ask({ temperature: 1 })).sampling, seed: 9007199254740993n } as ChatRequest["sampling"];
  const { whole } = encoded({ ...request, sampling });
  expect(whole.body).toContain('"const":12345678901234567890');
  expect(whole.body).toContain('"seed":9007199254740993');
});

describe("tools", () => {
  test("allowed tools are named to OpenAI and filtered for others", () => {
    const request = decoded(ask({ tools, tool_choice: allowed }));
    expect(encoded(request).body).toMatchObject({ tools, tool_choice: allowed });
    const other = encoded(request, { target: target({ issuer: "mistral" }) });
    expect(other.body).toMatchObject({ tools: [tools[0], tools[2]], tool_choice: "auto" });
    expect(other.fields).toEqual([]);
  });

  test("a forced custom tool is named as one", () =>
    expect(encoded(decoded(ask({ tools, tool_choice: { type: "custom", custom: { name: "c" } } }))).body["tool_choice"]).toEqual({
      type: "custom",
      custom: { name: "c" },
    }));

  test("without tools there is no choice", () => {
    const { body } = encoded(decoded(ask({ tool_choice: "auto", parallel_tool_calls: true, tools: [] })));
    expect(Object.keys(body)).toEqual(["model", "stream", "messages"]);
  });

  test("tools of another provider are left out with a note", () => {
    const request = decoded(ask({ tools: [tools[0]] }));
    request.tools.push({
      $typeName: "semaroute.v1.Tool",
      kind: { case: "native", value: { $typeName: "semaroute.v1.NativeTool", issuer: "anthropic", json: "{}" } },
      extensionsJson: {},
    });
    const { body, fields } = encoded(request);
    expect(body["tools"]).toEqual([tools[0]]);
    expect(fields).toEqual(["tools[1].native"]);
  });

  test("no wish is sent to a model that calls one tool at a time", () => {
    const request = decoded(ask({ tools, parallel_tool_calls: false }));
    expect(encoded(request, { target: target({ capabilities: { parallelTools: false } }) }).body).not.toHaveProperty("parallel_tool_calls");
    expect(request.toolChoice?.mode).toBe(ToolChoice_Mode.UNSPECIFIED);
  });
});

describe("capabilities of models", () => {
  const sampled = { temperature: 0.5, top_p: 1, presence_penalty: 1, logit_bias: { 1: 1 }, logprobs: true, seed: 3 };
  test("models that think take no sampling parameters", () => {
    const { body, fields } = encoded(decoded(ask(sampled)), { target: target({ capabilities: { samplingParameters: false } }) });
    expect(Object.keys(body)).toEqual(["model", "seed", "stream", "messages"]);
    expect(fields).toEqual(["sampling.temperature", "sampling.presence_penalty", "sampling.logit_bias", "sampling.logprobs"]);
  });
  test("unless they are told not to think", () => {
    const { body } = encoded(decoded(ask({ ...sampled, reasoning_effort: "none" })), {
      target: target({ capabilities: { samplingParameters: false } }),
    });
    expect(body).toMatchObject({ temperature: 0.5, reasoning_effort: "none" });
  });
  test("the limit is clamped to the model's", () => {
    const { body, whole } = encoded(decoded(ask({ max_tokens: 100 })), { target: target({ capabilities: { maxOutputTokens: 50 } }) });
    expect(body["max_completion_tokens"]).toBe(50);
    expect(whole.notes).toMatchObject([{ field: "max_output_tokens", action: TranslationAction.CLAMPED }]);
  });
  for (const [budget, word] of [
    [0, "none"],
    [1024, "low"],
    [6000, "medium"],
    [20_000, "high"],
  ] as const)
    test(`a budget of ${budget} is sent as ${word}`, () => {
      const { body, fields } = encoded({
        ...decoded(ask()),
        reasoning: { $typeName: "semaroute.v1.Reasoning", effort: ReasoningEffort.UNSPECIFIED, budgetTokens: budget, summary: 0 },
      });
      expect(body["reasoning_effort"]).toBe(word);
      expect(fields).toEqual(["reasoning.budget_tokens"]);
    });
  test("a model that does not think is not asked to", () =>
    expect(encoded(decoded(ask({ reasoning_effort: "high" })), { target: target({ capabilities: { reasoning: false } }) }).fields).toEqual([
      "reasoning",
    ]));
});

const result = (callId: string, content: ReturnType<typeof textPart>[], isError = false): ReturnType<typeof textPart> =>
  contentPart({ case: "toolResult", value: { $typeName: "semaroute.v1.ToolResultPart", toolCallId: callId, name: "", content, isError } });
const image = contentPart({
  case: "image",
  value: {
    $typeName: "semaroute.v1.ImagePart",
    media: media({ case: "data", value: new Uint8Array([0x89, 0x50, 0x4e, 0x47]) }, "", ""),
    detail: 0,
  },
});
const imageJson = { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw==" } };
const call = (id: string): ReturnType<typeof textPart> =>
  contentPart({ case: "toolCall", value: { $typeName: "semaroute.v1.ToolCallPart", id, name: "f", argumentsJson: "", custom: false } });
const talk = (...messages: ReturnType<typeof message>[]): ChatRequest => ({ ...decoded(ask()), messages });

describe("messages", () => {
  test("images of tool results follow the last tool message as the user's", () => {
    const request = talk(
      message(Role.ASSISTANT, [call("a"), call("b")]),
      message(Role.TOOL, [result("a", [textPart("see"), image])]),
      message(Role.TOOL, [result("b", [image], true)]),
      message(Role.USER, [textPart("so?")]),
    );
    expect(encoded(request).body["messages"]).toEqual([
      {
        role: "assistant",
        content: null,
        tool_calls: ["a", "b"].map((id) => ({ id, type: "function", function: { name: "f", arguments: "{}" } })),
      },
      { role: "tool", tool_call_id: "a", content: "see" },
      { role: "tool", tool_call_id: "b", content: "Error: See the attachment below." },
      { role: "user", content: [imageJson, imageJson] },
      { role: "user", content: "so?" },
    ]);
  });

  test("results and words of one user turn become tool messages and then the user's", () => {
    const { body } = encoded(talk(message(Role.USER, [textPart("words"), result("a", [])])));
    expect(body["messages"]).toEqual([
      { role: "tool", tool_call_id: "a", content: "" },
      { role: "user", content: "words" },
    ]);
  });

  test("the shorthand text stands in front, and is ignored in replayed answers", () => {
    const { body } = encoded(talk({ ...message(Role.USER, []), text: "q" }, { ...message(Role.ASSISTANT, [textPart("a")]), text: "a" }));
    expect(body["messages"]).toEqual([
      { role: "user", content: "q" },
      { role: "assistant", content: "a" },
    ]);
  });

  const thought = message(Role.ASSISTANT, [reasoningPart("hm", [opaque("anthropic", "signature", "SEALED")]), textPart("a")]);
  const thoughtAndCalled = message(Role.ASSISTANT, [reasoningPart("hm", []), call("a")]);
  const replays: readonly { quirks: Quirks; plain: unknown; called: unknown }[] = [
    { quirks: {}, plain: undefined, called: undefined },
    { quirks: { replayReasoning: "reasoning_content" }, plain: undefined, called: "hm" },
    { quirks: { replayReasoning: "reasoning" }, plain: "hm", called: "hm" },
  ];
  for (const { quirks, plain, called } of replays)
    test(`reasoning goes back by ${quirks.replayReasoning ?? "no field"}, foreign seals never`, () => {
      const { whole, body } = encoded(talk(thought, thoughtAndCalled), { quirks });
      const field = quirks.replayReasoning ?? "reasoning_content";
      const messages = body["messages"] as Record<string, unknown>[];
      expect([messages[0]?.[field], messages[1]?.[field]]).toEqual([plain, called]);
      expect(whole.body).not.toContain("SEALED");
    });

  test("reasoning_details go back only to hosts that take reasoning", () => {
    const request = decoded({ model: "m", messages: [{ role: "assistant", content: "a", reasoning_details: [1], odd: 2 }] });
    expect(encoded(request).body["messages"]).toEqual([{ role: "assistant", content: "a", odd: 2 }]);
    expect(encoded(request, { quirks: { replayReasoning: "reasoning" } }).body["messages"]).toEqual([
      { role: "assistant", content: "a", odd: 2, reasoning_details: [1] },
    ]);
  });

  test("an answer of nothing but reasoning is left out", () =>
    expect(encoded(talk(message(Role.ASSISTANT, [reasoningPart("hm", [])]))).body["messages"]).toEqual([]));

  test("Google's thought signatures go to Google only", () => {
    const part = call("a");
    part.opaque.push(opaque("google", "thought_signature", "S"));
    expect(encoded(talk(message(Role.ASSISTANT, [part]))).whole.body).not.toContain("thought_signature");
    expect(encoded(talk(message(Role.ASSISTANT, [part])), { target: target({ issuer: "google" }) }).whole.body).toContain(
      '"extra_content":{"google":{"thought_signature":"S"}}',
    );
  });

  test("tool call ids take the host's shape, in call and result alike", () => {
    const request = talk(message(Role.ASSISTANT, [call("call_123")]), message(Role.TOOL, [result("call_123", [textPart("r")])]));
    const quirks: Quirks = { toolCallId: "alphanumeric9" };
    const id = toolCallId("call_123", quirks);
    expect(id).toMatch(/^[A-Za-z0-9]{9}$/);
    expect(toolCallId("abcDEF123", quirks)).toBe("abcDEF123");
    expect(encoded(request, { quirks }).body["messages"]).toMatchObject([{ tool_calls: [{ id }] }, { tool_call_id: id }]);
  });

  const document = (source: Parameters<typeof media>[0], mimeType: string): ReturnType<typeof textPart> =>
    contentPart({
      case: "document",
      value: { $typeName: "semaroute.v1.DocumentPart", media: media(source, mimeType, ""), title: "", context: "about", citations: true },
    });
  test("documents: a PDF as a file, plain text as text, another vendor's file not at all", () => {
    const pdf = encoded(talk(message(Role.USER, [document({ case: "data", value: new Uint8Array([1]) }, "application/pdf")])));
    expect(pdf.body["messages"]).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "about" },
          { type: "file", file: { file_data: "data:application/pdf;base64,AQ==", filename: "document.pdf" } },
        ],
      },
    ]);
    expect(pdf.fields).toEqual(["messages[0].content[0].document.citations", "messages[0].content[0].document"]);
    const plain = encoded(talk(message(Role.USER, [document({ case: "data", value: new TextEncoder().encode("hi") }, "text/plain")])));
    expect(plain.body["messages"]).toMatchObject([{ content: [{ text: "about" }, { type: "text", text: "hi" }] }]);
    const foreign = document({ case: "file", value: { $typeName: "semaroute.v1.FileHandle", issuer: "anthropic", id: "f" } }, "");
    expect(thrown(() => encoded(talk(message(Role.USER, [foreign])))).failure).toBe("UNSUPPORTED_FEATURE");
  });

  test("parts of other providers are left out with a note, our own dialect's are spliced in", () => {
    const native = (issuer: string): ReturnType<typeof textPart> =>
      contentPart({ case: "native", value: { $typeName: "semaroute.v1.NativePart", issuer, json: '{"type":"x"}' } });
    const server = contentPart({
      case: "serverTool",
      value: { $typeName: "semaroute.v1.ServerToolPart", id: "i", name: "n", inputJson: "{}", outputJson: "{}", issuer: "anthropic" },
    });
    const { body, fields } = encoded(talk(message(Role.USER, [native("openai"), native("anthropic"), server])));
    expect(body["messages"]).toEqual([{ role: "user", content: [{ type: "x" }] }]);
    expect(fields).toEqual(["messages[0].content[1].native", "messages[0].content[2].server_tool"]);
  });

  test("cache breakpoints reach hosts that know them, and are noted once elsewhere", () => {
    const part = { type: "text", text: "t", cache_control: { type: "ephemeral", ttl: "5m" } };
    const request = decoded({ model: "m", messages: [{ role: "user", content: [part, part] }] });
    expect(encoded(request).fields).toEqual(["messages[0].content[0].cache_control"]);
    expect(encoded(request, { quirks: { cacheControl: true } }).body["messages"]).toEqual([{ role: "user", content: [part, part] }]);
  });

  test("each turn's body begins as the one before", () => {
    const one = talk(
      message(Role.USER, [textPart("q")]),
      message(Role.ASSISTANT, [call("a")]),
      message(Role.TOOL, [result("a", [textPart("r")])]),
    );
    const two: ChatRequest = {
      ...one,
      messages: [...one.messages, message(Role.ASSISTANT, [textPart("b")]), message(Role.USER, [textPart("c")])],
    };
    const before = encoded(one).whole.body;
    expect(before.endsWith("]}")).toBe(true);
    expect(encoded(two).whole.body.startsWith(before.slice(0, -2))).toBe(true);
  });
});
