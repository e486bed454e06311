import { type CostBasedPolicy, type FailoverPolicy, type PolicyIssue, PolicyIssue_Severity, type RoutingPolicy } from "../core/chat.ts";
import { msFromDuration } from "../core/clock.ts";
import { withCostBasedDefaults } from "./cost-based.ts";
import { kindName, missing } from "./index.ts";

/** The running configuration, as far as a policy can be wrong about it. */
export interface PolicyFacts {
  /** Names of the enabled providers. */
  readonly providers: readonly string[];
  /** `provider/model` of the targets without a price. */
  readonly unpricedTargets: readonly string[];
  /** Whether some name callers may ask for is served by both providers, so that one can stand in for the other. */
  servesTogether(primary: string, backup: string): boolean;
}

/** Everything wrong with a policy, field by field; no errors: it can be compiled. */
export function examinePolicy(policy: RoutingPolicy, facts: PolicyFacts): PolicyIssue[] {
  const issues = policy.shadow === undefined ? [] : [error("shadow", "shadow is not part of this build yet")];
  switch (policy.kind.case) {
    case "costBased":
      return [...issues, ...examineCostBased(policy.kind.value, facts)];
    case "failover":
      return [...issues, ...examineFailover(policy.kind.value, facts)];
    default:
      return [...issues, error(kindName(policy.kind), missing(policy.kind))];
  }
}

function examineCostBased(given: CostBasedPolicy, { unpricedTargets }: PolicyFacts): PolicyIssue[] {
  const { costWeight = 0, latencyWeight = 0, healthWeight = 0 } = withCostBasedDefaults(given);
  const weights = { cost_weight: costWeight, latency_weight: latencyWeight, health_weight: healthWeight };
  const issues: PolicyIssue[] = [];
  for (const [name, weight] of Object.entries(weights)) {
    if (!(weight >= 0 && Number.isFinite(weight))) issues.push(error(`cost_based.${name}`, `is a number not below 0, not ${weight}`));
  }
  if (costWeight === 0 && latencyWeight === 0 && healthWeight === 0) {
    issues.push(error("cost_based.cost_weight", "all weights are 0, which ranks nothing; at least one is above 0"));
  }
  if (given.maxFirstToken !== undefined && !(msFromDuration(given.maxFirstToken) > 0)) {
    issues.push(error("cost_based.max_first_token", "is longer than 0"));
  }
  if (unpricedTargets.length > 0) {
    const rest = unpricedTargets.length > namedMax ? ` and ${unpricedTargets.length - namedMax} more` : "";
    issues.push(warning("cost_based", `targets without a price come last: ${unpricedTargets.slice(0, namedMax).join(", ")}${rest}`));
  }
  return issues;
}

function examineFailover({ primaryProvider, backupProviders, failoverDelay }: FailoverPolicy, facts: PolicyFacts): PolicyIssue[] {
  const issues: PolicyIssue[] = [];
  const isKnown = (name: string): boolean => facts.providers.includes(name);
  if (!isKnown(primaryProvider)) issues.push(error("failover.primary_provider", unknownProvider(primaryProvider, facts)));
  if (backupProviders.length === 0) issues.push(warning("failover.backup_providers", "without a backup there is nothing to fail over to"));
  for (const [index, backup] of backupProviders.entries()) {
    const field = `failover.backup_providers[${index}]`;
    if (!isKnown(backup)) issues.push(error(field, unknownProvider(backup, facts)));
    else if (backup === primaryProvider) issues.push(error(field, `${backup} is the primary and cannot be its own backup`));
    else if (backupProviders.indexOf(backup) < index) issues.push(error(field, `${backup} is named twice`));
    else if (isKnown(primaryProvider) && !facts.servesTogether(primaryProvider, backup)) {
      issues.push(warning(field, `${backup} can never stand in: it shares no model and no entry of models with ${primaryProvider}`));
    }
  }
  if (failoverDelay !== undefined && !(msFromDuration(failoverDelay) >= 0)) {
    issues.push(error("failover.failover_delay", "is 0 or longer"));
  }
  return issues;
}

/** Targets named in one message. */
const namedMax = 5;

function unknownProvider(name: string, { providers }: PolicyFacts): string {
  return `no provider is named ${JSON.stringify(name)}; there are ${providers.join(", ") || "none"}`;
}

function error(field: string, message: string): PolicyIssue {
  return { $typeName: "semaroute.v1.PolicyIssue", severity: PolicyIssue_Severity.ERROR, field, message };
}

function warning(field: string, message: string): PolicyIssue {
  return { $typeName: "semaroute.v1.PolicyIssue", severity: PolicyIssue_Severity.WARNING, field, message };
}
