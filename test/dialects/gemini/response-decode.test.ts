import { describe, expect, test } from "vitest";
import { FinishReason } from "../../../src/core/chat.ts";
import { gemini } from "../../../src/dialects/gemini/upstream.ts";
import { answer, streamed, thrownBy } from "./support.ts";

const words: readonly (readonly [word: string, reason: FinishReason])[] = [
  ["STOP", FinishReason.STOP],
  ["MAX_TOKENS", FinishReason.LENGTH],
  ["SAFETY", FinishReason.CONTENT_FILTER],
  ["RECITATION", FinishReason.CONTENT_FILTER],
  ["LANGUAGE", FinishReason.CONTENT_FILTER],
  ["BLOCKLIST", FinishReason.CONTENT_FILTER],
  ["PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER],
  ["SPII", FinishReason.CONTENT_FILTER],
  ["IMAGE_SAFETY", FinishReason.CONTENT_FILTER],
  ["IMAGE_PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER],
  ["IMAGE_RECITATION", FinishReason.CONTENT_FILTER],
  ["IMAGE_OTHER", FinishReason.CONTENT_FILTER],
  ["MALFORMED_FUNCTION_CALL", FinishReason.MALFORMED_TOOL_CALL],
  ["UNEXPECTED_TOOL_CALL", FinishReason.MALFORMED_TOOL_CALL],
  ["TOO_MANY_TOOL_CALLS", FinishReason.MALFORMED_TOOL_CALL],
  ["CONTINUATION", FinishReason.PAUSE],
  ["MISSING_THOUGHT_SIGNATURE", FinishReason.ERROR],
  ["OTHER", FinishReason.OTHER],
  ["SOMETHING_NEW", FinishReason.OTHER],
];

describe("a finish reason", () => {
  test.each(words)("%s", (word, reason) => {
    const response = gemini.decodeResponse(answer([{ text: "a" }], word), {});
    expect(response.choices[0]).toMatchObject({ finishReason: reason, nativeFinishReason: word });
  });

  test.each(["STOP", "FUNCTION_CALL"])("%s beside a call means tool calls", (word) => {
    expect(gemini.decodeResponse(answer([{ functionCall: { name: "f" } }], word), {}).choices[0]?.finishReason).toBe(
      FinishReason.TOOL_CALLS,
    );
  });

  test("other than a good one is believed beside a call", () => {
    const reasons = ["MAX_TOKENS", "SAFETY"].map(
      (word) => gemini.decodeResponse(answer([{ functionCall: { name: "f" } }], word), {}).choices[0]?.finishReason,
    );
    expect(reasons).toEqual([FinishReason.LENGTH, FinishReason.CONTENT_FILTER]);
  });

  test("is not missed in an answer that came whole", () => {
    expect(gemini.decodeResponse(answer([{ text: "a" }]), {}).choices[0]).toMatchObject({
      finishReason: FinishReason.STOP,
      nativeFinishReason: "",
    });
  });
});

describe("an empty success", () => {
  const empties: readonly (readonly unknown[])[] = [[], [{ text: "" }], [{}]];
  test.each(empties)("of parts %j is no answer, whole or streamed", (...parts) => {
    const empty = answer(parts, "STOP", { usageMetadata: { promptTokenCount: 22_649, thoughtsTokenCount: 9 } });
    for (const decode of [() => gemini.decodeResponse(empty, {}), () => streamed(empty)])
      expect(thrownBy(decode)).toMatchObject({ failure: "UPSTREAM_PROTOCOL", message: "gemini: the answer is empty" });
  });

  test("with another finish is an answer", () => {
    for (const word of ["MAX_TOKENS", "SAFETY", "MALFORMED_FUNCTION_CALL"])
      expect(gemini.decodeResponse(answer([], word), {}).choices).toHaveLength(1);
  });

  test("that was counted is an answer", () => {
    expect(
      gemini.decodeResponse(answer([], "STOP", { usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1 } }), {}).choices,
    ).toHaveLength(1);
  });
});

describe("a whole answer", () => {
  test.each([{ body: {} }, { body: { candidates: [] } }, { body: 3 }, { body: [] }, { body: [{ usageMetadata: {} }] }])(
    "$body is none",
    ({ body }) => {
      expect(thrownBy(() => gemini.decodeResponse(body, {})).failure).toMatch(/^UPSTREAM_(PROTOCOL|UNAVAILABLE)$/);
    },
  );

  test("without ids has one for each call, which differ", () => {
    const parts = [{ functionCall: { name: "f" } }, { functionCall: { name: "f" } }];
    const ids = gemini
      .decodeResponse(answer(parts, "STOP"), {})
      .choices[0]?.message?.content.map(({ part }) => part.case === "toolCall" && part.value.id);
    expect(new Set(ids).size).toBe(2);
  });

  test("gives tools back their own names, and free-form ones their input", () => {
    const context = { toolNames: new Map([["_1st", "1st"]]), freeformTools: new Set(["patch"]) };
    const parts = [
      { functionCall: { name: "_1st", args: { a: 1 } } },
      { functionCall: { name: "patch", args: { input: "line 1\nline 2" } } },
    ];
    expect(
      gemini.decodeResponse(answer(parts, "STOP"), {}, context).choices[0]?.message?.content.map(({ part }) => part.value),
    ).toMatchObject([
      { name: "1st", argumentsJson: `{"a":1}`, custom: false },
      { name: "patch", argumentsJson: "line 1\nline 2", custom: true },
    ]);
  });

  test("keeps what only Google says of a part, a candidate and itself", () => {
    const body = {
      candidates: [
        { content: { parts: [{ text: "a", partMetadata: { b: 1 } }] }, finishReason: "STOP", avgLogprobs: -0.1, finishMessage: "fine" },
      ],
      modelVersion: "m",
      createTime: "now",
    };
    const response = gemini.decodeResponse(body, {});
    expect(response.extensionsJson).toEqual({ google: `{"createTime":"now"}` });
    expect(response.choices[0]?.extensionsJson).toEqual({ google: `{"avgLogprobs":-0.1,"finishMessage":"fine"}` });
    expect(response.choices[0]?.message?.content[0]?.extensionsJson).toEqual({ google: `{"partMetadata":{"b":1}}` });
  });

  test("has its quoted sources, and sources without a place", () => {
    const citationMetadata = { citationSources: [{ startIndex: 1, endIndex: 3, uri: "https://a.example" }] };
    const groundingMetadata = { groundingChunks: [{ web: { uri: "https://b.example", title: "b" } }] };
    const body = { candidates: [{ content: { parts: [{ text: "abcd" }] }, finishReason: "STOP", citationMetadata, groundingMetadata }] };
    const [part] = gemini.decodeResponse(body, {}).choices[0]?.message?.content ?? [];
    const citations = part?.part.case === "text" ? part.part.value.citations : [];
    expect(citations).toMatchObject([
      { title: "b", url: "https://b.example" },
      { start: 1, end: 3, url: "https://a.example" },
    ]);
    expect(citations[0]?.start).toBeUndefined();
  });

  test("does not believe places that the words do not bear out", () => {
    const groundingMetadata = {
      groundingChunks: [{ web: { uri: "https://b.example" } }],
      groundingSupports: [{ segment: { startIndex: 0, endIndex: 2, text: "xy" }, groundingChunkIndices: [0, 7] }],
    };
    const body = { candidates: [{ content: { parts: [{ text: "abcd" }] }, finishReason: "STOP", groundingMetadata }] };
    const [part] = gemini.decodeResponse(body, {}).choices[0]?.message?.content ?? [];
    expect(part?.part.case === "text" && part.part.value.citations.map(({ start, url }) => [start, url])).toEqual([
      [undefined, "https://b.example"],
    ]);
  });
});

test("the list of models has names without their kind", () => {
  expect(gemini.decodeModels({ models: [{ name: "models/gemini-2.5-flash" }, { name: "tunedModels/x" }, {}, 3] })).toEqual([
    "gemini-2.5-flash",
    "tunedModels/x",
  ]);
  expect(gemini.decodeModels({ data: [] })).toBeUndefined();
});
