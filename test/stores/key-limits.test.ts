import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { Call, Key, KeyId, KeyLimits } from "../../src/core/call.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Place, Reservation, SpentSince } from "../../src/core/limits.ts";
import { createKeyLimits } from "../../src/stores/key-limits.ts";
import { callOf } from "../stages/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const none: KeyLimits = { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 0, budgetPeriod: "month" };

function keyOf(limits: Partial<KeyLimits>, id = "cfg_a"): Key {
  return { id: id as KeyId, name: id.slice(4), models: undefined, priority: 2, limits: { ...none, ...limits } };
}

function callBy(key: Key): Call {
  return callOf(undefined, { key });
}

function setUp(spentSince?: SpentSince) {
  const clock = createFakeClock();
  const limits = createKeyLimits({ clock, spentSince });
  const enter = async (key: Key): Promise<Place | ChatError> => limits.enter(callBy(key));
  const place = async (key: Key): Promise<Place> => {
    const entered = await enter(key);
    if (entered instanceof ChatError) throw entered;
    return entered;
  };
  const reserve = async (key: Key, most: { tokens: number; picoUsd: bigint }): Promise<Reservation | ChatError> =>
    limits.reserve(callBy(key), () => most);
  return { clock, limits, enter, place, reserve };
}

describe("requests a minute", () => {
  test("beyond the limit are refused with a wait that is true", async () => {
    const { clock, limits, enter, place } = setUp();
    const key = keyOf({ requestsPerMinute: 2 });
    await place(key);
    clock.advance(10_500);
    await place(key);
    const no = await enter(key);
    expect(no).toMatchObject({ failure: "CALLER_RATE_LIMITED", limitedKey: "cfg_a" });
    const waitMs = no instanceof ChatError ? (no.retryAfterMs ?? 0) : 0;
    expect(waitMs).toBe(61_000 - 10_500);
    clock.advance(waitMs - 1);
    expect(limits.exhausted(key)?.failure).toBe("CALLER_RATE_LIMITED");
    clock.advance(1);
    expect(limits.exhausted(key)).toBeUndefined();
    await place(key);
    expect(limits.refusals("requests")).toBe(2);
  });

  test("do not count a call that another limit turned away after all", async () => {
    const { enter, place } = setUp();
    const key = keyOf({ requestsPerMinute: 1 });
    const first = await place(key);
    first.release(true);
    first.release(true);
    (await place(key)).release(false);
    expect(await enter(key)).toBeInstanceOf(ChatError);
  });

  test("of one key are not another's", async () => {
    const { place } = setUp();
    for (const id of ["cfg_a", "cfg_b"]) await place(keyOf({ requestsPerMinute: 1 }, id));
  });

  test("that a reload changes count what was before", async () => {
    const { enter, place } = setUp();
    for (let i = 0; i < 3; i++) await place(keyOf({ requestsPerMinute: 3 }));
    expect(await enter(keyOf({ requestsPerMinute: 2 }))).toBeInstanceOf(ChatError);
    await place(keyOf({ requestsPerMinute: 4 }));
    expect(await enter(keyOf({ requestsPerMinute: 4 }))).toBeInstanceOf(ChatError);
  });
});

test("so many calls run at once as the key may have, in whatever order they come and go", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 100 }), fc.integer({ min: 1, max: 5 }), async (steps, most) => {
      const { enter } = setUp();
      const running: Place[] = [];
      for (const comes of steps) {
        const key = keyOf({ concurrentCalls: most });
        if (!comes) {
          const place = running.pop();
          place?.release(false);
          place?.release(false);
          continue;
        }
        const entered = await enter(key);
        expect(entered instanceof ChatError).toBe(running.length === most);
        if (!(entered instanceof ChatError)) running.push(entered);
      }
    }),
  );
});

describe("tokens a minute", () => {
  test("are set aside before, and put right after", async () => {
    const { limits, reserve } = setUp();
    const key = keyOf({ tokensPerMinute: 1000 });
    const first = await reserve(key, { tokens: 900, picoUsd: 0n });
    expect(await reserve(key, { tokens: 200, picoUsd: 0n })).toMatchObject({ failure: "CALLER_RATE_LIMITED", retryAfterMs: 61_000 });
    expect(limits.allowances(key)?.tokens).toEqual({ limit: 1000, remaining: 100, resetMs: 61_000 });
    if (!(first instanceof ChatError)) first.settle({ tokens: 300, picoUsd: 0n });
    expect(await reserve(key, { tokens: 700, picoUsd: 0n })).not.toBeInstanceOf(ChatError);
    expect(limits.allowances(key)?.tokens?.remaining).toBe(0);
  });

  test("that are more than a minute has are refused for good", async () => {
    const { reserve } = setUp();
    expect(await reserve(keyOf({ tokensPerMinute: 1000 }), { tokens: 1001, picoUsd: 0n })).toMatchObject({
      failure: "REQUEST_TOO_LARGE",
      message: "key a may use 1000 tokens a minute, and this call alone may need 1001",
    });
  });

  test("of a call that the budget refuses are given back", async () => {
    const { limits, reserve } = setUp(() => Promise.resolve(10n ** 12n));
    const key = keyOf({ tokensPerMinute: 1000, budgetMicroUsd: 1_000_000 });
    expect(await reserve(key, { tokens: 900, picoUsd: 1n })).toMatchObject({ failure: "BUDGET_EXHAUSTED" });
    expect(limits.allowances(key)?.tokens?.remaining).toBe(1000);
  });
});

describe("a budget", () => {
  test("that is spent refuses calls before they are read, and says until when", async () => {
    const { limits, enter, reserve } = setUp();
    const key = keyOf({ budgetMicroUsd: 5_000_000, budgetPeriod: "day" });
    const first = await reserve(key, { tokens: 0, picoUsd: 1n });
    if (!(first instanceof ChatError)) first.settle({ tokens: 0, picoUsd: 5n * 10n ** 12n });
    const text = "the budget of key a is spent: 5 US dollars a day; the next day begins 2026-01-02T00:00:00.000Z";
    expect(limits.exhausted(key)).toMatchObject({ failure: "BUDGET_EXHAUSTED", message: text });
    expect(await enter(key)).toMatchObject({ failure: "BUDGET_EXHAUSTED" });
    expect(limits.refusals("budget")).toBe(2);
  });

  test("is whole again on the next day", async () => {
    const since: number[] = [];
    const { clock, limits, enter, reserve } = setUp((_key, sinceWall) => (since.push(sinceWall), Promise.resolve(0n)));
    const key = keyOf({ budgetMicroUsd: 1, budgetPeriod: "day" });
    const first = await reserve(key, { tokens: 0, picoUsd: 1n });
    if (!(first instanceof ChatError)) first.settle({ tokens: 0, picoUsd: 10n ** 6n });
    expect(limits.exhausted(key)).toBeDefined();
    clock.advance(86_400_000);
    expect(await enter(key)).not.toBeInstanceOf(ChatError);
    expect(await reserve(key, { tokens: 0, picoUsd: 1n })).not.toBeInstanceOf(ChatError);
    expect(since).toEqual([Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 2)]);
  });

  test("counts what the ledger knows of the time before", async () => {
    const { limits, reserve } = setUp((key) => Promise.resolve(key === "cfg_a" ? 999_999n : 0n));
    const key = keyOf({ budgetMicroUsd: 1 });
    expect(await reserve(key, { tokens: 0, picoUsd: 5n })).toMatchObject({ picoUsd: 1n });
    expect(limits.standing(key)).toEqual({ spentPicoUsd: 999_999n, reservedPicoUsd: 1n });
  });
});

describe("how a key's money stands", () => {
  test("is not known here before the ledger has told, nor of a period that is over", async () => {
    const known = { yes: false };
    const { clock, limits, reserve } = setUp(() => (known.yes ? Promise.resolve(3n) : Promise.reject(new Error("away"))));
    const key = keyOf({ budgetMicroUsd: 1, budgetPeriod: "day" });
    expect(await reserve(key, { tokens: 0, picoUsd: 1n })).toMatchObject({ failure: "STORE_UNAVAILABLE" });
    expect(limits.standing(key)).toBeUndefined();
    known.yes = true;
    await reserve(key, { tokens: 0, picoUsd: 1n });
    expect(limits.standing(key)).toEqual({ spentPicoUsd: 3n, reservedPicoUsd: 1n });
    clock.advance(86_400_000);
    expect(limits.standing(key)).toBeUndefined();
  });

  test("follows a change at once: for calls that wait, for streams that run, and where there is no budget for a while", async () => {
    const spent = { pico: 0n };
    const { limits, reserve } = setUp(() => Promise.resolve(spent.pico));
    const first = await reserve(keyOf({ budgetMicroUsd: 1 }), { tokens: 0, picoUsd: 10n ** 6n });
    const second = reserve(keyOf({ budgetMicroUsd: 1 }), { tokens: 0, picoUsd: 10n });
    limits.changed(keyOf({ budgetMicroUsd: 2 }));
    expect(await second).toMatchObject({ picoUsd: 10n });
    limits.changed(keyOf({ budgetMicroUsd: 1 }));
    expect(first instanceof ChatError ? first : first.extend(5n)).toBe(0n);
    limits.changed(keyOf({}));
    expect(limits.standing(keyOf({}))).toBeUndefined();
    spent.pico = 10n ** 6n;
    limits.changed(keyOf({ budgetMicroUsd: 1 }));
    expect(await reserve(keyOf({ budgetMicroUsd: 1 }), { tokens: 0, picoUsd: 1n })).toMatchObject({ failure: "BUDGET_EXHAUSTED" });
  });
});

test("a key without limits is nobody's business", async () => {
  const { limits, enter } = setUp();
  const key: Key = { ...keyOf({}), limits: undefined };
  await enter(key);
  expect([limits.exhausted(key), limits.allowances(key), limits.standing(key), limits.size()]).toEqual([
    undefined,
    undefined,
    undefined,
    0,
  ]);
});

test.each([
  { ledger: false, what: "kept where nobody else knows it", spent: 7n },
  { ledger: true, what: "looked up again where somebody does", spent: 5n },
])("what an idle key has spent is $what", async ({ ledger, spent }) => {
  const { clock, limits, place, reserve } = setUp(ledger ? () => Promise.resolve(5n) : undefined);
  const key = keyOf({ budgetMicroUsd: 1, budgetPeriod: "total" });
  const first = await reserve(key, { tokens: 0, picoUsd: 1n });
  if (!(first instanceof ChatError)) first.settle({ tokens: 0, picoUsd: 7n });
  clock.advance(600_000);
  for (let i = 0; i < 5; i++) (await place(keyOf({ requestsPerMinute: 10 }, `cfg_${i}`))).release(false);
  await reserve(key, { tokens: 0, picoUsd: 1n });
  expect((await limits.standing(key))?.spentPicoUsd).toBe(spent);
});

test("keys that are idle are forgotten, and those of which something runs are not", async () => {
  const { clock, limits, place } = setUp();
  const key = (name: string): Key => keyOf({ requestsPerMinute: 10 }, `cfg_${name}`);
  const running = await place(key("running"));
  for (let i = 0; i < 100; i++) (await place(key(`old-${i}`))).release(false);
  clock.advance(600_000);
  for (let i = 0; i < 100; i++) (await place(key(`new-${i}`))).release(false);
  expect(limits.size()).toBe(101);
  running.release(false);
  await place(key("running"));
  expect(limits.allowances(key("running"))?.requests?.remaining).toBe(9);
});
