import type { RoutingPolicy, Shadow } from "../core/chat.ts";
import { ChatError } from "../core/error.ts";
import { decidedBy, decidingPolicy, type Policy } from "../core/policy.ts";
import { createCostBased, withCostBasedDefaults } from "./cost-based.ts";
import { createExperiment, withExperimentDefaults } from "./experiment.ts";
import { createFailover, withFailoverDefaults } from "./failover.ts";
import { createLatency, withLatencyDefaults } from "./latency.ts";
import { createLeastBusy } from "./least-busy.ts";
import { createRules } from "./rules.ts";
import { conditionCharacters, conditionCharactersMax } from "./nested.ts";
import { createWeighted } from "./weighted.ts";

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

/**
 * Compiles a policy with all that are nested in it; one that `examinePolicy` finds no error in never throws. `path` is the field of a
 * request that the policy stands in: an error names its own field from there.
 */
export function createPolicy(policy: RoutingPolicy, path = ""): Policy {
  if (conditionCharacters(policy) > conditionCharactersMax)
    throw new ChatError("INVALID_REQUEST", "the conditions of a policy are too long", { field: path });
  return compiledAt(path, policy);
}

function compiledAt(path: string, policy: RoutingPolicy | undefined): Policy {
  try {
    return compiled(present(policy));
  } catch (cause) {
    if (!(cause instanceof ChatError)) throw cause;
    const field = [path, cause.field ?? ""].filter((part) => part !== "").join(".");
    throw new ChatError(cause.failure, cause.message, { cause, field });
  }
}

function compiled({ kind, shadow }: RoutingPolicy): Policy {
  const policy = createKind(kind);
  return shadow === undefined || shadow.share === 0 ? policy : withShadow(policy, shadow);
}

function createKind(kind: Kind): Policy {
  switch (kind.case) {
    case "costBased":
      return createCostBased(kind.value);
    case "failover":
      return createFailover(kind.value);
    case "weighted":
      return createWeighted(kind.value);
    case "latency":
      return createLatency(kind.value);
    case "leastBusy":
      return createLeastBusy();
    case "experiment": {
      const policies = kind.value.arms.map(({ policy }, index) => compiledAt(`experiment.arms[${index}].policy`, policy));
      return createExperiment(kind.value, policies);
    }
    case "rules": {
      const rules = kind.value.rules.map(({ policy }, index) => policy && compiledAt(`rules.rules[${index}].policy`, policy));
      return createRules(kind.value, { rules, otherwise: compiledAt("rules.otherwise", kind.value.otherwise) });
    }
    default:
      throw new ChatError("INVALID_REQUEST", missingKind, { field: "" });
  }
}

function withShadow(policy: Policy, { target, share }: Shadow): Policy {
  return decidingPolicy((call) => {
    const inner = decidedBy(policy, call);
    return { ...inner, shadows: [{ target, share }, ...inner.shadows] };
  });
}

/** The same policy, with every default written out and named after its kind where it has no name; those in it likewise. */
export function withDefaults(policy: RoutingPolicy): RoutingPolicy {
  return { ...policy, name: policy.name === "" ? kindName(policy.kind) : policy.name, kind: kindWithDefaults(policy.kind) };
}

/** As the configuration file writes it; empty where the policy has none. */
export function kindName(kind: Kind): string {
  return kind.case === undefined ? "" : kindNames[kind.case];
}

/** Why a policy without a kind cannot be compiled. */
export const missingKind = "a policy has a kind";

function kindWithDefaults(kind: Kind): Kind {
  switch (kind.case) {
    case "costBased":
      return { case: "costBased", value: withCostBasedDefaults(kind.value) };
    case "failover":
      return { case: "failover", value: withFailoverDefaults(kind.value) };
    case "latency":
      return { case: "latency", value: withLatencyDefaults(kind.value) };
    case "experiment": {
      const value = withExperimentDefaults(kind.value);
      return { case: "experiment", value: { ...value, arms: value.arms.map((arm) => ({ ...arm, ...nested(arm) })) } };
    }
    case "rules": {
      const rules = kind.value.rules.map((rule) => ({ ...rule, ...nested(rule) }));
      const { otherwise } = kind.value;
      return { case: "rules", value: { ...kind.value, rules, ...(otherwise !== undefined && { otherwise: withDefaults(otherwise) }) } };
    }
    default:
      return kind;
  }
}

function nested({ policy }: { readonly policy?: RoutingPolicy | undefined }): { readonly policy?: RoutingPolicy } {
  return policy === undefined ? {} : { policy: withDefaults(policy) };
}

function present(policy: RoutingPolicy | undefined): RoutingPolicy {
  if (policy === undefined) throw new ChatError("INVALID_REQUEST", "a policy is missing", { field: "" });
  return policy;
}
