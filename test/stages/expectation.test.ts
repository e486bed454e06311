import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import type { Target } from "../../src/core/catalog.ts";
import { type ChatRequestSchema, Role } from "../../src/core/chat.ts";
import { outlookOf } from "../../src/stages/expectation.ts";
import { needsOf } from "../../src/stages/needs.ts";
import { createOutputForecasts } from "../../src/stores/output-forecasts.ts";
import { chatRequest, embedRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { callOf, targetOf } from "./support.ts";

const price = { input: 1_000_000, output: 4_000_000, cacheRead: undefined, cacheWrite: 1_250_000 };

function expected(target: Target, wishes: MessageInitShape<typeof ChatRequestSchema> = {}, learned: readonly number[] = []) {
  const clock = createFakeClock();
  const call = callOf(chatRequest("hi", { model: "m", ...wishes }));
  const forecasts = createOutputForecasts(clock);
  for (const tokens of learned) forecasts.learn({ key: call.key.id, asked: "m", writer: "m", tokens, cut: false });
  return outlookOf(call, needsOf(call, 2000), { forecasts }).at(target);
}

describe("the output that is expected", () => {
  for (const { what, wishes, learned, most, tokens } of [
    { what: "is 512 where nothing is known", tokens: 512 },
    { what: "is the caller's limit where that is less", wishes: { maxOutputTokens: 16 }, tokens: 16 },
    { what: "is not the caller's limit where that is more", wishes: { maxOutputTokens: 8000 }, tokens: 512 },
    { what: "is what the model can write where that is less", most: 100, tokens: 100 },
    { what: "is what answers have been like", learned: [1000, 2000], tokens: 1500 },
    { what: "is never more than the caller's limit", learned: [1000, 2000], wishes: { maxOutputTokens: 900 }, tokens: 900 },
    { what: "is that of each choice", learned: [10], wishes: { n: 3 }, tokens: 30 },
  ]) {
    test(what, () => {
      const target = targetOf("a/m", {
        price,
        capabilities: { $typeName: "semaroute.v1.ModelCapabilities", ...(most !== undefined && { maxOutputTokens: most }) },
      });
      expect(expected(target, wishes, learned).outputTokens).toBe(tokens);
    });
  }

  test("of another model is that of all answers to the same name", () => {
    expect(expected(targetOf("a/other", { price }), {}, [1000]).outputTokens).toBe(1000);
  });

  test("of embeddings is none", () => {
    const call = callOf(embedRequest(["a text"]));
    expect(outlookOf(call, needsOf(call, 3), {}).at(targetOf("a/m", { price }))).toMatchObject({ inputTokens: 3, outputTokens: 0 });
  });
});

describe("what is written to a prompt cache", () => {
  const mark = { cacheControl: { ttl: { seconds: 3600n } } };
  const marks = {
    messages: [
      { role: Role.SYSTEM, content: [{ part: { case: "text" as const, value: { text: "rules ".repeat(1000) } }, ...mark }] },
      { role: Role.USER, text: "x".repeat(4000) },
    ],
  };
  const marked = targetOf("a/m", { price, promptCache: { keeps: "marked", ttlMs: 1 } });

  test("is all of a long prompt where the vendor keeps all", () => {
    expect(expected(targetOf("a/m", { price }))).toMatchObject({ cacheWriteTokens: 2000, cacheWriteHourTokens: 0 });
  });
  test("is nothing where it charges nothing for it", () => {
    expect(expected(targetOf("a/m", { price: { ...price, cacheWrite: undefined } })).cacheWriteTokens).toBe(0);
  });
  test("is what the request marks, up to the last mark, where the vendor keeps what is marked", () => {
    expect(expected(marked, marks)).toMatchObject({ cacheWriteTokens: 1507, cacheWriteHourTokens: 1507 });
    expect(expected(marked)).toMatchObject({ cacheWriteTokens: 0 });
  });
});
