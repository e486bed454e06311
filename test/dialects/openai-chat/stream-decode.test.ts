import { describe, expect, test } from "vitest";

import { FinishReason } from "../../../src/core/chat.ts";
import type { Quirks } from "../../../src/core/dialect.ts";
import { createFolder } from "../../../src/core/fold.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";
import { chunk, short, streamed, thrown } from "./support.ts";

const done = "[DONE]";
const call = (index: number | undefined, id: string | undefined, name: string | undefined, args: unknown): unknown => ({
  tool_calls: [{ index, id, type: "function", function: { name, arguments: args } }],
});

interface Case {
  readonly name: string;
  readonly chunks: readonly unknown[];
  readonly events: readonly string[];
  readonly quirks?: Quirks;
}

const text = (...texts: string[]): string[] => ["0.0 +text", ...texts.map((each) => `0.0 text ${each}`), "0.0 -"];
const ended = (reason: FinishReason, native: string): string[] => [`0 end ${reason} ${native}`, "completed"];
const stopped = ended(FinishReason.STOP, "stop");
const called = ended(FinishReason.TOOL_CALLS, "tool_calls");

const cases: readonly Case[] = [
  {
    name: "an ordinary stream",
    chunks: [chunk({ role: "assistant", content: "" }), chunk({ content: "Hel" }), chunk({ content: "lo" }), chunk({}, "stop"), done],
    events: ["started", ...text("Hel", "lo"), ...stopped],
  },
  {
    name: "8.2.1 choices empty, null or missing",
    chunks: [{ choices: [] }, { choices: null }, {}, chunk({ content: "a" }), chunk({}, "stop"), { choices: [] }, done],
    events: ["started", ...text("a"), ...stopped],
  },
  {
    name: "8.2.2 a delta null or missing, content null or empty",
    chunks: [chunk(null), chunk(undefined), chunk({ content: null }), chunk({ content: "" }), chunk({ content: "a" }, "stop"), done],
    events: ["started", ...text("a"), ...stopped],
  },
  {
    name: "8.2.2 content as an array of parts, with thinking",
    chunks: [
      chunk({ content: [{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }] }),
      chunk(
        {
          content: [
            { type: "text", text: "a" },
            { type: "reference", reference_ids: [1] },
          ],
        },
        "stop",
      ),
      done,
    ],
    events: ["started", "0.0 +reasoning", "0.0 reasoning hm", "0.0 -", "0.1 +text", "0.1 text a", "0.1 -", ...stopped],
  },
  {
    name: "8.2.3 a role in every delta, empty, or never",
    chunks: [chunk({ role: "", content: "a" }), chunk({ role: "assistant", content: "b" }), chunk({ content: "c" }, "stop"), done],
    events: ["started", ...text("a", "b", "c"), ...stopped],
  },
  {
    name: "8.2.4 the finish reason before the last content, repeated, and empty: the last that says something counts",
    chunks: [chunk({ content: "a" }, "length"), chunk({ content: "b" }, "stop"), chunk({}, ""), chunk({ content: "c" }), done],
    events: ["started", ...text("a", "b", "c"), ...stopped],
  },
  {
    name: "8.2.5 usage in every chunk: the last wins",
    chunks: [
      chunk({ content: "a" }, null, { usage: { prompt_tokens: 3, completion_tokens: 1 } }),
      chunk({}, "stop", { usage: null }),
      { choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } },
      done,
    ],
    events: ["started", "0.0 +text", "0.0 text a", "usage 3+1", "usage 3+2", "0.0 -", ...stopped],
  },
  {
    name: "8.2.5 usage in x_groq",
    chunks: [chunk({ content: "a" }), chunk({}, "stop", { x_groq: { usage: { prompt_tokens: 5, completion_tokens: 1 } } }), done],
    events: ["started", "0.0 +text", "0.0 text a", "usage 5+1", "0.0 -", ...stopped],
  },
  {
    name: "8.2.6 calls in fragments, one after the other",
    chunks: [
      chunk(call(0, "a", "f", "")),
      chunk(call(0, undefined, undefined, '{"x"')),
      chunk(call(0, undefined, undefined, ":1}")),
      chunk(call(1, "b", "g", "{}")),
      chunk({}, "tool_calls"),
      done,
    ],
    events: [
      "started",
      "0.0 +toolCall a f",
      '0.0 argumentsJson {"x"',
      "0.0 argumentsJson :1}",
      "0.0 -",
      "0.1 +toolCall b g",
      "0.1 argumentsJson {}",
      "0.1 -",
      ...called,
    ],
  },
  {
    name: "8.2.6 calls that interleave, numbered from 1",
    chunks: [
      chunk(call(1, "a", "f", "")),
      chunk(call(2, "b", "g", "")),
      chunk(call(1, undefined, undefined, "{}")),
      chunk(call(2, undefined, undefined, "[]")),
      chunk({}, "tool_calls"),
      done,
    ],
    events: [
      "started",
      "0.0 +toolCall a f",
      "0.0 argumentsJson {}",
      "0.1 +toolCall b g",
      "0.1 argumentsJson []",
      "0.0 -",
      "0.1 -",
      ...called,
    ],
  },
  {
    name: "8.2.6 whole calls without an index",
    chunks: [chunk(call(undefined, "a", "f", "{}")), chunk(call(undefined, "b", "f", '{"y":2}')), chunk({}, "stop"), done],
    events: [
      "started",
      "0.0 +toolCall a f",
      "0.0 argumentsJson {}",
      "0.0 -",
      "0.1 +toolCall b f",
      '0.1 argumentsJson {"y":2}',
      "0.1 -",
      ...ended(FinishReason.TOOL_CALLS, "stop"),
    ],
  },
  {
    name: "8.2.6 arguments without index, id and name go on with the last call",
    chunks: [chunk(call(undefined, "a", "f", "{")), chunk(call(undefined, undefined, undefined, "}")), chunk({}, "stop"), done],
    events: [
      "started",
      "0.0 +toolCall a f",
      "0.0 argumentsJson {",
      "0.0 argumentsJson }",
      "0.0 -",
      ...ended(FinishReason.TOOL_CALLS, "stop"),
    ],
  },
  {
    name: "8.2.6 id and name repeated in each delta are not appended",
    chunks: [chunk(call(0, "a", "f", "{")), chunk(call(0, "a", "f", "}")), chunk(call(0, "", "f", "")), chunk({}, "tool_calls"), done],
    events: ["started", "0.0 +toolCall a f", "0.0 argumentsJson {", "0.0 argumentsJson }", "0.0 -", ...called],
  },
  {
    name: "8.2.6 a name split across deltas",
    chunks: [
      chunk(call(0, "a", "get_", "")),
      chunk(call(0, undefined, "time", "")),
      chunk(call(0, undefined, undefined, "{}")),
      chunk({}, "tool_calls"),
      done,
    ],
    events: ["started", "0.0 +toolCall a get_time", "0.0 argumentsJson {}", "0.0 -", ...called],
  },
  {
    name: "8.2.6 arguments as an object, or null",
    chunks: [chunk(call(0, "a", "f", { x: 1 })), chunk(call(1, "b", "g", null)), chunk({}, "tool_calls"), done],
    events: ["started", "0.0 +toolCall a f", '0.0 argumentsJson {"x":1}', "0.0 -", "0.1 +toolCall b g", "0.1 -", ...called],
  },
  {
    name: "8.2.6 all calls at index 0: a new id is a new call",
    chunks: [chunk(call(0, "a", "f", "{}")), chunk(call(0, "b", "f", "{}")), chunk({}, "tool_calls"), done],
    events: [
      "started",
      "0.0 +toolCall a f",
      "0.0 argumentsJson {}",
      "0.0 -",
      "0.1 +toolCall b f",
      "0.1 argumentsJson {}",
      "0.1 -",
      ...called,
    ],
  },
  {
    name: "8.2.6 the deprecated function_call",
    chunks: [
      chunk({ function_call: { name: "f", arguments: "" } }),
      chunk({ function_call: { arguments: "{}" } }),
      chunk({}, "function_call"),
      done,
    ],
    events: [
      "started",
      expect.stringMatching(/^0\.0 \+toolCall call_\w+ f$/),
      "0.0 argumentsJson {}",
      "0.0 -",
      ...ended(FinishReason.TOOL_CALLS, "function_call"),
    ],
  },
  {
    name: "8.2.13 a surrogate pair split across deltas arrives whole",
    chunks: [chunk({ content: "a\ud83d" }), chunk({ content: "\ude00b" }), chunk({}, "stop"), done],
    events: ["started", ...text("a", "\u{1f600}b"), ...stopped],
  },
  {
    name: "8.2.13 a lone surrogate becomes the replacement character",
    chunks: [chunk({ content: "\ud83d" }), chunk({}, "stop"), done],
    events: ["started", ...text("\ufffd"), ...stopped],
  },
  {
    name: "8.2.14 null for arrays",
    chunks: [chunk({ content: "a", tool_calls: null, annotations: null, function_call: null, refusal: null }, "stop"), done],
    events: ["started", ...text("a"), ...stopped],
  },
  {
    name: "8.2.15 the last chunk twice, and chunks after [DONE]",
    chunks: [chunk({ content: "a" }), chunk({}, "stop"), chunk({}, "stop"), done, chunk({ content: "late" }), done],
    events: ["started", ...text("a"), ...stopped],
  },
  {
    name: "8.1.7 a quoted [DONE]",
    chunks: [chunk({ content: "a" }, "stop"), '"[DONE]"'],
    events: ["started", ...text("a"), ...stopped],
  },
  {
    name: "no [DONE], but every choice has its finish reason",
    chunks: [chunk({ content: "a" }, "stop")],
    events: ["started", ...text("a"), ...stopped],
  },
  {
    name: "reasoning, then text, then a call, each part ended before the next",
    chunks: [
      chunk({ reasoning_content: "hm" }),
      chunk({ reasoning: "m" }),
      chunk({ content: "a" }),
      chunk(call(0, "c", "f", "{}")),
      chunk({ content: "b" }),
      chunk({}, "tool_calls"),
      done,
    ],
    events: [
      "started",
      "0.0 +reasoning",
      "0.0 reasoning hm",
      "0.0 reasoning m",
      "0.0 -",
      "0.1 +text",
      "0.1 text a",
      "0.1 -",
      "0.2 +toolCall c f",
      "0.2 argumentsJson {}",
      "0.2 -",
      "0.3 +text",
      "0.3 text b",
      "0.3 -",
      ...called,
    ],
  },
  {
    name: "a refusal",
    chunks: [chunk({ refusal: "I " }), chunk({ refusal: "won't" }), chunk({}, "stop"), done],
    events: ["started", "0.0 +refusal", "0.0 refusal I ", "0.0 refusal won't", "0.0 -", ...stopped],
  },
  {
    name: "xAI leaves the reason out where whole tools were called",
    chunks: [chunk(call(0, "a", "f", "{}")), done],
    events: ["started", "0.0 +toolCall a f", "0.0 argumentsJson {}", "0.0 -", ...ended(FinishReason.TOOL_CALLS, "")],
  },
  {
    name: "a word for tool calls without any call means stop",
    chunks: [chunk({ content: "a" }), chunk({}, "tool_calls"), done],
    events: ["started", ...text("a"), ...ended(FinishReason.STOP, "tool_calls")],
  },
  {
    name: "one chunk with a whole message",
    chunks: [{ choices: [{ message: { role: "assistant", content: "a" }, finish_reason: "stop" }] }, done],
    events: ["started", ...text("a"), ...stopped],
  },
];

describe("what a stream means", () => {
  for (const each of cases) test(each.name, () => expect(short(streamed(each.chunks, each.quirks))).toEqual(each.events));

  test("8.2.6 a second call at the same index without an id begins where the first is whole", () => {
    const events = streamed([
      chunk(call(0, undefined, "f", '{"a":1}')),
      chunk(call(0, undefined, "f", '{"a":2}')),
      chunk({}, "tool_calls"),
      done,
    ]);
    const ids = events.flatMap((event) =>
      event.case === "partStarted" && event.value.part?.part.case === "toolCall" ? [event.value.part.part.value.id] : [],
    );
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(2);
  });

  test("choices that interleave are told apart and end in order", () => {
    const two = (index: number, content: string, finish: string | null = null): unknown => ({
      choices: [{ index, delta: { content }, finish_reason: finish }],
    });
    const events = short(streamed([two(1, "b"), two(0, "a"), two(1, "B", "length"), two(0, "A", "stop"), done]));
    expect(events.filter((event) => event.includes("end"))).toEqual([
      `0 end ${FinishReason.STOP} stop`,
      `1 end ${FinishReason.LENGTH} length`,
    ]);
    expect(events).toContain("1.0 text B");
  });

  test("8.2.11 usage as strings, negative, or with a wrong total is made sane", () => {
    const events = streamed([
      chunk({ content: "a" }, "stop", {
        usage: { prompt_tokens: "7", completion_tokens: 2, total_tokens: 99, prompt_tokens_details: { cached_tokens: -4 } },
      }),
      done,
    ]);
    const usage = events.find((event) => event.case === "usage");
    expect(usage?.value).toMatchObject({ inputTokens: 7, outputTokens: 2, totalTokens: 9 });
    expect(usage?.value).not.toHaveProperty("cacheReadTokens", -4);
  });

  test("logprobs come with their text", () => {
    const token = { token: "a", logprob: -1, bytes: [97], top_logprobs: [{ token: "b", logprob: -2, bytes: null }] };
    const events = streamed([
      { choices: [{ index: 0, delta: { content: "a" }, logprobs: { content: [token], refusal: null }, finish_reason: "stop" }] },
      done,
    ]);
    const delta = events.find((event) => event.case === "partDelta");
    expect(delta?.value).toMatchObject({ logprobs: [{ token: "a", logprob: -1, top: [{ token: "b" }] }] });
  });

  test("8.2.10 logprobs of the old completions' shape are left alone", () => {
    const events = streamed([
      { choices: [{ delta: { content: "a" }, logprobs: { tokens: ["a"], token_logprobs: [-1] }, finish_reason: "stop" }] },
      done,
    ]);
    expect(short(events)).toEqual(["started", ...text("a"), ...stopped]);
  });

  test("unknown fields ride on the events of their level", () => {
    const events = streamed([
      { provider: "P", choices: [{ index: 0, native_finish_reason: "x", delta: { content: "a", annot: 1 }, finish_reason: null }] },
      { provider: "Q", citations: ["u"], choices: [{ index: 0, delta: { extra: 2 }, finish_reason: "stop" }] },
      done,
    ]);
    const found = events.flatMap((event) =>
      "extensionsJson" in event.value && event.value.extensionsJson["openai"] !== undefined
        ? [[event.case, JSON.parse(event.value.extensionsJson["openai"])]]
        : [],
    );
    expect(found).toEqual([
      ["partDelta", { annot: 1 }],
      ["choiceEnded", { native_finish_reason: "x", message: { extra: 2 } }],
      ["completed", { provider: "Q", citations: ["u"] }],
    ]);
  });

  test("audio comes as bytes and transcript of one part", () => {
    const folder = createFolder();
    for (const event of streamed([
      chunk({ audio: { id: "au", transcript: "he" } }),
      chunk({ audio: { data: "AQI=", transcript: "y" } }),
      chunk({ audio: { data: "Aw==" } }),
      chunk({}, "stop"),
      done,
    ]))
      folder.push(event);
    const part = folder.response().choices[0]?.message?.content[0]?.part;
    expect(part?.value).toMatchObject({ audioId: "au", transcript: "hey", media: { source: { value: new Uint8Array([1, 2, 3]) } } });
  });

  test("citations and Google's thought signatures are told", () => {
    const annotations = [{ type: "url_citation", url_citation: { start_index: 0, end_index: 1, url: "https://a.b", title: "T" } }];
    const signed = {
      tool_calls: [
        {
          index: 0,
          id: "c",
          type: "function",
          function: { name: "f", arguments: "{}" },
          extra_content: { google: { thought_signature: "S" } },
        },
      ],
    };
    const events = streamed([chunk({ content: "a" }), chunk({ annotations }), chunk(signed), chunk({}, "stop"), done]);
    expect(
      events.some(
        (event) => event.case === "partDelta" && event.value.delta.case === "citation" && event.value.delta.value.url === "https://a.b",
      ),
    ).toBe(true);
    const start = events.find((event) => event.case === "partStarted" && event.value.part?.part.case === "toolCall");
    expect(start?.value).toMatchObject({ part: { opaque: [{ issuer: "google", kind: "thought_signature", value: "S" }] } });
  });
});

describe("streams that fail", () => {
  const failures: readonly { name: string; chunks: readonly unknown[]; failure: string }[] = [
    { name: "the end of the body without a finish reason", chunks: [chunk({ content: "a" })], failure: "UPSTREAM_UNAVAILABLE" },
    { name: "an empty body", chunks: [], failure: "UPSTREAM_UNAVAILABLE" },
    { name: "[DONE] without a finish reason", chunks: [chunk({ content: "a" }), done], failure: "UPSTREAM_PROTOCOL" },
    {
      name: "[DONE] with a finish reason for one choice of two",
      chunks: [chunk({ content: "a" }, "stop"), { choices: [{ index: 1, delta: { content: "b" }, finish_reason: null }] }, done],
      failure: "UPSTREAM_PROTOCOL",
    },
    { name: "[DONE] after a call that is not whole", chunks: [chunk(call(0, "a", "f", "{")), done], failure: "UPSTREAM_PROTOCOL" },
    {
      name: "one choice of two that never ended",
      chunks: [{ choices: [{ index: 1, delta: { content: "b" } }] }, chunk({ content: "a" }, "stop")],
      failure: "UPSTREAM_UNAVAILABLE",
    },
    {
      name: "8.2.16 an empty success",
      chunks: [chunk({ role: "assistant", content: "" }), chunk({}, "stop"), done],
      failure: "UPSTREAM_PROTOCOL",
    },
    { name: "8.1.11 an error object", chunks: [{ error: { message: "x", type: "server_error" } }], failure: "UPSTREAM_UNAVAILABLE" },
    {
      name: "8.1.11 an error inside a choice",
      chunks: [{ choices: [{ error: { code: 429, message: "slow" } }] }],
      failure: "RATE_LIMITED",
    },
    { name: "8.1.11 finish reason error", chunks: [chunk({ content: "a" }), chunk({}, "error")], failure: "UPSTREAM_UNAVAILABLE" },
    { name: "DeepSeek's lack of resources", chunks: [chunk({}, "insufficient_system_resource")], failure: "OVERLOADED" },
    {
      name: "OpenRouter's numeric code",
      chunks: [chunk({ content: "a" }), { error: { code: 503, message: "no" } }],
      failure: "OVERLOADED",
    },
    { name: "8.1.8 text that is not JSON", chunks: ["<html>"], failure: "UPSTREAM_PROTOCOL" },
    { name: "JSON that is no object", chunks: ["17"], failure: "UPSTREAM_PROTOCOL" },
    { name: "a call without a name", chunks: [chunk(call(0, "a", undefined, "{}"))], failure: "UPSTREAM_PROTOCOL" },
  ];
  for (const each of failures) test(each.name, () => expect(thrown(() => streamed(each.chunks)).failure).toBe(each.failure));

  const named: readonly { data: string; failure: string }[] = [
    { data: '{"error":{"message":"m","code":"rate_limit_exceeded"}}', failure: "RATE_LIMITED" },
    { data: '{"message":"the model is overloaded"}', failure: "UPSTREAM_UNAVAILABLE" },
    { data: '{"message":"m","type":"overloaded_error"}', failure: "OVERLOADED" },
    { data: '"plain"', failure: "UPSTREAM_UNAVAILABLE" },
    { data: "Overloaded, sorry", failure: "UPSTREAM_UNAVAILABLE" },
  ];
  for (const { data, failure } of named)
    test(`8.1.12 event: error with ${data}`, () => {
      const error = thrown(() => openaiChat.streamDecoder({}).push(data, "error", []));
      expect(error.failure).toBe(failure);
    });

  test("nothing of the answer is in the error of a broken event", () => {
    expect(thrown(() => streamed(['{"choices":[{"delta":{"content":"my secret'])).message).not.toContain("secret");
  });
});
