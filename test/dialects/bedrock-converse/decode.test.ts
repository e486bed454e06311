import { describe, expect, test } from "vitest";
import { type ChatEvent, type ChatResponse, FinishReason } from "../../../src/core/chat.ts";
import { isContent } from "../../../src/core/stream.ts";
import { createEventStreamReader } from "../../../src/providers/wire/eventstream.ts";
import { bedrockConverse } from "../../../src/dialects/bedrock-converse/upstream.ts";
import { frame } from "../../support/event-frames.ts";
import { decoded, type Event, folded, recorded, recordedContext, recordedWhole, thrownBy } from "./support.ts";

const answers = ["text", "parallel-tools", "reasoning", "refusal", "usage-cache", "length", "search"];
const usageOf = ({ usage }: ChatResponse) => usage;
const partsOf = ({ choices }: ChatResponse) => choices[0]?.message?.content.map((each) => each.part);

function framed([name, data]: Event): Buffer {
  const kind = name.endsWith("Exception") ? "exception" : "event";
  return frame({ [`:${kind}-type`]: name, ":content-type": "application/json", ":message-type": kind }, data);
}

/** What a decoder makes of bytes in these chunks, as far as it comes. */
function read(chunks: readonly Uint8Array[]): { readonly events: readonly ChatEvent[]; readonly failure: string | undefined } {
  const events: ChatEvent[] = [];
  const decoder = bedrockConverse.streamDecoder({}, recordedContext);
  const reader = createEventStreamReader((data, name) => decoder.push(data, name, events));
  try {
    for (const chunk of chunks) reader.push(chunk);
    reader.end();
    decoder.end(events);
  } catch (error) {
    return {
      events,
      failure: thrownBy(() => {
        throw error;
      }).failure,
    };
  }
  return { events, failure: undefined };
}

describe.each(answers)("the recorded answer %s", (name) => {
  test("is the same whole and as a stream", () => {
    // A key of `extensions_json` may come in another order.
    expect(JSON.parse(plain(folded(decoded(recorded(name)))))).toEqual(JSON.parse(plain(recordedWhole(name))));
  });

  test("gives the same events wherever its bytes are cut", () => {
    const bytes = Buffer.concat(recorded(name).map(framed));
    const whole = read([bytes]);
    expect(whole.failure).toBeUndefined();
    for (let at = 0; at <= bytes.length; at++) expect(read([bytes.subarray(0, at), bytes.subarray(at)]), String(at)).toEqual(whole);
  });

  test("never looks finished when it stops before messageStop", () => {
    const frames = recorded(name).map(framed);
    const until = recorded(name).findIndex(([event]) => event === "messageStop");
    const before = Buffer.concat(frames.slice(0, until + 1));
    for (let at = 0; at < before.length; at++) {
      const { events, failure } = read([before.subarray(0, at)]);
      expect(failure, String(at)).toMatch(/^UPSTREAM_(UNAVAILABLE|PROTOCOL)$/);
      expect(
        events.some((event) => event.case === "completed"),
        String(at),
      ).toBe(false);
    }
  });

  test("is whole without its metadata, but for what is told there", () => {
    const events = decoded(recorded(name).slice(0, -1));
    expect(events.at(-1)?.case).toBe("completed");
    expect(usageOf(folded(events))).toBeUndefined();
    expect(partsOf(folded(events))).toEqual(partsOf(recordedWhole(name)));
  });

  test("has dense parts that begin, and end once", () => {
    const events = decoded(recorded(name));
    const started = events.flatMap((event) => (event.case === "partStarted" ? [event.value.partIndex] : []));
    const ended = events.flatMap((event) => (event.case === "partEnded" ? [event.value.partIndex] : []));
    expect(started).toEqual(started.map((_, i) => i));
    expect(ended.toSorted((a, b) => a - b)).toEqual(started);
  });
});

function plain(response: ChatResponse): string {
  return JSON.stringify(response, (key, value: unknown) => {
    if (key !== "extensionsJson" || typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([by, text]) => [by, sorted(JSON.parse(String(text)))]));
  });
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

describe("what an answer says:", () => {
  test("text, whose padding is nobody's", () => {
    const response = recordedWhole("text");
    expect(response.choices[0]).toMatchObject({
      finishReason: FinishReason.STOP,
      nativeFinishReason: "end_turn",
      message: { text: "Hello there, 🙂." },
    });
    expect(usageOf(response)).toMatchObject({ inputTokens: 25, outputTokens: 9, totalTokens: 34 });
    expect(folded(decoded(recorded("text"))).extensionsJson).toEqual({ bedrock: '{"metrics":{"latencyMs":551}}' });
  });

  test("parallel calls: arguments as they came, absent ones filled, free-form input unwrapped", () => {
    const response = folded(decoded(recorded("parallel-tools")));
    expect(response.choices[0]?.finishReason).toBe(FinishReason.TOOL_CALLS);
    expect(partsOf(response)).toMatchObject([
      { value: { text: "Let me look." } },
      { value: { id: "tooluse_a1", name: "weather", argumentsJson: '{"city":"Paris","id":12345678901234567890}', custom: false } },
      { value: { id: "tooluse_b2", name: "now", argumentsJson: "{}", custom: false } },
      { value: { id: "tooluse_c3", name: "patch", argumentsJson: "line 1\nline 2", custom: true } },
    ]);
  });

  test("reasoning, with its signature, and sealed reasoning put together from its pieces", () => {
    expect(partsOf(folded(decoded(recorded("reasoning"))))).toMatchObject([
      { value: { text: "Six times seven.", opaque: [{ issuer: "bedrock", kind: "signature", value: "EqoBCkgIARABGAIiQL8=" }] } },
      { value: { text: "", opaque: [{ issuer: "bedrock", kind: "redacted_content", value: "AQIDBAU=" }] } },
      { value: { text: "42" } },
    ]);
  });

  test("a guardrail's intervention is a content filter, and its trace goes along", () => {
    const response = recordedWhole("refusal");
    expect(response.choices[0]).toMatchObject({ finishReason: FinishReason.CONTENT_FILTER, nativeFinishReason: "guardrail_intervened" });
    expect(response.extensionsJson["bedrock"]).toContain('"topicPolicy"');
  });

  test("usage with cache is inclusive; tier and stop sequence are told", () => {
    const response = folded(decoded(recorded("usage-cache")));
    expect(usageOf(response)).toMatchObject({
      inputTokens: 1125,
      outputTokens: 9,
      totalTokens: 1134,
      cacheReadTokens: 1000,
      cacheWriteTokens: 100,
      extensionsJson: { bedrock: '{"cacheDetails":[{"inputTokens":100,"ttl":"1h"}]}' },
    });
    expect(response).toMatchObject({ serviceTier: "priority", choices: [{ finishReason: FinishReason.STOP, stopSequence: "END" }] });
  });

  test("JSON that was asked for in words comes without its fence, whole and in pieces", () => {
    const context = { fencedJson: true } as const;
    const body = { output: { message: { content: [{ text: '```json\n{"a":1}\n```' }] } }, stopReason: "end_turn" };
    expect(bedrockConverse.decodeResponse(body, {}, context).choices[0]?.message?.text).toBe('{"a":1}');
    const out: ChatEvent[] = [];
    const decoder = bedrockConverse.streamDecoder({}, context);
    decoder.push("{}", "messageStart", out);
    for (const text of ["``", "`json\n{", '"a":1', "}\n``", "`"])
      decoder.push(JSON.stringify({ contentBlockIndex: 0, delta: { text } }), "contentBlockDelta", out);
    decoder.push('{"contentBlockIndex":0}', "contentBlockStop", out);
    decoder.push('{"stopReason":"end_turn"}', "messageStop", out);
    decoder.end(out);
    expect(folded(out).choices[0]?.message?.text).toBe('{"a":1}');
  });

  test("length is length", () => {
    expect(recordedWhole("length").choices[0]).toMatchObject({ finishReason: FinishReason.LENGTH, message: { text: "Once upon" } });
  });

  test("tools that ran at Bedrock are no calls of the caller's, and citations have titles and places", () => {
    const response = folded(decoded(recorded("search")));
    expect(response.choices[0]?.finishReason).toBe(FinishReason.STOP);
    expect(partsOf(response)?.map((part) => part.case)).toEqual(["native", "native", "text"]);
    expect(partsOf(response)?.[2]?.value).toMatchObject({
      text: "It is wet.",
      citations: [
        { title: "Rain", url: "https://example.com/rain" },
        { title: "Manual", url: "", citedText: "It rains.", documentIndex: 1 },
      ],
    });
  });
});

test.for([
  ["end_turn", FinishReason.STOP],
  ["stop_sequence", FinishReason.STOP],
  ["max_tokens", FinishReason.LENGTH],
  ["tool_use", FinishReason.STOP],
  ["content_filtered", FinishReason.CONTENT_FILTER],
  ["guardrail_intervened", FinishReason.CONTENT_FILTER],
  ["malformed_model_output", FinishReason.MALFORMED_TOOL_CALL],
  ["malformed_tool_use", FinishReason.MALFORMED_TOOL_CALL],
  ["model_context_window_exceeded", FinishReason.CONTEXT_WINDOW],
  ["something_new", FinishReason.OTHER],
] as const)("stopReason %s of an answer without calls", ([stopReason, finishReason]) => {
  const whole = bedrockConverse.decodeResponse({ output: { message: { content: [{ text: "x" }] } }, stopReason }, {});
  expect(whole.choices[0]).toMatchObject({ finishReason, nativeFinishReason: stopReason });
});

test("a call with end_turn is a call", () => {
  const content = [{ toolUse: { toolUseId: "t", name: "f", input: {} } }];
  expect(bedrockConverse.decodeResponse({ output: { message: { content } }, stopReason: "end_turn" }, {}).choices[0]?.finishReason).toBe(
    FinishReason.TOOL_CALLS,
  );
});

describe("an exception", () => {
  test("first, is the failure by its type", () => {
    expect(thrownBy(() => decoded(recorded("error-first")))).toMatchObject({ failure: "RATE_LIMITED", upstream: { status: 200 } });
  });

  test("after content, too, and the answer is not completed", () => {
    const out: ChatEvent[] = [];
    const decoder = bedrockConverse.streamDecoder({});
    const run = (): void => recorded("error-inside").forEach(([name, data]) => decoder.push(data, name, out));
    expect(thrownBy(run)).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE", message: "bedrock answered 424 (modelStreamErrorException)" });
    expect(out.some((event) => event.case === "completed")).toBe(false);
  });

  test.for([
    ["internalServerException", "UPSTREAM_UNAVAILABLE"],
    ["modelStreamErrorException", "UPSTREAM_UNAVAILABLE"],
    ["validationException", "INVALID_REQUEST"],
    ["throttlingException", "RATE_LIMITED"],
    ["serviceUnavailableException", "OVERLOADED"],
    ["modelTimeoutException", "UPSTREAM_UNAVAILABLE"],
    ["aNewerException", "UPSTREAM_UNAVAILABLE"],
    ["error", "UPSTREAM_UNAVAILABLE"],
  ] as const)("%s is %s", ([name, failure]) => {
    expect(thrownBy(() => decoded([[name, '{"message":"no"}']])).failure).toBe(failure);
  });

  test("after messageStop fails the stream as well", () => {
    const events = [...recorded("text").slice(0, -1), ["internalServerException", "{}"] as const];
    expect(thrownBy(() => decoded(events)).failure).toBe("UPSTREAM_UNAVAILABLE");
  });

  test("of a prompt that is too long says so", () => {
    const error = thrownBy(() => decoded([["validationException", '{"message":"Input is too long for requested model."}']]));
    expect(error).toMatchObject({
      failure: "CONTEXT_LENGTH_EXCEEDED",
      message: "Input is too long for requested model.",
      fromUpstream: true,
    });
  });
});

describe("a stream out of order is broken:", () => {
  const start: Event = ["messageStart", '{"role":"assistant"}'];
  const stop: Event = ["messageStop", '{"stopReason":"end_turn"}'];
  test.for<{ what: string; events: Event[] }>([
    { what: "a delta before the start", events: [["contentBlockDelta", '{"delta":{"text":"x"}}']] },
    { what: "two starts", events: [start, start] },
    {
      what: "arguments without a tool",
      events: [start, ["contentBlockDelta", '{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{"}}}']],
    },
    {
      what: "text within a tool",
      events: [
        start,
        ["contentBlockStart", '{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"a","name":"f"}}}'],
        ["contentBlockDelta", '{"contentBlockIndex":0,"delta":{"text":"x"}}'],
      ],
    },
    { what: "metadata before the end", events: [start, ["metadata", "{}"]] },
    { what: "an end without a reason", events: [start, ["messageStop", "{}"]] },
    { what: "a second end", events: [start, stop, stop] },
    { what: "a delta after the end", events: [start, stop, ["contentBlockDelta", '{"delta":{"text":"x"}}']] },
    { what: "an event that is no JSON", events: [["metadata", "{"]] },
    { what: "an event that is no object", events: [start, ["messageStop", "[]"]] },
  ])("$what", ({ events }) => {
    expect(thrownBy(() => decoded(events)).failure).toBe("UPSTREAM_PROTOCOL");
  });
});

describe("a stream is read for what it means:", () => {
  const around = (...events: Event[]): readonly Event[] => [
    ["messageStart", '{"role":"assistant"}'],
    ...events,
    ["messageStop", '{"stopReason":"end_turn"}'],
  ];
  const delta = (index: number, value: object): Event => ["contentBlockDelta", JSON.stringify({ contentBlockIndex: index, delta: value })];

  test("a start that announces text or thoughts, and holds neither, begins nothing", () => {
    const start = (index: number, value: object): Event => [
      "contentBlockStart",
      JSON.stringify({ contentBlockIndex: index, start: value }),
    ];
    const thought = delta(0, { reasoningContent: { text: "hm" } });
    const plainly = around(thought, delta(1, { text: "so" }));
    const announced = around(start(0, { reasoningContent: {} }), thought, start(1, {}), delta(1, { text: "so" }));
    expect(partsOf(folded(decoded(announced)))).toEqual(partsOf(folded(decoded(plainly))));
    expect(partsOf(folded(decoded(announced)))).toHaveLength(2);
  });

  test("events of later versions mean nothing", () => {
    expect(
      folded(decoded(around(["somethingNew", "{}"], delta(0, { text: "a" }), delta(0, { novel: {} })))).choices[0]?.message?.text,
    ).toBe("a");
  });

  test("an empty text begins nothing", () => {
    const events = decoded(around(delta(0, { text: "" }), ["contentBlockStop", '{"contentBlockIndex":0}']));
    expect(events.map((event) => event.case)).toEqual(["started", "choiceEnded", "completed"]);
  });

  test("a block that is never stopped ends with the message", () => {
    const events = decoded(around(delta(0, { text: "a" })));
    expect(events.map((event) => event.case)).toEqual(["started", "partStarted", "partDelta", "partEnded", "choiceEnded", "completed"]);
  });

  test("reasoning and text under one index are two parts", () => {
    const response = folded(decoded(around(delta(0, { reasoningContent: { text: "hm" } }), delta(0, { text: "a" }))));
    expect(partsOf(response)?.map((part) => part.case)).toEqual(["reasoning", "text"]);
  });

  test("blocks that interleave keep apart", () => {
    const response = folded(decoded(around(delta(0, { text: "a" }), delta(1, { text: "b" }), delta(0, { text: "c" }))));
    expect(partsOf(response)).toMatchObject([{ value: { text: "ac" } }, { value: { text: "b" } }]);
  });

  test("nothing after the metadata counts", () => {
    const events: Event[] = [...recorded("text"), ["metadata", "{}"], ["internalServerException", "{}"]];
    expect(decoded(events).filter((event) => event.case === "completed")).toHaveLength(1);
  });

  test("the first content is the first text", () => {
    expect(decoded(recorded("text")).findIndex(isContent)).toBe(2);
  });
});

test.for([
  { what: "no object", body: [] },
  { what: "no output", body: {} },
  { what: "no message", body: { output: {} } },
  { what: "no content", body: { output: { message: { role: "assistant" } } } },
  { what: "a block that is no object", body: { output: { message: { content: ["x"] } } } },
])("a whole answer with $what is a broken one", ({ body }) => {
  expect(thrownBy(() => bedrockConverse.decodeResponse(body, {})).failure).toBe("UPSTREAM_PROTOCOL");
});

test("an error inside a 200 is the error that it names", () => {
  const body = { __type: "com.amazon.coral.service#ThrottlingException", message: "slow" };
  expect(thrownBy(() => bedrockConverse.decodeResponse(body, {})).failure).toBe("RATE_LIMITED");
});

test("there is no list of models", () => expect(bedrockConverse.decodeModels({ data: [{ id: "x" }] })).toBeUndefined());
