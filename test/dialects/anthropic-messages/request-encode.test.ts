import { describe, expect, test } from "vitest";
import { ReasoningEffort, ReasoningSummary } from "../../../src/core/chat.ts";
import { encode, target, thrownBy } from "./support.ts";

const fn = (name: string) => ({ kind: { case: "function" as const, value: { name } } });
const shaped = (jsonSchema: string) => ({
  outputFormat: { format: { case: "jsonSchema" as const, value: { name: "shape", jsonSchema } } },
});

test("a plain request says no more than it must", () => {
  expect(encode()).toMatchObject({
    text: `{"model":"claude-sonnet-4-5","max_tokens":4096,"messages":[{"role":"user","content":[{"type":"text","text":"Hello"}]}]}`,
    notes: [],
    headers: { "anthropic-version": "2023-06-01" },
  });
});

test("a streamed one says so", () => {
  expect(encode({}, target("claude-sonnet-4-5"), true).body["stream"]).toBe(true);
});

describe("limits", () => {
  test.each([
    { asked: 100, cap: undefined, tokens: 100, notes: [] },
    { asked: undefined, cap: 64_000, tokens: 64_000, notes: [] },
    { asked: undefined, cap: undefined, tokens: 4096, notes: [] },
    { asked: 9000, cap: 8192, tokens: 8192, notes: ["CLAMPED max_output_tokens"] },
  ])("$asked within $cap is $tokens", ({ asked, cap, tokens, notes }) => {
    const at = target("claude-haiku-4-5", cap === undefined ? {} : { maxOutputTokens: cap });
    const encoded = encode(asked === undefined ? {} : { maxOutputTokens: asked }, at);
    expect(encoded.body["max_tokens"]).toBe(tokens);
    expect(encoded.notes).toEqual(notes);
  });
});

describe("sampling", () => {
  test.each([
    { sampling: { temperature: 0 }, body: { temperature: 0 }, notes: [] },
    { sampling: { temperature: 1.7 }, body: { temperature: 1 }, notes: ["CLAMPED sampling.temperature"] },
    { sampling: { temperature: 0.5, topP: 0.9 }, body: { temperature: 0.5 }, notes: ["DROPPED sampling.top_p"] },
    { sampling: { topP: 0.9, topK: 3 }, body: { top_p: 0.9, top_k: 3 }, notes: [] },
    { sampling: { stop: ["END", " \n"] }, body: { stop_sequences: ["END"] }, notes: ["DROPPED sampling.stop"] },
    {
      sampling: { seed: 1n, minP: 0.1, logprobs: true },
      body: {},
      notes: ["DROPPED sampling.min_p", "DROPPED sampling.seed", "DROPPED sampling.logprobs"],
    },
    {
      sampling: { frequencyPenalty: 1, presencePenalty: 1, repetitionPenalty: 1.1, logitBias: { "1": 2 }, topLogprobs: 2 },
      body: {},
      notes: ["frequency_penalty", "presence_penalty", "repetition_penalty", "logit_bias", "top_logprobs"].map(
        (name) => `DROPPED sampling.${name}`,
      ),
    },
    { sampling: { frequencyPenalty: 0, presencePenalty: 0, logprobs: false, topLogprobs: 0 }, body: {}, notes: [] },
  ])("$sampling is $body", ({ sampling, body, notes }) => {
    const encoded = encode({ sampling });
    const { model: _model, max_tokens: _limit, messages: _messages, ...rest } = encoded.body;
    expect(rest).toEqual(body);
    expect(encoded.notes).toEqual(notes);
  });

  test.each([
    { what: "by its catalogue entry", at: target("claude-sonnet-4-5", { samplingParameters: false }) },
    { what: "by its family", at: target("claude-opus-4-8") },
  ])("is dropped for a model that takes none $what", ({ at }) => {
    const encoded = encode({ sampling: { temperature: 0.2, topP: 0.5, topK: 1, stop: ["x"] } }, at);
    expect(encoded.text).not.toMatch(/temperature|top_p|top_k/);
    expect(encoded.body["stop_sequences"]).toEqual(["x"]);
    expect(encoded.notes).toEqual(["DROPPED sampling.temperature", "DROPPED sampling.top_p", "DROPPED sampling.top_k"]);
  });

  test("that says the default is dropped without a word", () => {
    expect(encode({ sampling: { temperature: 1, topP: 1 } }, target("claude-opus-5"))).toMatchObject({ notes: [] });
  });
});

describe("other fields", () => {
  test.each([
    { init: { store: true }, note: "DROPPED store" },
    { init: { metadata: { a: "b" } }, note: "DROPPED metadata" },
    { init: { verbosity: "low" }, note: "DROPPED verbosity" },
    { init: { promptCacheKey: "k" }, note: "DROPPED prompt_cache_key" },
    { init: { serviceTier: "flex" }, note: "DROPPED service_tier" },
    { init: { audio: { voice: "v" } }, note: "DROPPED audio" },
  ])("$init: $note", ({ init, note }) => {
    expect(encode(init).notes).toEqual([note]);
  });

  test("store false, one choice and text are what anthropic does anyway", () => {
    expect(encode({ store: false, n: 1, modalities: ["text"] }).notes).toEqual([]);
  });

  test.each([
    { init: { n: 2 }, field: "n" },
    { init: { modalities: ["text", "audio"] }, field: "modalities" },
  ])("$init is an unsupported feature", ({ init, field }) => {
    expect(thrownBy(() => encode(init))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field });
  });

  test("the end user and the tier are passed on", () => {
    expect(encode({ endUserId: "u-1", serviceTier: "standard_only" }).body).toMatchObject({
      metadata: { user_id: "u-1" },
      service_tier: "standard_only",
    });
  });
});

describe("the output's shape", () => {
  const schema = `{"type":"object","properties":{"a":{"type":"string","maxLength":3}},"required":["a"]}`;

  test("is described in the schema itself, which has no other place for words", () => {
    const value = { name: "shape", description: "How warm.", jsonSchema: schema };
    const format = (jsonSchema: string) =>
      encode({ outputFormat: { format: { case: "jsonSchema", value: { ...value, jsonSchema } } } }).body["output_config"];
    expect(format(schema)).toMatchObject({ format: { schema: { description: "How warm." } } });
    expect(format(`{"type":"object","description":"own"}`)).toMatchObject({
      format: { schema: { description: expect.stringMatching(/^How warm\.\n+own$/) } },
    });
  });

  test("is compiled from 4.5 on", () => {
    const encoded = encode(shaped(schema));
    expect(encoded.body["output_config"]).toEqual({
      format: {
        type: "json_schema",
        schema: {
          type: "object",
          properties: { a: { type: "string", description: "{maxLength: 3}" } },
          required: ["a"],
          additionalProperties: false,
        },
      },
    });
    expect(encoded.notes).toEqual(["APPROXIMATED output_format.json_schema.json_schema"]);
  });

  test.each([
    { what: "an older model", at: target("claude-opus-4-1"), jsonSchema: schema },
    { what: "a model said not to compile it", at: target("claude-opus-4-8", { jsonSchema: false }), jsonSchema: schema },
    { what: "a recursive schema", at: target("claude-opus-4-8"), jsonSchema: `{"type":"object","properties":{"a":{"$ref":"#"}}}` },
  ])("is that of a tool's arguments for $what", ({ at, jsonSchema }) => {
    const encoded = encode(shaped(jsonSchema), at);
    expect(encoded.body).toMatchObject({
      tools: [{ name: "shape", input_schema: JSON.parse(jsonSchema) }],
      tool_choice: { type: "tool", name: "shape", disable_parallel_tool_use: true },
    });
    expect(encoded.body["system"]).toBeUndefined();
    expect(encoded.answering).toEqual({ jsonTool: "shape" });
    expect(encoded.notes).toEqual(["EMULATED output_format.json_schema"]);
  });

  const old = target("claude-opus-4-1");
  const effort = { reasoning: { effort: ReasoningEffort.HIGH } };
  test.each([
    { what: "is to think", at: old, jsonSchema: schema, more: effort },
    { what: "has tools of the caller's", at: old, jsonSchema: schema, more: { tools: [fn("f")] } },
    { what: "always thinks", at: target("claude-sonnet-5", { jsonSchema: false }), jsonSchema: schema, more: {} },
    { what: "must write no object", at: old, jsonSchema: `{"type":"array"}`, more: {} },
  ])("is told in words to a model that $what", ({ at, jsonSchema, more }) => {
    const encoded = encode({ ...shaped(jsonSchema), ...more }, at);
    expect(encoded.body["output_config"]).toBeUndefined();
    expect(encoded.body["system"]).toContain(jsonSchema);
    expect(encoded.answering).toEqual({ fencedJson: true });
    expect(encoded.notes).toContain("EMULATED output_format.json_schema");
  });

  test("of any JSON object is told in words, behind the caller's own", () => {
    const encoded = encode({
      outputFormat: { format: { case: "jsonObject", value: {} } },
      messages: [
        { role: 1, text: "Be kind." },
        { role: 2, text: "q" },
      ],
    });
    expect(encoded.body["system"]).toMatch(/^Be kind\.\n\nAnswer with one valid JSON object/);
    expect(encoded.notes).toEqual(["EMULATED output_format.json_object"]);
  });

  test("that is no schema is refused", () => {
    expect(thrownBy(() => encode(shaped("[]"))).failure).toBe("INVALID_REQUEST");
  });
});

describe("thinking and shape", () => {
  test("share output_config with the caller's own fields", () => {
    const encoded = encode(
      {
        reasoning: { effort: ReasoningEffort.LOW, summary: ReasoningSummary.AUTO },
        extensionsJson: {
          anthropic: `{"output_config":{"effort":"max","task_budget":{"total":1}},"thinking":{"extra":1,"type":"disabled"}}`,
        },
      },
      target("claude-opus-4-8"),
    );
    expect(encoded.body).toMatchObject({
      output_config: { effort: "low", task_budget: { total: 1 } },
      thinking: { type: "adaptive", display: "summarized", extra: 1 },
    });
  });
});

describe("extensions", () => {
  test("of anthropic go along at every level, below what we say", () => {
    const { body } = encode({
      extensionsJson: { anthropic: `{"inference_geo":"eu","temperature":0.9}` },
      sampling: { temperature: 0.1 },
      messages: [
        {
          role: 2,
          content: [{ part: { case: "text", value: { text: "q" } }, extensionsJson: { anthropic: `{"text":"evil","novel":1}` } }],
          extensionsJson: { anthropic: `{"role":"assistant","kind":"x"}` },
        },
      ],
      tools: [{ kind: { case: "function", value: { name: "f" } }, extensionsJson: { anthropic: `{"name":"evil","defer_loading":true}` } }],
    });
    expect(body).toMatchObject({
      inference_geo: "eu",
      temperature: 0.1,
      messages: [{ role: "user", kind: "x", content: [{ type: "text", text: "q", novel: 1 }] }],
      tools: [{ name: "f", defer_loading: true }],
    });
  });

  test("of others are dropped, each with its path", () => {
    const encoded = encode({ extensionsJson: { openai: `{"web_search_options":{},"prediction":{}}`, google: `{"safety":1}` } });
    expect(encoded.notes).toEqual([
      "DROPPED extensions_json.google.safety",
      "DROPPED extensions_json.openai.web_search_options",
      "DROPPED extensions_json.openai.prediction",
    ]);
    expect(encoded.text).not.toMatch(/safety|prediction/);
  });

  test.each(["model", "messages", "system", "tools", "tool_choice", "stream", "max_tokens", "n", "user"])("cannot set %s", (key) => {
    const plain = encode();
    const encoded = encode({ extensionsJson: { anthropic: JSON.stringify({ [key]: "theirs" }) } });
    expect(encoded.text).toBe(plain.text);
    expect(encoded.notes).toEqual([`DROPPED extensions_json.anthropic.${key}`]);
  });

  test("cannot set the end user, and may say more about it", () => {
    const metadata = { user_id: "theirs", cohort: "b" };
    const encoded = encode({ endUserId: "ours", extensionsJson: { anthropic: JSON.stringify({ metadata }) } });
    expect(encoded.body["metadata"]).toEqual({ user_id: "ours", cohort: "b" });
    expect(encoded.notes).toEqual(["DROPPED extensions_json.anthropic.metadata.user_id"]);
  });

  test("cannot go on with a conversation that an upstream keeps", () => {
    const thread = { type: "continue", previous_message_id: "msg_1" };
    expect(thrownBy(() => encode({ extensionsJson: { anthropic: JSON.stringify({ thread }) } }))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "extensions_json.anthropic.thread",
    });
  });

  test("that are no JSON object are refused", () => {
    expect(thrownBy(() => encode({ extensionsJson: { anthropic: "nope" } }))).toMatchObject({
      failure: "INVALID_REQUEST",
      field: "extensions_json.anthropic",
    });
  });

  test("name betas for the header, and nothing that is no name", () => {
    const encoded = encode({ extensionsJson: { anthropic: `{"anthropic_beta":["a-2025-01-01","b-2, c","x\\r\\ny: z",3]}` } });
    expect(encoded.headers["anthropic-beta"]).toBe("a-2025-01-01,b-2,c");
    expect(encoded.body["anthropic_beta"]).toBeUndefined();
  });
});
