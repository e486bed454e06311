import { fieldsOf, providerFieldNames } from "./fields.ts";
import { type Path, pathText } from "./problem.ts";
import { factsOf } from "./provider-types.ts";
import type { Report } from "./report.ts";
import { nearest } from "../core/suggest.ts";
import { emptyMap, leafFromVariable, type MapNode, nodeAt, removeAt, setLeaf } from "./tree.ts";

/** Variables by name; the process's, or a test's. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What all our variables begin with. */
const prefix = "SEMAROUTE_";

/** Variables of ours that are no settings. */
const otherVariables = ["SEMAROUTE_CONFIG", "SEMAROUTE_NODE"];

/** Sets what `SEMAROUTE_…` variables say over what the tree has; `mentioned` are variables that the file itself asks for. */
export function applyOverrides(tree: MapNode, environment: Environment, mentioned: ReadonlySet<string>, report: Report): void {
  const settings = overridable(tree);
  for (const [name, value] of ours(environment)) {
    // Kubernetes puts such values where a service is called like us: SEMAROUTE_SERVER_PORT=tcp://10.0.0.1:8080.
    if (/^(tcp|udp|sctp):\/\//.test(value)) {
      report.warnOfVariable(name, "ignored: the value is a Kubernetes service link");
      continue;
    }
    if (otherVariables.includes(name)) continue;
    const [setting, other] = settings.get(name) ?? [];
    if (setting === undefined) {
      if (mentioned.has(name)) continue;
      report.warnOfVariable(name, "ignored: no such setting", suggestionFor(name, [...settings.keys(), ...otherVariables]));
    } else if (other !== undefined) {
      report.error(setting.path, `${name} could also mean ${pathText(other.path)}`);
    } else {
      setLeaf(tree, setting.path, leafFromVariable(name, value));
      if (setting.twin !== undefined) removeAt(tree, setting.twin);
    }
  }
}

/**
 * Adds providers that only variables speak of: those whose name is a type, or that have a `…_TYPE`. Where no provider comes from the
 * file, a simulated one is not added beside real ones: only a file may mix them.
 */
export function addProvidersOfVariables(tree: MapNode, environment: Environment, ofFile: boolean): void {
  const present = nodeAt(tree, ["providers"]);
  const known = new Set(present?.kind === "map" ? [...present.entries.keys()].map(variablePart) : []);
  const suffixes = providerFieldNames().map((name) => `_${variablePart(name)}`);
  const found = new Map<string, string>();
  for (const [variable] of ours(environment)) {
    if (!variable.startsWith(`${prefix}PROVIDERS_`)) continue;
    const rest = variable.slice(`${prefix}PROVIDERS_`.length);
    const suffix = suffixes.find((each) => rest.endsWith(each) && rest.length > each.length);
    if (suffix === undefined) continue;
    const upper = rest.slice(0, -suffix.length);
    const name = upper.toLowerCase();
    const type = environment[`${prefix}PROVIDERS_${upper}_TYPE`] ?? "";
    if (known.has(upper)) continue;
    if (factsOf(name) !== undefined) found.set(name, type === "" ? name : type);
    else if (type !== "") found.set(name.replaceAll("_", "-"), type);
  }
  const mixed = !ofFile && (known.size > 0 || [...found.values()].some((type) => type !== "simulated"));
  for (const [name, type] of found) {
    if (type === "simulated" && mixed) continue;
    addMap(tree, ["providers", name], `${prefix}PROVIDERS_${variablePart(name)}`);
  }
}

/** Adds an empty map that a variable asks for. */
export function addMap(tree: MapNode, path: readonly [string, string], variable: string): MapNode {
  const at = { kind: "environment", name: variable } as const;
  const [section, name] = path;
  let parent = nodeAt(tree, [section]);
  if (parent?.kind !== "map") {
    parent = emptyMap(at);
    tree.entries.set(section, { keyAt: at, node: parent });
  }
  const made = emptyMap(at);
  parent.entries.set(name, { keyAt: at, node: made });
  return made;
}

/** A setting, and the one that says the same in another way: `token` and `token_file`. */
interface Setting {
  readonly path: Path;
  readonly twin: Path | undefined;
}

function overridable(tree: MapNode): Map<string, Setting[]> {
  const settings = new Map<string, Setting[]>();
  const add = (path: Path, twin: Path | undefined): void => {
    const name = prefix + path.map((step) => variablePart(String(step))).join("_");
    const list = settings.get(name);
    if (list === undefined) settings.set(name, [{ path, twin }]);
    else list.push({ path, twin });
  };
  for (const { path, secret } of fieldsOf(tree)) {
    const file = [...path.slice(0, -1), `${path.at(-1)}_file`];
    add(path, secret ? file : undefined);
    if (secret) add(file, path);
  }
  return settings;
}

/** Without what all names begin with, which would make every one of them look alike. */
function suggestionFor(name: string, known: readonly string[]): string | undefined {
  const rest = nearest(
    name.slice(prefix.length),
    known.map((each) => each.slice(prefix.length)),
  );
  return rest && prefix + rest;
}

function variablePart(name: string): string {
  return name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}

function ours(environment: Environment): [string, string][] {
  const found: [string, string][] = [];
  for (const name of Object.keys(environment).toSorted()) {
    const value = environment[name];
    // An empty variable sets nothing: compose files write `X=${X:-}`.
    if (name.startsWith(prefix) && value !== undefined && value !== "") found.push([name, value]);
  }
  return found;
}
