import { describe, expect, test } from "vitest";
import {
  type ChatEvent,
  choice,
  chatResponse,
  type ContentPart,
  contentPart,
  FinishReason,
  partDelta,
  partEnded,
  partStarted,
  textPart,
  usageOf,
} from "../../../src/core/chat.ts";
import { ChatError, type Failure } from "../../../src/core/error.ts";
import { eventsFromResponse } from "../../../src/core/stream.ts";
import { openaiResponsesDoor } from "../../../src/dialects/openai-responses/door.ts";
import { callPart, reasoningPart, refusalPart } from "../../../src/dialects/openai-responses/parts.ts";
import { ask, dataOf, decoded, folded, type Json, lastResponse, read, streamEvents, written } from "./support.ts";

const started: ChatEvent = {
  case: "started",
  value: {
    $typeName: "semaroute.v1.StreamStarted",
    id: "id-1",
    model: "gpt",
    createTime: { $typeName: "google.protobuf.Timestamp", seconds: 5n, nanos: 0 },
  },
};

function ended(finishReason: FinishReason, native = ""): ChatEvent[] {
  const choiceEnded = { choiceIndex: 0, finishReason, nativeFinishReason: native, stopSequence: "", extensionsJson: {} };
  return [
    { case: "choiceEnded", value: { $typeName: "semaroute.v1.ChoiceEnded", ...choiceEnded } },
    { case: "usage", value: usageOf(3, 4) },
    {
      case: "completed",
      value: {
        $typeName: "semaroute.v1.StreamCompleted",
        usage: usageOf(3, 4),
        serviceTier: "",
        systemFingerprint: "",
        extensionsJson: {},
      },
    },
  ];
}

/** A stream that brings these parts at once. */
function streamOf(parts: readonly ContentPart[], finishReason: FinishReason = FinishReason.STOP): ChatEvent[] {
  return eventsFromResponse({ ...chatResponse("gpt", [{ ...choice(0, [...parts]), finishReason }], usageOf(3, 4)), id: "id-1" });
}

function outputOf(sse: string): Json[] {
  return lastResponse(sse)["output"] as Json[];
}

const call = (id: string, argumentsJson: string): ContentPart => callPart({ id, name: "f", argumentsJson, custom: false });
const sealed = (issuer: string, kind: string, value: string) => ({ $typeName: "semaroute.v1.Opaque", issuer, kind, value }) as const;

describe("an answer of another language", () => {
  test("is text in one message, with each event in its place", () => {
    const sse = written([
      started,
      partStarted(0, 0, textPart("")),
      partDelta(0, 0, { case: "text", value: "hé\n" }),
      partEnded(0, 0),
      ...ended(FinishReason.STOP),
    ]);
    expect(sse.startsWith("event: response.created\ndata: {")).toBe(true);
    expect(dataOf(sse).map(({ type, output_index, content_index }) => [type, output_index, content_index])).toEqual([
      ["response.created", undefined, undefined],
      ["response.in_progress", undefined, undefined],
      ["response.output_item.added", 0, undefined],
      ["response.content_part.added", 0, 0],
      ["response.output_text.delta", 0, 0],
      ["response.output_text.done", 0, 0],
      ["response.content_part.done", 0, 0],
      ["response.output_item.done", 0, undefined],
      ["response.completed", undefined, undefined],
    ]);
    expect(dataOf(sse)[4]).toMatchObject({ item_id: "msg_id-1_0", delta: "hé\n", logprobs: [] });
    expect(dataOf(sse).at(-1)?.["response"]).toMatchObject({
      id: "resp_id-1",
      object: "response",
      created_at: 5,
      model: "gpt",
      status: "completed",
      usage: {
        input_tokens: 3,
        output_tokens: 4,
        total_tokens: 7,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens_details: { reasoning_tokens: 0 },
      },
      output: [
        {
          type: "message",
          id: "msg_id-1_0",
          role: "assistant",
          status: "completed",
          content: [{ type: "output_text", text: "hé\n", annotations: [] }],
        },
      ],
    });
    expect(sse).not.toContain("[DONE]");
  });

  test("may have calls that interleave; each has its own place", () => {
    const events = [
      started,
      partStarted(0, 0, call("a", "")),
      partStarted(0, 1, call("b", "")),
      partDelta(0, 0, { case: "argumentsJson", value: '{"x"' }),
      partDelta(0, 1, { case: "argumentsJson", value: "{}" }),
      partDelta(0, 0, { case: "argumentsJson", value: ":1}" }),
      partEnded(0, 0),
      partEnded(0, 1),
      ...ended(FinishReason.TOOL_CALLS),
    ];
    const sse = written(events);
    expect(outputOf(sse)).toMatchObject([
      { type: "function_call", id: "fc_id-1_0", call_id: "a", name: "f", arguments: '{"x":1}', status: "completed" },
      { type: "function_call", id: "fc_id-1_1", call_id: "b", name: "f", arguments: "{}", status: "completed" },
    ]);
    const deltas = dataOf(sse).filter(({ type }) => type === "response.function_call_arguments.delta");
    expect(deltas.map(({ output_index, delta }) => [output_index, delta])).toEqual([
      [0, '{"x"'],
      [1, "{}"],
      [0, ":1}"],
    ]);
  });

  test("shows readable reasoning as a summary, and keeps the seal for its issuer", () => {
    const thinking = reasoningPart("deep", false, [sealed("anthropic", "signature", "SIG")]);
    const redacted = reasoningPart("", false, [sealed("anthropic", "redacted_thinking", "RED")]);
    const output = outputOf(written(streamOf([thinking, redacted, textPart("a")])));
    expect(output).toMatchObject([
      {
        type: "reasoning",
        id: "rs_id-1_0",
        summary: [{ type: "summary_text", text: "deep" }],
        encrypted_content: "sr1.anthropic.signature.SIG",
      },
      { type: "reasoning", summary: [], encrypted_content: "sr1.anthropic.redacted_thinking.RED" },
      { type: "message" },
    ]);
    const [back] = decoded({ model: "m", input: output }).messages;
    expect(back?.content.map(({ part }) => part)).toMatchObject([
      { case: "reasoning", value: { text: "deep", opaque: thinking.part.case === "reasoning" ? thinking.part.value.opaque : [] } },
      { case: "reasoning", value: { text: "", opaque: [{ kind: "redacted_thinking", value: "RED" }] } },
      { case: "text" },
    ]);
  });

  test("carries signatures of calls and texts beside them, and finds their parts again", () => {
    const token = (value: string) => sealed("google", "thought_signature", value);
    const parts = [{ ...textPart("first"), opaque: [token("T")] }, { ...call("a", "{}"), opaque: [token("A")] }, call("b", "{}")];
    const output = outputOf(written(streamOf(parts, FinishReason.TOOL_CALLS)));
    expect(output.map(({ type }) => type)).toEqual(["message", "reasoning", "reasoning", "function_call", "function_call"]);
    const [back] = decoded({ model: "m", input: output }).messages;
    expect(back?.content.map(({ opaque }) => opaque.map(({ value }) => value))).toEqual([["T"], ["A"], []]);
  });

  test("ends as it did", () => {
    const end = (parts: readonly ContentPart[], reason: FinishReason) => {
      const { status, incomplete_details, output } = lastResponse(written(streamOf(parts, reason)));
      return {
        type: dataOf(written(streamOf(parts, reason))).at(-1)?.["type"],
        status,
        incomplete_details,
        item: (output as Json[]).at(-1)?.["status"],
      };
    };
    const cut = { type: "response.incomplete", status: "incomplete", item: "incomplete" };
    const whole = { type: "response.completed", status: "completed", incomplete_details: null, item: "completed" };
    expect(end([textPart("a")], FinishReason.LENGTH)).toEqual({ ...cut, incomplete_details: { reason: "max_output_tokens" } });
    expect(end([textPart("a")], FinishReason.CONTEXT_WINDOW)).toEqual({ ...cut, incomplete_details: { reason: "max_output_tokens" } });
    expect(end([textPart("a")], FinishReason.CONTENT_FILTER)).toEqual({ ...cut, incomplete_details: { reason: "content_filter" } });
    expect(end([textPart("a")], FinishReason.REFUSAL)).toEqual({ ...cut, incomplete_details: { reason: "content_filter" } });
    expect(end([refusalPart("no")], FinishReason.REFUSAL)).toEqual(whole);
    expect(end([call("a", "{}")], FinishReason.TOOL_CALLS)).toEqual(whole);
    expect(end([textPart("a")], FinishReason.PAUSE)).toEqual(whole);
  });

  test("shows pictures as the vendor's own tool would, and leaves out what has no form", () => {
    const image = contentPart({
      case: "image",
      value: {
        $typeName: "semaroute.v1.ImagePart",
        detail: 0,
        media: {
          $typeName: "semaroute.v1.Media",
          source: { case: "data", value: Uint8Array.of(1, 2) },
          mimeType: "image/png",
          filename: "",
        },
      },
    });
    const search = contentPart({
      case: "serverTool",
      value: { $typeName: "semaroute.v1.ServerToolPart", id: "s", name: "web", inputJson: "", outputJson: "", issuer: "anthropic" },
    });
    expect(outputOf(written(streamOf([search, image, textPart("a")])))).toMatchObject([
      { type: "image_generation_call", result: "AQI=" },
      { type: "message" },
    ]);
  });

  test("is the same whole and streamed", () => {
    const parts = [reasoningPart("hm", true), textPart("a"), call("x", "{}"), refusalPart("no")];
    const events = streamOf(parts);
    const whole: Json = JSON.parse(read(ask()).whole(folded(events)));
    expect(whole["output"]).toEqual(outputOf(written(events)));
  });

  test("has other choices that nobody hears of", () => {
    const events = [
      started,
      partStarted(1, 0, textPart("x")),
      partEnded(1, 0),
      partStarted(0, 0, textPart("a")),
      partEnded(0, 0),
      ...ended(FinishReason.STOP),
    ];
    expect(outputOf(written(events))).toMatchObject([{ content: [{ text: "a" }] }]);
  });
});

test("what was asked is echoed, and what was not as the API has it", () => {
  const tools = [
    { type: "function", name: "f", parameters: {} },
    { type: "custom", name: "c" },
  ];
  const body = {
    model: "m",
    input: "x",
    instructions: "i",
    tools,
    metadata: { a: "b" },
    temperature: 0.3,
    reasoning: { effort: "low" },
    text: { verbosity: "low" },
    store: null,
    user: "u",
  };
  const answer = chatResponse("gpt", [{ ...choice(0, [textPart("a")]), finishReason: FinishReason.STOP }], usageOf(1, 1));
  expect(JSON.parse(read(body).whole(answer))).toMatchObject({
    instructions: "i",
    tools: [{ ...tools[0], strict: true }, tools[1]],
    tool_choice: "auto",
    parallel_tool_calls: true,
    metadata: { a: "b" },
    temperature: 0.3,
    top_p: 1,
    reasoning: { effort: "low", summary: null },
    text: { format: { type: "text" }, verbosity: "low" },
    store: false,
    background: false,
    previous_response_id: null,
    truncation: "disabled",
    user: "u",
    service_tier: "default",
    error: null,
  });
  const told = {
    ...answer,
    extensionsJson: { openai_responses: '{"temperature":1,"reasoning":{"effort":"high"},"moderation":{"a":1},"status":"x","id":"y"}' },
  };
  expect(JSON.parse(read(body).whole(told))).toMatchObject({
    temperature: 0.3,
    reasoning: { effort: "low" },
    moderation: { a: 1 },
    status: "completed",
    id: "resp_",
  });
  expect(JSON.parse(read(ask()).whole(told))).toMatchObject({ temperature: 1, reasoning: { effort: "high", summary: null } });
});

describe("a failure", () => {
  const failing = (events: readonly ChatEvent[], error: ChatError): Json[] => {
    const encoder = read(ask({ stream: true })).stream();
    const sse = streamEvents(events).map((event) => encoder.push(event));
    return dataOf([...sse, encoder.fail?.(error) ?? ""].join(""));
  };

  test("within the content is one event that everybody understands, and the end", () => {
    const cause = new ChatError("RATE_LIMITED", "the upstream answered 429 (rate limited)", { retryAfterMs: 1200 });
    const error = new ChatError("STREAM_INTERRUPTED", "the answer of target a/b broke off", { cause });
    const events = failing([started, partStarted(0, 0, call("a", "{}")), partEnded(0, 0), partStarted(0, 1, textPart("half"))], error);
    expect(events.map(({ sequence_number: n }) => n)).toEqual(events.map((_, i) => i));
    const last = events.at(-1);
    expect(last).toMatchObject({
      type: "response.failed",
      error: { message: "the answer of target a/b broke off", type: "server_error", param: null, code: "stream_interrupted" },
      response: {
        id: "resp_id-1",
        status: "failed",
        error: { code: "rate_limit_exceeded", message: "the answer of target a/b broke off; try again in 1.2s" },
        output: [{ type: "function_call", status: "completed" }],
      },
    });
  });

  test("before anything is known is the same event", () => {
    const [event] = failing([], new ChatError("OVERLOADED", "nobody has room"));
    expect(event).toMatchObject({
      type: "response.failed",
      sequence_number: 0,
      response: { status: "failed", error: { code: "server_is_overloaded" } },
      error: { code: "upstream_overloaded" },
    });
    expect(dataOf(openaiResponsesDoor.errors.event(new ChatError("OVERLOADED", "nobody has room"), "r"))).toEqual([event]);
  });

  test.each<[Failure, string]>([
    ["RATE_LIMITED", "rate_limit_exceeded"],
    ["CALLER_RATE_LIMITED", "rate_limit_exceeded"],
    ["CONTEXT_LENGTH_EXCEEDED", "context_length_exceeded"],
    ["QUOTA_EXHAUSTED", "insufficient_quota"],
    ["BUDGET_EXHAUSTED", "insufficient_quota"],
    ["OVERLOADED", "server_is_overloaded"],
    ["CONTENT_POLICY", "invalid_prompt"],
    ["UPSTREAM_UNAVAILABLE", "server_error"],
    ["INTERNAL", "server_error"],
  ])("of %s has the code %s that clients act on", (failure, code) => {
    expect(failing([], new ChatError(failure, "x"))[0]).toMatchObject({ response: { error: { code } } });
  });

  test("as a whole answer has OpenAI's shape", () => {
    const error = new ChatError("UNSUPPORTED_FEATURE", "store must not be true", { field: "store" });
    expect(JSON.parse(openaiResponsesDoor.errors.body(error, "r"))).toEqual({
      error: { message: "store must not be true", type: "invalid_request_error", param: "store", code: "unsupported_parameter" },
    });
  });
});
