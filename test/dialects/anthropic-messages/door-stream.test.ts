/** Streams of every kind of upstream, as a caller of the Anthropic door gets them: what its SDKs need, in the order they need it. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ChoiceEndedSchema,
  ContentPartSchema,
  PartDeltaSchema,
  StreamCompletedSchema,
  StreamStartedSchema,
  UsageSchema,
} from "../../../gen/semaroute/v1/chat_pb.ts";
import { FinishReason, type StreamEvent } from "../../../src/core/chat.ts";
import { ChatError } from "../../../src/core/error.ts";
import { anthropicDoor } from "../../../src/dialects/anthropic-messages/door.ts";
import type { Fields } from "../../../src/dialects/anthropic-messages/fields.ts";
import { encodeAnswer } from "../../../src/dialects/anthropic-messages/answer-encode.ts";
import { type PartInit, text } from "./builders.ts";
import { ask, asked, dataIn, eventsIn, foldedFrom, streamEvents, streamText } from "./door-support.ts";
import { recorded, thrownBy } from "./support.ts";

const started: StreamEvent = { case: "started", value: create(StreamStartedSchema, { id: "01a2", model: "m" }) };
const start = (partIndex: number, part: PartInit, choiceIndex = 0): StreamEvent => ({
  case: "partStarted",
  value: { $typeName: "semaroute.v1.PartStarted", choiceIndex, partIndex, part: create(ContentPartSchema, part) },
});
const more = (partIndex: number, delta: MessageInitShape<typeof PartDeltaSchema>["delta"], choiceIndex = 0): StreamEvent => ({
  case: "partDelta",
  value: create(PartDeltaSchema, { choiceIndex, partIndex, ...(delta && { delta }) }),
});
const end = (partIndex: number, choiceIndex = 0): StreamEvent => ({
  case: "partEnded",
  value: { $typeName: "semaroute.v1.PartEnded", choiceIndex, partIndex },
});
const usage = (init: MessageInitShape<typeof UsageSchema>): StreamEvent => ({ case: "usage", value: create(UsageSchema, init) });
const ended = (finishReason: FinishReason, nativeFinishReason = ""): StreamEvent => ({
  case: "choiceEnded",
  value: create(ChoiceEndedSchema, { finishReason, nativeFinishReason }),
});
const completed = (init: MessageInitShape<typeof StreamCompletedSchema> = {}): StreamEvent => ({
  case: "completed",
  value: create(StreamCompletedSchema, { usage: create(UsageSchema, { inputTokens: 9, outputTokens: 5 }), ...init }),
});
const callPart = (id: string, argumentsJson = ""): PartInit => ({ part: { case: "toolCall", value: { id, name: "f", argumentsJson } } });
const thought: PartInit = { part: { case: "reasoning", value: { text: "" } } };
const say = (value: string) => ({ case: "text", value }) as const;
const args = (value: string) => ({ case: "argumentsJson", value }) as const;

/** The events between the message's start and its end, shortened. */
function body(...events: StreamEvent[]): readonly string[] {
  const data = dataIn(streamText([started, ...events, ended(FinishReason.STOP), completed()]));
  expect(data[0]?.["type"]).toBe("message_start");
  expect(data.slice(-2).map(({ type }) => type)).toEqual(["message_delta", "message_stop"]);
  return data
    .slice(1, -2)
    .map(({ type, index, ...rest }) => `${String(index)} ${JSON.stringify(Object.values(rest)[0] ?? String(type).slice(14))}`);
}

test("each event names its type in both lines, and the whole has a beginning and an end", () => {
  const events = [started, start(0, text("")), more(0, say("Hel")), more(0, say("lo")), end(0), ended(FinishReason.LENGTH), completed()];
  const [first, ...rest] = dataIn(streamText(events));
  const counts = { cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
  expect(first).toEqual({
    type: "message_start",
    message: {
      id: "msg_01a2",
      type: "message",
      role: "assistant",
      model: "m",
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      // Of vendors that count last it is an estimate, which the end corrects.
      usage: {
        input_tokens: 9,
        ...counts,
        output_tokens: 0,
        cache_creation: null,
        output_tokens_details: null,
        server_tool_use: null,
        service_tier: null,
      },
    },
  });
  expect(rest).toEqual([
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "lo" } },
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: "max_tokens", stop_sequence: null, stop_details: null },
      usage: { input_tokens: 9, ...counts, output_tokens: 5 },
    },
    { type: "message_stop" },
  ]);
});

test("counts that are known at the start are in it", () => {
  const sentText = streamText([started, usage({ inputTokens: 100, outputTokens: 1, cacheReadTokens: 90 }), start(0, text("x"))]);
  expect(dataIn(sentText)[0]).toMatchObject({ message: { usage: { input_tokens: 10, cache_read_input_tokens: 90, output_tokens: 1 } } });
});

describe("blocks", () => {
  test("of calls that come interleaved follow one another", () => {
    const calls = [start(0, callPart("a")), start(1, callPart("b")), more(1, args(`{"y":`)), more(0, args(`{"x":1`))];
    expect(body(...calls, more(1, args(`2}`)), end(1), more(0, args("}")), end(0))).toEqual([
      `0 {"type":"tool_use","id":"a","name":"f","input":{}}`,
      `0 {"type":"input_json_delta","partial_json":"{\\"x\\":1"}`,
      `0 {"type":"input_json_delta","partial_json":"}"}`,
      `0 "stop"`,
      `1 {"type":"tool_use","id":"b","name":"f","input":{}}`,
      `1 {"type":"input_json_delta","partial_json":"{\\"y\\":"}`,
      `1 {"type":"input_json_delta","partial_json":"2}"}`,
      `1 "stop"`,
    ]);
  });

  test("of text begin with their first word, and an empty one never does", () => {
    expect(body(start(0, text("")), end(0), start(1, text("")), more(1, say("")), more(1, say("x")), end(1))).toEqual([
      `0 {"type":"text","text":""}`,
      `0 {"type":"text_delta","text":"x"}`,
      `0 "stop"`,
    ]);
  });

  test("that an upstream left open are closed", () => {
    expect(body(start(0, text("x")), start(1, callPart("a", "{}"))).filter((line) => line.endsWith(`"stop"`))).toHaveLength(2);
  });

  test.each([
    { pieces: [`{"a":1}`], input: [`{"a":1}`] },
    { pieces: ["", "  ", ` {`, `}`], input: ["   {", "}"] },
    { pieces: [], input: [] },
    { pieces: ["nu", "ll"], input: [] },
    { pieces: ["[1", "]"], input: [String.raw`{"_raw":"[1]"}`] },
    { pieces: ["oops"], input: [`{"_raw":"oops"}`] },
  ])("of a call with the arguments $pieces give an SDK nothing that it cannot parse", ({ pieces, input }) => {
    const lines = body(start(0, callPart("a")), ...pieces.map((piece) => more(0, args(piece))), end(0));
    const deltas = lines.flatMap((line) => /^0 (\{"type":"input_json_delta".*)$/.exec(line)?.[1] ?? []);
    expect(deltas.map((delta): unknown => JSON.parse(delta).partial_json)).toEqual(input);
  });

  test("of another choice are nobody's", () => {
    expect(body(start(0, text("x")), start(0, text("y"), 1), more(0, say("z"), 1), end(0, 1), end(0))).toHaveLength(3);
  });
});

describe("thinking", () => {
  test("has its signature once, at its end", () => {
    const sign = (value: string) => ({ case: "opaque", value: { issuer: "anthropic", kind: "signature", value } }) as const;
    const lines = body(
      start(0, thought),
      more(0, { case: "reasoning", value: "Hm" }),
      more(0, sign("YQ==")),
      more(0, sign("YWI=")),
      end(0),
    );
    expect(lines).toEqual([
      `0 {"type":"thinking","thinking":"","signature":""}`,
      `0 {"type":"thinking_delta","thinking":"Hm"}`,
      `0 {"type":"signature_delta","signature":"YWI="}`,
      `0 "stop"`,
    ]);
  });

  test("of another vendor carries that one's token, and none is marked as such", () => {
    const foreign = { issuer: "openai", kind: "encrypted_content", value: "eA==" };
    expect(body(start(0, thought), more(0, { case: "opaque", value: foreign }), end(0))).toContain(
      `0 {"type":"signature_delta","signature":"sr1.openai.encrypted_content.eA=="}`,
    );
    expect(body(start(0, thought), more(0, { case: "reasoning", value: "Hm" }), end(0))).toContain(
      `0 {"type":"signature_delta","signature":"sr1.semaroute.unsigned."}`,
    );
    expect(body(start(0, thought), end(0))).toEqual([]);
  });
});

test("an unfinished answer never looks finished, wherever it stops", () => {
  const events = [
    started,
    start(0, text("")),
    more(0, say("x")),
    end(0),
    start(1, callPart("a", "{}")),
    end(1),
    ended(FinishReason.TOOL_CALLS),
  ];
  for (let i = 0; i <= events.length; i++) {
    const sent = streamText(events.slice(0, i));
    expect(sent).not.toContain("message_stop");
    expect(sent).not.toContain("message_delta");
    expect(sent).not.toContain(`"stop_reason":"`);
  }
  expect(thrownBy(() => streamText([...events.slice(0, 4), ended(FinishReason.ERROR), completed()]))).toMatchObject({
    failure: "UPSTREAM_PROTOCOL",
  });
});

test("a broken stream ends with an error event, which names the request", () => {
  const { errors } = anthropicDoor;
  const told = eventsIn(errors.event(new ChatError("STREAM_INTERRUPTED", "broke off"), "r-1"));
  expect(told).toEqual([
    { event: "error", data: `{"type":"error","error":{"type":"api_error","message":"broke off"},"request_id":"r-1"}` },
  ]);
});

test("a sign of life is a comment, and an event that SDKs skip", () => {
  expect(anthropicDoor.heartbeat).toBe(`: keep-alive\n\nevent: ping\ndata: {"type":"ping"}\n\n`);
  expect(streamText([{ case: "heartbeat", value: { $typeName: "semaroute.v1.Heartbeat" } }])).toBe(
    `event: ping\ndata: {"type":"ping"}\n\n`,
  );
});

test("fields that only Anthropic has come back where they stand there", () => {
  const extension = { anthropic: `{"container":{"id":"c"},"context_management":{"applied_edits":[]},"unheard_of":1}` };
  const sentText = streamText([
    started,
    start(0, { ...text("x"), extensionsJson: { anthropic: `{"odd":1}` } }),
    completed({ extensionsJson: extension, serviceTier: "standard" }),
  ]);
  const data = dataIn(sentText);
  expect(data[1]).toEqual({ type: "content_block_start", index: 0, content_block: { type: "text", text: "", odd: 1 } });
  expect(data.at(-2)).toMatchObject({
    delta: { container: { id: "c" }, unheard_of: 1, stop_reason: "end_turn" },
    context_management: { applied_edits: [] },
    usage: { service_tier: "standard" },
  });
});

describe("a stream of Anthropic's", () => {
  test.each(["usage-cache", "parallel-tools", "reasoning", "search", "refusal"])(
    "of %s makes the same message behind the door as before it",
    (name) => {
      const before = recorded(name);
      const after = eventsIn(streamText(streamEvents(before)));
      expect(JSON.parse(encodeAnswer(foldedFrom(after)))).toEqual(JSON.parse(encodeAnswer(foldedFrom(before))));
    },
  );
});

const piece = fc.string({ minLength: 1 });
const anyPart = fc.oneof(
  fc.array(piece, { maxLength: 3 }).map((pieces) => ({ part: text(""), deltas: pieces.map(say) })),
  fc
    .array(piece, { maxLength: 3 })
    .map((pieces) => ({ part: thought, deltas: pieces.map((value) => ({ case: "reasoning", value }) as const) })),
  fc.tuple(fc.uuid(), fc.array(piece, { maxLength: 3 })).map(([id, pieces]) => ({ part: callPart(id), deltas: pieces.map(args) })),
);

/** Parts begin in order, and only calls may go on while others do; any order of the rest. */
const anyStream = fc.array(anyPart, { maxLength: 5 }).chain((parts) =>
  fc.array(fc.nat(), { minLength: 40, maxLength: 40 }).map((picks) => {
    const queues = parts.map(({ part, deltas }, i) => [start(i, part), ...deltas.map((delta) => more(i, delta)), end(i)]);
    const events: StreamEvent[] = [];
    for (const pick of picks) {
      const begun = queues.filter(
        (queue, i) => queue.length > 0 && (i === 0 || queues.slice(0, i).every((each) => each[0]?.case !== "partStarted")),
      );
      const queue = begun[pick % Math.max(1, begun.length)];
      if (queue?.[0] !== undefined) events.push(queue[0]);
      queue?.shift();
    }
    return { parts, events: [...events, ...queues.flat()] };
  }),
);

test("whatever the order of an upstream's pieces, blocks are nested strictly, and nothing is lost", () => {
  fc.assert(
    fc.property(anyStream, ({ parts, events }) => {
      const data = dataIn(streamText([started, ...events, ended(FinishReason.STOP), completed()]));
      let open: Fields | undefined;
      let next = 0;
      const texts: string[] = [];
      for (const event of data.slice(1, -2)) {
        const { type, index, delta } = event as {
          type: string;
          index: number;
          delta?: { text?: string; thinking?: string; partial_json?: string };
        };
        if (type === "content_block_start") {
          expect([open, index]).toEqual([undefined, next++]);
          open = event;
          texts.push("");
        } else expect(index).toBe(open?.["index"]);
        if (type === "content_block_stop") open = undefined;
        texts[texts.length - 1] += delta?.text ?? delta?.thinking ?? delta?.partial_json ?? "";
      }
      expect(open).toBeUndefined();
      const said = parts
        .filter(({ part, deltas }) => part.part?.case === "toolCall" || deltas.length > 0)
        .map(({ deltas }) => deltas.map(({ value }) => value).join(""));
      expect(texts).toHaveLength(said.length);
      // Of arguments that are none an object is made, which holds them.
      for (const [i, each] of said.entries())
        if (texts[i] !== each && each.trim() !== "" && each.trim() !== "null") expect(JSON.parse(texts[i] ?? "")).toEqual({ _raw: each });
    }),
    { numRuns: 300 },
  );
});

test("the estimate at the start counts what was asked", () => {
  const long = asked(ask({ messages: [{ role: "user", content: "x".repeat(400) }] }));
  expect(long.messages).toHaveLength(1);
  const sentText = streamText([started, start(0, text("x"))], ask({ messages: [{ role: "user", content: "x".repeat(400) }] }));
  expect(dataIn(sentText)[0]).toMatchObject({ message: { usage: { input_tokens: 107 } } });
});
