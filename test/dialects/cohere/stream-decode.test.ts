import { describe, expect, test } from "vitest";
import { FinishReason } from "../../../src/core/chat.ts";
import { isContent } from "../../../src/core/stream.ts";
import type { Fields } from "../../../src/core/json-fields.ts";
import { decoded, decodedEvents, folded, recorded, short, thrownBy } from "./support.ts";

const streams: readonly { readonly name: string; readonly events: readonly string[] }[] = [
  {
    name: "usage-cache",
    events: [
      "started",
      "0 +text",
      "0 text Hello",
      "0 text  there, Zoë 🦙",
      "0 text !",
      "0 -",
      "end 1 COMPLETE",
      "usage 200+5",
      "completed",
    ],
  },
  { name: "stop-sequence", events: ["started", "0 +text", "0 text one two", "0 -", "end 1 STOP_SEQUENCE", "usage 200+3", "completed"] },
  { name: "length", events: ["started", "0 +text", "0 text one two", "0 -", "end 2 MAX_TOKENS", "usage 200+2", "completed"] },
  {
    name: "parallel-tools",
    events: [
      "started",
      "0 +text",
      "0 text I will search",
      "0 text  for the weather.",
      "0 -",
      "1 +toolCall get_weather_8hwpm7d4wr14 get_weather",
      '1 argumentsJson {\n    "',
      "1 argumentsJson city",
      '1 argumentsJson ": "Paris"\n}',
      "1 -",
      "2 +toolCall now_a2 now",
      "2 argumentsJson {}",
      "2 -",
      "3 +toolCall get_weather_b3 get_weather",
      '3 argumentsJson {"id": 12345678901234567890}',
      "3 -",
      "end 3 TOOL_CALL",
      "usage 1000+40",
      "completed",
    ],
  },
  {
    name: "reasoning",
    events: [
      "started",
      "0 +reasoning",
      "0 reasoning Let me",
      "0 reasoning  see.",
      "0 -",
      "1 +text",
      "1 text 42",
      "1 -",
      "end 1 COMPLETE",
      "usage 300+30",
      "completed",
    ],
  },
  {
    name: "reasoning-tools",
    events: [
      "started",
      "0 +reasoning",
      "0 reasoning I need the weather.",
      "0 -",
      "1 +toolCall w1 get_weather",
      '1 argumentsJson {"city":"Rome"}',
      "1 -",
      "end 3 TOOL_CALL",
      "usage 300+30",
      "completed",
    ],
  },
  {
    name: "json-schema",
    events: ["started", "0 +text", '0 text {"city"', '0 text :"Paris","celsius":21}', "0 -", "end 1 COMPLETE", "usage 210+12", "completed"],
  },
];

describe("a recorded stream", () => {
  for (const { name, events } of streams) {
    test(`of ${name} becomes these events`, () => expect(short(decoded([recorded(name)]))).toEqual(events));
  }

  test("has no content before its first words", () => {
    const events = decoded([recorded("usage-cache")]);
    expect(events.findIndex(isContent)).toBe(2);
  });

  test("tells what was cached, what was thought, and the units that are billed", () => {
    expect(folded(decoded([recorded("usage-cache")])).usage).toMatchObject({
      totalTokens: 205,
      cacheReadTokens: 120,
      extensionsJson: { cohere: '{"billed_units":{"input_tokens":10,"output_tokens":5}}' },
    });
    expect(folded(decoded([recorded("reasoning")])).usage).toMatchObject({ outputTokens: 30, reasoningTokens: 25, cacheReadTokens: 0 });
  });

  test("cites sources in the part they belong to, those that follow its end as well", () => {
    const [plan, answer] = folded(decoded([recorded("citations")])).choices[0]?.message?.content ?? [];
    const manual = { title: "Manual", url: "https://example.com/manual", citedText: "Pumps need oil.", documentIndex: 1 };
    expect(plan?.part.value).toMatchObject({ text: "I will read.", citations: [{ start: 0, end: 6, ...manual }] });
    expect(answer?.part.value).toMatchObject({
      text: "Oil the pump",
      citations: [
        { start: 0, end: 3, ...manual },
        { start: 0, end: 3, title: "get_weather_8hwpm7d4wr14:0", documentIndex: undefined },
        { start: 4, end: 12, title: "", url: "" },
      ],
    });
  });

  test("tells probabilities with the text they are of", () => {
    expect(folded(decoded([recorded("logprobs")])).choices[0]?.logprobs).toMatchObject([
      { token: "Hi", logprob: -0.25 },
      { token: " you", logprob: -0.75 },
    ]);
  });
});

describe("a stream that ends badly", () => {
  test.each([
    { name: "error-first", failure: "CONTEXT_LENGTH_EXCEEDED", requestId: "h1" },
    { name: "error-inside", failure: "UPSTREAM_UNAVAILABLE", requestId: "" },
  ])("$name throws $failure", ({ name, failure, requestId }) => {
    expect(thrownBy(() => decoded([recorded(name)]))).toMatchObject({ failure, upstream: { status: 200, requestId } });
  });

  test("timeout is Cohere's own, not ours", () => {
    expect(thrownBy(() => decoded([recorded("timeout")])).failure).toBe("UPSTREAM_UNAVAILABLE");
  });

  test("says nothing of what it was", () => {
    expect(thrownBy(() => decoded([recorded("error-inside")])).message).toBe("cohere answered with an error");
  });
});

const whole = [...streams.map(({ name }) => name), "citations", "logprobs"];

test.each(whole)("a stream of %s that comes in two pieces, cut at any byte, has the same events", (name) => {
  const bytes = recorded(name);
  const events = decoded([bytes]);
  for (let at = 1; at < bytes.length; at++) expect(decoded([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(events);
});

test.each(whole)("a stream of %s that breaks off at any byte never looks finished", (name) => {
  const bytes = recorded(name);
  // The last event may lack its blank line.
  const end = bytes.lastIndexOf("}") + 1;
  for (let length = 0; length < end; length++) expect(thrownBy(() => decoded([bytes.subarray(0, length)]))).toBeDefined();
  expect(decoded([bytes.subarray(0, end)])).toEqual(decoded([bytes]));
});

const start = { type: "message-start", id: "x", delta: { message: { role: "assistant" } } };
const says = (words: string, index = 0): Fields => ({ type: "content-delta", index, delta: { message: { content: { text: words } } } });
const begins = (index: number, id: string, name: string, argumentsText: unknown = ""): Fields => ({
  type: "tool-call-start",
  index,
  delta: { message: { tool_calls: { id, type: "function", function: { name, arguments: argumentsText } } } },
});
const goesOn = (index: number, argumentsText: unknown): Fields => ({
  type: "tool-call-delta",
  index,
  delta: { message: { tool_calls: { function: { arguments: argumentsText } } } },
});
const callEnds = (index: number): Fields => ({ type: "tool-call-end", index });
const ends = (reason: string, more: Fields = {}): Fields => ({ type: "message-end", delta: { finish_reason: reason, ...more } });

describe("arguments", () => {
  test.each([
    { what: "null", pieces: [null], text: "{}" },
    { what: '"null"', pieces: ["null"], text: "{}" },
    { what: '"null" in pieces', pieces: ["n", "ul", "l"], text: "{}" },
    { what: "nothing", pieces: [], text: "{}" },
    { what: "a word that begins like null", pieces: ["nu", "mber"], text: "number" },
    { what: "an object", pieces: ["", '{"a"', ":1}"], text: '{"a":1}' },
  ])("that are $what are $text", ({ pieces, text }) => {
    const events = [start, begins(0, "a", "f"), ...pieces.map((piece) => goesOn(0, piece)), callEnds(0), ends("TOOL_CALL")];
    expect(folded(decodedEvents(events)).choices[0]?.message?.content[0]?.part.value).toMatchObject({ argumentsJson: text });
  });

  test("of calls that interleave go to their own calls, whose indices are not those of content", () => {
    const events = [
      start,
      says("Plan.", 0),
      begins(0, "a", "f"),
      begins(1, "b", "g", '{"y"'),
      goesOn(0, '{"x":1}'),
      goesOn(1, ":2}"),
      callEnds(1),
      callEnds(0),
      ends("TOOL_CALL"),
    ];
    expect(short(decodedEvents(events)).slice(1, -2)).toEqual([
      "0 +text",
      "0 text Plan.",
      "0 -",
      "1 +toolCall a f",
      "2 +toolCall b g",
      '2 argumentsJson {"y"',
      '1 argumentsJson {"x":1}',
      "2 argumentsJson :2}",
      "2 -",
      "1 -",
    ]);
  });

  test("that nobody ended are ended with the message", () => {
    const events = decodedEvents([start, begins(0, "a", "f", '{"x"'), ends("MAX_TOKENS")]);
    expect(short(events).slice(1)).toEqual(["0 +toolCall a f", '0 argumentsJson {"x"', "0 -", "end 2 MAX_TOKENS", "completed"]);
  });

  test("of a free-form tool leave out of their wrapping, and its name as the caller wrote it", () => {
    const context = { freeformTools: new Set(["my_tool_1"]), toolNames: new Map([["my_tool_1", "my-tool"]]) };
    const events = [start, begins(0, "a", "my_tool_1"), goesOn(0, '{"input":'), goesOn(0, '"a\\nb"}'), callEnds(0), ends("TOOL_CALL")];
    const [part] = folded(decodedEvents(events, context)).choices[0]?.message?.content ?? [];
    expect(part?.part.value).toMatchObject({ name: "my-tool", custom: true, argumentsJson: "a\nb" });
  });
});

describe("a stream", () => {
  test.each([
    { what: "no JSON", data: "<html>" },
    { what: "no object", data: "3" },
  ])("with $what is a protocol error", ({ data }) => {
    expect(thrownBy(() => decoded([Buffer.from(`data: ${data}\n\n`)])).failure).toBe("UPSTREAM_PROTOCOL");
  });

  test.each<{ what: string; events: readonly Fields[] }>([
    { what: "an end before its beginning", events: [ends("COMPLETE")] },
    { what: "an end without a reason", events: [start, says("a"), { type: "message-end", delta: {} }] },
    { what: "more of a call that has not begun", events: [start, goesOn(0, "{}")] },
    { what: "the end of a call that has not begun", events: [start, callEnds(0)] },
    { what: "a call that begins twice", events: [start, begins(0, "a", "f"), begins(0, "b", "f")] },
    { what: "a call without a name", events: [start, begins(0, "a", "")] },
    { what: "nothing in it", events: [start, ends("COMPLETE", { usage: { tokens: { input_tokens: 1, output_tokens: 0 } } })] },
  ])("with $what is a protocol error", ({ events }) => {
    expect(thrownBy(() => decodedEvents(events)).failure).toBe("UPSTREAM_PROTOCOL");
  });

  test("whose last word is an error without a reason is one", () => {
    const error = thrownBy(() => decodedEvents([start, { type: "message-end", delta: { error: "too many tokens: multi-hop prompt" } }]));
    expect(error.failure).toBe("CONTEXT_LENGTH_EXCEEDED");
  });

  test("may lack its message-start, name its events by the field event alone, and end in [DONE]", () => {
    const lines = `event: content-delta\ndata: {"index":0,"delta":{"message":{"content":{"text":"a"}}}}\n\nevent: message-end\ndata: {"delta":{"finish_reason":"COMPLETE"}}\n\ndata: [DONE]\n\n`;
    expect(short(decoded([Buffer.from(lines)]))).toEqual(["started", "0 +text", "0 text a", "0 -", "end 1 COMPLETE", "completed"]);
  });

  test("may hold younger kinds of events and blocks, which stay as they are", () => {
    const block = { type: "hologram", payload: 1 };
    const events = decodedEvents([
      start,
      { type: "aura-start", index: 0 },
      { type: "debug", prompt: "p" },
      { type: "content-start", index: 0, delta: { message: { content: block } } },
      says("a", 1),
      ends("COMPLETE"),
    ]);
    expect(folded(events).choices[0]?.message?.content.map(({ part }) => part)).toMatchObject([
      { case: "native", value: { issuer: "cohere", json: JSON.stringify(block) } },
      { case: "text", value: { text: "a" } },
    ]);
  });

  test("that says tool call without one stopped, and one that stops with one called it", () => {
    expect(folded(decodedEvents([start, says("a"), ends("TOOL_CALL")])).choices[0]?.finishReason).toBe(FinishReason.STOP);
    const called = [start, begins(0, "a", "f"), callEnds(0), ends("COMPLETE")];
    expect(folded(decodedEvents(called)).choices[0]?.finishReason).toBe(FinishReason.TOOL_CALLS);
  });

  test("with a word that nobody knows keeps it", () => {
    expect(folded(decodedEvents([start, says("a"), ends("PAUSED")])).choices[0]).toMatchObject({
      finishReason: FinishReason.OTHER,
      nativeFinishReason: "PAUSED",
    });
  });

  test("heals a character that was cut in two, and replaces one whose other half never came", () => {
    const texts = (events: readonly Fields[]) => folded(decodedEvents(events)).choices[0]?.message?.text;
    expect(texts([start, says("a\ud83e"), says("\udd99b"), ends("COMPLETE")])).toBe("a🦙b");
    expect(texts([start, says("a\ud83e"), ends("COMPLETE")])).toBe("a\ufffd");
  });

  test("of JSON that was asked for in words leaves out of its fence", () => {
    const events = [start, says("```"), says('json\n{"a":'), says("1}\n`"), says("``"), ends("COMPLETE")];
    expect(folded(decodedEvents(events, { fencedJson: true })).choices[0]?.message?.text).toBe('{"a":1}');
    expect(folded(decodedEvents(events)).choices[0]?.message?.text).toContain("```json");
  });

  test("is over with message-end, whatever follows", () => {
    expect(short(decodedEvents([start, says("a"), ends("COMPLETE"), says("b"), ends("ERROR")])).at(-1)).toBe("completed");
  });
});
