import type { ExaminePolicy } from "../core/policy-facts.ts";
import { pathText } from "./problem.ts";
import { factsOf, type ProviderTypeFacts, providerTypeFacts, settingsOfTypes, vendorsOfEnvironment } from "./provider-types.ts";
import type { Report } from "./report.ts";
import type { ProviderSettings, Settings } from "./schema.ts";
import { nearest } from "../core/suggest.ts";
import { type MapNode, nodeAt } from "./tree.ts";

/** What the checks know beside the settings. */
export interface CheckContext {
  /** Where the settings came from. */
  readonly tree: MapNode;
  /** Provider types this build has. */
  readonly providerTypes: readonly string[];
  /** Finds what is wrong with a policy. */
  readonly examinePolicy: ExaminePolicy;
  /** Whether the price of a type's model is known. Default: all prices are. */
  readonly isPriced?: (type: string, model: string) => boolean;
  /** What a type's model is for, by its name; undefined: the name does not say. Default: no name does. */
  readonly kindOf?: (type: string, model: string) => "chat" | "embedding" | undefined;
  /** Names a type offers where `models` is not set; undefined or empty: what the host lists. */
  readonly modelsOf: (type: string) => readonly string[] | undefined;
  /** No provider was configured, so that the environment chose them. */
  readonly providersByEnvironment: boolean;
}

/** How the name of a provider stands: in use, known but not in use, or in no way known. */
export function standingOf(name: string, settings: Settings, context: CheckContext): "enabled" | "disabled" | "unknown" {
  const provider = Object.hasOwn(settings.providers, name) ? settings.providers[name] : undefined;
  if (provider !== undefined) return provider.enabled ? "enabled" : "disabled";
  // The tree also has those that are wrong in themselves.
  if (nodeAt(context.tree, ["providers", name]) !== undefined) return "enabled";
  const vendors: readonly string[] = vendorsOfEnvironment;
  return context.providersByEnvironment && vendors.includes(name) ? "disabled" : "unknown";
}

/** Names of all providers there are, for suggestions. */
export function providerNames(settings: Settings): readonly string[] {
  return Object.keys(settings.providers);
}

/** Each provider by itself. */
export function checkProviders(settings: Settings, context: CheckContext, report: Report): void {
  const providers = Object.entries(settings.providers);
  for (const [name, provider] of providers) {
    const path = ["providers", name];
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
      report.error(path, "expected a name of at most 64 letters, digits, dots, dashes and underscores, a letter or digit first", {
        at: "key",
      });
    }
    checkType(path, provider, context, report);
    const ids = new Set<string>();
    for (const [index, { id }] of (provider.models ?? []).entries()) {
      if (ids.has(id)) report.error([...path, "models", index], `"${id}" is listed twice`);
      ids.add(id);
    }
  }
  if (providers.length > 0 && providers.every(([, provider]) => !provider.enabled)) {
    report.warn(["providers"], "no provider is enabled, so no call can be served", { at: "key" });
  }
}

function checkType(path: readonly string[], provider: ProviderSettings, context: CheckContext, report: Report): void {
  const { type } = provider;
  const facts = factsOf(type);
  const built = context.providerTypes.includes(type);
  if (facts === undefined && !built) {
    const types = Object.keys(providerTypeFacts);
    const suggestion = nearest(type, types);
    const list = suggestion === undefined ? `; there are ${types.join(", ")}` : "";
    report.error([...path, "type"], `there is no provider type "${type}"${list}`, { suggestion });
    return;
  }
  const written = nodeAt(context.tree, path);
  for (const [setting, types] of Object.entries(settingsOfTypes)) {
    if (types.includes(type) || written?.kind !== "map" || !written.entries.has(setting)) continue;
    report.error([...path, setting], `belongs to type ${types.join(", ")}, and this is ${type}`, { at: "key" });
  }
  if (!provider.enabled) return;
  if (!built) {
    report.error([...path, "type"], `provider type ${type} is not part of this build`);
    return;
  }
  for (const setting of facts?.requires ?? []) {
    if (!Object.entries(provider).some(([key, value]) => key === setting && value !== undefined)) {
      report.error([...path, setting], `is required for type ${type}`);
    }
  }
  if (facts?.ownNames === true && provider.models === undefined)
    report.warn([...path, "models"], `not set; of ${type} nothing is known then, and only provider/any-name reaches it`);
  if (facts !== undefined) checkCredentials(path, provider, facts, report);
}

function checkCredentials(path: readonly string[], provider: ProviderSettings, facts: ProviderTypeFacts, report: Report): void {
  const { type, api_key: apiKey, session_token: sessionToken } = provider;
  const { keyVariable, insteadOfKey } = facts;
  const isSet = (name: string): boolean => Object.entries(provider).some(([key, value]) => key === name && value !== undefined);
  const pair = insteadOfKey?.filter(isSet) ?? [];
  if (insteadOfKey !== undefined && pair.length === 1) {
    for (const setting of insteadOfKey)
      if (!isSet(setting)) report.error([...path, setting], `is required beside ${insteadOfKey.find((other) => other !== setting)}`);
  }
  if (pair.length > 0 && apiKey !== undefined)
    report.error([...path, "api_key"], `set together with ${pair.join(" and ")}; only one kind of credentials may be`, { at: "key" });
  if (sessionToken !== undefined && pair.length === 0)
    report.error([...path, "session_token"], `belongs to ${insteadOfKey?.join(" and ")}, which are not set`, { at: "key" });
  if (keyVariable === undefined || apiKey !== undefined || pair.length > 0) return;
  const others = insteadOfKey === undefined ? "" : `, nor are ${insteadOfKey.join(" and ")}`;
  report.warn([...path, "api_key"], `not set, nor is ${keyVariable}${others}; ${type} answers nobody without a key`);
}

/** Every target of `models` leads somewhere. */
export function checkModels(settings: Settings, context: CheckContext, report: Report): void {
  for (const [name, { targets }] of Object.entries(settings.models)) {
    let usable = false;
    for (const [index, target] of targets.entries()) {
      const path = ["models", name, "targets", index];
      const slash = target.indexOf("/");
      const provider = target.slice(0, Math.max(slash, 0));
      if (slash < 1 || slash === target.length - 1) {
        report.error(path, `expected provider/model, got "${target}"`);
        continue;
      }
      const standing = standingOf(provider, settings, context);
      if (standing === "unknown") {
        const suggestion = nearest(provider, providerNames(settings));
        report.error(path, `there is no provider "${provider}"`, { suggestion: suggestion && suggestion + target.slice(slash) });
      }
      if (standing !== "disabled") usable = true;
      if (targets.indexOf(target) !== index) report.error(path, `"${target}" is listed twice`);
    }
    if (!usable)
      report.warn(["models", name], `no provider of ${pathText(["models", name])} is enabled, so it never serves`, { at: "key" });
  }
}
