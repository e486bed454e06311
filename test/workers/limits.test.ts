/** The limits of two workers, which a primary counts. */
import { describe, expect, test } from "vitest";
import type { Key, KeyId, KeyLimits } from "../../src/core/call.ts";
import { Priority } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Place, Reservation, Spend } from "../../src/core/limits.ts";
import { createKeyLimits } from "../../src/stores/key-limits.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { borrowedLimits } from "../../src/workers/borrowed-limits.ts";
import { lendLimits } from "../../src/workers/lent-limits.ts";
import { createLink, type Handlers } from "../../src/workers/link.ts";
import type { PrimaryTable, WorkerTable } from "../../src/workers/protocol.ts";
import { channelPair } from "./channels.ts";

const none: KeyLimits = { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 0, budgetPeriod: "total" };
const keyWith = (limits: Partial<KeyLimits>): Key => ({
  id: "cfg_team" as KeyId,
  name: "team",
  models: undefined,
  priority: Priority.NORMAL,
  limits: { ...none, ...limits },
});
const turn = (): Promise<void> => new Promise(setImmediate);

function primary() {
  const limits = createKeyLimits({ clock: systemClock, spentSince: () => Promise.resolve(0n) });
  const worker = () => {
    const [here, there] = channelPair();
    const lent = lendLimits(limits, turn);
    // Of all that a primary answers it is only limits that are asked for here.
    createLink<WorkerTable, PrimaryTable>(there, systemClock).serve(lent.handlers as Handlers<PrimaryTable>);
    return { ...borrowedLimits(createLink<PrimaryTable, WorkerTable>(here, systemClock), systemClock), die: lent.gone };
  };
  return { limits, worker };
}

function given<T extends Place | Reservation>(verdict: T | ChatError): T {
  if (verdict instanceof ChatError) throw verdict;
  return verdict;
}

const spend = (tokens: number, microUsd = 0): Spend => ({ tokens, picoUsd: BigInt(microUsd) * 1_000_000n });
const patient = (key: Key) => ({ key, signal: new AbortController().signal });

describe("limits that a primary counts", () => {
  test("hold over all workers, and refuse as in one process", async () => {
    const { worker } = primary();
    const key = keyWith({ requestsPerMinute: 3 });
    const verdicts = await Promise.all([worker(), worker()].flatMap((each) => Array.from({ length: 4 }, async () => each.enter({ key }))));
    const refused = verdicts.filter((each) => each instanceof ChatError);
    expect(refused).toHaveLength(5);
    expect(refused[0]).toMatchObject({
      failure: "CALLER_RATE_LIMITED",
      message: "key team has had its limit of 3 requests a minute",
      limitedKey: "cfg_team",
      allowances: { requests: { limit: 3, remaining: 0 } },
    });
    expect(refused[0]?.retryAfterMs).toBeGreaterThan(0);
  });

  test("give back what the calls of a dead worker held, and nobody else's", async () => {
    const { worker, limits } = primary();
    const [one, two] = [worker(), worker()];
    const key = keyWith({ concurrentCalls: 2, budgetMicroUsd: 10 });
    given(await one.enter({ key }));
    given(await two.enter({ key }));
    given(await one.reserve(patient(key), () => spend(0, 4)));
    given(await two.reserve(patient(key), () => spend(0, 5)));
    expect(await two.enter({ key })).toBeInstanceOf(ChatError);
    one.die();
    expect(await limits.standing(key)).toEqual({ spentPicoUsd: 0n, reservedPicoUsd: 5_000_000n });
    given(await two.enter({ key }));
    expect(await two.enter({ key })).toBeInstanceOf(ChatError);
  });

  test("set nothing aside for a call that left while it waited, or just before it was served", async () => {
    const { worker, limits } = primary();
    const one = worker();
    const key = keyWith({ budgetMicroUsd: 10 });
    const first = given(await one.reserve(patient(key), () => spend(0, 10)));
    const leaving = new AbortController();
    const waits = one.reserve({ key, signal: leaving.signal }, () => spend(0, 10));
    await turn();
    leaving.abort(new Error("left"));
    await expect(waits).rejects.toThrow("left");
    first.settle(spend(0, 1));
    for (let at = 0; at < 5; at++) await turn();
    expect(await limits.standing(key)).toEqual({ spentPicoUsd: 1_000_000n, reservedPicoUsd: 0n });
  });

  test("let calls that wait for money in together, once one has shown what they need", async () => {
    const { worker, limits } = primary();
    const one = worker();
    const key = keyWith({ budgetMicroUsd: 100 });
    let most = 80;
    const first = given(await one.reserve(patient(key), () => spend(0, most)));
    const others = Promise.all(Array.from({ length: 5 }, async () => one.reserve(patient(key), () => spend(0, most))));
    await turn();
    await turn();
    first.settle(spend(0, 10));
    most = 15;
    for (const each of await others) given(each);
    expect(await limits.standing(key)).toEqual({ spentPicoUsd: 10_000_000n, reservedPicoUsd: 75_000_000n });
  });

  test("are shown as they stand after an answer that used less than was set aside", async () => {
    const { worker } = primary();
    const one = worker();
    const key = keyWith({ tokensPerMinute: 1000 });
    expect(one.allowances(key)).toMatchObject({ tokens: { limit: 1000, remaining: 1000 } });
    const held = given(await one.reserve(patient(key), () => spend(400)));
    expect(one.allowances(key)).toMatchObject({ tokens: { remaining: 600 } });
    held.settle(spend(50));
    expect(one.allowances(key)).toMatchObject({ tokens: { remaining: 950 } });
    given(await one.reserve(patient(key), () => spend(950)));
    expect(one.allowances(key)).toMatchObject({ tokens: { remaining: 0 } });
  });
});
