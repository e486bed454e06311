import { PolicyIssue_Severity } from "../../gen/semaroute/v1/policy_pb.ts";
import type { PolicyFacts } from "../core/policy-facts.ts";
import { type CheckContext, providerNames, standingOf } from "./check-providers.ts";
import { policyFromSettings } from "./policy.ts";
import { policyKinds } from "./policy-schema.ts";
import type { Path } from "./problem.ts";
import { vendorsOfEnvironment } from "./provider-types.ts";
import type { Report } from "./report.ts";
import type { ProviderSettings, Settings } from "./schema.ts";

/** Everything about the routing policy that its schema cannot see: what ValidatePolicy would say, at the file's own paths. */
export function checkPolicy(settings: Settings, context: CheckContext, report: Report): void {
  for (const { severity, field, message } of context.examinePolicy(
    policyFromSettings(settings.routing_policy),
    factsOf(settings, context),
  )) {
    const path = pathInFile(field);
    if (severity === PolicyIssue_Severity.ERROR) report.error(path, message);
    // Whoever did not write a policy did not ask about it.
    else if (context.tree.entries.has("routing_policy")) report.warn(path, message);
  }
}

/** `rules.rules[2].policy.weighted.weights["a"]` is `routing_policy.config.rules[2].policy.config.weights.a` in the file. */
function pathInFile(field: string): Path {
  const path: (string | number)[] = ["routing_policy"];
  let atPolicy = true;
  for (const [, name, index, quoted] of field.matchAll(/([a-z_]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)) {
    if (index !== undefined) path.push(Number(index));
    else if (quoted !== undefined) path.push(String(JSON.parse(quoted)));
    else if (name !== undefined) {
      path.push(atPolicy && kinds.has(name) ? "config" : name);
      atPolicy = name === "policy" || name === "otherwise";
    }
  }
  return path;
}

const kinds: ReadonlySet<string> = new Set(policyKinds);

function factsOf(settings: Settings, context: CheckContext): PolicyFacts {
  const names = [...providerNames(settings), ...(context.providersByEnvironment ? vendorsOfEnvironment : [])];
  const enabled = Object.entries(settings.providers).filter(([, provider]) => provider.enabled);
  const offers = enabled.map(([name, provider]) => ({ name, provider, models: offered(provider, context) }));
  const unpricedTargets = offers.flatMap(({ name, provider, models }) =>
    (models ?? []).filter((model) => !isPriced(provider, model, context)).map((model) => `${name}/${model}`),
  );
  const own = Object.keys(settings.models);
  return {
    // The tree also has those that are wrong in themselves.
    providers: [...new Set([...names, ...written(context)])],
    isEnabled: (name) => standingOf(name, settings, context) === "enabled",
    unpricedTargets,
    servesTogether: (one, other) => canReplace(one, other, settings, context),
    models: offers.some(({ models }) => models === undefined)
      ? undefined
      : [...new Set([...own, ...offers.flatMap(({ models = [] }) => models)])],
  };
}

function written({ tree }: CheckContext): string[] {
  const providers = tree.entries.get("providers")?.node;
  return providers?.kind === "map" ? [...providers.entries.keys()] : [];
}

function isPriced({ type, models }: ProviderSettings, model: string, context: CheckContext): boolean {
  const own = models?.find(({ id }) => id === model);
  if (own?.input_price !== undefined || own?.output_price !== undefined || own?.kind === "embedding") return true;
  return context.isPriced?.(type, own?.upstream ?? model) ?? true;
}

/** Whether some name that callers can send reaches both; true where only the hosts themselves know what they offer. */
function canReplace(primary: string, backup: string, settings: Settings, context: CheckContext): boolean {
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
