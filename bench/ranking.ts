/** What it costs to rank: each policy over ten targets and over a thousand. `npm run bench:ranking`. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { TargetId } from "../src/core/catalog.ts";
import { BreakerState, HealthStatus, ModelCapabilitiesSchema, RoutingPolicySchema } from "../src/core/chat.ts";
import type { KeyId } from "../src/core/call.ts";
import { type CallFacts, type Candidate, decidedBy, type Policy } from "../src/core/policy.ts";
import { createPolicy } from "../src/policies/index.ts";

type Kind = NonNullable<MessageInitShape<typeof RoutingPolicySchema>["kind"]>;

const weights = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`p${i}`, (i % 7) + 1]));
const when = 'input_tokens > 100000 && key.name == "batch" && "team" in tags && tags.team == "x"';
const policies: Readonly<Record<string, Kind>> = {
  cost_based: { case: "costBased", value: {} },
  failover: { case: "failover", value: { primaryProvider: "p0", backupProviders: ["p1", "p2"] } },
  weighted: { case: "weighted", value: { weights } },
  latency: { case: "latency", value: {} },
  least_busy: { case: "leastBusy", value: {} },
  experiment: {
    case: "experiment",
    value: {
      experiment: "e",
      arms: [
        { name: "a", weight: 1, policy: { kind: { case: "leastBusy", value: {} } } },
        { name: "b", weight: 1, policy: { kind: { case: "leastBusy", value: {} } } },
      ],
    },
  },
  rules: {
    case: "rules",
    value: {
      rules: [
        { name: "one", when, policy: { kind: { case: "leastBusy", value: {} } } },
        { name: "two", when: "hour >= 22 || hour < 6", policy: { kind: { case: "leastBusy", value: {} } } },
      ],
      otherwise: { kind: { case: "leastBusy", value: {} } },
    },
  },
};

const call: CallFacts = {
  model: "auto",
  inputTokens: 1000,
  streamed: true,
  hasTools: false,
  hasImages: false,
  hour: 12,
  key: { id: "cfg_a" as KeyId, name: "a" },
  tags: { team: "x" },
  affinityKey: "user-1",
  endUserId: "",
  nowMs: 100_000,
  seed: 1,
};

/** Each at a provider of its own, which is the dearest case; with prices, samples and loads that differ. */
function candidates(count: number): Candidate[] {
  const capabilities = create(ModelCapabilitiesSchema);
  return Array.from({ length: count }, (_, i): Candidate => {
    const spread = (i * 7919) % 1000;
    return {
      target: {
        id: `p${i}/m` as TargetId,
        provider: `p${i}`,
        model: "m",
        upstreamModel: "m",
        kind: "chat",
        issuer: "p",
        capabilities,
        price: undefined,
        timeoutMs: undefined,
      },
      health: {
        status: HealthStatus.HEALTHY,
        breaker: BreakerState.CLOSED,
        openUntilMs: 0,
        coolingUntilMs: 0,
        lockedUntilMs: 0,
        lockedBy: undefined,
        lacks: [],
        warmth: 1,
        hearsay: undefined,
        firstTokenMs: 100 + spread,
        unaryMs: 500 + spread,
        firstTokenP95Ms: 300 + spread,
        successRatio: 1 - spread / 10_000,
        failedAtMs: undefined,
        heardMs: 99_000,
        otherMeans: new Map(),
      },
      costMicroUsd: 100 + spread,
      load: spread / 1000,
    };
  });
}

/** Microseconds for one ranking, of the quietest tenth of all rounds: what else runs on the machine only ever adds. */
function microseconds(policy: Policy, list: readonly Candidate[], rounds: number): number {
  const facts = Array.from({ length: rounds }, (_, i) => ({ ...call, seed: Math.floor(((i * 0.618_033_988_75) % 1) * 2 ** 53) }));
  const samples = Array.from({ length: 41 }, () => {
    const startMs = performance.now();
    for (const each of facts) decidedBy(policy, each).rank(each, list);
    return ((performance.now() - startMs) * 1000) / rounds;
  });
  return samples.toSorted((a, b) => a - b)[4] ?? 0;
}

const few = candidates(10);
const many = candidates(1000);
process.stdout.write("| policy | 10 targets, µs | 1,000 targets, µs |\n|---|---:|---:|\n");
for (const [name, kind] of Object.entries(policies)) {
  const policy = createPolicy(create(RoutingPolicySchema, { kind }));
  const line = [microseconds(policy, few, 2000), microseconds(policy, many, 20)].map((each) => each.toFixed(1));
  process.stdout.write(`| ${name} | ${line.join(" | ")} |\n`);
}
