import type { RoutingPolicy } from "../core/chat.ts";
import { ChatError } from "../core/error.ts";
import type { Policy } from "../core/policy.ts";
import { createCostBased, withCostBasedDefaults } from "./cost-based.ts";
import { createFailover, withFailoverDefaults } from "./failover.ts";

type Kind = RoutingPolicy["kind"];

/** A policy's kind as the configuration file writes it, by its name in the message. */
export const kindNames = {
  costBased: "cost_based",
  failover: "failover",
  weighted: "weighted",
  latency: "latency",
  leastBusy: "least_busy",
  experiment: "experiment",
  rules: "rules",
} as const satisfies Record<NonNullable<Kind["case"]>, string>;

/** What this build can do, as the configuration file writes it. */
export const policyKinds = ["cost_based", "failover"] as const;

/** Compiles a policy; one that `examinePolicy` finds no error in never throws. */
export function createPolicy({ kind, shadow }: RoutingPolicy): Policy {
  if (shadow !== undefined) throw new ChatError("INVALID_REQUEST", "shadow is not part of this build yet", { field: "shadow" });
  switch (kind.case) {
    case "costBased":
      return createCostBased(kind.value);
    case "failover":
      return createFailover(kind.value);
    default:
      throw new ChatError("INVALID_REQUEST", missing(kind), { field: kindName(kind) });
  }
}

/** The same policy, with every default written out and named after its kind where it has no name. */
export function withDefaults(policy: RoutingPolicy): RoutingPolicy {
  return { ...policy, name: policy.name === "" ? kindName(policy.kind) : policy.name, kind: kindWithDefaults(policy.kind) };
}

/** As the configuration file writes it; empty where the policy has none. */
export function kindName(kind: Kind): string {
  return kind.case === undefined ? "" : kindNames[kind.case];
}

/** Why a kind cannot be compiled. */
export function missing(kind: Kind): string {
  return kind.case === undefined ? "a policy has a kind" : `policy kind ${kindNames[kind.case]} is not part of this build yet`;
}

function kindWithDefaults(kind: Kind): Kind {
  switch (kind.case) {
    case "costBased":
      return { case: "costBased", value: withCostBasedDefaults(kind.value) };
    case "failover":
      return { case: "failover", value: withFailoverDefaults(kind.value) };
    default:
      return kind;
  }
}
