import { describe, expect, test } from "vitest";
import { ReasoningEffort, ToolChoice_Mode } from "../../../src/core/chat.ts";
import {
  assistant,
  call,
  claude,
  encode,
  fn,
  llama,
  type MessageInit,
  nova,
  type PartInit,
  type RequestInit,
  result,
  target,
  text,
  thrownBy,
  tool,
  user,
} from "./support.ts";

const opus6 = "global.anthropic.claude-opus-4-6-v1";
const opus8 = "us.anthropic.claude-opus-4-8-v1:0";
const nova2 = "us.amazon.nova-2-lite-v1:0";

test("a plain request is messages, and nothing else", () => {
  expect(encode()).toEqual({
    text: expect.any(String),
    body: { messages: [{ role: "user", content: [{ text: "Hello" }] }] },
    notes: [],
    answering: {},
  });
});

test("a request in the shape that Amazon's own client gives it", () => {
  // What @aws-sdk/client-bedrock-runtime 3.1164.0 sent for the same request.
  const sdk =
    '{"messages":[{"role":"user","content":[{"text":"hi"},{"image":{"format":"png","source":{"bytes":"iVBORw=="}}}]}],' +
    '"toolConfig":{"tools":[{"toolSpec":{"name":"a","inputSchema":{"json":{"type":"object"}}}}],"toolChoice":{"auto":{}}},"requestMetadata":{"a":"b"}}';
  const image: PartInit = {
    part: {
      case: "image",
      value: { media: { source: { case: "data", value: Uint8Array.of(0x89, 0x50, 0x4e, 0x47) }, mimeType: "image/png" } },
    },
  };
  const init: RequestInit = {
    messages: [user(text("hi"), image)],
    tools: [fn("a", { parametersJsonSchema: '{"type":"object"}' })],
    toolChoice: { mode: ToolChoice_Mode.AUTO },
    metadata: { a: "b" },
  };
  expect(encode(init)).toMatchObject({ body: JSON.parse(sdk), notes: [] });
});

describe("tools", () => {
  const tools = [
    fn("f", { description: "does f", parametersJsonSchema: '{"type":"object","properties":{"x":{"type":"integer"}}}' }),
    fn("g"),
  ];
  const choice = (toolChoice: RequestInit["toolChoice"], at = claude, messages: MessageInit[] = [user(text("q"))]) =>
    encode({ tools, messages, ...(toolChoice && { toolChoice }) }, at);

  test("carry their schemas, and the root's type where there is none", () => {
    expect(choice(undefined).body["toolConfig"]).toEqual({
      tools: [
        {
          toolSpec: { name: "f", description: "does f", inputSchema: { json: { type: "object", properties: { x: { type: "integer" } } } } },
        },
        { toolSpec: { name: "g", inputSchema: { json: { type: "object", properties: {} } } } },
      ],
    });
  });

  test.for<{ what: string; asked: RequestInit["toolChoice"]; at: string; wire: object | undefined; notes: string[] }>([
    { what: "auto", asked: { mode: ToolChoice_Mode.AUTO }, at: claude, wire: { auto: {} }, notes: [] },
    { what: "auto where the model takes no choice", asked: { mode: ToolChoice_Mode.AUTO }, at: llama, wire: undefined, notes: [] },
    { what: "required", asked: { mode: ToolChoice_Mode.REQUIRED }, at: claude, wire: { any: {} }, notes: [] },
    {
      what: "a named one",
      asked: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["g"] },
      at: claude,
      wire: { tool: { name: "g" } },
      notes: [],
    },
    {
      what: "not parallel",
      asked: { mode: ToolChoice_Mode.AUTO, parallel: false },
      at: claude,
      wire: { auto: {} },
      notes: ["DROPPED tool_choice.parallel"],
    },
  ])("choice: $what", ({ asked, at, wire, notes }) => {
    const encoded = choice(asked, at);
    expect(encoded.body["toolConfig"]).toMatchObject({ tools: [{}, {}] });
    expect(JSON.parse(JSON.stringify(encoded.body["toolConfig"])).toolChoice).toEqual(wire);
    expect(encoded.notes).toEqual(notes);
  });

  test("choice none is no tools at all", () => {
    const encoded = choice({ mode: ToolChoice_Mode.NONE });
    expect(encoded.body["toolConfig"]).toBeUndefined();
    expect(encoded.notes).toEqual([]);
  });

  test("choice none with calls in the history shows the tools, and says so", () => {
    const encoded = choice({ mode: ToolChoice_Mode.NONE }, claude, [user(text("q")), assistant(call("a")), tool(result("a"))]);
    expect(encoded.body["toolConfig"]).toMatchObject({ tools: [{}, {}] });
    expect(encoded.notes).toEqual(["APPROXIMATED tool_choice.mode"]);
  });

  test("an allowed subset is the only one shown", () => {
    const encoded = choice({ mode: ToolChoice_Mode.REQUIRED, allowedNames: ["f", "g"] });
    expect(encoded.body["toolConfig"]).toMatchObject({ toolChoice: { any: {} } });
    expect(choice({ mode: ToolChoice_Mode.AUTO, allowedNames: ["g"] }).body["toolConfig"]).toMatchObject({
      tools: [{ toolSpec: { name: "g" } }],
    });
    expect(thrownBy(() => choice({ mode: ToolChoice_Mode.AUTO, allowedNames: ["h"] })).failure).toBe("INVALID_REQUEST");
  });

  test("calls in the history without tools in the request have theirs made up", () => {
    const { body, notes } = encode({
      messages: [user(text("q")), assistant(call("a", "{}", "f"), call("b", "{}", "g")), tool(result("a"), result("b"))],
    });
    expect(body["toolConfig"]).toEqual({
      tools: [
        { toolSpec: { name: "f", inputSchema: { json: { type: "object" } } } },
        { toolSpec: { name: "g", inputSchema: { json: { type: "object" } } } },
      ],
    });
    expect(notes).toEqual(["EMULATED tools"]);
  });

  test("strict ones are enforced where the model can, in the subset that can be", () => {
    const strict = fn("f", { parametersJsonSchema: '{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}', strict: true });
    expect(encode({ tools: [strict] }).body["toolConfig"]).toMatchObject({
      tools: [
        {
          toolSpec: {
            strict: true,
            inputSchema: { json: { additionalProperties: false, properties: { n: { description: "{minimum: 1}" } } } },
          },
        },
      ],
    });
    expect(encode({ tools: [strict] }, llama).notes).toEqual(["DROPPED tools[0].function.strict"]);
  });

  test("free-form ones are functions of one string", () => {
    const custom = {
      kind: { case: "custom" as const, value: { name: "patch", description: "patches", grammar: "x", grammarSyntax: "lark" } },
    };
    const { body, notes } = encode({ tools: [custom], toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["patch"] } });
    expect(body["toolConfig"]).toMatchObject({
      tools: [{ toolSpec: { name: "patch", inputSchema: { json: { required: ["input"] } } } }],
      toolChoice: { tool: { name: "patch" } },
    });
    expect(notes).toEqual(["EMULATED tools[0].custom"]);
  });

  test("Bedrock's own run there, others' do not", () => {
    const native = (issuer: string) => ({
      kind: { case: "native" as const, value: { issuer, json: '{"systemTool":{"name":"nova_grounding"}}' } },
    });
    expect(encode({ tools: [native("bedrock")] }, nova).body["toolConfig"]).toEqual({
      tools: [{ systemTool: { name: "nova_grounding" } }],
    });
    expect(encode({ tools: [native("openai")] }).notes).toEqual(["DROPPED tools[0].native"]);
    const toolChoice = { mode: ToolChoice_Mode.REQUIRED };
    expect(thrownBy(() => encode({ tools: [native("openai")], toolChoice }))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "tool_choice",
    });
  });

  test("a name that is too long is shortened, the same in every turn, and told to the decoder", () => {
    const long = "f".repeat(65);
    const { body, notes, answering } = encode({ tools: [fn(long)] });
    const [shown] = (body["toolConfig"] as { tools: [{ toolSpec: { name: string } }] }).tools;
    expect(shown.toolSpec.name).toMatch(/^f{55}_[0-9a-f]{8}$/);
    expect(answering?.toolNames?.get(shown.toolSpec.name)).toBe(long);
    expect(notes).toEqual(["APPROXIMATED tools[0].function.name"]);
  });
});

describe("output formats", () => {
  const schema = (jsonSchema: string): RequestInit["outputFormat"] => ({
    format: { case: "jsonSchema", value: { name: "city", description: "a city", jsonSchema } },
  });

  test("a schema is enforced, as text, with its digits", () => {
    const { body, notes } = encode({ outputFormat: schema('{"type":"object","properties":{"id":{"const":12345678901234567890}}}') });
    expect(body["outputConfig"]).toEqual({
      textFormat: {
        type: "json_schema",
        structure: {
          jsonSchema: {
            schema: '{"type":"object","properties":{"id":{"const":12345678901234567890}},"additionalProperties":false}',
            name: "city",
            description: "a city",
          },
        },
      },
    });
    expect(notes).toEqual([]);
  });

  test("what cannot be enforced is told in words", () => {
    const { body, notes } = encode({ outputFormat: schema('{"type":"object"}') }, nova);
    expect(body["outputConfig"]).toBeUndefined();
    expect(body["system"]).toEqual([{ text: expect.stringContaining('{"type":"object"}') }]);
    expect(notes).toEqual(["EMULATED output_format.json_schema"]);
  });

  test("free JSON is asked for in words", () => {
    const { body, notes, answering } = encode({ outputFormat: { format: { case: "jsonObject", value: {} } } });
    expect(body["system"]).toEqual([{ text: expect.stringContaining("JSON object") }]);
    expect(answering).toEqual({ fencedJson: true });
    expect(notes).toEqual(["EMULATED output_format.json_object"]);
  });
});

describe("sampling and limits", () => {
  test("what Converse has a field for stands there", () => {
    const { body, notes } = encode({ maxOutputTokens: 100, sampling: { temperature: 0.5, stop: ["END", "\n"] } }, llama);
    expect(body["inferenceConfig"]).toEqual({ maxTokens: 100, temperature: 0.5, stopSequences: ["END"] });
    expect(notes).toEqual(["DROPPED sampling.stop"]);
  });

  test.for<{ at: string; fields: object | undefined; notes: string[] }>([
    { at: claude, fields: { top_k: 40 }, notes: [] },
    { at: nova, fields: { inferenceConfig: { topK: 40 } }, notes: [] },
    { at: "mistral.mistral-large-2407-v1:0", fields: { top_k: 40 }, notes: [] },
    { at: "cohere.command-r-v1:0", fields: { k: 40 }, notes: [] },
    { at: llama, fields: undefined, notes: ["DROPPED sampling.top_k"] },
  ])("top_k at $at", ({ at, fields, notes }) => {
    const encoded = encode({ sampling: { topK: 40 } }, at);
    expect(encoded.body["additionalModelRequestFields"]).toEqual(fields);
    expect(encoded.notes).toEqual(notes);
  });

  test("a temperature ends at 1, a limit at the model's", () => {
    const { body, notes } = encode({ maxOutputTokens: 9000, sampling: { temperature: 1.5 } }, target(nova, { maxOutputTokens: 5000 }));
    expect(body["inferenceConfig"]).toEqual({ maxTokens: 5000, temperature: 1 });
    expect(notes).toEqual(["CLAMPED max_output_tokens", "CLAMPED sampling.temperature"]);
  });

  test("Claude takes temperature or top_p, and some take neither", () => {
    expect(encode({ sampling: { temperature: 0.5, topP: 0.9 } }).notes).toEqual(["DROPPED sampling.top_p"]);
    expect(encode({ sampling: { temperature: 0.5, topP: 0.9 } }, nova).body["inferenceConfig"]).toEqual({ temperature: 0.5, topP: 0.9 });
    const { body, notes } = encode({ sampling: { temperature: 0.5, topP: 0.9, topK: 5 } }, opus8);
    expect(body["inferenceConfig"]).toBeUndefined();
    expect(notes).toEqual(["DROPPED sampling.temperature", "DROPPED sampling.top_p", "DROPPED sampling.top_k"]);
  });

  test("what Converse has not is dropped by name", () => {
    const sampling = {
      seed: 1n,
      minP: 0.1,
      frequencyPenalty: 1,
      presencePenalty: 1,
      repetitionPenalty: 2,
      logitBias: { a: 1 },
      logprobs: true,
      topLogprobs: 2,
    };
    expect(encode({ sampling }).notes).toEqual(
      "min_p frequency_penalty presence_penalty repetition_penalty seed logit_bias logprobs top_logprobs"
        .split(" ")
        .map((name) => `DROPPED sampling.${name}`),
    );
  });

  test("Claude is asked which stop sequence it met, beside what else the caller asks", () => {
    expect(encode({ sampling: { stop: ["END"] } }).body["additionalModelResponseFieldPaths"]).toEqual(["/stop_sequence"]);
    const extensionsJson = { bedrock: '{"additionalModelResponseFieldPaths":["/x"]}' };
    expect(encode({ sampling: { stop: ["END"] }, extensionsJson }).body["additionalModelResponseFieldPaths"]).toEqual([
      "/x",
      "/stop_sequence",
    ]);
    expect(encode({ sampling: { stop: ["END"] } }, llama).body["additionalModelResponseFieldPaths"]).toBeUndefined();
  });
});

describe("reasoning", () => {
  const { NONE, MINIMAL, LOW, MEDIUM, HIGH, MAX } = ReasoningEffort;
  test.for<{ at: string; reasoning: RequestInit["reasoning"]; fields: object | undefined; maxTokens?: number; notes: string[] }>([
    { at: claude, reasoning: { effort: LOW }, fields: { thinking: { type: "enabled", budget_tokens: 1024 } }, maxTokens: 4096, notes: [] },
    {
      at: claude,
      reasoning: { budgetTokens: 8000 },
      fields: { thinking: { type: "enabled", budget_tokens: 8000 } },
      maxTokens: 12_096,
      notes: [],
    },
    { at: claude, reasoning: { effort: NONE }, fields: undefined, notes: [] },
    {
      at: opus6,
      reasoning: { effort: MEDIUM },
      fields: { thinking: { type: "adaptive" }, output_config: { effort: "medium" } },
      notes: [],
    },
    { at: opus8, reasoning: { effort: MAX }, fields: { thinking: { type: "adaptive" }, output_config: { effort: "max" } }, notes: [] },
    {
      at: opus8,
      reasoning: { budgetTokens: 6000 },
      fields: { thinking: { type: "adaptive" }, output_config: { effort: "medium" } },
      notes: ["APPROXIMATED reasoning.budget_tokens"],
    },
    {
      at: "anthropic.claude-opus-5-5",
      reasoning: { effort: NONE },
      fields: { output_config: { effort: "low" } },
      notes: ["APPROXIMATED reasoning.effort"],
    },
    { at: "anthropic.claude-3-haiku-20240307-v1:0", reasoning: { effort: HIGH }, fields: undefined, notes: ["DROPPED reasoning"] },
    { at: nova2, reasoning: { effort: MEDIUM }, fields: { reasoningConfig: { type: "enabled", maxReasoningEffort: "medium" } }, notes: [] },
    {
      at: nova2,
      reasoning: { effort: MAX },
      fields: { reasoningConfig: { type: "enabled", maxReasoningEffort: "high" } },
      notes: ["APPROXIMATED reasoning.effort"],
    },
    { at: nova2, reasoning: { effort: NONE }, fields: undefined, notes: [] },
    {
      at: "openai.gpt-oss-120b-1:0",
      reasoning: { effort: MINIMAL },
      fields: { reasoning_effort: "low" },
      notes: ["APPROXIMATED reasoning.effort"],
    },
    { at: "us.openai.gpt-6-sol", reasoning: { effort: NONE }, fields: { reasoning: { effort: "none" } }, notes: [] },
    { at: "us.openai.gpt-6-sol", reasoning: { effort: MAX }, fields: { reasoning: { effort: "max" } }, notes: [] },
    { at: llama, reasoning: { effort: HIGH }, fields: undefined, notes: ["DROPPED reasoning"] },
    { at: llama, reasoning: { effort: NONE }, fields: undefined, notes: [] },
    { at: "us.deepseek.r1-v1:0", reasoning: { effort: LOW }, fields: undefined, notes: ["DROPPED reasoning"] },
  ])("$reasoning at $at", ({ at, reasoning, fields, maxTokens, notes }) => {
    const encoded = encode({ reasoning: reasoning ?? {} }, at);
    expect(encoded.body["additionalModelRequestFields"]).toEqual(fields);
    expect(encoded.body["inferenceConfig"]).toEqual(maxTokens === undefined ? undefined : { maxTokens });
    expect(encoded.notes).toEqual(notes);
  });

  test("high effort of Nova leaves no room for limit and sampling: the limit counts for more", () => {
    const limited = encode({ reasoning: { effort: HIGH }, maxOutputTokens: 500 }, nova2);
    expect(limited.body["additionalModelRequestFields"]).toEqual({ reasoningConfig: { type: "enabled", maxReasoningEffort: "medium" } });
    expect(limited.notes).toEqual(["APPROXIMATED reasoning.effort"]);
    expect(encode({ reasoning: { effort: HIGH }, sampling: { temperature: 0.5, topP: 0.5 } }, nova2).notes).toEqual([
      "DROPPED sampling.temperature",
      "DROPPED sampling.top_p",
    ]);
  });

  test("a forced tool and thinking exclude each other at Claude", () => {
    const forced: RequestInit = { tools: [fn("f")], toolChoice: { mode: ToolChoice_Mode.REQUIRED }, reasoning: { effort: HIGH } };
    const { body, notes } = encode(forced);
    expect(body["additionalModelRequestFields"]).toBeUndefined();
    expect(notes).toEqual(["DROPPED reasoning"]);
    expect(thrownBy(() => encode(forced, "anthropic.claude-opus-5-5"))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "tool_choice",
    });
  });

  test("a tool turn that began without signed reasoning goes on without", () => {
    const messages = [user(text("q")), assistant(call("a")), tool(result("a"))];
    expect(encode({ messages, tools: [fn("f")], reasoning: { effort: HIGH } }).notes).toEqual(["DROPPED reasoning"]);
    const signed: PartInit = {
      part: { case: "reasoning", value: { text: "hm", opaque: [{ issuer: "bedrock", kind: "signature", value: "s" }] } },
    };
    const going = [user(text("q")), assistant(signed, call("a")), tool(result("a"))];
    expect(encode({ messages: going, tools: [fn("f")], reasoning: { effort: HIGH } }).body["additionalModelRequestFields"]).toMatchObject({
      thinking: { type: "enabled" },
    });
  });
});

describe("cache points", () => {
  const hour = { ttl: { seconds: 3600n } };
  const marked = (value: string, cacheControl: { ttl?: { seconds: bigint } } = {}): PartInit => ({ ...text(value), cacheControl });

  test("stand behind what they are of: tools, instructions, messages, results", () => {
    const { body, notes } = encode({
      tools: [{ ...fn("f"), cacheControl: hour }],
      messages: [
        { role: 1, content: [marked("Be kind.", hour)] },
        user(marked("q")),
        assistant(call("a")),
        tool({ part: { case: "toolResult", value: { toolCallId: "a", content: [marked("ok")] } } }),
      ],
    });
    expect(body).toMatchObject({
      toolConfig: { tools: [{ toolSpec: {} }, { cachePoint: { type: "default", ttl: "1h" } }] },
      system: [{ text: "Be kind." }, { cachePoint: { type: "default", ttl: "1h" } }],
      messages: [
        { content: [{ text: "q" }, { cachePoint: { type: "default" } }] },
        {},
        { content: [{ toolResult: {} }, { cachePoint: { type: "default" } }] },
      ],
    });
    expect(notes).toEqual([]);
  });

  test("are at most four, the last ones, and no long one behind a short one", () => {
    const { body, notes } = encode({ messages: [user(marked("a"), marked("b"), marked("c", hour), marked("d"), marked("e"))] });
    expect(body["messages"]).toEqual([
      {
        role: "user",
        content: [
          { text: "a" },
          ...["b", "c", "d", "e"].flatMap((each) => [
            { text: each },
            { cachePoint: { type: "default", ...(each === "c" && { ttl: "5m" }) } },
          ]),
        ],
      },
    ]);
    expect(notes).toEqual(["DROPPED messages.content.cache_control", "APPROXIMATED messages.content.cache_control.ttl"]);
  });

  test.for([
    { at: nova, notes: ["DROPPED tools[0].cache_control"] },
    { at: llama, notes: ["DROPPED messages[0].content[0].cache_control", "DROPPED tools[0].cache_control"] },
    {
      at: "anthropic.claude-3-haiku-20240307-v1:0",
      notes: ["DROPPED messages[0].content[0].cache_control", "DROPPED tools[0].cache_control"],
    },
    {
      at: "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
      notes: ["DROPPED messages[0].content[0].cache_control", "DROPPED tools[0].cache_control"],
    },
  ])("are not sent to $at where they would be refused", ({ at, notes }) => {
    expect(encode({ tools: [{ ...fn("f"), cacheControl: {} }], messages: [user(marked("a"))] }, at).notes).toEqual(notes);
  });

  test("of other lengths are rounded", () => {
    expect(encode({ messages: [user(marked("a", { ttl: { seconds: 1800n } }))] }).notes).toEqual([
      "APPROXIMATED messages[0].content[0].cache_control.ttl",
    ]);
  });
});

describe("what else a request says", () => {
  test("metadata and the end user travel as requestMetadata; what cannot stand there is dropped", () => {
    const { body, notes } = encode({ endUserId: "u-1", metadata: { team: "a", "bad\u0000": "x", long: "y".repeat(257) } });
    expect(body["requestMetadata"]).toEqual({ end_user_id: "u-1", team: "a" });
    expect(notes).toEqual(["DROPPED metadata"]);
  });

  test.for([
    { tier: "priority", wire: { type: "priority" }, notes: [] },
    { tier: "auto", wire: undefined, notes: [] },
    { tier: "standard_only", wire: undefined, notes: ["DROPPED service_tier"] },
  ])("service tier $tier", ({ tier, wire, notes }) => {
    const encoded = encode({ serviceTier: tier });
    expect([encoded.body["serviceTier"], encoded.notes]).toEqual([wire, notes]);
  });

  test("the rest is dropped by name", () => {
    const init: RequestInit = {
      verbosity: "low",
      promptCacheKey: "k",
      store: true,
      audio: { voice: "v", format: "wav" },
      extensionsJson: { openai: '{"logit_x":1}' },
    };
    expect(encode(init).notes).toEqual([
      "DROPPED audio",
      "DROPPED verbosity",
      "DROPPED prompt_cache_key",
      "DROPPED store",
      "DROPPED extensions_json.openai.logit_x",
    ]);
  });

  test.for<{ what: string; init: RequestInit; field: string }>([
    { what: "several choices", init: { n: 2 }, field: "n" },
    { what: "audio out", init: { modalities: ["text", "audio"] }, field: "modalities" },
  ])("$what are another target's", ({ init, field }) => {
    expect(thrownBy(() => encode(init))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field });
  });
});

describe("fields of Bedrock's own", () => {
  const own = (fields: object, more: RequestInit = {}) => encode({ extensionsJson: { bedrock: JSON.stringify(fields) }, ...more });

  test("go along, and are joined with what the request says", () => {
    const guardrailConfig = { guardrailIdentifier: "gr1", guardrailVersion: "1", trace: "enabled" };
    const fields = {
      guardrailConfig,
      performanceConfig: { latency: "optimized" },
      requestMetadata: { a: "1", b: "1" },
      serviceTier: { type: "flex" },
      additionalModelRequestFields: { anthropic_beta: ["x"], output_config: { novel: 1 } },
    };
    const { body } = encode(
      { extensionsJson: { bedrock: JSON.stringify(fields) }, metadata: { b: "2" }, reasoning: { effort: ReasoningEffort.LOW } },
      opus6,
    );
    expect(body).toMatchObject({
      guardrailConfig,
      performanceConfig: { latency: "optimized" },
      requestMetadata: { a: "1", b: "2" },
      serviceTier: { type: "flex" },
      additionalModelRequestFields: { anthropic_beta: ["x"], thinking: { type: "adaptive" }, output_config: { novel: 1, effort: "low" } },
    });
  });

  test.for([
    [{ modelId: "x" }, "modelId"],
    [{ messages: [] }, "messages"],
    [{ system: [] }, "system"],
    [{ toolConfig: {} }, "toolConfig"],
    [{ inferenceConfig: { maxTokens: 1 } }, "inferenceConfig"],
    [{ additionalModelRequestFields: { max_tokens: 1 } }, "additionalModelRequestFields.max_tokens"],
    [{ additionalModelRequestFields: { tools: [] } }, "additionalModelRequestFields.tools"],
  ] as const)("that the request has a field for never pass: %j", ([fields, key]) => {
    const { body, notes } = own(fields);
    expect(notes).toEqual([`DROPPED extensions_json.bedrock.${key}`]);
    const { body: plain } = encode({});
    expect({ ...body, additionalModelRequestFields: undefined }).toEqual({ ...plain, additionalModelRequestFields: undefined });
    expect(body["additionalModelRequestFields"] ?? {}).toEqual({});
  });

  test("that are no JSON object are refused", () => {
    expect(thrownBy(() => encode({ extensionsJson: { bedrock: "[]" } })).failure).toBe("INVALID_REQUEST");
  });
});
