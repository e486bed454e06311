import { getEventListeners } from "node:events";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { ChatError } from "../../src/core/error.ts";
import { KeyBudget, type Purse } from "../../src/stores/key-budget.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const signal = new AbortController().signal;
const period = { startWall: 0, endWall: 1000 };

/** A budget of so much, of which so much was spent before; `load` is asked for it. */
function setUp(picoUsd: bigint, load: () => Promise<bigint> = () => Promise.resolve(0n)) {
  const clock = createFakeClock();
  const terms = (amount: bigint) => ({ picoUsd: amount, period, text: () => "spent" });
  const budget = new KeyBudget(clock, terms(picoUsd), load);
  const reserve = async (most: bigint, by: AbortSignal = signal) => budget.reserve({ most: () => most, signal: by });
  const purse = async (most: bigint): Promise<Purse> => {
    const verdict = await reserve(most);
    if (verdict instanceof ChatError) throw verdict;
    return verdict;
  };
  return { clock, budget, terms, reserve, purse };
}

/** What has come of a promise by now: `waits`, `granted`, or why it was refused. */
async function stateOf(pending: Promise<Purse | ChatError>): Promise<string> {
  const verdict = await Promise.race([pending, settled().then(() => undefined)]);
  return verdict === undefined ? "waits" : verdict instanceof ChatError ? verdict.failure : "granted";
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe("money", () => {
  test("that others have set aside is waited for, and given in the order of arrival", async () => {
    const { budget, reserve, purse } = setUp(100n);
    const first = await purse(80n);
    const second = reserve(50n);
    // It would fit, but somebody came before it.
    const third = reserve(10n);
    expect([await stateOf(second), await stateOf(third)]).toEqual(["waits", "waits"]);
    first.settle(30n);
    expect([await stateOf(second), await stateOf(third)]).toEqual(["granted", "granted"]);
    expect(budget.standing()).toEqual({ spentPicoUsd: 30n, reservedPicoUsd: 60n });
  });

  test("that is less than a call may cost is given to it where nobody else has any", async () => {
    const { purse } = setUp(100n);
    (await purse(60n)).settle(60n);
    expect((await purse(1000n)).picoUsd).toBe(40n);
  });

  test("that is spent is nobody's, whatever waits", async () => {
    const { budget, reserve, purse } = setUp(100n);
    const first = await purse(100n);
    const second = reserve(1n);
    expect(budget.exhausted()).toBeUndefined();
    first.settle(100n);
    expect([await stateOf(second), budget.exhausted()?.failure]).toEqual(["BUDGET_EXHAUSTED", "BUDGET_EXHAUSTED"]);
  });

  test("is set aside once more for a stream as far as there is any, and settled once", async () => {
    const { budget, purse } = setUp(100n);
    const first = await purse(20n);
    expect([first.extend(50n), first.extend(50n), first.extend(50n)]).toEqual([50n, 30n, 0n]);
    expect(first.picoUsd).toBe(100n);
    first.settle(90n);
    first.settle(90n);
    expect(first.extend(1n)).toBe(0n);
    expect(budget.standing()).toEqual({ spentPicoUsd: 90n, reservedPicoUsd: 0n });
  });

  test("is reckoned anew for a call that waits, because it may be known to need less by then", async () => {
    const { budget, purse } = setUp(100n);
    const [first, second] = [await purse(50n), await purse(50n)];
    let most = 100n;
    const third = Promise.resolve(budget.reserve({ most: () => most, signal }));
    most = 40n;
    first.settle(10n);
    expect(await stateOf(third)).toBe("granted");
    second.settle(0n);
  });
});

describe("a call that waits", () => {
  test("is sent away after five seconds in which nobody was settled", async () => {
    const { clock, reserve, purse } = setUp(100n);
    await purse(100n);
    const second = reserve(1n);
    await settled();
    clock.advance(4999);
    expect(await stateOf(second)).toBe("waits");
    clock.advance(1);
    expect(await second).toMatchObject({ failure: "CALLER_RATE_LIMITED", retryAfterMs: 1000 });
    expect(clock.pending()).toBe(0);
  });

  test("waits on while others are settled, for thirty seconds", async () => {
    const { clock, reserve, purse } = setUp(100n);
    const others = await Promise.all(Array.from({ length: 20 }, () => purse(4n)));
    const second = reserve(100n);
    await settled();
    for (const other of others.slice(0, 7)) {
      clock.advance(4000);
      other.settle(0n);
      expect(await stateOf(second)).toBe("waits");
    }
    clock.advance(2000);
    expect(await stateOf(second)).toBe("CALLER_RATE_LIMITED");
  });

  test("leaves with its caller, and lets those behind it pass", async () => {
    const { clock, reserve, purse } = setUp(100n);
    await purse(60n);
    const leaving = new AbortController();
    const second = reserve(100n, leaving.signal);
    const third = reserve(40n);
    expect(await stateOf(third)).toBe("waits");
    const gone = new ChatError("CANCELLED", "gone");
    leaving.abort(gone);
    await expect(second).rejects.toBe(gone);
    expect(await stateOf(third)).toBe("granted");
    expect([clock.pending(), getEventListeners(leaving.signal, "abort").length]).toEqual([0, 0]);
  });

  test("is one of a thousand at most", async () => {
    const { reserve, purse } = setUp(100n);
    const first = await purse(100n);
    const waiting = Array.from({ length: 1000 }, () => reserve(1n));
    await settled();
    expect(await reserve(1n)).toMatchObject({ failure: "CALLER_RATE_LIMITED" });
    first.settle(100n);
    await Promise.all(waiting);
  });

  test("gets what a larger budget has", async () => {
    const { budget, terms, reserve, purse } = setUp(100n);
    await purse(100n);
    const second = reserve(50n);
    expect(await stateOf(second)).toBe("waits");
    budget.renew(terms(150n));
    expect(await stateOf(second)).toBe("granted");
  });
});

describe("what was spent before", () => {
  test("is looked up once, for all who ask meanwhile", async () => {
    const told = Promise.withResolvers<bigint>();
    let asked = 0;
    const { budget, reserve } = setUp(100n, () => (asked++, told.promise));
    const all = [reserve(10n), reserve(10n), reserve(10n)];
    await settled();
    expect(budget.exhausted()).toBeUndefined();
    told.resolve(85n);
    await settled();
    expect(await Promise.all(all.map(stateOf))).toEqual(["granted", "waits", "waits"]);
    expect([asked, budget.standing()]).toEqual([1, { spentPicoUsd: 85n, reservedPicoUsd: 10n }]);
  });

  test("and cannot be looked up is no reason to refuse for good: the next call asks again", async () => {
    let works = false;
    const { reserve } = setUp(100n, () => (works ? Promise.resolve(0n) : Promise.reject(new Error("down"))));
    expect(await reserve(1n)).toMatchObject({ failure: "STORE_UNAVAILABLE", retryAfterMs: 1000 });
    works = true;
    expect(await stateOf(reserve(1n))).toBe("granted");
  });

  test("and is not told within five seconds leaves the call without an answer from the store", async () => {
    const { clock, reserve } = setUp(100n, () => new Promise(() => {}));
    const pending = reserve(1n);
    await settled();
    clock.advance(5000);
    expect(await pending).toMatchObject({ failure: "STORE_UNAVAILABLE" });
    expect(clock.pending()).toBe(0);
  });
});

test("another period begins anew, and what runs is settled in its own", async () => {
  let asked = 0;
  const { budget, terms, purse } = setUp(100n, () => (asked++, Promise.resolve(0n)));
  const first = await purse(100n);
  budget.renew({ ...terms(100n), period: { startWall: 1000, endWall: 2000 } });
  const second = await purse(100n);
  first.settle(70n);
  expect([asked, budget.standing()]).toEqual([2, { spentPicoUsd: 0n, reservedPicoUsd: 100n }]);
  second.settle(5n);
  expect(budget.standing()).toEqual({ spentPicoUsd: 5n, reservedPicoUsd: 0n });
});

describe("a budget that is changed", () => {
  const day = { startWall: 500, endWall: 600 };
  const month = { startWall: 0, endWall: 1000 };

  test("in its period keeps what runs in mind, and counts once what is settled before the ledger is asked", async () => {
    const kept = { spent: 40n };
    const { clock, budget, terms, purse, reserve } = setUp(100n, () => Promise.resolve(kept.spent));
    expect(clock.wall()).toBeGreaterThan(day.startWall);
    const [first, second] = [await purse(20n), await purse(30n)];
    expect(budget.standingIn(month)).toEqual({ spentPicoUsd: 40n, reservedPicoUsd: 50n });
    budget.renew({ ...terms(60n), period: day });
    expect([budget.standingIn(month), budget.standingIn(day)]).toEqual([undefined, undefined]);
    first.settle(20n);
    kept.spent = 25n;
    const third = await purse(5n);
    expect(budget.standingIn(day)).toEqual({ spentPicoUsd: 25n, reservedPicoUsd: 35n });
    const fourth = reserve(10n);
    expect(await stateOf(fourth)).toBe("waits");
    second.settle(30n);
    third.settle(5n);
    expect([budget.exhausted()?.failure, await stateOf(fourth)]).toEqual(["BUDGET_EXHAUSTED", "BUDGET_EXHAUSTED"]);
    expect(budget.standingIn(day)).toEqual({ spentPicoUsd: 60n, reservedPicoUsd: 0n });
  });

  test("in its period while calls wait lets them have its money", async () => {
    const { budget, terms, purse, reserve } = setUp(100n);
    await purse(100n);
    const second = reserve(50n);
    expect(await stateOf(second)).toBe("waits");
    budget.renew({ ...terms(200n), period: day });
    expect(await stateOf(second)).toBe("granted");
  });

  test("to none and back again knows what was spent in between, and lets go who waited", async () => {
    const kept = { spent: 10n };
    const { budget, terms, purse, reserve } = setUp(100n, () => Promise.resolve(kept.spent));
    const first = await purse(90n);
    const second = reserve(50n);
    budget.lapse();
    expect([await stateOf(second), first.extend(1000n)]).toEqual(["granted", 1000n]);
    kept.spent = 500n;
    budget.renew(terms(100n));
    expect(await stateOf(reserve(1n))).toBe("BUDGET_EXHAUSTED");
    expect(budget.standing()).toEqual({ spentPicoUsd: 500n, reservedPicoUsd: 1140n });
  });
});

interface Running {
  readonly purse: Purse;
  readonly used: bigint;
}

test("whatever is reserved, extended, settled and left, and however wrong the estimates are, no more is spent than those who run were given too little", async () => {
  const step = fc.record({
    kind: fc.constantFrom("ask", "ask", "ask", "settle", "settle", "extend", "leave", "wait"),
    most: fc.bigInt({ min: 0n, max: 60n }),
    used: fc.bigInt({ min: 0n, max: 60n }),
    ms: fc.nat(3000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.bigInt({ min: 1n, max: 200n }), async (steps, amount) => {
      const { clock, budget } = setUp(amount);
      const running: Running[] = [];
      const waiting = new Map<AbortController, Promise<void>>();
      let beyond = 0n;
      let spent = 0n;
      const settle = ({ purse, used }: Running): void => {
        if (used > purse.picoUsd) beyond += used - purse.picoUsd;
        spent += used;
        purse.settle(used);
      };
      for (const { kind, most, used, ms } of steps) {
        if (kind === "ask") {
          const leaving = new AbortController();
          const asked = Promise.resolve(budget.reserve({ most: () => most, signal: leaving.signal }));
          waiting.set(
            leaving,
            asked.then(
              (verdict) => {
                waiting.delete(leaving);
                if (!(verdict instanceof ChatError)) running.push({ purse: verdict, used });
              },
              () => void waiting.delete(leaving),
            ),
          );
        }
        if (kind === "settle") {
          const [first] = running.splice(0, 1);
          if (first !== undefined) settle(first);
        }
        if (kind === "extend") running[0]?.purse.extend(most);
        if (kind === "leave") [...waiting.keys()][0]?.abort(new ChatError("CANCELLED", "gone"));
        if (kind === "wait") clock.advance(ms);
        await settled();
        const standing = budget.standing();
        expect(standing.spentPicoUsd).toBe(spent);
        expect(standing.reservedPicoUsd).toBe(running.reduce((sum, { purse }) => sum + purse.picoUsd, 0n));
        if (standing.reservedPicoUsd > 0n) expect(standing.spentPicoUsd + standing.reservedPicoUsd).toBeLessThanOrEqual(amount + beyond);
        // Nobody waits for nobody.
        if (running.length === 0) expect(waiting.size).toBe(0);
      }
      while (running.length > 0 || waiting.size > 0) {
        const [first] = running.splice(0, 1);
        if (first !== undefined) settle(first);
        await settled();
      }
      expect(spent).toBeLessThanOrEqual(amount + beyond);
      expect([budget.standing().reservedPicoUsd, clock.pending(), budget.idle]).toEqual([0n, 0, true]);
    }),
  );
});
