/** What Redis itself does with messages about a key, at times of a test's own, beside the forms that count in one process. */
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type Ask, limbsFrom, type Message, type Reply, replyFrom, wordsOf } from "../../../src/stores/redis/limit-message.ts";
import { leaseMs, limitScript } from "../../../src/stores/redis/limit-script.ts";
import { MinuteWindow } from "../../../src/stores/minute-window.ts";
import { hasRedis, type RedisServer, startRedis } from "../../support/redis.ts";

let redis: RedisServer;
beforeAll(async () => {
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.[Symbol.asyncDispose]());

type Heard = Extract<Reply, { kind: "heard" }>;
type Said = Partial<Omit<Message, "asks" | "spent" | "held" | "loaded">> & {
  readonly asks?: readonly Ask[];
  readonly spent?: bigint;
  readonly held?: bigint;
  readonly loaded?: bigint;
};

const startMs = 1_800_000_000_000;
const period = "total 0";
let keys = 0;

/** A key of its own, and the way to talk about it. */
function key() {
  const name = `test:{${keys++}}`;
  let number = 0;
  return async ({ asks = [], spent, held, loaded, ...more }: Said): Promise<Reply> => {
    number += 1;
    const money = (picoUsd: bigint | undefined) => (picoUsd === undefined ? {} : { [period]: limbsFrom(picoUsd) });
    const message: Message = {
      replica: "a",
      number,
      steady: false,
      batch: number,
      changes: [],
      running: 0,
      period,
      requestsMax: 0,
      ttlMs: 60_000,
      nowMs: startMs,
      ...more,
      spent: money(spent),
      held: money(held),
      loaded: money(loaded),
      asks: asks.map(wordsOf),
    };
    return replyFrom(await redis.client.callBuffer("EVAL", limitScript.lua, 1, name, JSON.stringify(message)), period);
  };
}

function heard(reply: Reply): Heard {
  if (reply.kind !== "heard") throw new Error("it was lost");
  return reply;
}

const enter = (requestsMax: number, callsMax = 0): Ask => ({ kind: "enter", requestsMax, callsMax, period: "", budgetMicroUsd: 0 });
const reserve = (picoUsd: bigint, budgetMicroUsd: number): Ask => ({
  kind: "reserve",
  tokens: 0,
  tokensMax: 0,
  period,
  budgetMicroUsd,
  picoUsd,
});

describe.skipIf(!hasRedis)("a minute in Redis", () => {
  test("is that of one process, whatever comes when", { timeout: 60_000 }, async () => {
    const step = fc.record({
      ms: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 90_000 })),
      limit: fc.integer({ min: 1, max: 8 }),
      tokens: fc.integer({ min: 1, max: 1e9 }),
      /** Of the tokens counted before, so many fewer or more they turned out to be. */
      back: fc.integer({ min: 0, max: 5 }),
      share: fc.double({ min: -1, max: 2, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const say = key();
        const [requests, tokens] = [new MinuteWindow(), new MinuteWindow()];
        const held: { second: number; amount: number }[] = [];
        let nowMs = startMs;
        for (const { ms, limit, tokens: amount, back, share } of steps) {
          nowMs += ms;
          const before = held.at(-1 - back);
          const by = before === undefined ? 0 : Math.max(-before.amount, Math.floor(before.amount * share));
          const second = Math.floor(nowMs / 1000);
          const changes: [number, number, number][] = [[second, 0, amount]];
          tokens.add(amount, nowMs);
          held.push({ second, amount });
          if (before !== undefined) {
            before.amount += by;
            changes.push([before.second, 0, by]);
            tokens.correct(before.second, by, nowMs);
          }
          const waitMs = requests.waitMs(limit - 1, nowMs);
          if (waitMs === 0) requests.add(1, nowMs);
          const reply = heard(await say({ nowMs, changes, asks: [enter(limit)] }));
          expect(reply.verdicts[0]).toMatchObject(waitMs === 0 ? { kind: "granted", second } : { kind: "refused", by: "requests", waitMs });
          expect(reply.requests).toEqual({ sum: requests.sum(nowMs), resetMs: requests.waitMs(0, nowMs) });
          expect(reply.tokens).toEqual({ sum: tokens.sum(nowMs), resetMs: tokens.waitMs(0, nowMs) });
        }
      }),
      { numRuns: 150 },
    );
  });

  test("is not lengthened by a clock that is set back", async () => {
    const say = key();
    heard(await say({ nowMs: startMs + 3_600_000, asks: [enter(1)] }));
    expect(heard(await say({ nowMs: startMs, asks: [enter(1)] })).verdicts).toMatchObject([{ kind: "refused", waitMs: 61_000 }]);
    expect(heard(await say({ nowMs: startMs + 61_000, asks: [enter(1)] })).verdicts).toMatchObject([{ kind: "granted" }]);
  });
});

describe.skipIf(!hasRedis)("money in Redis", () => {
  test("is counted to the 10^-12 of a dollar, and never given out twice, whoever asks for it", { timeout: 60_000 }, async () => {
    const amount = fc.oneof(fc.bigInt({ min: 0n, max: 10n ** 7n }), fc.bigInt({ min: 0n, max: 10n ** 21n }));
    const step = fc.record({ replica: fc.nat(2), settles: fc.boolean(), wanted: amount, used: amount });
    const budgets = fc.oneof(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1e14, max: 1e15 }));
    await fc.assert(
      fc.asyncProperty(budgets, amount, fc.array(step, { maxLength: 30 }), async (budgetMicroUsd, loaded, steps) => {
        const say = key();
        const budget = BigInt(budgetMicroUsd) * 1_000_000n;
        const holds: bigint[][] = [[], [], []];
        const sum = (all: readonly bigint[]): bigint => all.reduce((one, other) => one + other, 0n);
        let spent = loaded;
        let nowMs = startMs;
        heard(await say({ loaded, nowMs }));
        for (const { replica, settles, wanted, used } of steps) {
          nowMs += 1000;
          const own = holds[replica] ?? [];
          const settled = settles ? own.pop() : undefined;
          if (settled !== undefined) spent += used;
          const free = budget - spent - sum(holds.flat());
          const reply = heard(
            await say({
              replica: `r${replica}`,
              nowMs,
              held: sum(own),
              ...(settled !== undefined && { spent: used }),
              asks: [reserve(wanted, budgetMicroUsd)],
            }),
          );
          const isIdle = holds.flat().every((each) => each === 0n);
          const expected =
            spent >= budget
              ? { kind: "refused", by: "budget" }
              : wanted <= free
                ? { kind: "granted", picoUsd: wanted }
                : isIdle
                  ? { kind: "granted", picoUsd: free }
                  : { kind: "wait" };
          expect(reply.verdicts[0]).toMatchObject(expected);
          if (reply.verdicts[0]?.kind === "granted") own.push(reply.verdicts[0].picoUsd);
          expect(reply.funds).toMatchObject({ spentPicoUsd: spent, reservedPicoUsd: sum(holds.flat()) });
        }
      }),
      { numRuns: 100 },
    );
  });

  test("is not counted before the ledger was asked, for the ledger knows", async () => {
    const say = key();
    expect(heard(await say({ spent: 5n, asks: [reserve(1n, 1)] }))).toMatchObject({ verdicts: [{ kind: "unloaded" }], funds: undefined });
    expect(heard(await say({ replica: "b", loaded: 7n })).funds).toMatchObject({ spentPicoUsd: 7n });
    // Who asked at the same time changes nothing.
    expect(heard(await say({ loaded: 9n, spent: 1n })).funds).toMatchObject({ spentPicoUsd: 8n });
  });

  test("goes to who waited first: others that would fit wait for its turn, as long as it comes back for it", async () => {
    const say = key();
    heard(await say({ replica: "a", loaded: 0n, asks: [reserve(800_000n, 1)] }));
    expect(heard(await say({ replica: "b", asks: [reserve(900_000n, 1)] })).verdicts).toEqual([{ kind: "wait" }]);
    const small = { replica: "c", asks: [reserve(1n, 1)] };
    expect(heard(await say({ ...small, nowMs: startMs + 200 })).verdicts).toEqual([{ kind: "wait" }]);
    expect(heard(await say({ ...small, nowMs: startMs + 400 })).verdicts).toMatchObject([{ kind: "granted" }]);
  });
});

describe.skipIf(!hasRedis)("a message", () => {
  test("that is said again counts once, and what its callers went without is taken back", async () => {
    const say = key();
    heard(await say({ loaded: 0n }));
    const batch = { batch: 70, changes: [[startMs / 1000, 3, 100]] as const, spent: 5n };
    heard(await say({ number: 7, ...batch, asks: [enter(10, 1), { ...reserve(6n, 1), tokensMax: 1000, tokens: 40 } as Ask] }));
    // Nobody heard the answer: the call and its tokens were counted by their replica itself.
    const again = heard(await say({ number: 8, undo: 7, ...batch, running: 0 }));
    expect(again).toMatchObject({ requests: { sum: 3 }, tokens: { sum: 100 }, funds: { spentPicoUsd: 5n, reservedPicoUsd: 0n } });
    const once = heard(await say({ number: 9, undo: 7, ...batch }));
    expect(once).toMatchObject({ requests: { sum: 3 }, tokens: { sum: 100 } });
  });

  test("that never arrived takes nothing back", async () => {
    const say = key();
    heard(await say({ number: 3, asks: [enter(10)] }));
    expect(heard(await say({ number: 5, undo: 4 })).requests.sum).toBe(1);
  });

  test("of a replica that Redis should know and does not changes nothing", async () => {
    const say = key();
    expect(await say({ heardMs: startMs - 1, changes: [[startMs / 1000, 9, 9]] })).toMatchObject({ kind: "lost" });
    heard(await say({ replica: "b" }));
    expect(await say({ heardMs: startMs - 1, changes: [[startMs / 1000, 9, 9]] })).toMatchObject({ kind: "lost" });
    expect(heard(await say({})).requests.sum).toBe(0);
  });

  test("of a replica that was away for so long that it was forgotten counts all the same, for nothing else was", async () => {
    const say = key();
    heard(await say({ loaded: 0n }));
    const nowMs = startMs + 3_600_000;
    heard(await say({ replica: "b", steady: true, nowMs }));
    expect(heard(await say({ heardMs: startMs, nowMs: nowMs + 1, spent: 5n })).funds).toMatchObject({ spentPicoUsd: 5n });
  });

  test("of somebody who was in touch for long enough ends the leases of the dead; what they spent stays", async () => {
    const say = key();
    const nowMs = startMs + leaseMs;
    heard(await say({ replica: "dead", loaded: 3n, running: 2, held: 10n }));
    const asks = [enter(0, 3), enter(0, 3)];
    expect(heard(await say({ nowMs: nowMs - 1, steady: true, asks })).verdicts).toMatchObject([{ kind: "granted" }, { by: "concurrency" }]);
    expect(heard(await say({ nowMs, asks })).verdicts).toMatchObject([{ kind: "granted" }, { by: "concurrency" }]);
    const after = heard(await say({ nowMs, steady: true, asks }));
    expect(after).toMatchObject({ verdicts: [{ kind: "granted" }, { kind: "granted" }], funds: { spentPicoUsd: 3n, reservedPicoUsd: 0n } });
    // It was not dead after all, and says what is its own.
    expect(heard(await say({ replica: "dead", heardMs: startMs, nowMs, running: 2, held: 10n })).funds).toMatchObject({
      reservedPicoUsd: 10n,
    });
  });
});
