import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isJsonObject } from "../../../src/core/json-fields.ts";
import { openaiResponses } from "../../../src/dialects/openai-responses/upstream.ts";
import { ChatError } from "../../../src/core/error.ts";
import { ask, decoded, encoded, type Json, streamed, target } from "./support.ts";

const png = "data:image/png;base64,iVBORw0KGgo=";
const strict = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false };
const lax = { type: "object", properties: { b: {}, a: {} } };

/** Bodies that say everything this language can, but for what a server without memory cannot be asked. */
const corpus: readonly Json[] = [
  ask(),
  ask({
    instructions: "be brief",
    temperature: 0,
    top_p: 1,
    max_output_tokens: 16,
    service_tier: "flex",
    prompt_cache_key: "k",
    metadata: { a: "b" },
  }),
  ask({ include: ["message.output_text.logprobs", "web_search_call.action.sources"], top_logprobs: 3, safety_identifier: "u" }),
  ask({
    reasoning: { effort: "xhigh", summary: "detailed", context: "all_turns" },
    text: { verbosity: "low" },
    truncation: "auto",
    max_tool_calls: 3,
  }),
  ask({ text: { format: { type: "json_object" } } }),
  ask({ text: { format: { type: "json_schema", name: "n", description: "d", schema: lax, strict: false }, verbosity: "high", odd: 1 } }),
  ask({
    tools: [
      { type: "function", name: "f", description: "d", parameters: strict, strict: true, defer_loading: true },
      { type: "function", name: "g", parameters: lax, strict: false },
      { type: "function", name: "h", parameters: lax },
      { type: "custom", name: "c", description: "x" },
      { type: "custom", name: "apply_patch", format: { type: "grammar", syntax: "lark", definition: "start: /.+/" } },
      { type: "web_search", search_context_size: "low" },
      { type: "mcp", server_label: "docs", server_url: "https://mcp.example" },
    ],
    tool_choice: "auto",
    parallel_tool_calls: false,
  }),
  ...[
    "required",
    "none",
    { type: "function", name: "f" },
    { type: "custom", name: "c" },
    { type: "web_search" },
    { type: "mcp", server_label: "docs" },
    { type: "mcp", server_label: "docs", name: "find" },
    { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "f" }, { type: "web_search" }] },
    {
      type: "allowed_tools",
      mode: "required",
      tools: [
        { type: "function", name: "f" },
        { type: "custom", name: "c" },
      ],
    },
  ].map((tool_choice) =>
    ask({
      tools: [
        { type: "function", name: "f", parameters: strict, strict: true },
        { type: "custom", name: "c" },
        { type: "web_search" },
        { type: "mcp", server_label: "docs" },
      ],
      tool_choice,
    }),
  ),
  {
    model: "m",
    instructions: "first",
    input: [
      { role: "developer", content: "second" },
      { role: "system", content: [{ type: "input_text", text: "third", odd: true }], odd: { a: [1] } },
      {
        role: "user",
        content: [
          { type: "input_text", text: "look" },
          { type: "input_image", image_url: png, detail: "low" },
          { type: "input_image", image_url: "https://a.example/x.png", detail: "original", x: 1 },
          { type: "input_image", file_id: "file-9" },
          { type: "input_file", file_data: "data:application/pdf;base64,AQI=", filename: "a.pdf", detail: "high" },
          { type: "input_file", file_url: "https://a.example/a.pdf" },
          { type: "input_file", file_id: "file-1", filename: "b.pdf" },
          { type: "input_audio", input_audio: { data: "AQI=", format: "wav" } },
          { type: "unheard_of", deep: { a: [1] } },
        ],
      },
      {
        type: "reasoning",
        summary: [
          { type: "summary_text", text: "a" },
          { type: "summary_text", text: "b" },
        ],
        encrypted_content: "gAA=",
        odd: 1,
      },
      {
        type: "message",
        role: "assistant",
        phase: "commentary",
        content: [
          { type: "output_text", text: "c" },
          { type: "refusal", refusal: "r" },
        ],
      },
      { type: "function_call", call_id: "x", name: "f", arguments: '{"b": 1, "a":', namespace: "n" },
      { type: "custom_tool_call", call_id: "y", name: "c", input: "free" },
      { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "q" } },
      { type: "function_call_output", call_id: "x", output: "" },
      {
        type: "custom_tool_call_output",
        call_id: "y",
        output: [
          { type: "input_text", text: "1" },
          { type: "input_image", image_url: png },
        ],
      },
      { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "raw" }], encrypted_content: "gBB=" },
      { type: "local_shell_call", call_id: "z", action: { type: "exec", command: ["ls"] }, status: "completed" },
      { type: "local_shell_call_output", call_id: "z", output: "files" },
      {
        type: "message",
        role: "assistant",
        content: [
          {
            type: "output_text",
            text: "see",
            annotations: [{ type: "url_citation", start_index: 0, end_index: 3, url: "https://a.example", title: "t" }],
          },
        ],
      },
      {
        type: "message",
        role: "assistant",
        content: [{ type: "output_text", text: "file", annotations: [{ type: "file_path", index: 0, file_id: "f" }] }],
      },
      { role: "user", content: "" },
    ],
  },
];

/** What the gateway decides by itself. */
function added(body: Json): Json {
  const { include = [], input, ...rest } = body;
  const words = new Set<unknown>(["reasoning.encrypted_content", ...(Array.isArray(include) ? include : [])]);
  const items = typeof input === "string" ? [{ role: "user", content: input }] : input;
  return { ...rest, input: items, include: [...words], store: false, stream: false };
}

describe("a request of this language reaches a host of this language unchanged", () => {
  for (const body of corpus)
    test(JSON.stringify(body).slice(0, 110), () => {
      const request = decoded(body);
      const once = encoded(request);
      expect(once.notes).toEqual([]);
      expect(once.body).toEqual(added(body));
      expect(decoded(once.body)).toEqual(request);
    });

  test("but for names and states of items, which are the vendor's memory of what it has stored", () => {
    const input = [
      {
        type: "message",
        id: "msg_1",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text: "a", annotations: [], logprobs: [] }],
      },
      { type: "function_call", id: "fc_1", status: "completed", call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", id: "fco_1", status: "completed", call_id: "c", output: "1" },
      { type: "reasoning", id: "rs_1", status: "completed", summary: [], encrypted_content: "g" },
    ];
    const without = input.map(({ id: _id, status: _status, ...item }) => item);
    const { input: sent } = encoded(decoded({ model: "m", input })).body;
    expect(sent).toEqual([{ type: "message", role: "assistant", content: [{ type: "output_text", text: "a" }] }, ...without.slice(1)]);
  });
});

const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
/** What no door lets in (`refuseKeys`) is not asked to survive; JSON has no negative zero. */
const json = fc.jsonValue({ maxDepth: 2 }).filter((value) => value !== null && !/"(__proto__|prototype)":/.test(JSON.stringify(value)));
const extras = fc
  .dictionary(
    name.map((key) => `x-${key}`),
    json,
    { maxKeys: 2 },
  )
  .map((value): Json => JSON.parse(JSON.stringify(value)));
const inputPart = fc.oneof(
  fc.record({ type: fc.constant("input_text"), text: fc.string() }),
  fc.record({ type: fc.constant("input_image"), image_url: fc.webUrl(), detail: fc.constantFrom("auto", "low", "high") }),
);
const outputPart = fc.oneof(
  fc.record({ type: fc.constant("output_text"), text: fc.string() }),
  fc.record({ type: fc.constant("refusal"), refusal: fc.string() }),
);
const content = fc.oneof(fc.string(), fc.array(inputPart, { minLength: 1, maxLength: 3 }));
const summaries = fc.array(fc.record({ type: fc.constant("summary_text"), text: fc.string({ minLength: 1 }) }), { maxLength: 3 });
const item = fc.oneof(
  fc.tuple(fc.record({ role: fc.constantFrom("user", "system", "developer"), content }), extras),
  fc.tuple(
    fc.record({
      type: fc.constant("message"),
      role: fc.constant("assistant"),
      content: fc.array(outputPart, { minLength: 1, maxLength: 3 }),
    }),
    extras,
  ),
  fc.tuple(fc.record({ type: fc.constant("function_call"), call_id: name, name, arguments: fc.string({ minLength: 1 }) }), extras),
  fc.tuple(fc.record({ type: fc.constant("function_call_output"), call_id: name, output: content }), extras),
  fc.tuple(fc.record({ type: fc.constant("reasoning"), summary: summaries, encrypted_content: fc.base64String({ minLength: 4 }) }), extras),
  fc.tuple(fc.record({ type: fc.constant("image_generation_call"), id: name, result: fc.string() }), extras),
);
const items = fc.array(
  item.map(([known, extra]): Json => ({ ...extra, ...known })),
  { minLength: 1, maxLength: 8 },
);

test("any conversation survives the way to a host of the same language", () => {
  fc.assert(
    fc.property(items, extras, (input, extra) => {
      const request = decoded({ ...extra, model: "m", input });
      expect(decoded(encoded(request).body)).toEqual(request);
    }),
    { numRuns: 300 },
  );
});

test("a longer conversation begins with the bytes of the shorter one", () => {
  fc.assert(
    fc.property(items, items, (before, after) => {
      const bytes = (input: readonly Json[]) => encoded(decoded({ model: "m", instructions: "i", input })).text;
      const short = bytes(before);
      // Its end, but for the brackets.
      expect(bytes([...before, { role: "user", content: "next" }, ...after]).startsWith(short.slice(0, -2))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test("no answer of an upstream, however broken, makes anything but a ChatError or an answer", () => {
  const types = fc.constantFrom("message", "reasoning", "function_call", "web_search_call", "custom_tool_call");
  const events = fc.constantFrom(
    ..."response.created response.output_item.added response.content_part.added response.output_text.delta response.output_item.done".split(
      " ",
    ),
    ..."response.completed response.failed response.reasoning_summary_text.delta response.function_call_arguments.done error".split(" "),
  );
  fc.assert(
    fc.property(fc.jsonValue(), fc.array(fc.tuple(events, types, fc.jsonValue()), { maxLength: 6 }), (value, list) => {
      const broken = list.map(([type, kind, inner]) => {
        const object = isJsonObject(inner) ? inner : {};
        const whole = {
          ...object,
          type,
          output_index: 0,
          delta: inner,
          part: inner,
          item: { ...object, type: kind, content: inner, summary: inner },
        };
        return `data: ${JSON.stringify({ ...whole, response: { ...object, output: inner, error: inner } })}\n\n`;
      });
      for (const run of [
        () => openaiResponses.decodeResponse(value, {}),
        () => openaiResponses.decodeResponse({ output: [value, { type: "message", content: value }], usage: value, error: null }, {}),
        () => streamed(broken),
      ])
        expect(["answer", "ChatError"]).toContain(outcome(run));
    }),
    { numRuns: 300 },
  );
});

function outcome(run: () => unknown): string {
  try {
    run();
    return "answer";
  } catch (error) {
    return error instanceof ChatError ? "ChatError" : String(error);
  }
}

test("an encoding is the same each time, and for another name of the model", () => {
  for (const body of corpus) {
    const at = target({ upstreamModel: "other" });
    expect(encoded(decoded(body), { target: at }).text).toBe(encoded(decoded(body), { target: at }).text);
  }
});
