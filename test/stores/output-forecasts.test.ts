import { describe, expect, test } from "vitest";

import type { KeyId } from "../../src/core/call.ts";
import { createOutputForecasts } from "../../src/stores/output-forecasts.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const key = "k" as KeyId;
const answer = { key, asked: "auto", writer: "m", tokens: 100, cut: false };

describe("a forecast", () => {
  test("is nothing before the first answer, and then their mean, for each key and name apart", () => {
    const forecasts = createOutputForecasts(createFakeClock());
    expect(forecasts.find(key, "auto")).toBeUndefined();
    for (const tokens of [100, 200, 300]) forecasts.learn({ ...answer, tokens });
    expect(forecasts.find(key, "auto")?.tokens).toBeCloseTo(200);
    expect(forecasts.find(key, "other")).toBeUndefined();
    expect(forecasts.find("l" as KeyId, "auto")).toBeUndefined();
  });

  test("knows who wrote what", () => {
    const forecasts = createOutputForecasts(createFakeClock());
    forecasts.learn(answer);
    forecasts.learn({ ...answer, writer: "n", tokens: 300 });
    const found = forecasts.find(key, "auto");
    expect([found?.of("m"), found?.of("n"), found?.of("o"), found?.tokens]).toEqual([100, 300, undefined, 200]);
  });

  test("follows a change within some twenty answers", () => {
    const forecasts = createOutputForecasts(createFakeClock());
    for (let i = 0; i < 1000; i++) forecasts.learn(answer);
    for (let i = 0; i < 22; i++) forecasts.learn({ ...answer, tokens: 1100 });
    expect(forecasts.find(key, "auto")?.tokens).toBeGreaterThan(1000);
  });

  test("learns of an answer that a limit ended only that it is at least as long", () => {
    const forecasts = createOutputForecasts(createFakeClock());
    forecasts.learn(answer);
    forecasts.learn({ ...answer, tokens: 10, cut: true });
    expect(forecasts.find(key, "auto")?.tokens).toBe(100);
    forecasts.learn({ ...answer, tokens: 300, cut: true });
    expect(forecasts.find(key, "auto")?.tokens).toBe(200);
  });

  test("learns nothing of what is no count", () => {
    const forecasts = createOutputForecasts(createFakeClock());
    forecasts.learn({ ...answer, tokens: Number.NaN });
    expect(forecasts.find(key, "auto")).toBeUndefined();
  });

  test("is forgotten after a day without one, and when there are too many", () => {
    const clock = createFakeClock();
    const forecasts = createOutputForecasts(clock, 2);
    for (const asked of ["a", "b", "c"]) forecasts.learn({ ...answer, asked });
    expect(["a", "b", "c"].map((asked) => forecasts.find(key, asked)?.tokens)).toEqual([undefined, 100, 100]);
    clock.advance(25 * 3_600_000);
    expect(forecasts.find(key, "c")).toBeUndefined();
  });

  test("tells no more than 32 writers apart", () => {
    const forecasts = createOutputForecasts(createFakeClock());
    for (let i = 0; i < 40; i++) forecasts.learn({ ...answer, writer: `w${i}` });
    expect([forecasts.find(key, "auto")?.of("w31"), forecasts.find(key, "auto")?.of("w32")]).toEqual([100, undefined]);
  });
});
