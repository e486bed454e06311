import type { PromptCache } from "./affinity.ts";
import type { Key } from "./call.ts";
import type { ModelCapabilities } from "./chat.ts";
import type { Price } from "./price.ts";

/** `provider/model`. */
export type TargetId = string & { readonly __brand: "TargetId" };

/** What a model is for. */
export type ModelKind = "chat" | "embedding";

/**
 * Which calls of a model only its host's other language serves: all of them; those with tools, unless the effort is none; those with
 * tools and an effort other than none.
 */
export type AlternateUse = "always" | "tools" | "tools_with_effort";

/** A model at a provider. */
export interface Target {
  readonly id: TargetId;
  readonly provider: string;
  /** The name callers use. */
  readonly model: string;
  /** The name the provider is asked for. */
  readonly upstreamModel: string;
  readonly kind: ModelKind;
  /** Family for Opaque.issuer. */
  readonly issuer: string;
  /** Unset fields: not known, and therefore tried. */
  readonly capabilities: ModelCapabilities;
  /** Undefined: unpriced, which is not free. */
  readonly price: Price | undefined;
  /** How its vendor keeps prompts; absent: as most do. */
  readonly promptCache?: PromptCache;
  /** When its host must be called in its other language; absent: the first one serves it. */
  readonly alternate?: AlternateUse;
  /** Present where a caller made the name up as `provider/any-name`: then its being unknown upstream is the caller's to hear. */
  readonly madeUp?: true;
  /** Present where the name was made up and says nothing of the kind: then it is of the kind that it is asked for. */
  readonly anyKind?: true;
  /** The provider's own `timeout`; replaces first_token for streams and total for unary upstream calls. */
  readonly timeoutMs: number | undefined;
  /** Present where the operator wants a refusal of this provider's to be tried elsewhere. */
  readonly fallbackOnRefusal?: true;
}

/** A name of the operator's own. */
export interface Alias {
  readonly name: string;
  readonly targets: readonly Target[];
}

/** All targets and the ways to name them; immutable. */
export interface Catalog {
  readonly targets: readonly Target[];
  readonly aliases: ReadonlyMap<string, Alias>;
  /**
   * The targets a name means, in no order: an alias, `provider/model`, a bare model id, or `auto`. Undefined: unknown.
   * Empty: known, but nothing is left within the key's list.
   */
  resolve(name: string, kind: ModelKind, key: Key): readonly Target[] | undefined;
  /** A target by its id, whoever may ask for it; undefined: there is no such provider. */
  find(id: TargetId): Target | undefined;
  /** Whether the key's list lets it ask for this name. */
  mayAsk(name: string, key: Key): boolean;
}

/** A provider's part of the catalogue. */
export interface CatalogProvider {
  readonly name: string;
  readonly targets: readonly Target[];
  /** Makes a target for a name that is not in the list: `provider/any-name`. */
  readonly other: (model: string) => Target;
}

/** Aliases as `name → ["provider/model"]`, already checked. */
export interface CatalogInput {
  readonly providers: readonly CatalogProvider[];
  readonly aliases: ReadonlyMap<string, readonly string[]>;
}

/** Names are case-sensitive. Targets reached by `provider/any-name` are made on the fly and not listed. */
export function createCatalog(input: CatalogInput): Catalog {
  const targets = input.providers.flatMap((provider) => provider.targets);
  const byModel = new Map<string, Target[]>();
  for (const target of targets) {
    const list = byModel.get(target.model);
    if (list === undefined) byModel.set(target.model, [target]);
    else list.push(target);
  }
  const byKind = {
    chat: targets.filter((target) => target.kind === "chat"),
    embedding: targets.filter((target) => target.kind === "embedding"),
  };
  const providers = new Map(input.providers.map((provider) => [provider.name, provider]));
  const ids = new Map<string, Target>(targets.map((target) => [target.id, target]));
  const others = new Map<string, Target>();

  const atProvider = (name: string): Target | undefined => {
    const known = ids.get(name) ?? others.get(name);
    if (known !== undefined) return known;
    const slash = name.indexOf("/");
    const provider = slash < 0 ? undefined : providers.get(name.slice(0, slash));
    if (provider === undefined || slash === name.length - 1) return undefined;
    const made = provider.other(name.slice(slash + 1));
    // Callers choose these names, so what is remembered is bounded; health of the rest is simply not kept.
    if (others.size < 1000) others.set(name, made);
    return made;
  };

  const aliases = new Map<string, Alias>();
  for (const [name, list] of input.aliases) {
    aliases.set(name, { name, targets: list.flatMap((id) => offered(atProvider(id))) });
  }

  return {
    targets,
    aliases,
    resolve(name, kind, key) {
      const alias = aliases.get(name);
      if (alias !== undefined) {
        const granted = key.models === undefined || key.models.has(name);
        return ofKind(alias.targets, kind).filter((target) => granted || allows(key, target));
      }
      const one = atProvider(name);
      if (one !== undefined) return allows(key, one) ? ofKind([one], kind) : [];
      const listed = byModel.get(name);
      if (listed !== undefined)
        return key.models === undefined ? ofKind(listed, kind) : ofKind(listed, kind).filter((target) => allows(key, target));
      if (name !== "auto") return undefined;
      return key.models === undefined ? byKind[kind] : byKind[kind].filter((target) => allows(key, target));
    },
    find: atProvider,
    mayAsk(name, key) {
      if (key.models === undefined || key.models.has(name) || name === "auto") return true;
      const one = aliases.has(name) ? undefined : atProvider(name);
      return one !== undefined && allows(key, one);
    },
  };
}

/** What an alias names is the operator's choice, listed or not. */
function offered(target: Target | undefined): Target[] {
  if (target?.madeUp !== true) return target === undefined ? [] : [target];
  const { madeUp: _chosen, ...rest } = target;
  return [rest];
}

function ofKind(targets: readonly Target[], kind: ModelKind): readonly Target[] {
  // Mostly all of them are, and nothing is made.
  if (targets.every((target) => target.kind === kind)) return targets;
  return targets.flatMap((target) => (target.kind === kind ? [target] : target.anyKind === true ? [{ ...target, kind }] : []));
}

function allows(key: Key, target: Target): boolean {
  return key.models === undefined || key.models.has(target.model) || key.models.has(target.id);
}
