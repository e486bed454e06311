/**
 * What SimulatePolicy takes over 10,000 decisions of ten candidates each, made by the planner and kept by the decision log: in memory, and
 * in SQLite; and for how long it keeps everybody else waiting. `npm run bench:simulate`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { simulations } from "../src/assembly/simulations.ts";
import type { Call, KeyId, Snapshot } from "../src/core/call.ts";
import { createCatalog, type Target, type TargetId } from "../src/core/catalog.ts";
import {
  CacheStatus,
  ChatRequestSchema,
  ModelCapabilitiesSchema,
  Priority,
  ProviderState,
  Role,
  RoutingPolicySchema,
  usageOf,
} from "../src/core/chat.ts";
import { priced } from "../src/core/price.ts";
import type { CallRecord } from "../src/core/telemetry.ts";
import type { DecisionStore } from "../src/core/store.ts";
import { createPolicy, withDefaults } from "../src/policies/index.ts";
import { createSimulator } from "../src/policies/simulate.ts";
import { planCall, type PlanSources } from "../src/stages/plan.ts";
import { createDecisionLog, type DecisionLog } from "../src/stores/decision-log.ts";
import { openSqliteStore } from "../src/stores/sql/sqlite-store.ts";
import { systemClock as clock } from "../src/stores/system-clock.ts";
import { createWindowHealth } from "../src/stores/window-health.ts";

const decisionsMax = 10_000;
const roundsMax = 9;
/** Steps of seeds, as calls that follow each other have them. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

const policyOf = (kind: NonNullable<MessageInitShape<typeof RoutingPolicySchema>["kind"]>) => create(RoutingPolicySchema, { kind });
const policies = {
  cost_based: policyOf({ case: "costBased", value: {} }),
  weighted: policyOf({ case: "weighted", value: { weights: { p0: 3, p1: 2, p2: 1 } } }),
  rules: policyOf({
    case: "rules",
    value: {
      rules: [
        { name: "nights", when: '(hour >= 22 || hour < 6) && !("team" in tags)', policy: policyOf({ case: "leastBusy", value: {} }) },
      ],
      otherwise: policyOf({ case: "latency", value: {} }),
    },
  }),
} as const;

const targets = Array.from({ length: 10 }, (_, n): Target => {
  const price = { input: 100_000 * (n + 1), output: 400_000 * (n + 1), cacheRead: undefined, cacheWrite: undefined };
  const id = `p${n}/m` as TargetId;
  const capabilities = create(ModelCapabilitiesSchema);
  return { id, provider: `p${n}`, model: "m", upstreamModel: "m", kind: "chat", issuer: "p", capabilities, price, timeoutMs: undefined };
});

const catalog = createCatalog({
  providers: targets.map((target) => ({ name: target.provider, targets: [target], other: () => target })),
  aliases: new Map(),
});
const snapshot: Snapshot = {
  catalog,
  providers: new Map(),
  policy: { revision: "bench", name: "cost_based", rank: createPolicy(withDefaults(policies.cost_based)) },
  options: {
    attemptsMax: 3,
    retryBaseMs: 100,
    retryMaxMs: 2000,
    firstTokenMs: 60_000,
    idleMs: 60_000,
    progressMs: 300_000,
    retryBudget: 0.2,
    hedge: undefined,
    totalMs: 600_000,
    unsupportedFields: "drop",
  },
};

const health = createWindowHealth({
  clock,
  random: () => 0.5,
  breaker: { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 10, windowMs: 60_000, openMs: 5000, openMsMax: 60_000 },
});
health.declare(targets.map(({ id, provider }) => ({ name: provider, targets: [id], concurrencyMax: 100 })));
const sources: PlanSources = { clock, health, stateOf: () => ProviderState.ENABLED };

const never = new AbortController().signal;
process.stdout.write("| decisions in | policy | ms | longest block, ms |\n|---|---|---:|---:|\n");
await measure("memory", undefined);
const folder = await mkdtemp(join(tmpdir(), "semaroute-bench-"));
try {
  const store = await openSqliteStore({ path: join(folder, "semaroute.db") });
  await measure("SQLite", store.decisions);
  await store.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
health.close();

async function measure(where: string, store: DecisionStore | undefined): Promise<void> {
  const log = createDecisionLog({
    clock,
    replica: "bench",
    store,
    keepMs: 3_600_000,
    onLost: (cause) => fail(cause),
    ringMax: decisionsMax,
  });
  for (let i = 0; i < decisionsMax; i++) {
    log.observer.ended(decided(i));
    // So that the log writes what there is, as it would between calls.
    if (i % 200 === 199) await log.find("");
  }
  for (const [name, policy] of Object.entries(policies)) {
    const rounds: { readonly ms: number; readonly blockMs: number }[] = [];
    for (let round = 0; round < roundsMax; round++) rounds.push(await simulated(log, policy));
    // What else runs on the machine only ever adds.
    const ms = Math.min(...rounds.map((round) => round.ms));
    const blockMs = Math.min(...rounds.map((round) => round.blockMs));
    process.stdout.write(`| ${where} | ${name} | ${ms.toFixed(0)} | ${blockMs.toFixed(1)} |\n`);
  }
  await log.close();
}

async function simulated(log: DecisionLog, policy: (typeof policies)[keyof typeof policies]) {
  const known = new Map<string, Target>(targets.map((target) => [target.id, target]));
  const simulate = simulations({
    decisions: log,
    simulator: (wanted) => createSimulator(createPolicy(withDefaults(wanted)), (id) => known.get(id)),
  });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startMs = performance.now();
  const { decisions } = await simulate({ policy, sinceWall: 0, decisionsMax });
  const ms = performance.now() - startMs;
  delay.disable();
  if (decisions !== decisionsMax) fail(new Error(`replayed ${decisions} decisions of ${decisionsMax}`));
  // The monitor counts its own millisecond.
  return { ms, blockMs: delay.max / 1e6 - 1 };
}

/** A call that the planner has ranked, and whose first target has answered. */
function decided(index: number): CallRecord {
  const receivedMs = clock.now();
  const call: Call = {
    id: `0193a2b4-0000-7000-8000-${String(index).padStart(12, "0")}`,
    requestId: `request-${index}`,
    door: "openai",
    key: { id: "cfg_team" as KeyId, name: "team", models: undefined, priority: Priority.NORMAL },
    request: create(ChatRequestSchema, { model: "m", messages: [{ role: Role.USER, text: "x".repeat(100 + (index % 1000)) }] }),
    streamed: true,
    receivedMs,
    deadline: receivedMs + 600_000,
    deadlineByCaller: false,
    signal: never,
    snapshot,
    seed: Math.floor(((index * goldenRatio) % 1) * Number.MAX_SAFE_INTEGER),
    traceparent: undefined,
  };
  const plan = planCall(call, sources);
  const target = plan.ranked[0]?.candidate.target;
  if (target === undefined) throw new Error("nobody was ranked");
  const firstContentMs = 50 + ((index * 7919) % 400);
  const trial = health.begin(target.id, undefined);
  if ("end" in trial) trial.end({ kind: "succeeded", streamed: true, firstContentMs });
  const usage = priced(usageOf(plan.inputTokens, 100 + (index % 300)), target.price);
  const source = { target, cache: CacheStatus.BYPASS, attempts: [], notes: [], rule: "" };
  return {
    call,
    endMs: receivedMs + 900,
    firstContentMs: receivedMs + firstContentMs,
    source,
    attempts: [],
    usage,
    plan,
    error: undefined,
  };
}

function fail(cause: unknown): never {
  throw cause;
}
