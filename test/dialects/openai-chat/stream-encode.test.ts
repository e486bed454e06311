import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import OpenAI from "openai";
import { describe, expect, test } from "vitest";

import {
  chatResponse,
  choice,
  contentPart,
  FinishReason,
  partDelta,
  partEnded,
  partStarted,
  type StreamEvent,
  textPart,
  usageOf,
} from "../../../src/core/chat.ts";
import { eventsFromResponse } from "../../../src/core/stream.ts";
import { media } from "../../../src/core/media.ts";
import { callPart } from "../../../src/dialects/openai-chat/messages-decode.ts";
import { opaque, reasoningPart } from "../../../src/dialects/openai-chat/opaque.ts";
import { refusalPart } from "../../../src/dialects/openai-chat/parts-decode.ts";
import { createStreamEncoder, type StreamOptions } from "../../../src/dialects/openai-chat/stream-encode.ts";
import { chunk, dataOf, streamed, streamEvents } from "./support.ts";

const plain: StreamOptions = { includeUsage: false, legacyFunctions: false };
const started: StreamEvent = {
  case: "started",
  value: {
    $typeName: "semaroute.v1.StreamStarted",
    id: "abc",
    model: "gpt",
    createTime: { $typeName: "google.protobuf.Timestamp", seconds: 7n, nanos: 0 },
  },
};
const ended = (index: number, finishReason: FinishReason): StreamEvent => ({
  case: "choiceEnded",
  value: {
    $typeName: "semaroute.v1.ChoiceEnded",
    choiceIndex: index,
    finishReason,
    nativeFinishReason: "",
    stopSequence: "",
    extensionsJson: {},
  },
});
const completed: StreamEvent = {
  case: "completed",
  value: {
    $typeName: "semaroute.v1.StreamCompleted",
    usage: usageOf(1, 2),
    serviceTier: "default",
    systemFingerprint: "",
    extensionsJson: {},
  },
};
const call = (id: string, name: string): ReturnType<typeof textPart> => callPart({ id, name, argumentsJson: "", custom: false }, []);
const args = (part: number, text: string): StreamEvent => partDelta(0, part, { case: "argumentsJson", value: text });

function write(events: readonly StreamEvent[], options: StreamOptions = plain): string {
  const encoder = createStreamEncoder(options);
  return events.map((event) => encoder.push(event)).join("");
}

/** The choices of each chunk; other data as it is. */
function choicesOf(sse: string): unknown[] {
  return dataOf(sse).map((data) => (typeof data === "object" && data !== null && "choices" in data ? data.choices : data));
}

const delta = (value: unknown, index = 0, logprobs: unknown = null): unknown => [{ index, delta: value, logprobs, finish_reason: null }];
const finish = (reason: string, index = 0): unknown => [{ index, delta: {}, logprobs: null, finish_reason: reason }];
const role = (content: string | null, index = 0): unknown => delta({ role: "assistant", content, refusal: null }, index);
const text = [partStarted(0, 0, textPart("")), partDelta(0, 0, { case: "text", value: 'Hi\n\n\u2028"' }), partEnded(0, 0)];

describe("a stream to the caller", () => {
  test("text, byte for byte", () => {
    const head = 'data: {"id":"chatcmpl-abc","object":"chat.completion.chunk","created":7,"model":"gpt",';
    expect(write([started, ...text, ended(0, FinishReason.STOP), completed])).toBe(
      [
        `${head}"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}`,
        `${head}"choices":[{"index":0,"delta":{"content":"Hi\\n\\n\u2028\\""},"logprobs":null,"finish_reason":null}]}`,
        `${head}"service_tier":"default","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}`,
        "data: [DONE]\n\n",
      ].join("\n\n"),
    );
  });

  test("usage comes in one more chunk where it was asked for, and null before", () => {
    const data = dataOf(
      write([started, ...text, { case: "usage", value: usageOf(1, 1) }, ended(0, FinishReason.STOP), completed], {
        ...plain,
        includeUsage: true,
      }),
    );
    expect(data.slice(0, -2).map((each) => (each as { usage: unknown }).usage)).toEqual([null, null, null]);
    expect(data.at(-2)).toMatchObject({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } });
    expect(JSON.stringify(dataOf(write([started, ...text, ended(0, FinishReason.STOP), completed])))).not.toContain("usage");
  });

  test("a pure call has null content, and calls that interleave keep dense indices", () => {
    const events = [
      started,
      partStarted(0, 0, call("a", "f")),
      partStarted(0, 1, call("b", "g")),
      args(0, "{"),
      args(1, "[]"),
      args(0, "}"),
      ended(0, FinishReason.TOOL_CALLS),
      completed,
    ];
    const entry = (index: number, more: object): unknown => delta({ tool_calls: [{ index, ...more }] });
    expect(choicesOf(write(events))).toEqual([
      role(null),
      entry(0, { id: "a", type: "function", function: { name: "f", arguments: "" } }),
      entry(1, { id: "b", type: "function", function: { name: "g", arguments: "" } }),
      entry(0, { function: { arguments: "{" } }),
      entry(1, { function: { arguments: "[]" } }),
      entry(0, { function: { arguments: "}" } }),
      finish("tool_calls"),
      "[DONE]",
    ]);
  });

  test("a call after text is number 0, and a custom call has input", () => {
    const custom = callPart({ id: "c", name: "f", argumentsJson: "", custom: true }, [opaque("google", "thought_signature", "S")]);
    const sse = write([
      started,
      ...text,
      partStarted(0, 1, custom),
      args(1, "raw"),
      partDelta(0, 1, { case: "opaque", value: opaque("google", "thought_signature", "T") }),
    ]);
    expect(choicesOf(sse).slice(2)).toEqual([
      delta({
        tool_calls: [
          { index: 0, id: "c", type: "custom", custom: { name: "f", input: "" }, extra_content: { google: { thought_signature: "S" } } },
        ],
      }),
      delta({ tool_calls: [{ index: 0, custom: { input: "raw" } }] }),
      delta({ tool_calls: [{ index: 0, extra_content: { google: { thought_signature: "T" } } }] }),
    ]);
  });

  test("callers of the old functions get the first call in the old shape", () => {
    const events = [
      started,
      partStarted(0, 0, call("a", "f")),
      args(0, "{}"),
      partStarted(0, 1, call("b", "g")),
      args(1, "{}"),
      ended(0, FinishReason.TOOL_CALLS),
      completed,
    ];
    expect(choicesOf(write(events, { ...plain, legacyFunctions: true }))).toEqual([
      role(null),
      delta({ function_call: { name: "f", arguments: "" } }),
      delta({ function_call: { arguments: "{}" } }),
      finish("function_call"),
      "[DONE]",
    ]);
  });

  test("reasoning streams as text and its seal as one whole block", () => {
    const events = [
      started,
      partStarted(0, 0, reasoningPart("", [])),
      partDelta(0, 0, { case: "reasoning", value: "h" }),
      partDelta(0, 0, { case: "reasoning", value: "m" }),
      partDelta(0, 0, { case: "opaque", value: opaque("anthropic", "signature", "s") }),
      partEnded(0, 0),
    ];
    expect(choicesOf(write(events))).toEqual([
      role(null),
      delta({ reasoning_content: "h" }),
      delta({ reasoning_content: "m" }),
      delta({ thinking_blocks: [{ type: "thinking", thinking: "hm", signature: "s" }] }),
    ]);
  });

  test("a refusal, audio, citations, and logprobs of each", () => {
    const token = { $typeName: "semaroute.v1.TokenLogprob" as const, token: "n", logprob: -1, bytes: new Uint8Array([110]), top: [] };
    const refusal = partDelta(0, 0, { case: "refusal", value: "no" });
    if (refusal.case === "partDelta") refusal.value.logprobs = [token];
    const audio = contentPart({
      case: "audio",
      value: {
        $typeName: "semaroute.v1.AudioPart",
        media: media({ case: "data", value: new Uint8Array() }, "", ""),
        transcript: "",
        audioId: "au",
      },
    });
    const citation = { $typeName: "semaroute.v1.Citation" as const, start: 1, end: 2, title: "T", url: "https://a.b", citedText: "" };
    const events = [
      started,
      partStarted(0, 0, refusalPart("")),
      refusal,
      partStarted(0, 1, audio),
      partDelta(0, 1, { case: "audio", value: new Uint8Array([1]) }),
      partDelta(0, 1, { case: "audioTranscript", value: "x" }),
      partDelta(0, 2, { case: "citation", value: citation }),
    ];
    expect(choicesOf(write(events)).slice(1)).toEqual([
      delta({ refusal: "no" }, 0, { content: null, refusal: [{ token: "n", logprob: -1, bytes: [110], top_logprobs: [] }] }),
      delta({ audio: { id: "au" } }),
      delta({ audio: { data: "AQ==" } }),
      delta({ audio: { transcript: "x" } }),
      delta({ annotations: [{ type: "url_citation", url_citation: { start_index: 1, end_index: 2, url: "https://a.b", title: "T" } }] }),
    ]);
  });

  test("each choice has its own role and finish", () => {
    const events = [
      started,
      partStarted(1, 0, textPart("")),
      partStarted(0, 0, textPart("")),
      partDelta(1, 0, { case: "text", value: "b" }),
      ended(0, FinishReason.LENGTH),
      ended(1, FinishReason.STOP),
      completed,
    ];
    expect(choicesOf(write(events))).toEqual([
      role("", 1),
      role("", 0),
      delta({ content: "b" }, 1),
      finish("stop", 1),
      finish("length", 0),
      "[DONE]",
    ]);
  });

  test("a choice without any part still has a role and a finish", () =>
    expect(choicesOf(write([started, ended(0, FinishReason.CONTENT_FILTER), completed]))).toEqual([
      role(""),
      finish("content_filter"),
      "[DONE]",
    ]));

  test("nothing looks finished before it is complete", () => {
    const sse = write([started, ...text, ended(0, FinishReason.STOP)]);
    expect(sse).not.toContain('"stop"');
    expect(sse).not.toContain("[DONE]");
  });

  test("a heartbeat is a comment, also before anything else", () =>
    expect(write([{ case: "heartbeat", value: { $typeName: "semaroute.v1.Heartbeat" } }])).toBe(": keep-alive\n\n"));
});

test("what an upstream's chunks say that we do not know comes back at its level", () => {
  const chunks = [
    {
      id: "x",
      created: 1,
      model: "m",
      provider: "P",
      choices: [
        { index: 0, delta: { role: "assistant", content: "a", reasoning_details: [1] }, logprobs: null, finish_reason: null, native: 1 },
      ],
    },
    {
      ...chunk({ tool_calls: [{ index: 0, id: "c", type: "function", function: { name: "f", arguments: "{}" }, odd: 2 }] }),
      citations: ["u"],
    },
    chunk({ late: 3 }, "tool_calls", { usage: { prompt_tokens: 1, completion_tokens: 1, cost: 0.1 } }),
    "[DONE]",
  ];
  const data = dataOf(write(streamEvents(streamed(chunks)), { ...plain, includeUsage: true }));
  expect(data).toMatchObject([
    { choices: [{ delta: { role: "assistant" } }] },
    { choices: [{ delta: { content: "a", reasoning_details: [1] } }] },
    { choices: [{ delta: { tool_calls: [{ index: 0, id: "c", odd: 2 }] } }] },
    { choices: [{ delta: { tool_calls: [{ function: { arguments: "{}" } }] } }] },
    { provider: "P", citations: ["u"], choices: [{ delta: { late: 3 }, native: 1, finish_reason: "tool_calls" }] },
    { choices: [], usage: { cost: 0.1 } },
    "[DONE]",
  ]);
});

test("the official client's helpers read whole answers, calls and usage from our streams", async () => {
  const one = choice(0, [
    reasoningPart("h", [opaque("anthropic", "signature", "s")]),
    textPart("Hello"),
    callPart({ id: "a", name: "f", argumentsJson: '{"x":1}', custom: false }, []),
    callPart({ id: "b", name: "g", argumentsJson: "{}", custom: false }, []),
  ]);
  one.finishReason = FinishReason.TOOL_CALLS;
  const events = streamEvents(eventsFromResponse({ ...chatResponse("gpt", [one], usageOf(3, 4)), id: "abc" }));
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(write(events, { ...plain, includeUsage: true }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const client = new OpenAI({ apiKey: "k", baseURL: `http://127.0.0.1:${port}/v1`, maxRetries: 0 });
    const stream = client.chat.completions.stream({
      model: "gpt",
      messages: [{ role: "user", content: "q" }],
      stream_options: { include_usage: true },
    });
    const answer = await stream.finalChatCompletion();
    expect(answer.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: {
        role: "assistant",
        content: "Hello",
        tool_calls: [
          { id: "a", type: "function", function: { name: "f", arguments: '{"x":1}' } },
          { id: "b", type: "function", function: { name: "g", arguments: "{}" } },
        ],
      },
    });
    expect(answer.usage).toMatchObject({ total_tokens: 7 });
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
