/** What a caller says through the door reaches an Anthropic upstream as it was said. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isJsonObject, type Fields } from "../../../src/dialects/anthropic-messages/fields.ts";
import { ask, asked, sent } from "./door-support.ts";
import { target } from "./support.ts";

const png = "iVBORw0KGgo=";
const pdf = Buffer.from("%PDF-1.7 x").toString("base64");
const cache = { type: "ephemeral" };
const tools = [
  { name: "f", description: "d", input_schema: { type: "object", properties: { z: {}, a: { const: 9007199254740991 } } } },
  { type: "custom", name: "g", input_schema: { type: "object" }, cache_control: { ...cache, ttl: "1h" }, eager_input_streaming: true },
  { name: "s", input_schema: { type: "object", additionalProperties: false, properties: {} }, strict: true, defer_loading: true },
  { type: "web_search_20250305", name: "web_search", max_uses: 3, cache_control: cache },
  { type: "bash_20250124", name: "bash" },
];
const toolTurns = [
  { role: "user", content: [{ type: "text", text: "look", cache_control: { ...cache, ttl: "5m", scope: "global" } }] },
  {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "Hm.", signature: "c2ln" },
      { type: "redacted_thinking", data: "c2VhbGVk" },
      {
        type: "text",
        text: "Llamas hum.",
        citations: [{ type: "web_search_result_location", url: "u", encrypted_index: "e", cited_text: "" }],
      },
      { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "llamas" } },
      { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [{ type: "web_search_result", encrypted_content: "x" }] },
      { type: "tool_use", id: "toolu_1", name: "f", input: { b: 1, a: { c: [] } }, caller: { type: "direct" } },
      { type: "tool_use", id: "toolu_2", name: "f", input: {} },
    ],
  },
  {
    role: "user",
    content: [
      {
        type: "tool_result",
        tool_use_id: "toolu_1",
        content: [
          { type: "text", text: "21" },
          { type: "image", source: { type: "base64", media_type: "image/png", data: png } },
          { type: "search_result", source: "s", title: "t", content: [{ type: "text", text: "found" }], citations: { enabled: true } },
          { type: "tool_reference", tool_name: "f" },
        ],
      },
      { type: "tool_result", tool_use_id: "toolu_2", is_error: true, content: [{ type: "text", text: "no" }], cache_control: cache },
      { type: "text", text: "and now?" },
    ],
  },
];
const media = {
  role: "user",
  content: [
    { type: "image", source: { type: "url", url: "https://a.b/c.png" } },
    { type: "image", source: { type: "file", file_id: "file_1" }, cache_control: cache },
    {
      type: "document",
      source: { type: "base64", media_type: "application/pdf", data: pdf },
      title: "T",
      context: "C",
      citations: { enabled: true },
    },
    { type: "document", source: { type: "text", media_type: "text/plain", data: "plain ü" } },
    { type: "document", source: { type: "url", url: "https://a.b/c.pdf" } },
    { type: "document", source: { type: "file", file_id: "file_2" } },
    {
      type: "document",
      source: {
        type: "content",
        content: [
          { type: "text", text: "one" },
          { type: "text", text: "two" },
        ],
      },
      title: "chunks",
    },
    { type: "document", source: { type: "content", content: [{ type: "image", source: { type: "url", url: "https://a.b/d.png" } }] } },
    { type: "search_result", source: "s", title: "t", content: [{ type: "text", text: "found" }], cache_control: cache },
    { type: "container_upload", file_id: "file_3" },
    { type: "unheard_of", deep: { a: [null, 1] } },
  ],
};
const rest = {
  metadata: { user_id: `{"device":"${"d".repeat(600)}"}` },
  service_tier: "standard_only",
  cache_control: { type: "ephemeral", ttl: "5m" },
  container: "c_1",
  inference_geo: "eu",
  speed: "fast",
  diagnostics: { previous_message_id: "msg_1" },
  context_management: { edits: [{ type: "clear_tool_uses_20250919" }] },
  mcp_servers: [{ type: "url", url: "https://m.c/p", name: "m" }],
  unheard_of: { a: 1 },
};

const corpus: readonly { readonly name: string; readonly model?: string; readonly body: Fields }[] = [
  { name: "text", body: {} },
  { name: "a limit of nothing, which only warms the cache", body: { max_tokens: 0 } },
  { name: "instructions", body: { system: "Be brief." } },
  {
    name: "instructions in blocks",
    body: {
      system: [
        { type: "text", text: "a" },
        { type: "text", text: "b", cache_control: cache },
      ],
    },
  },
  {
    name: "instructions in plain blocks",
    body: {
      system: [
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ],
    },
  },
  { name: "tools", body: { tools } },
  ...[
    { type: "auto" },
    { type: "any" },
    { type: "none" },
    { type: "tool", name: "f" },
    { type: "auto", disable_parallel_tool_use: true },
  ].map((tool_choice) => ({ name: `tool_choice ${JSON.stringify(tool_choice)}`, body: { tools, tool_choice } })),
  { name: "turns", model: "claude-opus-4-6", body: { tools, messages: toolTurns, thinking: { type: "adaptive" } } },
  { name: "media", body: { messages: [media] } },
  { name: "sampling", body: { temperature: 0.5, top_k: 5, stop_sequences: ["END", "\n\nH:"] } },
  { name: "both samplers", model: "claude-3-5-haiku-20241022", body: { temperature: 0, top_p: 0.9 } },
  { name: "the rest", body: rest },
  { name: "metadata that we do not know", body: { metadata: { user_id: "u", cohort: "b" } } },
  {
    name: "a prefill",
    body: {
      messages: [
        { role: "user", content: "a" },
        { role: "assistant", content: "b" },
      ],
    },
  },
  {
    name: "later instructions",
    model: "claude-opus-4-8",
    body: {
      messages: [
        { role: "user", content: "a" },
        { role: "system", content: "now in French" },
        { role: "assistant", content: "b" },
        { role: "user", content: "c" },
      ],
    },
  },
  {
    name: "a schema",
    body: { output_config: { format: { type: "json_schema", schema: { type: "object", additionalProperties: false } } } },
  },
  { name: "a shape that we do not know", body: { output_config: { format: { type: "yaml", schema: 1 } } } },
  ...(
    [
      ["claude-sonnet-4-5", { thinking: { type: "enabled", budget_tokens: 2000 }, max_tokens: 4000, temperature: 1 }],
      ["claude-sonnet-4-5", { thinking: { type: "disabled" } }],
      ["claude-opus-4-5", { output_config: { effort: "low" } }],
      ["claude-opus-4-6", { thinking: { type: "adaptive" } }],
      ["claude-opus-4-6", { thinking: { type: "adaptive", display: "summarized" }, output_config: { effort: "max" } }],
      ["claude-opus-4-6", { thinking: { type: "enabled", budget_tokens: 1024, display: "omitted" }, max_tokens: 9000 }],
      ["claude-opus-4-7", { output_config: { effort: "xhigh" } }],
      ["claude-sonnet-5", { thinking: { type: "disabled" }, output_config: { effort: "max" } }],
      ["claude-opus-5", { thinking: { type: "disabled" }, output_config: { effort: "high" } }],
      ["claude-opus-5-5", { thinking: { type: "adaptive", block_binding: { prefix_mismatch_behavior: "drop_block" } } }],
      ["claude-sonnet-5-5", { thinking: { type: "between_tools" }, output_config: { effort: "medium", task_budget: { tokens: 5 } } }],
      ["claude-sonnet-5-5", { thinking: { type: "some_day", x: 1 } }],
    ] satisfies [string, Fields][]
  ).map(([model, body]) => ({ name: JSON.stringify(body), model, body })),
];

describe("identity", () => {
  test.each(corpus)("$name", ({ model = "claude-sonnet-4-5", body }) => {
    const said = ask({ model, ...body });
    for (const streamed of [false, true]) {
      const left = sent(asked(streamed ? { ...said, stream: true } : said), target(model), streamed);
      expect(left.notes).toEqual([]);
      expect(plain(left.body)).toEqual(plain(streamed ? { ...said, stream: true } : said));
    }
  });

  test("of keys within tools' inputs and schemas, digits of long integers included", () => {
    const input = `{"z":9007199254740993,"a":{"y":1,"b":[{"d":0,"c":null}]}}`;
    const schema = `{"type":"object","properties":{"z":{"const":12345678901234567890},"a":{}},"required":["z","a"]}`;
    const body = `{"model":"m","max_tokens":1,"tools":[{"name":"f","input_schema":${schema}}],"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":${input}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]}`;
    const { text } = sent(asked(JSON.parse(body, keepRaw)), target("claude-sonnet-4-5"));
    expect(text).toContain(`"input":${input}`);
    expect(text).toContain(`"input_schema":${schema}`);
  });

  test("of betas, from the header and the clouds' field", () => {
    const request = asked(ask({ anthropic_beta: ["b-1"] }), {
      "anthropic-beta": "interleaved-thinking-2025-05-14, b-1,context-1m-2025-08-07",
    });
    const { headers, notes } = sent(request, target("claude-sonnet-4-5"));
    expect(headers).toEqual({
      "anthropic-version": "2023-06-01",
      "anthropic-beta": "b-1,interleaved-thinking-2025-05-14,context-1m-2025-08-07",
    });
    expect(notes).toEqual([]);
  });
});

describe("what the door does not know", () => {
  test.each(["n", "stream_options", "max_completion_tokens", "store", "user", "provider", "prompt"])("never decides %s", (key) => {
    const { body, notes } = sent(asked(ask({ [key]: 5 })), target("claude-sonnet-4-5"));
    expect(body).not.toHaveProperty(key);
    expect(notes).toEqual([`extensions_json.anthropic.${key}`]);
  });

  test("begins no conversation that an upstream keeps, for the next turn may go elsewhere", () => {
    const { body, notes } = sent(asked(ask({ thread: { type: "create" } })), target("claude-sonnet-4-5"));
    expect(body).not.toHaveProperty("thread");
    expect(notes).toEqual(["extensions_json.anthropic.thread"]);
  });

  test("goes to no other vendor's model, and is told of", () => {
    expect(asked(ask({ speed: "fast" })).extensionsJson).toEqual({ anthropic: `{"speed":"fast"}` });
  });
});

describe("words that a model's family would refuse become what it takes", () => {
  test.each([
    {
      model: "claude-opus-4-8",
      said: { thinking: { type: "enabled", budget_tokens: 6000 } },
      left: { thinking: { type: "adaptive" }, output_config: { effort: "medium" } },
    },
    {
      model: "claude-sonnet-4-5",
      said: { thinking: { type: "adaptive" } },
      left: { thinking: { type: "enabled", budget_tokens: 16_384 } },
    },
    {
      model: "claude-sonnet-4-5",
      said: { thinking: { type: "adaptive" }, output_config: { effort: "medium" } },
      left: { thinking: { type: "enabled", budget_tokens: 4096 } },
    },
    { model: "claude-opus-5-5", said: { thinking: { type: "disabled" } }, left: { output_config: { effort: "low" } } },
    { model: "claude-sonnet-4-5", said: { output_config: { effort: "high" } }, left: {} },
    {
      model: "claude-sonnet-4-5",
      said: { thinking: { type: "adaptive", block_binding: 1 }, output_config: { task_budget: 2 } },
      left: { thinking: { type: "enabled", budget_tokens: 16_384, block_binding: 1 }, output_config: { task_budget: 2 } },
    },
  ])("$said at $model", ({ model, said, left }) => {
    const { body } = sent(asked(ask({ model, max_tokens: 20_000, ...said })), target(model));
    const { thinking, output_config } = body;
    expect(JSON.parse(JSON.stringify({ thinking, output_config }))).toEqual(left);
  });
});

const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,12}$/);
const text = fc.string({ minLength: 1, unit: "grapheme" }).filter((each) => each.trim() !== "");
const json = fc.jsonValue({ maxDepth: 2 }).filter((value) => value !== null && !/"(__proto__|prototype)":/.test(JSON.stringify(value)));
const object = fc.dictionary(name, json, { maxKeys: 3 });
const extras = fc.dictionary(
  name.map((key) => `x-${key}`),
  json,
  { maxKeys: 2 },
);
const breakpoint = fc.option(fc.constantFrom(cache, { type: "ephemeral", ttl: "1h" }), { nil: undefined, freq: 8 });
const textBlock = fc.record({ type: fc.constant("text"), text });
const imageBlock = fc.record({
  type: fc.constant("image"),
  source: fc.oneof(
    fc.record({ type: fc.constant("url"), url: fc.webUrl({ validSchemes: ["https"] }) }),
    fc.constant({ type: "base64", media_type: "image/png", data: png }),
  ),
});
const documentBlock = fc.record(
  {
    type: fc.constant("document"),
    source: fc.record({ type: fc.constant("text"), media_type: fc.constant("text/plain"), data: text }),
    title: text,
  },
  { requiredKeys: ["type", "source"] },
);
const unknownBlock = object.map((more) => ({ ...more, type: "some_day_block" }));
const userBlock = fc.oneof(textBlock, imageBlock, documentBlock, unknownBlock);
const withExtras = <T extends object>(block: fc.Arbitrary<T>): fc.Arbitrary<Fields> =>
  fc
    .tuple(block, extras, breakpoint)
    .map(([known, extra, cache_control]) => ({ ...extra, ...known, ...(cache_control && { cache_control }) }));
const result = fc.record(
  {
    type: fc.constant("tool_result"),
    tool_use_id: name,
    content: fc.array(userBlock, { minLength: 1, maxLength: 2 }),
    is_error: fc.constant(true),
  },
  { requiredKeys: ["type", "tool_use_id"] },
);
const assistantBlock = fc.oneof(
  withExtras(textBlock),
  fc.record({ type: fc.constant("thinking"), thinking: fc.string(), signature: fc.base64String({ minLength: 4 }) }),
  withExtras(fc.record({ type: fc.constant("tool_use"), id: name, name, input: object })),
);
const conversation = fc
  .array(
    fc.tuple(
      fc.uniqueArray(result, { maxLength: 2, selector: ({ tool_use_id }) => tool_use_id }),
      fc.array(withExtras(userBlock), { minLength: 1, maxLength: 3 }),
      fc.array(assistantBlock, { minLength: 1, maxLength: 3 }),
      extras,
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((rounds) => {
    const messages = rounds.flatMap(([results, said, answer, extra]): Fields[] => [
      { ...extra, role: "user", content: [...results, ...said] },
      { role: "assistant", content: answer },
    ]);
    // New models go on with nobody else's words.
    return [...messages, { role: "user", content: "go on" }];
  });

test("any conversation reaches a model of the same dialect as it is", () => {
  const model = "claude-opus-4-8";
  fc.assert(
    fc.property(conversation, extras, fc.array(text, { maxLength: 3 }), (messages, extra, system) => {
      const said = JSON.parse(
        JSON.stringify({ ...extra, ...ask({ model, messages, system: system.map((each) => ({ type: "text", text: each })) }) }),
      );
      const left = sent(asked(said), target(model));
      expect(plain(withoutBreakpoints(left.body))).toEqual(plain(withoutBreakpoints(said)));
    }),
    { numRuns: 300 },
  );
});

test("what a longer conversation says begins with the bytes of the shorter one", () => {
  fc.assert(
    fc.property(conversation, fc.constantFrom("claude-sonnet-4-5", "claude-opus-4-8"), (messages, model) => {
      const messagesOf = (turns: readonly Fields[]): readonly string[] => {
        const { body } = sent(asked(ask({ model, messages: turns, system: "s" })), target(model));
        const list = withoutBreakpoints(body)["messages"];
        return Array.isArray(list) ? list.map((each) => JSON.stringify(each)) : [];
      };
      const last = messages.slice(0, -1);
      // A turn of the user's and its answer more each time.
      for (let turns = 1; turns + 2 < last.length; turns += 2) {
        const shorter = messagesOf(last.slice(0, turns));
        expect(messagesOf(last.slice(0, turns + 2)).slice(0, shorter.length)).toEqual(shorter);
      }
    }),
    { numRuns: 100 },
  );
});

/** Four breakpoints are what Anthropic takes: how many are left is another test's business. */
function withoutBreakpoints(value: Fields): Fields {
  return JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === "cache_control" ? undefined : inner)));
}

/** Text alone and one block of text are the same to Anthropic, and so are null, an empty list and nothing. */
function plain(body: unknown): unknown {
  if (Array.isArray(body)) return body.map(plain);
  if (!isJsonObject(body)) return body;
  const entries = Object.entries(body).map(([key, value]): [string, unknown] => {
    const inBlocks = key === "content" || key === "system";
    return [key, inBlocks && typeof value === "string" ? [{ type: "text", text: value }] : plain(value)];
  });
  return Object.fromEntries(
    entries.filter(([key, value]) => value !== null && !(key === "system" && Array.isArray(value) && value.length === 0)),
  );
}

function keepRaw(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === "number" && !Number.isSafeInteger(value) && context?.source !== undefined ? JSON.rawJSON(context.source) : value;
}
