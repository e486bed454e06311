import { expect, test } from "vitest";
import { AttemptKind, usageOf } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { createStats } from "../../src/stores/stats.ts";
import { attempt, observe, record, target } from "../telemetry/records.ts";

const a = target("a", "m");
const b = target("b", "m");
const overloaded = new ChatError("OVERLOADED", "target a/m answered 529");

test("nothing was called yet", () => {
  expect(createStats().targets()).toEqual([]);
});

test("each attempt counts at its own target, and a failover at the target it left", () => {
  const stats = createStats();
  const failed = attempt(a, { error: overloaded, won: false });
  observe(stats, record({ attempts: [failed, { ...failed, kind: AttemptKind.RETRY }, attempt(b, { kind: AttemptKind.FAILOVER })] }));
  observe(stats, record({ attempts: [attempt(a)] }));
  expect(stats.targets()).toMatchObject([
    { provider: "a", model: "m", requests: 3n, successes: 1n, failures: 2n, fallbacksFrom: 1n },
    { provider: "b", model: "m", requests: 1n, successes: 1n, failures: 0n, fallbacksFrom: 0n },
  ]);
});

test("a cancelled attempt is a request, neither a success nor a failure", () => {
  const stats = createStats();
  observe(stats, record({ attempts: [attempt(a, { error: new ChatError("CANCELLED", "the caller left") })] }));
  expect(stats.targets()).toMatchObject([{ requests: 1n, successes: 0n, failures: 0n }]);
});

test("a target that was skipped was not called, but left", () => {
  const stats = createStats();
  const skipped = new ChatError("NO_TARGET", "target a/m is not called", { skipped: "open" });
  observe(stats, record({ attempts: [attempt(a, { error: skipped }), attempt(b, { kind: AttemptKind.FAILOVER })] }));
  expect(stats.targets().find(({ provider }) => provider === "a")).toMatchObject({ requests: 0n, failures: 0n, fallbacksFrom: 1n });
});

test("a call without attempts counts nowhere", () => {
  const stats = createStats();
  observe(stats, record({ attempts: [] }));
  expect(stats.targets()).toEqual([]);
});

test("tokens of all attempts add up, those of failed ones too", () => {
  const stats = createStats();
  const usage = { ...usageOf(100, 20), cacheReadTokens: 10, cacheWriteTokens: 5, reasoningTokens: 7 };
  observe(
    stats,
    record({ attempts: [attempt(a, { usage, error: overloaded }), attempt(a, { usage: { ...usageOf(1, 2), estimated: true } })] }),
  );
  expect(stats.targets()[0]?.usage).toMatchObject({
    inputTokens: 101n,
    outputTokens: 22n,
    cacheReadTokens: 10n,
    cacheWriteTokens: 5n,
    reasoningTokens: 7n,
    estimatedCalls: 1n,
    unpricedCalls: 0n,
  });
});

test("cost is rounded once, at the end", () => {
  const stats = createStats();
  // Each of these is 0.4 millionths of a dollar: rounded one by one they would be nothing.
  const usage = { ...usageOf(1, 1), costPicoUsd: 400_000n };
  for (let i = 0; i < 10; i++) observe(stats, record({ attempts: [attempt(a, { usage })] }));
  expect(stats.targets()[0]?.usage.costMicroUsd).toBe(4n);
});

for (const { pico, micro } of [
  { pico: 499_999n, micro: 0n },
  { pico: 500_000n, micro: 1n },
  { pico: 1_499_999n, micro: 1n },
]) {
  test(`${pico} millionths of a millionth are ${micro} millionths`, () => {
    const stats = createStats();
    observe(stats, record({ attempts: [attempt(a, { usage: { ...usageOf(1, 1), costPicoUsd: pico } })] }));
    expect(stats.targets()[0]?.usage.costMicroUsd).toBe(micro);
  });
}

test("usage without a told cost is priced by the target's price, and unpriced where it has none", () => {
  const stats = createStats();
  const usage = usageOf(100, 20);
  observe(stats, record({ attempts: [attempt(a, { usage }), attempt({ ...b, price: undefined }, { usage })] }));
  expect(stats.targets().map((each) => each.usage)).toMatchObject([
    { costMicroUsd: 400n, unpricedCalls: 0n },
    { costMicroUsd: 0n, unpricedCalls: 1n },
  ]);
});

test("names that callers make up cannot fill the memory", () => {
  const stats = createStats();
  for (let i = 0; i < 3000; i++) observe(stats, record({ attempts: [attempt(target("a", `made-up-${i}`))] }));
  const targets = stats.targets();
  expect(targets).toHaveLength(1001);
  expect(targets.at(-1)).toMatchObject({ provider: "a", model: "other", requests: 2000n });
});
