import { clone } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  type Batch,
  type ChatEvent,
  type ChatResponse,
  chatResponse,
  ChatResponseSchema,
  choice,
  type ContentPart,
  contentPart,
  partDelta,
  partEnded,
  partStarted,
  textPart,
  usageOf,
} from "../../src/core/chat.ts";
import { createFolder, fold, textOf } from "../../src/core/fold.ts";
import { eventsFromResponse, isContent } from "../../src/core/stream.ts";
import { closed, completed, finished, opened, said, started, whole } from "../stages/support.ts";

const opaque = (value: string) => ({ $typeName: "semaroute.v1.Opaque" as const, issuer: "anthropic", kind: "signature", value });
const parts = {
  text: (text: string): ContentPart => textPart(text),
  refusal: (text: string): ContentPart =>
    contentPart({ case: "refusal", value: { $typeName: "semaroute.v1.RefusalPart", text, category: "" } }),
  reasoning: (text: string, sealed: string[] = []): ContentPart =>
    contentPart({
      case: "reasoning",
      value: { $typeName: "semaroute.v1.ReasoningPart", text, summary: false, opaque: sealed.map(opaque) },
    }),
  toolCall: (argumentsJson: string): ContentPart =>
    contentPart({
      case: "toolCall",
      value: { $typeName: "semaroute.v1.ToolCallPart", id: "call_1", name: "f", argumentsJson, custom: false },
    }),
  audio: (bytes: number[], audioId = "a1"): ContentPart =>
    contentPart({
      case: "audio",
      value: {
        $typeName: "semaroute.v1.AudioPart",
        media: {
          $typeName: "semaroute.v1.Media",
          source: { case: "data", value: new Uint8Array(bytes) },
          mimeType: "audio/wav",
          filename: "",
        },
        transcript: "t",
        audioId,
      },
    }),
};

describe("content", () => {
  for (const [what, event, is] of [
    ["a start", started, false],
    ["an empty text part", opened, false],
    ["a part's end", closed, false],
    ["an empty delta", said(""), false],
    ["a delta of no kind", partDelta(0, 0, { case: undefined }), false],
    ["usage", { case: "usage", value: usageOf(1, 1) }, false],
    ["a heartbeat", { case: "heartbeat", value: { $typeName: "semaroute.v1.Heartbeat" } }, false],
    ["a part that starts empty: reasoning", partStarted(0, 0, parts.reasoning("")), false],
    ["a part that starts empty: refusal", partStarted(0, 0, parts.refusal("")), false],
    ["a part that starts empty: audio without a handle", partStarted(0, 0, parts.audio([], "")), false],
    ["text", said("x"), true],
    ["a part that starts with text", partStarted(0, 0, textPart("x")), true],
    ["sealed reasoning", partStarted(0, 0, parts.reasoning("", ["s"])), true],
    ["a tool call", partStarted(0, 0, parts.toolCall("")), true],
    ["audio with a handle", partStarted(0, 0, parts.audio([])), true],
    ["a choice's end", finished(), true],
    ["the stream's end", completed(), true],
    ["the whole", whole(""), true],
  ] as [string, ChatEvent, boolean][]) {
    test(`${what} is ${is ? "" : "not "}content`, () => expect(isContent(event)).toBe(is));
  }
});

const text = fc.string({ maxLength: 20, unit: "grapheme" });
const anyPart = fc.oneof(
  text.map(parts.text),
  text.map(parts.refusal),
  fc.tuple(text, fc.array(text, { maxLength: 1 })).map(([said_, sealed]) => parts.reasoning(said_, sealed)),
  text.map(parts.toolCall),
  fc.array(fc.nat(255), { maxLength: 9 }).map((bytes) => parts.audio(bytes)),
);
const anyResponse: fc.Arbitrary<ChatResponse> = fc
  .tuple(fc.array(fc.array(anyPart, { maxLength: 4 }), { minLength: 1, maxLength: 3 }), fc.boolean(), text)
  .map(([choices, used, native]) => {
    const made = choices.map((content, index) => ({ ...choice(index, content), finishReason: 1 as const, nativeFinishReason: native }));
    for (const { message } of made) if (message !== undefined) message.text = textOf(message.content);
    return { ...chatResponse("m", made, used ? usageOf(3, 4) : undefined), id: "i", serviceTier: "flex", systemFingerprint: "fp" };
  });

async function* batchesOf(events: readonly ChatEvent[], size: number): AsyncGenerator<Batch, undefined> {
  for (let at = 0; at < events.length; at += size) yield events.slice(at, at + size);
}

describe("folding", () => {
  test("the events of any answer gives that answer, however they are batched", async () => {
    await fc.assert(
      fc.asyncProperty(anyResponse, fc.integer({ min: 1, max: 5 }), async (response, size) => {
        const before = clone(ChatResponseSchema, response);
        const folded = await fold(batchesOf(eventsFromResponse(response), size));
        expect(clone(ChatResponseSchema, folded)).toEqual(before);
        expect(clone(ChatResponseSchema, response)).toEqual(before);
      }),
      { numRuns: 200 },
    );
  });

  test("does not change the events: a kept answer can be folded again", async () => {
    const events: ChatEvent[] = [
      started,
      partStarted(0, 0, textPart("")),
      said("Hel"),
      said("lo"),
      partStarted(0, 1, parts.audio([1])),
      partDelta(0, 1, { case: "audio", value: new Uint8Array([2, 3]) }),
      partDelta(0, 1, { case: "audioTranscript", value: "u" }),
      finished(),
      completed(usageOf(1, 1)),
    ];
    const before = structuredClone(events);
    const [one, two] = [await fold(batchesOf(events, 2)), await fold(batchesOf(events, 3))];
    expect(one).toEqual(two);
    expect(events).toEqual(before);
    expect(one.choices[0]?.message).toMatchObject({
      text: "Hello",
      content: [
        { part: { value: { text: "Hello" } } },
        { part: { value: { transcript: "tu", media: { source: { value: new Uint8Array([1, 2, 3]) } } } } },
      ],
    });
  });

  test("keeps choices apart and in order, whichever came first", () => {
    const folder = createFolder();
    for (const event of [
      partDelta(1, 0, { case: "text", value: "b" }),
      partDelta(0, 0, { case: "text", value: "a" }),
      partEnded(1, 0),
      finished(2, 1),
      finished(1, 0),
    ])
      folder.push(event);
    expect(folder.response().choices).toMatchObject([
      { index: 0, finishReason: 1, message: { text: "a" } },
      { index: 1, finishReason: 2, message: { text: "b" } },
    ]);
  });

  test("a sealed token of the same kind replaces the one before it, and others stay", () => {
    const folder = createFolder();
    folder.push(partStarted(0, 0, parts.reasoning("")));
    for (const value of ["one", "two"]) folder.push(partDelta(0, 0, { case: "opaque", value: opaque(value) }));
    folder.push(partDelta(0, 0, { case: "opaque", value: { ...opaque("x"), kind: "other" } }));
    expect(folder.response().choices[0]?.message?.content[0]?.part).toMatchObject({
      value: { opaque: [{ value: "two" }, { value: "x" }] },
    });
  });

  test("parts that never came leave no holes", () => {
    const folder = createFolder();
    folder.push(partDelta(0, 2, { case: "text", value: "late" }));
    folder.push(finished());
    const [only] = folder.response().choices;
    expect(only?.message?.text).toBe("late");
    expect(only?.message?.content).toHaveLength(1);
  });
});

describe("a whole answer as events", () => {
  test("each part begins empty, comes in one delta, and ends; choices end, then the stream", () => {
    const response = chatResponse(
      "m",
      [{ ...choice(0, [parts.reasoning("why", ["s"]), parts.text("Hello"), parts.toolCall("{}")]), finishReason: 3 }],
      usageOf(1, 2),
    );
    const events = eventsFromResponse(response);
    expect(events.map((event) => event.case).join(" ")).toBe(
      "started partStarted partDelta partEnded partStarted partDelta partEnded partStarted partDelta partEnded choiceEnded completed",
    );
    expect(events[4]).toMatchObject({ value: { partIndex: 1, part: { part: { value: { text: "" } } } } });
  });

  test("logprobs ride with the choice's first delta", () => {
    const logprobs = [{ $typeName: "semaroute.v1.TokenLogprob" as const, token: "H", logprob: -1, bytes: new Uint8Array(), top: [] }];
    const events = eventsFromResponse(chatResponse("m", [{ ...choice(0, [parts.text("Hello")]), logprobs }], undefined));
    expect(events.find((event) => event.case === "partDelta")).toMatchObject({ value: { logprobs } });
  });
});
