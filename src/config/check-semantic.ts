import { type CheckContext, providerNames, standingOf } from "./check-providers.ts";
import type { Path } from "./problem.ts";
import type { Report } from "./report.ts";
import type { Settings } from "./schema.ts";
import { nearest } from "../core/suggest.ts";

const path: Path = ["cache", "semantic", "model"];

/** Whether the semantic cache, where it is on, has a model that embeds. */
export function checkSemantic(settings: Settings, context: CheckContext, report: Report): void {
  const { enabled, model } = settings.cache.semantic;
  if (!enabled) return;
  if (model === undefined) {
    report.error(path, "is required where cache.semantic.enabled is set: an embedding model, as provider/model or a name of models");
    return;
  }
  const alias = Object.hasOwn(settings.models, model) ? settings.models[model] : undefined;
  const targets = alias?.targets ?? [model];
  if (alias === undefined && !isAtProvider(model, { settings, context, report })) return;
  if (targets.every((target) => kindOf(target, settings, context) === "chat"))
    report.error(path, `"${model}" is a chat model and cannot embed; if it does, say kind: embedding among its provider's models`);
}

interface Parts {
  readonly settings: Settings;
  readonly context: CheckContext;
  readonly report: Report;
}

/** Whether it is `provider/model` of an enabled provider; else it is told. */
function isAtProvider(model: string, { settings, context, report }: Parts): boolean {
  const slash = model.indexOf("/");
  const provider = model.slice(0, Math.max(slash, 0));
  if (slash < 1 || slash === model.length - 1) {
    const suggestion = nearest(model, Object.keys(settings.models));
    report.error(path, `expected provider/model or a name of models, got "${model}"`, { suggestion });
    return false;
  }
  const standing = standingOf(provider, settings, context);
  if (standing === "unknown") {
    const suggestion = nearest(provider, providerNames(settings));
    report.error(path, `there is no provider "${provider}"`, { suggestion: suggestion && suggestion + model.slice(slash) });
  }
  if (standing === "disabled") report.error(path, `provider "${provider}" is not enabled`);
  return standing === "enabled";
}

/** Undefined: it is not known. */
function kindOf(target: string, { providers }: Settings, { kindOf: known }: CheckContext): "chat" | "embedding" | undefined {
  const slash = target.indexOf("/");
  const provider = providers[target.slice(0, slash)];
  const name = target.slice(slash + 1);
  if (provider === undefined) return undefined;
  const own = provider.models?.find(({ id }) => id === name);
  if (known === undefined) return own?.kind;
  // A listed model whose name says nothing is for chats.
  return own?.kind ?? known(provider.type, own?.upstream ?? name) ?? (own === undefined ? undefined : "chat");
}
