import type { CostBasedPolicy, FailoverPolicy, LatencyPolicy, PolicyIssue, RoutingPolicy, Shadow, WeightedPolicy } from "../core/chat.ts";
import { msFromDuration } from "../core/clock.ts";
import type { PolicyFacts } from "../core/policy-facts.ts";
import { withCostBasedDefaults } from "./cost-based.ts";
import { decaysMax, decaysOf } from "./decays.ts";
import { examineExperiment, examineRules } from "./examine-nested.ts";
import { kindName, missingKind } from "./index.ts";
import { createIssues, didYouMean, type Issues } from "./issues.ts";
import { conditionCharacters, conditionCharactersMax } from "./nested.ts";

/** Policies nest at most this deep. */
const depthMax = 4;

/** Everything wrong with a policy and with those in it, field by field; no errors: it can be compiled. */
export function examinePolicy(policy: RoutingPolicy, facts: PolicyFacts): PolicyIssue[] {
  const issues = createIssues();
  const characters = conditionCharacters(policy);
  if (characters > conditionCharactersMax) {
    issues.error(kindName(policy.kind), `its conditions have ${characters} characters, and ${conditionCharactersMax} are the most`);
    return issues.list;
  }
  examineAt(policy, { path: "", depth: 1, facts, issues });
  const decays = decaysOf(policy);
  if (decays.length > decaysMax)
    issues.error(kindName(policy.kind), `at most ${decaysMax} different decays can be kept, not ${decays.length}`);
  return issues.list;
}

/** Where a policy stands, and what it is held against. */
export interface Place {
  /** Of the policy, with a dot behind; empty: the outermost. */
  readonly path: string;
  /** From 1. */
  readonly depth: number;
  readonly facts: PolicyFacts;
  readonly issues: Issues;
}

/** One policy, and what is in it. */
export function examineAt({ kind, shadow }: RoutingPolicy, place: Place): void {
  const { path, depth, issues } = place;
  if (depth > depthMax) {
    issues.error(path.slice(0, -1), `policies nest at most ${depthMax} deep`);
    return;
  }
  if (shadow !== undefined) examineShadow(shadow, place);
  switch (kind.case) {
    case "costBased":
      examineCostBased(kind.value, place);
      return;
    case "failover":
      examineFailover(kind.value, place);
      return;
    case "weighted":
      examineWeighted(kind.value, place);
      return;
    case "latency":
      examineLatency(kind.value, place);
      return;
    case "leastBusy":
      return;
    case "experiment":
      examineExperiment(kind.value, place, examineAt);
      return;
    case "rules":
      examineRules(kind.value, place, examineAt);
      return;
    default:
      issues.error(path.slice(0, -1), missingKind);
  }
}

function examineShadow({ target, share }: Shadow, { path, facts, issues }: Place): void {
  if (!(share >= 0 && share <= 1)) issues.error(`${path}shadow.share`, `is a number from 0 to 1, not ${share}`);
  const slash = target.indexOf("/");
  if (slash < 1 || slash === target.length - 1)
    issues.error(`${path}shadow.target`, `expected provider/model, got ${JSON.stringify(target)}`);
  else if (expectProvider(target.slice(0, slash), `${path}shadow.target`, { facts, issues }) && !facts.isEnabled(target.slice(0, slash)))
    issues.warning(`${path}shadow.target`, `provider "${target.slice(0, slash)}" is not enabled`);
}

function examineCostBased(given: CostBasedPolicy, { path, facts: { unpricedTargets }, issues }: Place): void {
  const { costWeight = 0, latencyWeight = 0, healthWeight = 0 } = withCostBasedDefaults(given);
  const weights = { cost_weight: costWeight, latency_weight: latencyWeight, health_weight: healthWeight };
  for (const [name, weight] of Object.entries(weights)) {
    if (!(weight >= 0 && Number.isFinite(weight))) issues.error(`${path}cost_based.${name}`, `is a number not below 0, not ${weight}`);
  }
  if (costWeight === 0 && latencyWeight === 0 && healthWeight === 0)
    issues.error(`${path}cost_based.cost_weight`, "all weights are 0, so nothing tells targets apart");
  if (given.maxFirstToken !== undefined && !(msFromDuration(given.maxFirstToken) > 0))
    issues.error(`${path}cost_based.max_first_token`, "is longer than 0");
  if (unpricedTargets.length > 0) {
    const rest = unpricedTargets.length > namedMax ? ` and ${unpricedTargets.length - namedMax} more` : "";
    issues.warning(`${path}cost_based`, `targets without a price come last: ${unpricedTargets.slice(0, namedMax).join(", ")}${rest}`);
  }
}

function examineFailover({ primaryProvider, backupProviders, failoverDelay }: FailoverPolicy, place: Place): void {
  const { facts, issues } = place;
  const field = `${place.path}failover`;
  const isPrimary = expectProvider(primaryProvider, `${field}.primary_provider`, place);
  if (isPrimary && !facts.isEnabled(primaryProvider))
    issues.warning(`${field}.primary_provider`, `provider "${primaryProvider}" is not enabled`);
  if (backupProviders.length === 0) issues.warning(`${field}.backup_providers`, "without a backup there is nothing to fail over to");
  for (const [index, backup] of backupProviders.entries()) {
    const at = `${field}.backup_providers[${index}]`;
    const never = `provider "${backup}" can never serve as a backup`;
    if (backup === primaryProvider) issues.error(at, `"${backup}" is the primary already`);
    else if (backupProviders.indexOf(backup) < index) issues.error(at, `"${backup}" is listed twice`);
    else if (!expectProvider(backup, at, place)) continue;
    else if (!facts.isEnabled(backup)) issues.warning(at, `${never}: it is not enabled`);
    else if (isPrimary && facts.isEnabled(primaryProvider) && !facts.servesTogether(primaryProvider, backup))
      issues.warning(
        at,
        `${never}: it offers no model that "${primaryProvider}" offers; an entry of models with a target at each would do`,
      );
  }
  if (failoverDelay !== undefined && !(msFromDuration(failoverDelay) >= 0)) issues.error(`${field}.failover_delay`, "is 0 or longer");
}

function examineWeighted({ weights }: WeightedPolicy, place: Place): void {
  const { facts, issues } = place;
  const field = `${place.path}weighted.weights`;
  const entries = Object.entries(weights);
  for (const [name, weight] of entries) {
    const at = `${field}[${JSON.stringify(name)}]`;
    if (expectProvider(name, at, place) && weight > 0 && !facts.isEnabled(name)) issues.warning(at, `provider "${name}" is not enabled`);
  }
  if (entries.every(([, weight]) => weight === 0)) issues.error(field, "all weights are 0, so nobody has a share");
}

function examineLatency({ decay }: LatencyPolicy, { path, issues }: Place): void {
  if (decay !== undefined && !(msFromDuration(decay) > 0)) issues.error(`${path}latency.decay`, "is longer than 0");
}

/** Targets named in one message. */
const namedMax = 5;

/** Whether there is such a provider. */
function expectProvider(name: string, field: string, { facts, issues }: Pick<Place, "facts" | "issues">): boolean {
  if (facts.providers.includes(name)) return true;
  issues.error(field, `there is no provider ${JSON.stringify(name)}${didYouMean(name, facts.providers)}`);
  return false;
}
