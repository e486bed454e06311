import { describe, expect, test } from "vitest";

import type { AttemptRecord, Call, Key, KeyId, KeyLimits } from "../../src/core/call.ts";
import { type Batch, ProviderState, type Usage, usageOf } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Limits, Reservation, Spend } from "../../src/core/limits.ts";
import { type Price, priced } from "../../src/core/price.ts";
import { afford } from "../../src/stages/afford.ts";
import { createAnswerSizes } from "../../src/stores/answer-sizes.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import {
  callOf,
  completed,
  createTape,
  healthy,
  readAll,
  recordOf,
  rejection,
  said,
  snapshotOf,
  sourceOf,
  targetOf,
  whole,
} from "./support.ts";

/** A thousand and two thousand 10^-12 dollars a token. */
const price: Price = { input: 1000, output: 2000, cacheRead: undefined, cacheWrite: undefined };
const target = targetOf("a/m", { price, capabilities: { $typeName: "semaroute.v1.ModelCapabilities", maxOutputTokens: 100 } });

function used(inputTokens: number, outputTokens: number): Usage {
  return priced(usageOf(inputTokens, outputTokens), price);
}

interface Scene {
  readonly limits?: Partial<KeyLimits>;
  readonly call?: Partial<Call>;
  /** 10^-12 dollars there are. Default: plenty. */
  readonly money?: bigint;
  /** Whether the limits are asked elsewhere, and answer late. */
  readonly remote?: boolean;
  /** Whether nobody can be asked for more. */
  readonly unasked?: boolean;
  readonly targets?: Parameters<typeof snapshotOf>[0];
}

/** The room, before an upstream that a test plays, and limits that say what they were asked. */
function scene({
  limits = { budgetMicroUsd: 1 },
  call = {},
  money = 10n ** 12n,
  remote = false,
  unasked = false,
  targets = [target],
}: Scene = {}) {
  const key: Key = {
    id: "cfg_k" as KeyId,
    name: "k",
    models: undefined,
    priority: 2,
    limits: { requestsPerMinute: 0, tokensPerMinute: 0, concurrentCalls: 0, budgetMicroUsd: 0, budgetPeriod: "day", ...limits },
  };
  const settlements: Spend[] = [];
  const asked: Spend[] = [];
  let left = money;
  const late = <T>(value: T): T | Promise<T> => (remote ? Promise.resolve(value) : value);
  const fake: Pick<Limits, "reserve"> = {
    reserve(_call, most) {
      const wanted = most();
      asked.push(wanted);
      let held = wanted.picoUsd < left ? wanted.picoUsd : left;
      left -= held;
      const reservation: Reservation = {
        get picoUsd() {
          return held;
        },
        unasked,
        extend(more) {
          const given = more < left ? more : left;
          left -= given;
          held += given;
          return late(given);
        },
        settle(spend) {
          left += held - spend.picoUsd;
          settlements.push(spend);
        },
      };
      return late(reservation);
    },
  };
  const sources = {
    clock: createFakeClock(),
    health: { view: () => healthy, load: () => 0, begin: () => ({ answered() {}, end() {} }), latencyQuantileMs: () => undefined },
    stateOf: () => ProviderState.ENABLED,
  };
  const room = afford({ limits: fake, sources, sizes: createAnswerSizes() });
  const record = recordOf({ target, usage: undefined });
  const tape = createTape<Batch>();
  let inner: Call | undefined;
  const source = sourceOf({ target, attempts: [record] });
  const run = room((seen) => {
    inner = seen;
    // As an attempt's stream does it: whoever aborts ends it, and it has reckoned before it is read on.
    seen.signal.addEventListener("abort", () => {
      record.usage ??= used(10, 20);
      tape.fail(seen.signal.reason);
    });
    return Promise.resolve({ source, batches: tape });
  });
  const own = callOf(chatRequest("hello", { model: "a/m" }), { key, snapshot: snapshotOf(targets), ...call });
  return { room, run: () => run(own), call: own, record, tape, settlements, asked, inner: () => inner };
}

/** The end of an attempt, as its own room tells it before its last batch leaves. */
function finish(record: AttemptRecord, usage: Usage): Batch {
  record.usage = usage;
  return [completed(usage)];
}

describe("what is set aside", () => {
  test("is the estimated input twice, and as much output as the model can have, at the dearest target", async () => {
    const dear = targetOf("b/m", { price: { ...price, output: 5000, reasoning: 9000 }, capabilities: target.capabilities });
    const { run, asked } = scene({ targets: [target, dear], call: { request: chatRequest("hello", { model: "m" }) } });
    await run();
    // Nine tokens by our estimate.
    expect(asked).toEqual([{ tokens: 9 + 100, picoUsd: 18n * 1000n + 100n * 9000n }]);
  });

  test("is bounded by the caller's own limit, for each choice", async () => {
    const { run, asked } = scene({ call: { request: chatRequest("hello", { model: "a/m", maxOutputTokens: 10, n: 3 }) } });
    await run();
    expect(asked).toEqual([{ tokens: 9 + 30, picoUsd: 18n * 1000n + 30n * 2000n }]);
  });

  test("learns from answers: a quarter more than the longest", async () => {
    const { run, asked, record, tape } = scene();
    const { batches } = await run();
    tape.push(finish(record, used(4, 40)));
    await batches.next();
    await run();
    expect(asked[1]).toEqual({ tokens: 9 + 50, picoUsd: 18n * 1000n + 50n * 2000n });
  });

  test("is twice as much where a hedge may cost as much again", async () => {
    const options = { ...callOf().snapshot.options, hedge: { quantile: 0.95, extraCostRatioMax: 1 } };
    const targets = [target, targetOf("b/m", { price, capabilities: target.capabilities })];
    const snapshot = { ...snapshotOf(targets), options };
    const { run, asked } = scene({ call: { snapshot, request: chatRequest("hello", { model: "m", maxOutputTokens: 10 }) } });
    await run();
    expect(asked).toEqual([{ tokens: 19, picoUsd: 2n * (18n * 1000n + 10n * 2000n) }]);
  });

  test("of tokens a minute is never more than a minute has, where only we think that it may be", async () => {
    const { run, asked } = scene({ limits: { tokensPerMinute: 50 } });
    await run();
    expect(asked[0]?.tokens).toBe(50);
  });
});

describe("what was used is settled once", () => {
  test("with a whole answer, before it leaves", async () => {
    const { run, record, tape, settlements } = scene({ call: { streamed: false } });
    const { batches } = await run();
    record.usage = used(4, 10);
    tape.push([whole("hello", record.usage)]);
    tape.end();
    await batches.next();
    expect(settlements).toEqual([{ tokens: 14, picoUsd: 24_000n }]);
    await readAll(batches);
    await batches.return?.();
    expect(settlements).toHaveLength(1);
  });

  test("when the caller leaves", async () => {
    const { run, record, tape, settlements } = scene();
    const { batches } = await run();
    tape.push([said("some text")]);
    await batches.next();
    record.usage = used(4, 3);
    await batches.return?.();
    expect([settlements, tape.returns()]).toEqual([[{ tokens: 7, picoUsd: 10_000n }], 1]);
  });

  test("when nobody answered, with what the attempts had used", async () => {
    const { room, call, settlements } = scene();
    const error = new ChatError("UPSTREAM_UNAVAILABLE", "broke");
    error.attempts = [recordOf({ target, usage: used(4, 5), won: false }), recordOf({ target, won: false })];
    expect(await rejection(room(() => Promise.reject(error))(call))).toBe(error);
    expect(settlements).toEqual([{ tokens: 9, picoUsd: 14_000n }]);
  });
});

describe.each([
  { where: "here", remote: false },
  { where: "elsewhere", remote: true },
])("a stream of a key whose money is counted $where", ({ remote }) => {
  test("runs on as long as there is more money than was set aside", async () => {
    const { run, record, tape, settlements } = scene({ remote });
    const { batches } = await run();
    for (let i = 0; i < 100; i++) {
      tape.push([said("a hundred characters ".repeat(5))]);
      await batches.next();
    }
    tape.push(finish(record, used(4, 2500)));
    tape.end();
    expect((await readAll(batches)).error).toBeUndefined();
    expect(settlements).toEqual([{ tokens: 2504, picoUsd: 4000n + 5_000_000n }]);
  });

  test("ends as with a store that is away where nobody can say how much there is, and tells its usage", async () => {
    const { run, tape, settlements } = scene({ remote, unasked: true, money: 69_000n });
    const { batches } = await run();
    for (let i = 0; i < 4; i++) tape.push([said("x".repeat(40))]);
    const { batches: read, error } = await readAll(batches);
    expect(error).toMatchObject({
      failure: "STORE_UNAVAILABLE",
      message: "what key k has left cannot be asked any more; this answer used 9 input and 40 output tokens, 0.000000089 US dollars",
      retryAfterMs: 1000,
    });
    expect(read.at(-1)?.at(-1)).toMatchObject({ case: "usage", value: { outputTokens: 40 } });
    expect(settlements).toHaveLength(1);
  });

  test("ends where there is none, with its usage in the last batch", async () => {
    // Nine of input and thirty of output.
    const { run, tape, settlements, inner } = scene({ remote, money: 69_000n });
    const { batches } = await run();
    for (let i = 0; i < 4; i++) tape.push([said("x".repeat(40))]);
    const { batches: read, error } = await readAll(batches);
    expect(error).toBe(inner()?.signal.reason);
    expect(String(error)).toBe(
      "ChatError: the budget of key k was spent while this answer came, which used 9 input and 40 output tokens, 0.000000089 US dollars",
    );
    expect(error).toMatchObject({ failure: "BUDGET_EXHAUSTED" });
    expect(read).toHaveLength(4);
    expect(read.at(-1)?.at(-1)).toMatchObject({ case: "usage", value: { inputTokens: 9, outputTokens: 40, estimated: true } });
    expect(settlements).toHaveLength(1);
  });
});

test("a model with longer tokens than we think is known after its first answer, and the next one is not ended too early", async () => {
  const text = "eight characters a token, whatever our estimate says about it...";
  const { run, record, tape } = scene({ money: 41_000n });
  // By our estimate each costs 41,000 and has sixteen tokens; in truth 20,000.
  const first = await run();
  tape.push([said(text)], finish(record, used(4, 8)));
  await first.batches.next();
  await first.batches.next();
  record.usage = undefined;
  const second = await run();
  tape.push([said(text)], finish(record, used(4, 8)));
  await second.batches.next();
  expect((await second.batches.next()).value).toMatchObject([{ case: "completed" }]);
});

test("what an upstream tells that is no count is counted nowhere", async () => {
  const { run, record, tape, settlements } = scene();
  const { batches } = await run();
  tape.push(finish(record, priced(usageOf(Number.NaN, 10), price)));
  await batches.next();
  expect(settlements).toEqual([{ tokens: 0, picoUsd: 0n }]);
});

test("a call that others share may be put off, and the rooms behind see that", async () => {
  const { run, call, inner } = scene();
  await run();
  Object.assign(call, { deadline: 12_345 });
  expect(inner()?.deadline).toBe(12_345);
});

test("a key without a budget and tokens a minute is passed on as it is", async () => {
  const { run, call, asked, inner } = scene({ limits: { requestsPerMinute: 5, budgetMicroUsd: 0 } });
  await run();
  expect([inner() === call, asked]).toEqual([true, []]);
});
