import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ChatRequestSchema, ReasoningEffort, ReasoningSummary, Role, ToolChoice_Mode } from "../../../src/core/chat.ts";
import { encoded, type Json, target, thrown } from "./support.ts";

type Init = MessageInitShape<typeof ChatRequestSchema>;

/** A request as it comes by another door. */
function request(init: Init = {}) {
  return create(ChatRequestSchema, { model: "m", messages: [{ role: Role.USER, text: "hi" }], ...init });
}

const bare: Json = {
  model: "m",
  include: ["reasoning.encrypted_content"],
  store: false,
  stream: false,
  input: [{ role: "user", content: "hi" }],
};

test("a plain request stores nothing, and asks for the seal of reasoning", () => {
  expect(encoded(request())).toMatchObject({ body: bare, notes: [] });
  expect(encoded(request(), { streamed: true }).body).toEqual({ ...bare, stream: true, stream_options: { include_obfuscation: false } });
});

test("storing is what the caller wants it to be", () => {
  expect(encoded(request({ store: true })).body).toEqual({ ...bare, store: true });
});

describe("fields", () => {
  const fn = {
    kind: {
      case: "function",
      value: { name: "f", parametersJsonSchema: '{"type":"object","properties":{"id":{"maximum":12345678901234567890}}}' },
    },
  } as const;

  test("flat tools say that they are not strict, unless they are", () => {
    const strictly = { kind: { case: "function", value: { name: "g", description: "d", strict: true } } } as const;
    const { body, text } = encoded(
      request({ tools: [fn, strictly], toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["g"], parallel: true } }),
    );
    expect(body["tools"]).toMatchObject([
      { type: "function", name: "f", strict: false },
      { type: "function", name: "g", description: "d", strict: true, parameters: { type: "object", properties: {} } },
    ]);
    expect(text).toContain("12345678901234567890");
    expect(body).toMatchObject({ tool_choice: { type: "function", name: "g" }, parallel_tool_calls: true });
  });

  const rows: readonly (readonly [Init, Json, readonly string[]])[] = [
    [{ maxOutputTokens: 3 }, { max_output_tokens: 16 }, ["CLAMPED max_output_tokens"]],
    [{ maxOutputTokens: 300 }, { max_output_tokens: 300 }, []],
    [
      { reasoning: { effort: ReasoningEffort.HIGH, summary: ReasoningSummary.AUTO } },
      { reasoning: { effort: "high", summary: "auto" } },
      [],
    ],
    [{ reasoning: { budgetTokens: 3000 } }, { reasoning: { effort: "low" } }, ["APPROXIMATED reasoning.budget_tokens"]],
    [
      { sampling: { logprobs: true, topLogprobs: 2 } },
      { top_logprobs: 2, include: ["reasoning.encrypted_content", "message.output_text.logprobs"] },
      [],
    ],
    [{ sampling: { seed: 7n } }, {}, ["DROPPED sampling.seed"]],
    [{ sampling: { frequencyPenalty: 0, presencePenalty: 1 } }, {}, ["DROPPED sampling.presence_penalty"]],
    [{ sampling: { logitBias: { 5: 1 }, topK: 4 } }, {}, ["DROPPED sampling.top_k", "DROPPED sampling.logit_bias"]],
    [
      { serviceTier: "standard_only", endUserId: "u", promptCacheKey: "k", metadata: { a: "b" }, verbosity: "low" },
      { service_tier: "default", safety_identifier: "u", prompt_cache_key: "k", metadata: { a: "b" }, text: { verbosity: "low" } },
      [],
    ],
    [{ endUserId: "u".repeat(65) }, { user: "u".repeat(65) }, []],
    [
      { extensionsJson: { openai: '{"prompt_cache_retention":"24h","web_search_options":{}}' } },
      { prompt_cache_retention: "24h" },
      ["DROPPED extensions_json.openai.web_search_options"],
    ],
    [
      { extensionsJson: { openai_responses: '{"truncation":"auto","input":"x","model":"y","store":true,"stream_options":{}}' } },
      { truncation: "auto" },
      [
        "DROPPED extensions_json.openai_responses.input",
        "DROPPED extensions_json.openai_responses.model",
        "DROPPED extensions_json.openai_responses.store",
        "DROPPED extensions_json.openai_responses.stream_options",
      ],
    ],
  ];
  for (const [init, more, notes] of rows)
    test(
      JSON.stringify(init, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
      () => {
        const found = encoded(request(init));
        expect(found.body).toEqual({ ...bare, ...more });
        expect(found.notes).toEqual(notes);
      },
    );

  test("models that think are not told how to sample, unless they are not to think", () => {
    const thinking = target({ capabilities: { samplingParameters: false, reasoning: true } });
    const sampling = { temperature: 0.2, topP: 1, logprobs: true, topLogprobs: 2 };
    const { body, notes } = encoded(request({ sampling }), { target: thinking });
    expect(body).toEqual(bare);
    expect(notes).toEqual(["DROPPED sampling.temperature", "DROPPED sampling.top_logprobs", "DROPPED sampling.logprobs"]);
    expect(encoded(request({ sampling, reasoning: { effort: ReasoningEffort.NONE } }), { target: thinking }).body).toMatchObject({
      temperature: 0.2,
      top_p: 1,
      top_logprobs: 2,
    });
    const plain = target({ capabilities: { reasoning: false, maxOutputTokens: 100 } });
    const found = encoded(request({ reasoning: { effort: ReasoningEffort.LOW }, maxOutputTokens: 500 }), { target: plain });
    const { include: _sealed, ...unsealed } = bare;
    expect(found.body).toEqual({ ...unsealed, max_output_tokens: 100 });
    expect(found.notes).toEqual(["DROPPED reasoning", "CLAMPED max_output_tokens"]);
  });

  test("models that do not think are not asked for a seal, whoever wants it", () => {
    const plain = target({ capabilities: { reasoning: false } });
    const wanted = request({
      extensionsJson: { openai_responses: '{"include":["reasoning.encrypted_content","file_search_call.results"]}' },
    });
    expect(encoded(wanted, { target: plain }).body["include"]).toEqual(["file_search_call.results"]);
    expect(encoded(wanted).body["include"]).toEqual(["reasoning.encrypted_content", "file_search_call.results"]);
  });
});

describe("what would change the answer's meaning is refused, so that another target may have it", () => {
  test.each<[Init, string]>([
    [{ n: 2 }, "n"],
    [{ sampling: { stop: ["END"] } }, "sampling.stop"],
    [{ modalities: ["text", "audio"] }, "modalities"],
    [{ audio: { voice: "v", format: "wav" } }, "modalities"],
    [
      {
        messages: [
          {
            role: Role.USER,
            content: [{ part: { case: "video", value: { media: { source: { case: "url", value: "https://a.example" } } } } }],
          },
        ],
      },
      "messages[0].content[0].video",
    ],
    [
      {
        messages: [
          {
            role: Role.USER,
            content: [{ part: { case: "image", value: { media: { source: { case: "file", value: { issuer: "anthropic", id: "f" } } } } } }],
          },
        ],
      },
      "messages[0].content[0].image.media.file",
    ],
    [
      { tools: [{ kind: { case: "native", value: { issuer: "anthropic", json: "{}" } } }], toolChoice: { mode: ToolChoice_Mode.REQUIRED } },
      "tool_choice",
    ],
  ])("%j", (init, field) => {
    expect(thrown(() => encoded(request(init)))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field });
  });
});

describe("a conversation of another vendor's", () => {
  test("loses its seals and its blocks, with a note each, and keeps what was said", () => {
    const { body, notes } = encoded(
      request({
        messages: [
          { role: Role.SYSTEM, text: "be kind" },
          { role: Role.USER, name: "ann", content: [{ part: { case: "text", value: { text: "hi" } }, cacheControl: {} }] },
          {
            role: Role.ASSISTANT,
            content: [
              { part: { case: "reasoning", value: { text: "hm", opaque: [{ issuer: "anthropic", kind: "signature", value: "s" }] } } },
              { part: { case: "text", value: { text: "a" } } },
              { part: { case: "native", value: { issuer: "anthropic", json: '{"type":"x"}' } } },
              { part: { case: "serverTool", value: { id: "s", name: "web", issuer: "anthropic" } } },
              { part: { case: "toolCall", value: { id: `toolu_${"x".repeat(70)}`, name: "f", argumentsJson: "" } } },
              { part: { case: "toolCall", value: { id: "c", name: "patch", argumentsJson: "free", custom: true } } },
            ],
          },
          {
            role: Role.USER,
            content: [
              {
                part: {
                  case: "toolResult",
                  value: {
                    toolCallId: `toolu_${"x".repeat(70)}`,
                    content: [{ part: { case: "text", value: { text: "no" } } }],
                    isError: true,
                  },
                },
              },
              { part: { case: "toolResult", value: { toolCallId: "c", content: [] } } },
              { part: { case: "text", value: { text: "go on" } } },
            ],
          },
        ],
      }),
    );
    const input = body["input"] as Json[];
    const id = String(input[3]?.["call_id"]);
    expect(id).toMatch(/^call_\w{5,20}$/);
    expect(input).toEqual([
      { role: "system", content: "be kind" },
      { role: "user", content: "hi" },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "a" }] },
      { type: "function_call", call_id: id, name: "f", arguments: "{}" },
      { type: "custom_tool_call", call_id: "c", name: "patch", input: "free" },
      { type: "function_call_output", call_id: id, output: "Error: no" },
      { type: "custom_tool_call_output", call_id: "c", output: "" },
      { role: "user", content: "go on" },
    ]);
    expect(notes).toEqual([
      "DROPPED messages[1].name",
      "DROPPED messages[1].content[0].cache_control",
      "DROPPED messages[2].content[0].reasoning",
      "DROPPED messages[2].content[2].native",
      "DROPPED messages[2].content[3].server_tool",
    ]);
  });
});
