/** Traps in what OpenAI-shaped upstreams say (wire protocols, 8.2), by number: through real sockets, as a caller sees them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunk, completion, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { routerClient } from "../e2e/doors.ts";
import { type Ask, openTraps, type Told, type TrapScene } from "./scene.ts";

let scene: TrapScene;
beforeAll(async () => {
  scene = await openTraps();
});
afterAll(() => scene[Symbol.asyncDispose]());

/** A stream of these chunks. */
const plays =
  (...chunks: readonly unknown[]): UpstreamHandler =>
  (reply) => {
    const sse = reply.sse();
    for (const each of chunks) sse.data(each);
    sse.done();
  };
/** A whole answer of this message. */
const whole =
  (message: Record<string, unknown>, finish: unknown = "stop", more: Record<string, unknown> = {}): UpstreamHandler =>
  (reply) =>
    reply.json(completion("", { choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: finish }], ...more }));
const bare = (...choices: readonly unknown[]): object => ({ ...chunk({}), choices });
const calls = (...entries: readonly unknown[]): object => chunk({ tool_calls: entries });
const fn = (name: string | undefined, args: unknown, more: Record<string, unknown> = {}): object => ({
  function: { ...(name !== undefined && { name }), arguments: args },
  ...more,
});
const end = chunk({}, "stop");
const called = chunk({}, "tool_calls");
const usage = (prompt: unknown, completion_: unknown, more: Record<string, unknown> = {}) => ({
  prompt_tokens: prompt,
  completion_tokens: completion_,
  ...more,
});

interface Row {
  readonly trap: string;
  readonly play: UpstreamHandler;
  /** Of what is told. */
  readonly is: Readonly<Partial<Record<keyof Told, unknown>>>;
  readonly how?: Ask;
}
const unary = { how: { stream: false } } as const;
const withUsage = { how: { body: { stream_options: { include_usage: true } } } } as const;
const two = (one: string, other: string) => ({
  calls: [
    { name: one, arguments: '{"a":1}' },
    { name: other, arguments: '{"b":2}' },
  ],
  finish: "tool_calls",
  done: true,
});

const rows: readonly Row[] = [
  {
    trap: "8.2.1 no choices at the start, in the middle and at the end",
    play: plays({ ...bare(), prompt_filter_results: [] }, chunk({ content: "a" }), bare(), chunk({ content: "b" }), end, bare()),
    is: { content: "ab", done: true },
  },
  {
    trap: "8.2.1 choices that are missing or null",
    play: plays({ id: "x" }, { ...chunk({}), choices: null }, chunk({ content: "a" }), end),
    is: { content: "a", done: true },
  },
  {
    trap: "8.2.2 a delta that is missing or null",
    play: plays(
      bare({ index: 0, finish_reason: null }),
      bare({ index: 0, delta: null }),
      chunk({ content: "a" }),
      bare({ index: 0, finish_reason: "stop" }),
    ),
    is: { content: "a", finish: "stop", done: true },
  },
  {
    trap: "8.2.2 content that is null or empty",
    play: plays(chunk({ content: null }), chunk({ content: "" }), chunk({ content: "a" }), end),
    is: { content: "a" },
  },
  {
    trap: "8.2.2 content that is an array of parts",
    play: plays(
      chunk({ content: [{ type: "thinking", thinking: [{ type: "text", text: "Hm." }] }] }),
      chunk({ content: [{ type: "text", text: "a" }] }),
      end,
    ),
    is: { content: "a", reasoning: "Hm.", done: true },
  },
  {
    trap: "8.2.2 a whole answer whose content is one",
    play: whole({
      content: [
        { type: "thinking", thinking: [{ type: "text", text: "Hm." }] },
        { type: "text", text: "a" },
      ],
    }),
    ...unary,
    is: { content: "a", reasoning: "Hm." },
  },
  ...[{ role: "assistant" }, {}, { role: "" }].map((role) => ({
    trap: `8.2.3 ${JSON.stringify(role)} in every delta`,
    play: plays(chunk({ ...role, content: "a" }), chunk({ ...role, content: "b" }), end),
    is: { content: "ab", done: true },
  })),
  {
    trap: "8.2.4 finish_reason empty, then said",
    play: plays(bare({ index: 0, delta: { content: "a" }, finish_reason: "" }), end),
    is: { content: "a", finish: "stop" },
  },
  {
    trap: "8.2.4 finish_reason before the last content",
    play: plays(chunk({ content: "a" }), chunk({}, "length"), chunk({ content: "b" })),
    is: { content: "ab", finish: "length", done: true },
  },
  {
    trap: "8.2.4 finish_reason twice",
    play: plays(chunk({ content: "a" }, "stop"), chunk({}, "length")),
    is: { content: "a", finish: "length", done: true },
  },
  {
    trap: "8.2.4 finish_reason beside content",
    play: plays(chunk({ content: "a" }, "stop")),
    is: { content: "a", finish: "stop", done: true },
  },
  {
    trap: "8.2.5 usage in every chunk, of which the last counts",
    play: plays(
      chunk({ content: "a" }, null, { usage: usage(5, 1) }),
      chunk({ content: "b" }, null, { usage: usage(5, 2) }),
      chunk({}, "stop", { usage: usage(5, 3) }),
    ),
    ...withUsage,
    is: { content: "ab", usage: expect.objectContaining({ prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 }) },
  },
  {
    trap: "8.2.5 usage of Groq's",
    play: plays(chunk({ content: "a" }), chunk({}, "stop", { x_groq: { usage: usage(5, 3) } })),
    ...withUsage,
    is: { usage: expect.objectContaining({ total_tokens: 8 }) },
  },
  {
    trap: "8.2.5 no usage at all, which is estimated",
    play: plays(chunk({ content: "a" }, null, { usage: null }), end),
    ...withUsage,
    is: { usage: expect.objectContaining({ completion_tokens: expect.any(Number) }), done: true },
  },
  {
    trap: "8.2.5 usage nobody asked us for",
    play: plays(chunk({ content: "a" }, null, { usage: usage(5, 1) }), end),
    is: { usage: undefined, chunks: expect.not.arrayContaining([expect.objectContaining({ choices: [] })]) },
  },

  {
    trap: "8.2.6 calls without an index, whole in one delta",
    play: plays(calls(fn("f", '{"a":1}', { id: "x" })), calls(fn("g", '{"b":2}', { id: "y" })), called),
    is: two("f", "g"),
  },
  {
    trap: "8.2.6 calls without an index, in one list",
    play: plays(calls(fn("f", '{"a":1}', { id: "x" }), fn("g", '{"b":2}', { id: "y" })), called),
    is: two("f", "g"),
  },
  {
    trap: "8.2.6 a call without index whose arguments follow without one",
    play: plays(calls(fn("f", '{"a"', { id: "x" })), calls(fn(undefined, ":1}")), called),
    is: { calls: [{ id: "x", name: "f", arguments: '{"a":1}' }] },
  },
  {
    trap: "8.2.6 calls without an id",
    play: plays(calls(fn("f", '{"a":1}', { index: 0 }), fn("g", '{"b":2}', { index: 1 })), called),
    is: two("f", "g"),
  },
  {
    trap: "8.2.6 an id in each delta",
    play: plays(calls(fn("f", '{"a"', { index: 0, id: "x" })), calls(fn(undefined, ":1}", { index: 0, id: "x" })), called),
    is: { calls: [{ id: "x", name: "f", arguments: '{"a":1}' }] },
  },
  {
    trap: "8.2.6 an empty id in later deltas",
    play: plays(calls(fn("f", '{"a"', { index: 0, id: "x" })), calls(fn(undefined, ":1}", { index: 0, id: "" })), called),
    is: { calls: [{ id: "x", name: "f", arguments: '{"a":1}' }] },
  },
  {
    trap: "8.2.6 the name in each delta",
    play: plays(calls(fn("f", '{"a"', { index: 0, id: "x" })), calls(fn("f", ":1}", { index: 0, id: "x" })), called),
    is: { calls: [{ id: "x", name: "f", arguments: '{"a":1}' }] },
  },
  {
    trap: "8.2.6 a name in pieces",
    play: plays(
      calls(fn("get_", "", { index: 0, id: "x" })),
      calls(fn("weather", "", { index: 0 })),
      calls(fn(undefined, "{}", { index: 0 })),
      called,
    ),
    is: { calls: [{ id: "x", name: "get_weather", arguments: "{}" }] },
  },
  {
    trap: "8.2.6 arguments that are an object",
    play: plays(calls(fn("f", { a: 1 }, { index: 0, id: "x" })), called),
    is: { calls: [{ id: "x", name: "f", arguments: '{"a":1}' }] },
  },
  {
    trap: "8.2.6 arguments that are null",
    play: plays(calls(fn("f", null, { index: 0, id: "x" })), calls(fn(undefined, "{}", { index: 0 })), called),
    is: { calls: [{ id: "x", name: "f", arguments: "{}" }] },
  },
  {
    trap: "8.2.6 all calls at index 0 with other ids",
    play: plays(calls(fn("f", '{"a":1}', { index: 0, id: "x" })), calls(fn("g", '{"b":2}', { index: 0, id: "y" })), called),
    is: two("f", "g"),
  },
  {
    trap: "8.2.6 a second call at the same index without an id",
    play: plays(calls(fn("f", '{"a":1}', { index: 0, id: "x" })), calls(fn("g", '{"b":2}', { index: 0 })), called),
    is: two("f", "g"),
  },
  {
    trap: "8.2.6 no type",
    play: plays(calls(fn("f", "{}", { index: 0, id: "x" })), called),
    is: {
      chunks: expect.arrayContaining([
        expect.objectContaining({
          choices: [expect.objectContaining({ delta: { tool_calls: [expect.objectContaining({ index: 0, type: "function" })] } })],
        }),
      ]),
    },
  },
  {
    trap: "8.2.6 indices from 1",
    play: plays(calls(fn("f", '{"a":1}', { index: 1, id: "x" })), calls(fn("g", '{"b":2}', { index: 2, id: "y" })), called),
    is: two("f", "g"),
  },
  {
    trap: "8.2.6 calls that interleave",
    play: plays(
      calls(fn("f", '{"a"', { index: 0, id: "x" })),
      calls(fn("g", '{"b"', { index: 1, id: "y" })),
      calls(fn(undefined, ":1}", { index: 0 })),
      calls(fn(undefined, ":2}", { index: 1 })),
      called,
    ),
    is: two("f", "g"),
  },
  {
    trap: "8.2.6 a finish of stop behind calls",
    play: plays(calls(fn("f", "{}", { index: 0, id: "x" })), end),
    is: { finish: "tool_calls", done: true },
  },

  {
    trap: "8.2.7 calls as text, which stay text",
    play: plays(chunk({ content: '<tool_call>{"name":"f"}</tool_call>' }), end),
    is: { content: '<tool_call>{"name":"f"}</tool_call>', calls: [], finish: "stop" },
  },
  {
    trap: "8.2.8 thoughts in tags, which stay as they are",
    play: plays(chunk({ content: "<think>Hm." }), chunk({ content: "</think>a" }), end),
    is: { content: "<think>Hm.</think>a", reasoning: "" },
  },
  {
    trap: "8.2.10 probabilities in the shape of old",
    play: plays(bare({ index: 0, delta: { content: "a" }, logprobs: { tokens: ["a"], token_logprobs: [-1] }, finish_reason: null }), end),
    is: { content: "a", done: true },
  },
  {
    trap: "8.2.11 counts as strings",
    play: plays(chunk({ content: "a" }, "stop", { usage: usage("5", "3") })),
    ...withUsage,
    is: { usage: expect.objectContaining({ prompt_tokens: 5, completion_tokens: 3 }) },
  },
  {
    trap: "8.2.11 a total that is wrong",
    play: plays(chunk({ content: "a" }, "stop", { usage: usage(5, 3, { total_tokens: 99 }) })),
    ...withUsage,
    is: { usage: expect.objectContaining({ total_tokens: 8 }) },
  },
  {
    trap: "8.2.11 negative and impossible counts",
    play: plays(chunk({ content: "a" }, "stop", { usage: usage(-5, "NaN") })),
    ...withUsage,
    is: { content: "a", done: true, usage: expect.objectContaining({ prompt_tokens: expect.any(Number) }) },
  },
  {
    trap: "8.2.12 empty content beside calls",
    play: whole({ content: "", tool_calls: [fn("f", "{}", { id: "x", type: "function" })] }, "tool_calls"),
    ...unary,
    is: { body: expect.stringContaining('"content":null') },
  },
  {
    trap: "8.2.13 half characters in two deltas",
    play: (reply) =>
      reply
        .sse()
        .raw(
          'data: {"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\ndata: {"choices":[{"index":0,"delta":{"content":"\\ude00b"}}]}\n\n',
        )
        .data(end)
        .done(),
    is: { content: "a\u{1f600}b", done: true },
  },
  {
    trap: "8.2.13 half a character that stays alone",
    play: (reply) => reply.sse().raw('data: {"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\n').data(end).done(),
    is: { content: "a\ufffd", done: true },
  },
  {
    trap: "8.2.14 null for arrays in a stream",
    play: plays(chunk({ content: "a", tool_calls: null, annotations: null }), end),
    is: { content: "a", calls: [], done: true },
  },
  {
    trap: "8.2.14 null for arrays in a whole answer",
    play: whole({ content: "a", tool_calls: null, annotations: null, function_call: null, audio: null }),
    ...unary,
    is: { content: "a", calls: [] },
  },
  {
    trap: "8.2.15 the final chunk twice",
    play: plays(chunk({ content: "a" }), end, end),
    is: { content: "a", finish: "stop", done: true },
  },
  {
    trap: "8.2.15 chunks behind the end mark",
    play: (reply) =>
      reply
        .sse()
        .data(chunk({ content: "a" }))
        .data(end)
        .data("[DONE]")
        .data(chunk({ content: "b" }))
        .done(),
    is: { content: "a", done: true },
  },
  {
    trap: "8.2.16 a stream that says nothing and stops",
    play: plays(chunk({ role: "assistant", content: "" }), end),
    how: { to: "pair" },
    is: { content: "well", done: true },
  },
  {
    trap: "8.2.16 a whole answer that says nothing and stops",
    play: whole({ content: "" }, "stop", { usage: usage(5, 0) }),
    how: { stream: false, to: "pair" },
    is: { content: "well" },
  },
  { trap: "8.2.16 nothing, from the only one there is", play: plays(end), is: { status: 502, error: "upstream_invalid_response" } },
  { trap: "8.2.16 nothing but a length", play: plays(chunk({}, "length")), is: { content: "", finish: "length", done: true } },
];

describe("8.2 payload", () => {
  test.each(rows)("$trap", async ({ play, is, how }) => {
    const { headers: _, ...told } = await scene.ask(play, how);
    expect(told).toMatchObject(is);
    expect(scene.house.bugs).toEqual([]);
  });

  test("8.2.6 invented ids are the same each time, and differ within an answer", async () => {
    const play = plays(calls(fn("f", "{}", { index: 0 }), fn("f", "{}", { index: 1 })), called);
    const [one, again] = [await scene.ask(play), await scene.ask(play)];
    expect(one.calls.map(({ id }) => id)).toEqual(again.calls.map(({ id }) => id));
    expect(new Set(one.calls.map(({ id }) => id)).size).toBe(2);
  });

  test("8.2.9 ids, times and model names are the gateway's own, and the same in each chunk", async () => {
    const odd = [
      { id: "a", created: 0, model: "x" },
      { id: "b", created: 1.5, model: "y" },
      { id: "c", created: 1_790_000_000_000, model: "z" },
    ];
    const { chunks } = await scene.ask(plays(...odd.map((each) => ({ ...chunk({ content: "a" }), ...each })), end));
    expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1);
    expect(chunks[0]).toMatchObject({ id: expect.stringMatching(/^chatcmpl-[0-9a-f-]{36}$/), object: "chat.completion.chunk" });
    expect(Number.isInteger(chunks[0].created) && chunks[0].created > 1_700_000_000 && chunks[0].created < 10_000_000_000).toBe(true);
  });

  test("8.2.13 half characters in two deltas are one by gRPC too", async () => {
    const model = scene.play((reply) =>
      reply
        .sse()
        .raw(
          'data: {"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}\n\ndata: {"choices":[{"index":0,"delta":{"content":"\\ude00b"}}]}\n\n',
        )
        .data(end)
        .done(),
    );
    const texts: string[] = [];
    for await (const { event } of routerClient(scene.url, "grpc").streamChat({ model, messages: [{ role: 2, text: "q" }] }))
      if (event.case === "partDelta" && event.value.delta.case === "text") texts.push(event.value.delta.value);
    expect(texts.join("")).toBe("a\u{1f600}b");
    expect(texts.every((each) => each.isWellFormed())).toBe(true);
  });
});
