import { describe, expect, test } from "vitest";

import { type ChatEvent, contentPart, partDelta, Role, textPart, usageOf } from "../../src/core/chat.ts";
import { estimateInputTokens, estimateTextTokens } from "../../src/core/estimate.ts";
import { createUsageTally } from "../../src/core/usage-tally.ts";
import { completed, finished, opened, said, started, whole } from "../stages/support.ts";
import { chatRequest } from "../support/attempt.ts";

const request = chatRequest("hello there");
const tallied = (events: readonly ChatEvent[]) => {
  const tally = createUsageTally(request);
  for (const event of events) tally.add(event);
  return tally;
};
const told = usageOf(100, 50);

describe("what an upstream told", () => {
  for (const [what, events, usage] of [
    ["in an event of its own", [said("x"), { case: "usage", value: told }], told],
    [
      "twice: the last",
      [
        { case: "usage", value: usageOf(1, 1) },
        { case: "usage", value: told },
      ],
      told,
    ],
    ["at the end", [{ case: "usage", value: usageOf(1, 1) }, said("x"), completed(told)], told],
    ["before an end that tells nothing", [{ case: "usage", value: told }, completed()], told],
    ["with a whole answer", [whole("Hello", told)], told],
  ] as [string, ChatEvent[], typeof told][]) {
    test(`${what} is its usage`, () => {
      const tally = tallied(events);
      expect([tally.told(), tally.usage()]).toEqual([usage, usage]);
      expect(tally.usage().estimated).toBe(false);
    });
  }
});

describe("what it did not tell is estimated, and marked so", () => {
  const reasoning = partDelta(0, 0, { case: "reasoning", value: "12345678" });
  const call = partDelta(0, 0, { case: "argumentsJson", value: "1234" });
  const audio = partDelta(0, 0, { case: "audio", value: new Uint8Array(4000) });
  for (const [what, events, output] of [
    ["nothing", [started, opened], 0],
    ["text", [said("1234"), said("5"), finished(), completed()], 2],
    ["reasoning and arguments", [reasoning, call], 3],
    ["audio, which is no text", [audio], 0],
    ["a whole answer", [whole("12345678")], 2],
  ] as [string, ChatEvent[], number][]) {
    test(what, () => {
      const tally = tallied(events);
      expect(tally.told()).toBeUndefined();
      expect(tally.usage()).toMatchObject({ outputTokens: output, inputTokens: 10, totalTokens: 10 + output, estimated: true });
    });
  }
});

describe("an estimate of input", () => {
  const part = (text: string) => textPart(text);
  const data = (bytes: number) => ({
    $typeName: "semaroute.v1.Media" as const,
    source: { case: "data" as const, value: new Uint8Array(bytes) },
    mimeType: "",
    filename: "",
  });
  const message = (content: ReturnType<typeof textPart>[]) => chatRequest("", { messages: [{ role: Role.USER, content }] });
  for (const [what, of, tokens] of [
    ["counts each message", chatRequest("", { messages: [{ text: "1234" }, { text: "1234" }] }), 3 + 8 + 2],
    ["counts parts of text", message([part("1234"), part("5678")]), 3 + 4 + 2],
    [
      "counts a picture as a thousand",
      message([contentPart({ case: "image", value: { $typeName: "semaroute.v1.ImagePart", media: data(9_000_000), detail: 0 } })]),
      3 + 4 + 1000,
    ],
    [
      "counts a document by its bytes",
      message([
        contentPart({
          case: "document",
          value: { $typeName: "semaroute.v1.DocumentPart", media: data(400), title: "", context: "", citations: false },
        }),
      ]),
      3 + 4 + 100,
    ],
    [
      "counts what a tool answered",
      message([
        contentPart({
          case: "toolResult",
          value: { $typeName: "semaroute.v1.ToolResultPart", toolCallId: "", name: "", content: [part("12345678")], isError: false },
        }),
      ]),
      3 + 4 + 2,
    ],
    [
      "counts tools",
      chatRequest("", { tools: [{ kind: { case: "function", value: { name: "ab", description: "cd", parametersJsonSchema: "1234" } } }] }),
      3 + 4 + 8 + 2,
    ],
    [
      "counts the schema of the answer",
      chatRequest("", { outputFormat: { format: { case: "jsonSchema", value: { jsonSchema: "12345678" } } } }),
      3 + 4 + 2,
    ],
  ] as const) {
    test(what, () => expect(estimateInputTokens(of)).toBe(tokens));
  }

  test("is rounded up", () => expect([0, 1, 4, 5].map(estimateTextTokens)).toEqual([0, 1, 1, 2]));
});
