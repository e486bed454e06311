import { expect, test } from "vitest";

import { ProviderState, Role, type Usage, usageOf } from "../../src/core/chat.ts";
import { estimateInputTokens } from "../../src/core/estimate.ts";
import { costPicoUsd, usdFromPico } from "../../src/core/price.ts";
import { createCostBased } from "../../src/policies/cost-based.ts";
import { learnFrom } from "../../src/stages/lessons.ts";
import { planCall, type PlanSources } from "../../src/stages/plan.ts";
import { createAffinity } from "../../src/stores/affinity.ts";
import { createOutputForecasts } from "../../src/stores/output-forecasts.ts";
import { costBased } from "../policies/candidates.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { callOf, healthy, snapshotOf, targetOf } from "./support.ts";
import { streamOfOutcome } from "./outcomes.ts";

// The worked example of docs/policies.md, by the planner and the price function that serve calls.

/** US dollars a million: in 2.50, cached 0.25, out 10.00. */
const warm = targetOf("warm/m", { price: { input: 2_500_000, output: 10_000_000, cacheRead: 250_000, cacheWrite: undefined } });
/** In 2.00, cached 1.00, out 12.00: cheaper as soon as a prompt is more than four times as long as its answer. */
const plain = targetOf("plain/m", { price: { input: 2_000_000, output: 12_000_000, cacheRead: 1_000_000, cacheWrite: undefined } });
const targets = [warm, plain];

const turns = 20;
const answerTokens = 500;
/** Text that is estimated at so many tokens. */
const words = (tokens: number): string => "word".repeat(tokens);

/** The vendors: each keeps what it was sent last for five minutes, and turns are a minute apart. */
function converse(learns: boolean) {
  const clock = createFakeClock();
  const memory = learns ? { affinity: createAffinity(clock), forecasts: createOutputForecasts(clock) } : {};
  const sources: PlanSources = {
    clock,
    stateOf: () => ProviderState.ENABLED,
    health: { view: () => healthy, begin: () => ({ answered() {}, end() {} }), latencyQuantileMs: () => undefined, load: () => 0 },
    ...memory,
  };
  const rank = createCostBased(costBased({ costWeight: 1, latencyWeight: 0, healthWeight: 0 }));
  const snapshot = { ...snapshotOf(targets), policy: { revision: "r", name: "cheapest", rank } };
  const messages: { role: Role; text: string }[] = [{ role: Role.SYSTEM, text: words(1500) }];
  const kept = new Map<string, { readonly tokens: number; readonly ms: number }>();
  const bills: { readonly target: string; readonly usage: Usage; readonly pico: bigint }[] = [];
  for (let turn = 0; turn < turns; turn++) {
    messages.push({ role: Role.USER, text: words(300) });
    const request = chatRequest("", { model: "m", messages: [...messages] });
    const call = callOf(request, { snapshot });
    const plan = planCall(call, sources);
    const target = plan.ranked[0]?.candidate.target;
    if (target?.price === undefined) throw new Error("nobody was chosen");
    const usage = usageOf(estimateInputTokens(request), answerTokens);
    const before = kept.get(target.id);
    usage.cacheReadTokens = before !== undefined && clock.now() - before.ms < 300_000 ? before.tokens : 0;
    kept.set(target.id, { tokens: usage.inputTokens, ms: clock.now() });
    bills.push({ target: target.id, usage, pico: costPicoUsd(target.price, usage) });
    learnFrom({ call, plan, target, stream: streamOfOutcome({ error: undefined, usage }) }, sources);
    messages.push({ role: Role.ASSISTANT, text: words(answerTokens) });
    clock.advance(60_000);
  }
  return { bills, usd: usdFromPico(bills.reduce((sum, { pico }) => sum + pico, 0n)) };
}

test("the price of the second turn is mostly that of cached input", () => {
  const { bills } = converse(true);
  const [first, second] = bills;
  expect(first).toMatchObject({ target: "warm/m", usage: { inputTokens: 1811, cacheReadTokens: 0 } });
  expect(second).toMatchObject({ target: "warm/m", usage: { inputTokens: 2619, cacheReadTokens: 1811 } });
  // 1811 × 2.50 + 500 × 10, and 1811 × 0.25 + 808 × 2.50 + 500 × 10, in millionths.
  expect([first?.pico, second?.pico].map((pico) => usdFromPico(pico ?? 0n))).toEqual(["0.0095275", "0.00747275"]);
});

test("in a conversation of twenty turns, whoever is cheapest by the list costs more than staying", () => {
  const naive = converse(false);
  const staying = converse(true);
  expect(naive.bills.map(({ target }) => target)).toEqual(["warm/m", ...Array.from({ length: turns - 1 }, () => "plain/m")]);
  expect(new Set(staying.bills.map(({ target }) => target))).toEqual(new Set(["warm/m"]));
  expect({ naive: naive.usd, staying: staying.usd }).toEqual({ naive: "0.3286195", staying: "0.18605175" });
});
