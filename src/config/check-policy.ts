import { type CheckContext, providerNames, standingOf } from "./check-providers.ts";
import { notYet } from "./not-yet.ts";
import type { PolicySettings } from "./policy-schema.ts";
import type { Path } from "./problem.ts";
import type { Report } from "./report.ts";
import type { ProviderSettings, Settings } from "./schema.ts";
import { nearest } from "./suggest.ts";

/** Policies nest at most this deep. */
const depthMax = 4;

/** Everything about the routing policy that its schema cannot see. */
export function checkPolicy(settings: Settings, context: CheckContext, report: Report): void {
  const check = (policy: PolicySettings, path: Path, depth: number): void => {
    if (depth > depthMax) {
      report.error(path, `policies nest at most ${depthMax} deep`);
      return;
    }
    if (!context.policyKinds.includes(policy.type)) report.error([...path, "type"], notYet(`the policy ${policy.type}`));
    if (policy.shadow !== undefined) report.error([...path, "shadow"], notYet("shadow traffic"), { at: "key" });
    const config = [...path, "config"];
    switch (policy.type) {
      case "cost_based": {
        const { cost_weight = 0.6, latency_weight = 0.3, health_weight = 0.1 } = policy.config;
        if (cost_weight + latency_weight + health_weight === 0) report.error(config, "all weights are 0, so nothing tells targets apart");
        return;
      }
      case "failover":
        checkFailover(policy.config, config, { settings, context, report });
        return;
      case "weighted":
        for (const name of Object.keys(policy.config.weights))
          expectProvider(name, [...config, "weights", name], { settings, context, report });
        return;
      case "experiment":
        for (const [index, arm] of policy.config.arms.entries()) check(arm.policy, [...config, "arms", index, "policy"], depth + 1);
        return;
      case "rules":
        for (const [index, rule] of policy.config.rules.entries()) {
          if (rule.policy !== undefined) check(rule.policy, [...config, "rules", index, "policy"], depth + 1);
        }
        check(policy.config.otherwise, [...config, "otherwise"], depth + 1);
        return;
      case "latency":
      case "least_busy":
        return;
      default:
        policy satisfies never;
    }
  };
  check(settings.routing_policy, ["routing_policy"], 1);
}

interface Surroundings {
  readonly settings: Settings;
  readonly context: CheckContext;
  readonly report: Report;
}

type Failover = Extract<PolicySettings, { readonly type: "failover" }>["config"];

function checkFailover(config: Failover, path: Path, around: Surroundings): void {
  const { primary_provider: primary, backup_providers: backups } = config;
  const { report } = around;
  const primaryStands = expectProvider(primary, [...path, "primary_provider"], around);
  if (primaryStands === "disabled") report.warn([...path, "primary_provider"], `provider "${primary}" is not enabled`);
  for (const [index, backup] of backups.entries()) {
    const at = [...path, "backup_providers", index];
    if (backup === primary) report.error(at, `"${backup}" is the primary already`);
    else if (backups.indexOf(backup) !== index) report.error(at, `"${backup}" is listed twice`);
    else {
      const stands = expectProvider(backup, at, around);
      if (stands === "disabled") report.warn(at, `provider "${backup}" can never serve as a backup: it is not enabled`);
      if (stands === "enabled" && primaryStands === "enabled" && !canReplace(primary, backup, around)) {
        report.warn(
          at,
          `provider "${backup}" can never serve as a backup: it offers no model that "${primary}" offers; an entry of models with a target at each would do`,
        );
      }
    }
  }
}

function expectProvider(name: string, path: Path, { settings, context, report }: Surroundings): "enabled" | "disabled" | "unknown" {
  const standing = standingOf(name, settings, context);
  if (standing === "unknown") {
    report.error(path, `there is no provider "${name}"`, { suggestion: nearest(name, providerNames(settings)) });
  }
  return standing;
}

/** Whether some name that callers can send reaches both; true where only the hosts themselves know what they offer. */
function canReplace(primary: string, backup: string, { settings, context }: Surroundings): boolean {
  const joined = Object.values(settings.models).some(
    ({ targets }) =>
      targets.some((target) => target.startsWith(`${primary}/`)) && targets.some((target) => target.startsWith(`${backup}/`)),
  );
  if (joined) return true;
  const here = offered(settings.providers[primary], context);
  const there = offered(settings.providers[backup], context);
  return here === undefined || there === undefined || here.some((model) => there.includes(model));
}

function offered(provider: ProviderSettings | undefined, context: CheckContext): readonly string[] | undefined {
  if (provider?.models !== undefined) return provider.models.map(({ id }) => id);
  const known = provider && context.modelsOf(provider.type);
  return known === undefined || known.length === 0 ? undefined : known;
}
