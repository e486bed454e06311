import { describe, expect, test } from "vitest";
import { FinishReason } from "../../../src/core/chat.ts";
import { isContent } from "../../../src/core/stream.ts";
import { folded, goodStreams, type Json, recorded, streamed, thrown } from "./support.ts";

describe.each(goodStreams)("a recorded stream of %s", (name) => {
  const bytes = Buffer.from(recorded(name));
  const whole = streamed([bytes]);

  test("gives the same events wherever it is cut", () => {
    // As text: a deep look at each of thousands of streams would take minutes.
    const text = JSON.stringify(whole);
    for (let at = 1; at < bytes.length; at++)
      if (JSON.stringify(streamed([bytes.subarray(0, at), bytes.subarray(at)])) !== text) expect.fail(`it differs, cut at ${at}`);
  });

  test("never looks finished where it stops before its own end", () => {
    // The last event may lack its blank line; one byte less is half an event.
    for (let at = 0; at < bytes.length - 3; at += 7) {
      const part = bytes.subarray(0, at);
      expect(["UPSTREAM_UNAVAILABLE", "UPSTREAM_PROTOCOL"]).toContain(thrown(() => streamed([part])).failure);
      expect(streamed([part], false).filter(({ case: kind }) => kind === "completed" || kind === "choiceEnded")).toEqual([]);
    }
  });

  test("tolerates the end mark of another language, and what comes behind its own end", () => {
    expect(streamed([bytes, "data: [DONE]\n\n", `data: {"type":"response.output_text.delta","output_index":0,"delta":"x"}\n\n`])).toEqual(
      whole,
    );
  });
});

describe("what an answer is made of", () => {
  const partsOf = (name: string) => folded(streamed([recorded(name)])).choices[0]?.message?.content ?? [];

  test("text, with inclusive usage and the tier that served it", () => {
    const answer = folded(streamed([recorded("text")]));
    expect(answer).toMatchObject({ model: "gpt-5.5-2026-04-23", serviceTier: "default", choices: [{ finishReason: FinishReason.STOP }] });
    expect(answer.choices[0]?.message?.text).toBe("Hello wörld 🌍");
    expect(answer.usage).toMatchObject({ inputTokens: 120, outputTokens: 7, totalTokens: 127, cacheReadTokens: 64, reasoningTokens: 0 });
    expect(JSON.parse(answer.extensionsJson["openai_responses"] ?? "")).toMatchObject({ reasoning: { effort: "medium" }, top_p: 1 });
    expect(answer.extensionsJson["openai_responses"]).not.toContain('"tools"');
  });

  test("calls by their call_id, with their arguments as they were written", () => {
    const calls = partsOf("parallel-tools").flatMap(({ part }) => (part.case === "toolCall" ? [part.value] : []));
    expect(calls).toMatchObject([
      { id: "call_P4ris", name: "get_weather", argumentsJson: '{"city":"Paris","id":12345678901234567890}', custom: false },
      { id: "call_R0me", argumentsJson: '{"city":"Rome"}' },
    ]);
    expect(folded(streamed([recorded("parallel-tools")])).choices[0]?.finishReason).toBe(FinishReason.TOOL_CALLS);
    expect(partsOf("custom")[0]?.part).toMatchObject({
      case: "toolCall",
      value: { custom: true, argumentsJson: "*** Begin Patch\n*** End Patch\n" },
    });
  });

  test("each summary is a part of reasoning, and the seal is the vendor's", () => {
    const parts = partsOf("reasoning").map(({ part }) => part);
    expect(parts.map((part) => part.case)).toEqual(["reasoning", "reasoning", "text", "reasoning", "toolCall"]);
    expect(parts[1]?.value).toMatchObject({
      text: "**More** thoughts",
      summary: true,
      opaque: [{ issuer: "openai", kind: "encrypted_content", value: "gAAAAABotherwise-opaque==" }],
    });
    expect(partsOf("raw-reasoning")[0]?.part).toMatchObject({ value: { text: "First this.", summary: false, opaque: [] } });
  });

  test("a refusal, probabilities, sources, and an end before the end", () => {
    expect(folded(streamed([recorded("refusal")])).choices[0]).toMatchObject({
      finishReason: FinishReason.REFUSAL,
      nativeFinishReason: "completed",
    });
    expect(folded(streamed([recorded("json-schema")])).choices[0]?.logprobs.map(({ token }) => token)).toEqual([
      '{"city":"Par',
      'is","celsius":21}',
    ]);
    expect(partsOf("hosted")[1]?.part).toMatchObject({ value: { citations: [{ url: "https://a.example/x", start: 4, end: 8 }] } });
    expect(folded(streamed([recorded("length")])).choices[0]).toMatchObject({
      finishReason: FinishReason.LENGTH,
      nativeFinishReason: "max_output_tokens",
    });
  });
});

const event = (value: Json) => `data: ${JSON.stringify(value)}\n\n`;
const created = event({ type: "response.created", response: { id: "r", model: "m", status: "in_progress" } });
const message = {
  type: "message",
  id: "m1",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: "hi", annotations: [] }],
};
const completed = (output: readonly Json[], more: Json = {}) =>
  event({ type: "response.completed", response: { status: "completed", output, ...more } });

describe("servers that leave things out", () => {
  const announced = event({ type: "response.output_item.added", output_index: 0, item: { ...message, content: [] } });
  test.each([
    ["all but the last event", created + completed([message])],
    ["the beginning", completed([message])],
    [
      "the deltas",
      created + announced + event({ type: "response.output_item.done", output_index: 0, item: message }) + completed([message]),
    ],
    [
      "the pieces",
      created +
        announced +
        event({ type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "hi" }) +
        completed([message]),
    ],
    ["the end of an item", created + announced + completed([message])],
    [
      "the output of the last event",
      created + announced + event({ type: "response.output_item.done", output_index: 0, item: message }) + completed([]),
    ],
  ])("%s", (_what, sse) => {
    const answer = folded(streamed([sse]));
    expect(answer.choices[0]?.message?.text).toBe("hi");
    expect(answer.choices[0]?.finishReason).toBe(FinishReason.STOP);
  });

  test("half of a character waits for its other half, and is marked where that never comes", () => {
    const delta = (text: string) => `data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"${text}"}\n\n`;
    const end = completed([{ ...message, content: [] }], { usage: { input_tokens: 1, output_tokens: 1 } });
    expect(folded(streamed([created + announced + delta("a\\ud83d") + delta("\\ude00b") + end])).choices[0]?.message?.text).toBe("a😀b");
    expect(folded(streamed([created + announced + delta("a\\ud83d") + end])).choices[0]?.message?.text).toBe("a\ufffd");
  });
});

describe("a stream that fails", () => {
  test("before its first content", () => {
    const error = thrown(() => streamed([recorded("error-first")]));
    expect(error).toMatchObject({ failure: "RATE_LIMITED", retryAfterMs: 1500 });
    expect(error.message).not.toContain("org-");
    expect(streamed([recorded("error-first").split("event: error")[0] ?? ""], false).some(isContent)).toBe(false);
  });

  test("within its content", () => {
    expect(thrown(() => streamed([recorded("error-inside")])).failure).toBe("UPSTREAM_UNAVAILABLE");
  });

  test.each([
    [
      "a failed response",
      { type: "response.failed", response: { status: "failed", error: { code: "insufficient_quota", message: "x" } } },
      "QUOTA_EXHAUSTED",
    ],
    [
      "a failed response without a reason",
      { type: "response.failed", response: { status: "failed", error: null } },
      "UPSTREAM_UNAVAILABLE",
    ],
    [
      "too long a prompt",
      { type: "response.failed", response: { error: { code: "context_length_exceeded", message: "x" } } },
      "CONTEXT_LENGTH_EXCEEDED",
    ],
    ["a prompt against the rules", { type: "error", code: "invalid_prompt", message: "x", param: null }, "CONTENT_POLICY"],
    ["a picture that is none", { type: "error", code: "invalid_image_format", message: "x" }, "INVALID_REQUEST"],
    ["a nested error", { type: "error", error: { type: "server_error", code: "server_is_overloaded", message: "x" } }, "OVERLOADED"],
    ["an error without a type", { error: { type: "invalid_request_error", message: "bad", param: "input" } }, "INVALID_REQUEST"],
    ["an answer of nothing", { type: "response.completed", response: { status: "completed", output: [] } }, "UPSTREAM_PROTOCOL"],
    ["an end without an answer", { type: "response.completed" }, "UPSTREAM_PROTOCOL"],
    [
      "a call without a name",
      { type: "response.output_item.added", output_index: 0, item: { type: "function_call", call_id: "c" } },
      "UPSTREAM_PROTOCOL",
    ],
  ] as const)("with %s", (_what, value, failure) => {
    expect(thrown(() => streamed([created + event(value)])).failure).toBe(failure);
  });

  test("with what is no JSON, or no object", () => {
    for (const data of ["<html>", "[1]", "3"]) expect(thrown(() => streamed([`data: ${data}\n\n`])).failure).toBe("UPSTREAM_PROTOCOL");
  });

  test("with an end within an item", () => {
    const open = event({ type: "response.output_item.added", output_index: 0, item: { ...message, content: [] } });
    expect(thrown(() => streamed([created + open + completed([])])).failure).toBe("UPSTREAM_PROTOCOL");
  });
});
