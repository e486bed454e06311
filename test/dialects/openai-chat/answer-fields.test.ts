import { describe, expect, test } from "vitest";

import { createFolder } from "../../../src/core/fold.ts";
import { eventsFromResponse } from "../../../src/core/stream.ts";
import { encodeChatResponse } from "../../../src/dialects/openai-chat/response-encode.ts";
import { createStreamEncoder } from "../../../src/dialects/openai-chat/stream-encode.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";
import { chunk, dataOf, streamed, streamEvents } from "./support.ts";

// Every field of an answer, by name: what OpenAI says reaches its caller as it was said, whole, streamed, and as a stream made of a
// whole answer.

const fn = { id: "a", type: "function", function: { name: "f", arguments: '{"b":1}' } };
const custom = { id: "b", type: "custom", custom: { name: "sh", input: "ls" } };
const token = { token: "a", logprob: -0.5, bytes: [97], top_logprobs: [{ token: "b", logprob: -1, bytes: null }] };
const citation = { type: "url_citation", url_citation: { start_index: 0, end_index: 2, url: "https://a.b", title: "A" } };

interface Row {
  readonly field: string;
  readonly message?: Record<string, unknown>;
  readonly choice?: Record<string, unknown>;
  readonly top?: Record<string, unknown>;
  /** What a stream that is made of it says instead, in one delta of the choice. */
  readonly replayed?: Record<string, unknown>;
}

const rows: readonly Row[] = [
  { field: "content", message: { content: "Hi" } },
  { field: "refusal", message: { content: null, refusal: "No." } },
  { field: "annotations", message: { content: "Hi", annotations: [citation] } },
  {
    field: "annotations of another kind",
    message: { content: "Hi", annotations: [{ type: "file_citation", file_citation: { file_id: "f" } }] },
  },
  { field: "audio", message: { content: null, audio: { id: "audio_1", data: "AAEC", transcript: "Hi", expires_at: 1_790_000_000 } } },
  { field: "tool_calls", message: { content: null, tool_calls: [fn, custom] }, choice: { finish_reason: "tool_calls" } },
  { field: "tool_calls beside content", message: { content: "So", tool_calls: [fn] }, choice: { finish_reason: "tool_calls" } },
  { field: "reasoning_content", message: { content: "Hi", reasoning_content: "Hm." } },
  {
    field: "unknown fields of a call",
    message: { content: null, tool_calls: [{ ...fn, future: { a: 1 } }] },
    choice: { finish_reason: "tool_calls" },
  },
  { field: "unknown fields of the message", message: { content: "Hi", future: { a: [1] } } },
  {
    field: "reasoning_details",
    message: { content: "Hi", reasoning_content: "Hm.", reasoning_details: [{ type: "reasoning.text", text: "Hm." }] },
  },
  { field: "images", message: { content: "Hi", images: [{ type: "image_url", image_url: { url: "https://a.b/c.png" } }] } },
  { field: "finish_reason length", message: { content: "Hi" }, choice: { finish_reason: "length" } },
  { field: "finish_reason content_filter", message: { content: "Hi" }, choice: { finish_reason: "content_filter" } },
  { field: "logprobs", message: { content: "a" }, choice: { logprobs: { content: [token], refusal: null } } },
  { field: "logprobs of a refusal", message: { content: null, refusal: "a" }, choice: { logprobs: { content: null, refusal: [token] } } },
  { field: "unknown fields of the choice", message: { content: "Hi" }, choice: { content_filter_results: { hate: { filtered: false } } } },
  { field: "service_tier", message: { content: "Hi" }, top: { service_tier: "flex" } },
  { field: "system_fingerprint", message: { content: "Hi" }, top: { system_fingerprint: "fp" } },
  { field: "moderation", message: { content: "Hi" }, top: { moderation: { input: { flagged: false } } } },
  { field: "unknown fields", message: { content: "Hi" }, top: { citations: ["https://a.b"], future: { a: 1 } } },
];

const usage = {
  prompt_tokens: 10,
  completion_tokens: 5,
  total_tokens: 15,
  prompt_tokens_details: { cached_tokens: 1, cache_write_tokens: 2, audio_tokens: 3, text_tokens: 4, image_tokens: 5 },
  completion_tokens_details: {
    reasoning_tokens: 1,
    audio_tokens: 2,
    accepted_prediction_tokens: 3,
    rejected_prediction_tokens: 4,
    text_tokens: 1,
  },
  cost: 0.5,
};

function answer({ message, choice, top }: Row): Record<string, unknown> {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 0,
    model: "up",
    choices: [{ index: 0, message: { role: "assistant", refusal: null, ...message }, logprobs: null, finish_reason: "stop", ...choice }],
    usage,
    ...top,
  };
}

const plain = { includeUsage: true, legacyFunctions: false };

/** What the stream of a whole answer says, added up as a client does that knows no field. */
function replayed(row: Row) {
  const events = eventsFromResponse(openaiChat.decodeResponse(answer(row), {}));
  const encoder = createStreamEncoder(plain);
  return collected(events.map((event) => (event.case === "whole" || event.case === "embedded" ? "" : encoder.push(event))).join(""));
}

function collected(sse: string): { choice: Record<string, unknown>; message: Record<string, unknown>; top: Record<string, unknown> } {
  const choice: Record<string, unknown> = {};
  const message: Record<string, unknown> = {};
  const top: Record<string, unknown> = {};
  for (const data of dataOf(sse)) {
    if (typeof data !== "object" || data === null) continue;
    const { choices, ...rest } = data as { choices: { delta: object }[] };
    Object.assign(top, rest);
    for (const { delta, ...more } of choices) {
      for (const [key, value] of Object.entries(more)) if (value !== null || choice[key] === undefined) choice[key] = value;
      addUp(message, delta);
    }
  }
  return { choice, message, top };
}

function addUp(into: Record<string, unknown>, delta: object): void {
  for (const [key, value] of Object.entries(delta)) {
    const before = into[key];
    if (typeof before === "string" && typeof value === "string" && key !== "role") into[key] = before + value;
    else if (key === "tool_calls" && Array.isArray(value)) into[key] = withCalls(Array.isArray(before) ? before : [], value);
    else if (typeof before === "object" && before !== null && !Array.isArray(before) && typeof value === "object" && value !== null) {
      const inner: Record<string, unknown> = { ...before };
      addUp(inner, value);
      into[key] = inner;
    } else if (value !== null || before === undefined) into[key] = value;
  }
}

function withCalls(before: readonly unknown[], more: readonly Record<string, unknown>[]): unknown[] {
  const calls = [...before];
  for (const { index, ...fields } of more) {
    const at = Number(index);
    const call: Record<string, unknown> = { ...(calls[at] as object | undefined) };
    for (const [key, value] of Object.entries(fields)) {
      if (key === "function" || key === "custom") {
        const inner: Record<string, unknown> = { ...(call[key] as object | undefined) };
        addUp(inner, value as object);
        call[key] = inner;
      } else call[key] = value;
    }
    calls[at] = call;
  }
  return calls;
}

describe("a field of a whole answer", () => {
  test.each(rows)("$field reaches the caller as it is", (row) => {
    const given = answer(row);
    expect(JSON.parse(encodeChatResponse(openaiChat.decodeResponse(given, {}), { legacyFunctions: false }))).toEqual(given);
  });

  test.each(rows)("$field is told in a stream made of it", (row) => {
    const { message, choice, top } = replayed(row);
    expect(message).toMatchObject({
      role: "assistant",
      ...row.message,
      ...(row.message?.["content"] === null && { content: expect.toBeOneOf([null, ""]) }),
    });
    expect(choice).toMatchObject({ finish_reason: "stop", ...row.choice });
    expect(top).toMatchObject({ usage, ...row.top });
  });
});

describe("a field of a stream", () => {
  /** The chunks of an upstream, and those of ours, added up. */
  const through = (chunks: readonly unknown[]) => {
    const encoder = createStreamEncoder(plain);
    return collected(
      streamEvents(streamed([...chunks, "[DONE]"]))
        .map((event) => encoder.push(event))
        .join(""),
    );
  };
  const table: readonly {
    field: string;
    deltas: readonly Record<string, unknown>[];
    choice?: Record<string, unknown>;
    finish?: string;
    is: Record<string, unknown>;
  }[] = [
    { field: "content", deltas: [{ content: "H" }, { content: "i" }], is: { content: "Hi" } },
    { field: "refusal", deltas: [{ refusal: "N" }, { refusal: "o" }], is: { refusal: "No" } },
    { field: "annotations", deltas: [{ content: "Hi" }, { annotations: [citation] }], is: { content: "Hi", annotations: [citation] } },
    {
      field: "annotations of another kind",
      deltas: [{ content: "Hi" }, { annotations: [{ type: "file_citation", file_citation: { file_id: "f" } }] }],
      is: { annotations: [{ type: "file_citation", file_citation: { file_id: "f" } }] },
    },
    {
      field: "audio",
      deltas: [
        { audio: { id: "audio_1" } },
        { audio: { transcript: "H" } },
        { audio: { data: "AAEC" } },
        { audio: { transcript: "i" } },
        { audio: { expires_at: 1_790_000_000 } },
      ],
      is: { audio: { id: "audio_1", transcript: "Hi", data: "AAEC", expires_at: 1_790_000_000 } },
    },
    {
      field: "tool_calls",
      deltas: [
        { tool_calls: [{ index: 0, id: "b", type: "custom", custom: { name: "sh", input: "" } }] },
        { tool_calls: [{ index: 0, custom: { input: "ls" } }] },
        { tool_calls: [{ index: 1, ...fn, future: 1 }] },
      ],
      finish: "tool_calls",
      is: { tool_calls: [custom, { ...fn, future: 1 }] },
    },
    {
      field: "reasoning_content",
      deltas: [{ reasoning_content: "H" }, { reasoning_content: "m" }, { content: "Hi" }],
      is: { reasoning_content: "Hm", content: "Hi" },
    },
    {
      field: "reasoning",
      deltas: [{ reasoning: "H" }, { reasoning: "m" }, { content: "Hi" }],
      is: { reasoning_content: "Hm", content: "Hi" },
    },
    {
      field: "reasoning_details",
      deltas: [{ reasoning: "Hm", reasoning_details: [{ type: "reasoning.text", text: "Hm" }] }, { content: "Hi" }],
      is: { reasoning_content: "Hm", reasoning_details: [{ type: "reasoning.text", text: "Hm" }], content: "Hi" },
    },
    {
      field: "reasoning_details alone in a delta",
      deltas: [{ content: "Hi" }, { content: "", reasoning_details: [{ type: "reasoning.encrypted", data: "x" }] }],
      is: { content: "Hi", reasoning_details: [{ type: "reasoning.encrypted", data: "x" }] },
    },
    {
      field: "images",
      deltas: [{ content: "Hi", images: [{ type: "image_url", image_url: { url: "https://a.b/c.png" } }] }],
      is: { images: [{ type: "image_url", image_url: { url: "https://a.b/c.png" } }] },
    },
    { field: "unknown fields", deltas: [{ content: "Hi", future: { a: 1 } }], is: { content: "Hi", future: { a: 1 } } },
  ];

  test.each(table)("$field reaches the caller as it is", ({ deltas, finish = "stop", is }) => {
    const { message, choice } = through([...deltas.map((delta) => chunk(delta)), chunk({}, finish)]);
    expect(message).toMatchObject(is);
    expect(choice).toMatchObject({ finish_reason: finish });
  });

  test.each(table)("$field is in the whole answer made of it", ({ deltas, finish = "stop", is }) => {
    const folder = createFolder();
    for (const event of streamed([...deltas.map((delta) => chunk(delta)), chunk({}, finish), "[DONE]"])) folder.push(event);
    const { choices } = JSON.parse(encodeChatResponse(folder.response(), { legacyFunctions: false }));
    expect(choices[0]).toMatchObject({ message: is, finish_reason: finish });
    expect(Object.keys(choices[0]).toSorted()).toEqual(["finish_reason", "index", "logprobs", "message"]);
  });

  test("of the choice and of the chunk, and the usage, reach the caller as they are", () => {
    const first = {
      ...chunk({ content: "a" }),
      choices: [{ index: 0, delta: { content: "a" }, logprobs: { content: [token], refusal: null }, finish_reason: null }],
    };
    const { choice, top } = through([
      { ...first, service_tier: "flex", system_fingerprint: "fp", citations: ["https://a.b"], moderation: { flagged: false } },
      { ...chunk({}, "stop"), choices: [{ index: 0, delta: {}, finish_reason: "stop", content_filter_results: { hate: 1 } }] },
      { ...chunk({}), choices: [], usage },
    ]);
    expect(choice).toMatchObject({ logprobs: { content: [token], refusal: null }, content_filter_results: { hate: 1 } });
    expect(top).toMatchObject({
      service_tier: "flex",
      system_fingerprint: "fp",
      citations: ["https://a.b"],
      moderation: { flagged: false },
      usage,
    });
  });

  test("several choices interleave, each with its own calls from index 0", () => {
    const at = (index: number, delta: unknown, finish: string | null = null) => ({
      ...chunk({}),
      choices: [{ index, delta, finish_reason: finish }],
    });
    const encoder = createStreamEncoder(plain);
    const call = (id: string) => ({ tool_calls: [{ index: 0, id, type: "function", function: { name: "f", arguments: "{}" } }] });
    const events = streamEvents(
      streamed([
        at(1, { content: "b" }),
        at(0, { content: "a" }),
        at(1, call("y")),
        at(0, call("x")),
        at(0, {}, "tool_calls"),
        at(1, {}, "tool_calls"),
        "[DONE]",
      ]),
    );
    const sse = events.map((event) => encoder.push(event)).join("");
    const of = (index: number) =>
      collected(
        dataOf(sse)
          .flatMap((data) => {
            const { choices = [] } = data as { choices?: { index: number }[] };
            const own = choices.filter((each) => each.index === index);
            return own.length === 0 ? [] : [`data: ${JSON.stringify({ choices: own })}\n\n`];
          })
          .join(""),
      );
    expect(of(0)).toMatchObject({ message: { content: "a", tool_calls: [{ id: "x" }] }, choice: { finish_reason: "tool_calls" } });
    expect(of(1)).toMatchObject({ message: { content: "b", tool_calls: [{ id: "y" }] }, choice: { finish_reason: "tool_calls" } });
  });
});
