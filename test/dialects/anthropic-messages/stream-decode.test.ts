import { describe, expect, test } from "vitest";
import { type ChatEvent, FinishReason } from "../../../src/core/chat.ts";
import { createFolder } from "../../../src/core/fold.ts";
import { isContent } from "../../../src/core/stream.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages/upstream.ts";
import { decoded, recorded, type Sse, thrownBy } from "./support.ts";

function folded(events: readonly ChatEvent[]) {
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return folder.response();
}

function shape(events: readonly ChatEvent[]): string {
  return events.map((event) => (event.case === "partDelta" ? event.value.delta.case : event.case)).join(" ");
}

const start: Sse = {
  event: "message_start",
  data: `{"type":"message_start","message":{"model":"m","usage":{"input_tokens":1,"output_tokens":1}}}`,
};
const finished: Sse = { event: "message_delta", data: `{"type":"message_delta","delta":{"stop_reason":"end_turn"}}` };
const stop: Sse = { event: "message_stop", data: `{"type":"message_stop"}` };

const block = (contentBlock: string): Sse => ({
  event: "content_block_start",
  data: `{"type":"content_block_start","index":0,"content_block":${contentBlock}}`,
});
const delta = (value: string): Sse => ({
  event: "content_block_delta",
  data: `{"type":"content_block_delta","index":0,"delta":${value}}`,
});

describe("a recorded stream", () => {
  test("of text becomes one part, with inclusive usage and the stop sequence", () => {
    const events = decoded(recorded("usage-cache"));
    expect(shape(events)).toBe("started usage partStarted text text partEnded choiceEnded usage completed");
    const response = folded(events);
    expect(response).toMatchObject({
      model: "claude-sonnet-4-5-20250929",
      serviceTier: "standard",
      extensionsJson: { anthropic: `{"container":{"id":"c1"}}` },
    });
    expect(response.usage).toMatchObject({
      inputTokens: 1125,
      outputTokens: 15,
      totalTokens: 1140,
      cacheReadTokens: 1000,
      cacheWriteTokens: 100,
    });
    expect(response.choices[0]).toMatchObject({
      finishReason: FinishReason.STOP,
      nativeFinishReason: "stop_sequence",
      stopSequence: "END",
      message: { text: "Hello there" },
    });
  });

  test("of text has no content before its first words", () => {
    const events = decoded(recorded("usage-cache"));
    expect(events.findIndex(isContent)).toBe(3);
  });

  test("of parallel tools keeps arguments as they came, fills absent ones and unwraps free-form input", () => {
    const events = decoded(recorded("parallel-tools"), { freeformTools: new Set(["patch"]) });
    expect(shape(events)).toBe(
      "started usage partStarted text partEnded partStarted argumentsJson argumentsJson partEnded partStarted argumentsJson partEnded partStarted argumentsJson partEnded choiceEnded usage completed",
    );
    const [choice] = folded(events).choices;
    expect(choice?.finishReason).toBe(FinishReason.TOOL_CALLS);
    expect(choice?.message?.content.slice(1).map((part) => part.part.value)).toMatchObject([
      { id: "toolu_1", name: "weather", argumentsJson: `{"city": "Paris"}`, custom: false },
      { id: "toolu_2", name: "now", argumentsJson: "{}", custom: false },
      { id: "toolu_3", name: "patch", argumentsJson: "line 1\nline 2", custom: true },
    ]);
    expect(choice?.message?.content[1]?.extensionsJson).toEqual({ anthropic: `{"caller":{"type":"direct"}}` });
    expect(folded(events).usage).toMatchObject({ inputTokens: 12, outputTokens: 40 });
  });

  test("has dense part indices", () => {
    const starts = decoded(recorded("parallel-tools")).flatMap((event) => (event.case === "partStarted" ? [event.value.partIndex] : []));
    expect(starts).toEqual([0, 1, 2, 3]);
  });

  test("of thinking carries signature and sealed blocks", () => {
    const response = folded(decoded(recorded("reasoning")));
    expect(response.choices[0]?.message?.content.map((part) => part.part)).toMatchObject([
      { case: "reasoning", value: { text: "Let me see.", opaque: [{ issuer: "anthropic", kind: "signature", value: "EqQB==" }] } },
      { case: "reasoning", value: { text: "", opaque: [{ issuer: "anthropic", kind: "redacted_thinking", value: "sealed==" }] } },
      { case: "text", value: { text: "42" } },
    ]);
    expect(response.usage).toMatchObject({ outputTokens: 90, reasoningTokens: 80 });
  });

  test("of a refusal ends as one, and says why to those who know Anthropic", () => {
    expect(folded(decoded(recorded("refusal"))).choices[0]).toMatchObject({
      finishReason: FinishReason.REFUSAL,
      nativeFinishReason: "refusal",
      extensionsJson: { anthropic: `{"stop_details":{"type":"refusal","category":"cyber","explanation":"No."}}` },
    });
  });

  test("of a server's tool keeps its blocks and citations for replay", () => {
    const response = folded(decoded(recorded("search")));
    const content = response.choices[0]?.message?.content ?? [];
    expect(content.slice(0, 2).map((part) => part.part.value)).toMatchObject([
      { issuer: "anthropic", json: `{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"llamas"}}` },
      { json: expect.stringContaining(`"rank":12345678901234567890`) },
    ]);
    expect(content[2]?.part.value).toMatchObject({
      text: "Llamas hum.",
      citations: [
        { url: "https://example.com", title: "Llamas", citedText: "hum" },
        { title: "Book", citedText: "a hum", documentIndex: 1 },
      ],
    });
    expect(content[2]?.extensionsJson["anthropic"]).toContain(`"encrypted_index":"abc"},{"type":"char_location"`);
    expect(response.choices[0]?.finishReason).toBe(FinishReason.PAUSE);
    expect(response.usage?.extensionsJson).toEqual({ anthropic: `{"server_tool_use":{"web_search_requests":1}}` });
  });

  test.each([
    { name: "error-first", failure: "OVERLOADED", requestId: "req_9" },
    { name: "error-inside", failure: "UPSTREAM_UNAVAILABLE", requestId: "" },
  ])("$name throws $failure", ({ name, failure, requestId }) => {
    expect(thrownBy(() => decoded(recorded(name)))).toMatchObject({ failure, upstream: { status: 200, requestId } });
  });

  test.each(["usage-cache", "parallel-tools", "reasoning", "refusal", "search"])(
    "of %s that is cut anywhere never looks finished",
    (name) => {
      const events = recorded(name);
      for (let length = 0; length < events.length; length++)
        expect(thrownBy(() => decoded(events.slice(0, length)))).toMatchObject({
          failure: "UPSTREAM_UNAVAILABLE",
          message: "anthropic's stream ended before message_stop",
        });
    },
  );
});

describe("a broken stream", () => {
  const text = block(`{"type":"text","text":""}`);
  test.each([
    { what: "no JSON", events: [{ event: "message_start", data: "<html>" }] },
    { what: "no object", events: [{ event: "message_start", data: "3" }] },
    { what: "a block before the message", events: [text] },
    { what: "a delta before its block", events: [start, delta(`{"type":"text_delta","text":"a"}`)] },
    { what: "a second message", events: [start, start] },
    { what: "a block in a block", events: [start, text, text] },
    { what: "thinking in text", events: [start, text, delta(`{"type":"thinking_delta","thinking":"a"}`)] },
    { what: "arguments in text", events: [start, text, delta(`{"type":"input_json_delta","partial_json":"a"}`)] },
    { what: "an end inside a block", events: [start, text, finished] },
    { what: "an end without a reason", events: [start, stop] },
    { what: "an end before the message", events: [stop] },
  ])("with $what is a protocol error", ({ events }) => {
    expect(thrownBy(() => decoded(events)).failure).toBe("UPSTREAM_PROTOCOL");
  });

  test("whose error event is not called so is still an error", () => {
    expect(thrownBy(() => decoded([{ event: undefined, data: `{"error":{"type":"rate_limit_error","message":"slow"}}` }])).failure).toBe(
      "RATE_LIMITED",
    );
  });

  test("may hold younger kinds of deltas", () => {
    const events = decoded([
      start,
      text,
      delta(`{"type":"aura_delta","aura":"blue"}`),
      { event: "", data: `{"type":"content_block_stop","index":0}` },
      finished,
      stop,
    ]);
    expect(shape(events)).toBe("started usage partStarted partEnded choiceEnded completed");
  });

  test("may bring a call's whole input with its start", () => {
    const call = block(`{"type":"tool_use","id":"a","name":"f","input":{"id":12345678901234567890}}`);
    const events = decoded([start, call, { event: "content_block_stop", data: `{"type":"content_block_stop","index":0}` }, finished, stop]);
    expect(folded(events).choices[0]?.message?.content[0]?.part.value).toMatchObject({ argumentsJson: `{"id":12345678901234567890}` });
  });
});

test("what follows message_stop is ignored", () => {
  const out: ChatEvent[] = [];
  const decoder = anthropicMessages.streamDecoder({});
  for (const { data, event } of [start, finished, stop, stop, start]) decoder.push(data, event, out);
  decoder.end(out);
  expect(shape(out)).toBe("started usage choiceEnded completed");
});
