import { expect, test } from "vitest";
import type { Key, KeyId, KeyLimits } from "../../src/core/call.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Limits, Reservation } from "../../src/core/limits.ts";
import { withBooks } from "../../src/stages/books.ts";
import { callOf } from "./support.ts";

const reservation: Reservation = { picoUsd: 1n, extend: () => 0n, settle() {} };
const none: KeyLimits = { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 0, budgetPeriod: "day" };
const limits: Pick<Limits, "reserve"> = { reserve: () => Promise.resolve(reservation) };

function reserve(takes: boolean, more: Partial<KeyLimits> | undefined) {
  const key: Key = { id: "cfg_a" as KeyId, name: "a", models: undefined, priority: 2, limits: more && { ...none, ...more } };
  return withBooks(limits, () => takes).reserve(callOf(undefined, { key }), () => ({ tokens: 1, picoUsd: 1n }));
}

test("nothing is set aside from a budget while nobody can write down what is spent, and the caller may come back", async () => {
  const refused = await reserve(false, { budgetMicroUsd: 1 });
  expect(refused).toBeInstanceOf(ChatError);
  expect(refused).toMatchObject({ failure: "STORE_UNAVAILABLE", retryAfterMs: 1000 });
  expect(await reserve(true, { budgetMicroUsd: 1 })).toBe(reservation);
});

test("a key without a budget goes on, with limits or without", async () => {
  for (const each of [{ tokensPerMinute: 5 }, {}, undefined]) expect(await reserve(false, each)).toBe(reservation);
});
