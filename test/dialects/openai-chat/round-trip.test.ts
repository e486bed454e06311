import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { ChatRequest } from "../../../src/core/chat.ts";
import type { Quirks } from "../../../src/core/dialect.ts";
import { createFolder } from "../../../src/core/fold.ts";
import { encodeChatResponse } from "../../../src/dialects/openai-chat/response-encode.ts";
import { createStreamEncoder } from "../../../src/dialects/openai-chat/stream-encode.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";
import { ask, dataOf, decoded, encoded, streamed, streamEvents, target } from "./support.ts";

/** A host that takes all that this dialect can say. */
const all: Quirks = { replayReasoning: "reasoning", cacheControl: true, reasoningObject: true };
const same = target({ upstreamModel: "m" });

function again(request: ChatRequest): ChatRequest {
  return decoded(encoded(request, { target: same, quirks: all }).body);
}

const png = "data:image/png;base64,iVBORw0KGgo=";
const fn = {
  type: "function",
  function: { name: "f", description: "d", parameters: { type: "object", properties: { b: {}, a: {} } }, strict: true, odd: 1 },
  cache_control: { type: "ephemeral" },
};
const corpus: readonly Record<string, unknown>[] = [
  ask(),
  ask({ temperature: 0, top_p: 1, top_k: 2, min_p: 0, frequency_penalty: 1, presence_penalty: -1, repetition_penalty: 1, seed: 5 }),
  ask({ logit_bias: { 5: -3.5 }, stop: ["a", "b"], logprobs: true, top_logprobs: 0, n: 3, max_completion_tokens: 10 }),
  ask({ tools: [fn, { type: "custom", custom: { name: "c", description: "x" } }], tool_choice: "auto", parallel_tool_calls: true }),
  ask({ tools: [fn], tool_choice: { type: "function", function: { name: "f" } } }),
  ask({
    tools: [{ type: "custom", custom: { name: "c", format: { type: "grammar", grammar: { definition: "g", syntax: "lark" } } } }],
    tool_choice: { type: "custom", custom: { name: "c" } },
  }),
  ask({ tools: [{ type: "web_search", web_search: { q: 1 } }] }),
  ask({
    response_format: { type: "json_object" },
    modalities: ["text"],
    verbosity: "low",
    service_tier: "flex",
    store: true,
    metadata: { a: "b" },
  }),
  ask({
    response_format: { type: "json_schema", json_schema: { name: "n", description: "d", schema: { type: "object" }, strict: false } },
  }),
  ask({ response_format: { type: "structural_tag", structures: [1] }, audio: { voice: { id: "v" }, format: "wav" } }),
  ask({
    audio: { voice: "alloy", format: "pcm16" },
    user: "u",
    prompt_cache_key: "k",
    prediction: { type: "content", content: "x" },
    web_search_options: {},
  }),
  ask({ reasoning: { effort: "high", exclude: true, enabled: true }, chat_template_kwargs: { a: { b: [null, 1] } } }),
  {
    model: "m",
    messages: [
      {
        role: "developer",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b", cache_control: { type: "ephemeral", ttl: "1h" } },
        ],
      },
      { role: "system", content: "s", odd: true },
      {
        role: "user",
        name: "n",
        content: [
          { type: "text", text: "" },
          { type: "image_url", image_url: { url: png, detail: "low", x: 1 } },
          { type: "image_url", image_url: { url: "https://a.b/c" } },
          { type: "input_audio", input_audio: { data: "AQI=", format: "wav" } },
          { type: "file", file: { file_data: "data:application/pdf;base64,AQI=", filename: "a.pdf" } },
          { type: "file", file: { file_id: "file-1" } },
          { type: "video_url", video_url: { url: "https://a.b/v" } },
          { type: "unheard_of", deep: { a: [1] } },
        ],
      },
      {
        role: "assistant",
        content: "c",
        refusal: "r",
        name: "bot",
        reasoning: "hm",
        reasoning_details: [{ type: "reasoning.text", text: "hm" }],
        tool_calls: [
          { id: "x", type: "function", function: { name: "f", arguments: '{"b": 1, "a":' }, extra: 1 },
          { id: "y", type: "custom", custom: { name: "c", input: "free" } },
        ],
      },
      { role: "tool", tool_call_id: "x", content: "" },
      {
        role: "tool",
        tool_call_id: "y",
        content: [
          { type: "text", text: "1" },
          { type: "text", text: "2" },
        ],
      },
      { role: "assistant", audio: { id: "au" } },
      { role: "user", content: "" },
    ],
  },
];

describe("a request of this dialect reaches a host of this dialect unchanged", () => {
  for (const body of corpus)
    test(JSON.stringify(body).slice(0, 110), () => {
      const request = decoded(body);
      const { fields } = encoded(request, { target: same, quirks: all });
      expect(fields).toEqual([]);
      expect(again(request)).toEqual(request);
    });

  test("the fields of a body are those of the caller's, in both directions", () => {
    const body = ask({ temperature: 0.5, tools: [fn], tool_choice: "required", unknown: { a: 1 }, user: "u", n: 2 });
    expect(encoded(decoded(body), { target: same, quirks: all }).body).toEqual({ ...body, stream: false });
  });
});

const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
/** What no door lets in (`refuseKeys`) is not asked to survive. */
const json = fc.jsonValue({ maxDepth: 2 }).filter((value) => value !== null && !/"(__proto__|prototype)":/.test(JSON.stringify(value)));
// Keys of the wire are known words: an arbitrary name must not be one of them.
const extras = fc
  .dictionary(
    name.map((key) => `x-${key}`),
    json,
    { maxKeys: 2 },
  )
  .map(withoutNegativeZero);
const part = fc.oneof(
  fc.record({ type: fc.constant("text"), text: fc.string() }),
  fc.record({ type: fc.constant("image_url"), image_url: fc.record({ url: fc.webUrl(), detail: fc.constantFrom("auto", "low", "high") }) }),
  fc.record({ type: fc.constant("refusal"), refusal: fc.string() }),
);
const message = fc.oneof(
  fc.tuple(fc.record({ role: fc.constantFrom("system", "developer"), content: fc.string() }), extras),
  fc.tuple(
    fc.record({ role: fc.constant("user"), content: fc.oneof(fc.string(), fc.array(part, { minLength: 1, maxLength: 3 })) }),
    extras,
  ),
  fc.tuple(
    fc.record({ role: fc.constant("assistant"), content: fc.string({ minLength: 1 }), reasoning: fc.string({ minLength: 1 }) }),
    extras,
  ),
  fc.tuple(fc.record({ role: fc.constant("tool"), tool_call_id: name, content: fc.string() }), extras),
);
const request = fc.record(
  {
    model: fc.constant("m"),
    messages: fc.array(
      message.map(([known, extra]) => ({ ...extra, ...known })),
      { minLength: 1, maxLength: 5 },
    ),
    temperature: fc.integer({ min: 0, max: 20 }).map((tenths) => tenths / 10),
    n: fc.integer({ min: 1, max: 128 }),
    seed: fc.maxSafeInteger().map((seed) => (seed === 0 ? 0 : seed)),
    stop: fc.array(fc.string({ minLength: 1 }), { maxLength: 4 }),
    // A key that no object may have is refused.
    metadata: fc.dictionary(
      name.filter((key) => key !== "__proto__"),
      fc.string(),
      { maxKeys: 2 },
    ),
    tools: fc.array(fc.record({ type: fc.constant("function"), function: fc.record({ name, parameters: extras }) }), { maxLength: 3 }),
  },
  { requiredKeys: ["model", "messages"] },
);

/** JSON has no negative zero. */
function withoutNegativeZero(value: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value));
}

test("any request survives the way to a host of the same dialect", () => {
  fc.assert(
    fc.property(fc.tuple(request, extras), ([known, extra]) => {
      const once = decoded({ ...extra, ...known });
      expect(again(once)).toEqual(once);
    }),
    { numRuns: 200 },
  );
});

test("any text and any calls survive any cut into deltas, there and back", () => {
  const pieces = fc.array(fc.string({ minLength: 1, unit: "binary" }), { minLength: 1, maxLength: 6 });
  const calls = fc.array(fc.record({ id: fc.uuid(), name, arguments: pieces }), { maxLength: 3 });
  fc.assert(
    fc.property(pieces, calls, (texts, tools) => {
      const chunks: unknown[] = texts.map((content) => ({ id: "i", model: "m", choices: [{ index: 0, delta: { content } }] }));
      for (const [index, tool] of tools.entries())
        for (const [i, piece] of tool.arguments.entries()) {
          const entry = {
            index,
            function: { name: i === 0 ? tool.name : undefined, arguments: piece },
            ...(i === 0 && { id: tool.id, type: "function" }),
          };
          // What begins like a second whole object after a first one is a second call by the rules; ids stay to tell.
          chunks.push({ choices: [{ index: 0, delta: { tool_calls: [{ id: tool.id, ...entry }] } }] });
        }
      chunks.push({ choices: [{ index: 0, delta: {}, finish_reason: tools.length > 0 ? "tool_calls" : "stop" }] }, "[DONE]");

      const events = streamed(chunks);
      const [first] = folded(events) as [{ message: { content: string; tool_calls?: { function: { arguments: string } }[] } }];
      expect(first.message.content).toBe(texts.join(""));
      expect(first.message.tool_calls?.map((each) => each.function.arguments) ?? []).toEqual(tools.map((each) => each.arguments.join("")));

      const encoder = createStreamEncoder({ includeUsage: false, legacyFunctions: false });
      const sse = streamEvents(events)
        .map((event) => encoder.push(event))
        .join("");
      expect(folded(streamed(dataOf(sse)))).toEqual(folded(events));
    }),
    { numRuns: 200 },
  );
});

test("no answer of an upstream, however broken, makes anything but a ChatError or an answer", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.integer({ min: 100, max: 599 }), (value, status) => {
      const choices = [{ index: 0, delta: value, message: value, logprobs: value, finish_reason: "stop" }];
      const body = JSON.stringify(value);
      expect(openaiChat.failureFrom({ status, headers: {}, body, wallMs: 0 }).name).toBe("ChatError");
      for (const run of [
        () => openaiChat.decodeResponse(value, {}),
        () => openaiChat.decodeResponse({ choices, usage: value }, {}),
        () => streamed([value, "[DONE]"]),
        () => streamed([{ choices, usage: value }, "[DONE]"]),
      ])
        expect(["answer", "ChatError"]).toContain(outcome(run));
    }),
    { numRuns: 300 },
  );
});

/** Choices of the whole answer that these events make. */
function folded(events: ReturnType<typeof streamed>): unknown {
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return JSON.parse(encodeChatResponse(folder.response(), { legacyFunctions: false })).choices;
}

function outcome(run: () => unknown): string {
  try {
    run();
    return "answer";
  } catch (error) {
    return error instanceof Error ? error.name : "?";
  }
}
