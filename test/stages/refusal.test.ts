import { describe, expect, test } from "vitest";

import { type Batch, FinishReason, partDelta, partStarted, contentPart, usageOf } from "../../src/core/chat.ts";
import type { AttemptStream, Ending } from "../../src/core/handler.ts";
import { refusal } from "../../src/stages/refusal.ts";
import { attemptOf, chatRequest, chatTarget } from "../support/attempt.ts";
import { completed, createTape, finished, opened, readAll, rejection, said, started, whole } from "./support.ts";

/** The room over an attempt that answers with these batches; leaving it ends it with a usage. */
function scene(batches: readonly Batch[], fallback: boolean) {
  const tape = createTape<Batch>();
  for (const batch of batches) tape.push(batch);
  tape.end();
  const ending: Ending = { error: undefined, usage: usageOf(7, 3) };
  const stream: AttemptStream = {
    batches: tape,
    head: { status: 200, requestId: "up-1", notes: [] },
    firstContentMs: 5,
    onEnd: (listener) => listener(ending),
  };
  const target = { ...chatTarget(), ...(fallback && { fallbackOnRefusal: true as const }) };
  return { tape, stream, answer: refusal(() => Promise.resolve(stream))(attemptOf(chatRequest("hi"), { target })) };
}

const declines = partDelta(0, 0, { case: "refusal", value: "I cannot" });
const refusing: readonly { readonly what: string; readonly batches: readonly Batch[] }[] = [
  {
    what: "a stream that begins with a refusal",
    batches: [
      [
        started,
        partStarted(0, 0, contentPart({ case: "refusal", value: { $typeName: "semaroute.v1.RefusalPart", text: "", category: "" } })),
        declines,
      ],
    ],
  },
  {
    what: "a stream that ends before any word, because it was filtered",
    batches: [[started, opened, finished(FinishReason.CONTENT_FILTER)]],
  },
  { what: "a whole answer that was refused", batches: [[whole("", undefined, FinishReason.REFUSAL)]] },
];

describe("a refusal", () => {
  for (const { what, batches } of refusing) {
    test(`${what} is a failed attempt where the operator wants it, with what it used`, async () => {
      const { answer, tape } = scene(batches, true);
      expect(await rejection(answer)).toMatchObject({
        failure: "CONTENT_POLICY",
        upstream: { status: 200, requestId: "up-1" },
        usage: { inputTokens: 7, outputTokens: 3 },
      });
      expect(tape.returns()).toBe(1);
    });

    test(`${what} is an answer elsewhere, untouched`, async () => {
      const { answer, stream } = scene(batches, false);
      expect(await answer).toBe(stream);
    });
  }
});

describe("an answer where refusals are tried elsewhere", () => {
  for (const { what, batches } of [
    {
      what: "that begins with words",
      batches: [[started, opened, said("Hello")], [declines], [finished(FinishReason.REFUSAL), completed()]],
    },
    { what: "that is whole", batches: [[whole("Hello")]] },
  ] satisfies { what: string; batches: Batch[] }[]) {
    test(`${what} passes in full`, async () => {
      const { answer } = scene(batches, true);
      const { head, firstContentMs, batches: read } = await answer;
      expect([head.requestId, firstContentMs]).toEqual(["up-1", 5]);
      expect(await readAll(read)).toEqual({ batches, error: undefined });
    });
  }

  test("leaves its upstream when its reader leaves", async () => {
    const { answer, tape } = scene([[said("Hello")], [said(" there")]], true);
    const { batches } = await answer;
    await batches.return?.();
    expect(tape.returns()).toBe(1);
  });
});
