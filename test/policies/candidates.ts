import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Target, TargetId } from "../../src/core/catalog.ts";
import { type CostBasedPolicy, type FailoverPolicy, type RoutingPolicy, RoutingPolicySchema } from "../../src/core/chat.ts";
import type { HealthView } from "../../src/core/health.ts";
import type { CallFacts, Candidate, Ranking } from "../../src/core/policy.ts";
import { anonymousKey } from "../../src/server/auth.ts";
import { healthy } from "../support/health.ts";

/** What a test says of a candidate; the rest is a healthy target without samples. */
export interface CandidateFacts extends Partial<HealthView> {
  /** Undefined: unpriced. */
  readonly cost?: number | undefined;
  /** Default: idle. */
  readonly load?: number;
}

/** A candidate by its id, `provider/model`. */
export function candidate(id: string, { cost, load = 0, ...health }: CandidateFacts = {}): Candidate {
  const [provider = "", model = ""] = id.split("/");
  return {
    target: { ...bareTarget, id: id as TargetId, provider, model, upstreamModel: model, issuer: provider },
    health: { ...healthy, ...health },
    costMicroUsd: cost,
    load,
  };
}

/** A streamed call at 100 s. */
export function facts(init: Partial<CallFacts> = {}): CallFacts {
  const { id, name } = anonymousKey;
  return {
    model: "auto",
    inputTokens: 10,
    streamed: true,
    hasTools: false,
    hasImages: false,
    hour: 12,
    key: { id, name },
    tags: {},
    affinityKey: "",
    endUserId: "",
    nowMs: 100_000,
    seed: 1,
    ...init,
  };
}

/** The ids in the order of a ranking. */
export function idsOf(ranking: Ranking): string[] {
  return ranking.order.map((ranked) => ranked.candidate.target.id);
}

/** A cost_based policy's message. */
export function costBased(init: Partial<CostBasedPolicy> = {}): CostBasedPolicy {
  return { $typeName: "semaroute.v1.CostBasedPolicy", ...init };
}

/** A failover policy's message. */
export function failover(primaryProvider: string, backupProviders: string[], init: Partial<FailoverPolicy> = {}): FailoverPolicy {
  return { $typeName: "semaroute.v1.FailoverPolicy", primaryProvider, backupProviders, ...init };
}

const bareTarget = {
  kind: "chat",
  capabilities: { $typeName: "semaroute.v1.ModelCapabilities" } as Target["capabilities"],
  price: undefined,
  timeoutMs: undefined,
} as const satisfies Partial<Target>;

/** A policy's message. */
export function policyOf(kind: NonNullable<MessageInitShape<typeof RoutingPolicySchema>["kind"]>): RoutingPolicy {
  return create(RoutingPolicySchema, { kind });
}
