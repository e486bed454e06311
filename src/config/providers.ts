import { addMap, addProvidersOfVariables, type Environment } from "./environment.ts";
import { factsOf, providerTypeFacts, vendorsOfEnvironment } from "./provider-types.ts";
import type { Report } from "./report.ts";
import { nearest } from "../core/suggest.ts";
import { type Leaf, leafFromVariable, type MapNode, type Node, nodeAt, setLeaf } from "./tree.ts";

/** The two that start where nothing is configured: one cheap and slow, one dear and fast, both offering the same models. */
const simulated = {
  "sim-cheap": { first_token: "400ms", tokens_per_second: "40", chat: ["0.15", "0.6"], embed: "0.02" },
  "sim-fast": { first_token: "60ms", tokens_per_second: "250", chat: ["2.5", "10"], embed: "0.13" },
} as const;

/**
 * Adds the providers that the environment asks for: where the file has none, the vendors whose key is set; then those of our own
 * variables; the simulated ones where all that leaves none enabled. True: the file has none.
 */
export function addProviders(tree: MapNode, environment: Environment, types: readonly string[], report: Report): boolean {
  const written = nodeAt(tree, ["providers"]);
  // What is there and no map is the schema's to refuse.
  const ofFile =
    written?.kind === "map" ? written.entries.size > 0 : written !== undefined && !(written.kind === "leaf" && written.text === "");
  if (!ofFile) addVendors(tree, environment, types, report);
  addProvidersOfVariables(tree, environment, ofFile);
  if (ofFile) return false;
  const made = nodeAt(tree, ["providers"]);
  const enabled = made?.kind === "map" && [...made.entries.keys()].some((name) => environment[enabledVariable(name)] !== "false");
  if (!enabled) addSimulated(tree);
  return true;
}

function addVendors(tree: MapNode, environment: Environment, types: readonly string[], report: Report): void {
  for (const vendor of vendorsOfEnvironment) {
    const variable = factsOf(vendor)?.keyVariable ?? "";
    if ((environment[variable] ?? "") === "") continue;
    if (types.includes(vendor)) addMap(tree, ["providers", vendor], variable);
    else report.warnOfVariable(variable, `ignored: provider type ${vendor} is not part of this build yet`);
  }
}

function addSimulated(tree: MapNode): void {
  for (const [name, { first_token, tokens_per_second, chat, embed }] of Object.entries(simulated)) {
    const path = ["providers", name];
    for (const [key, value] of Object.entries({ type: "simulated", first_token, tokens_per_second }))
      setLeaf(tree, [...path, key], builtIn(value));
    const models = [
      { id: "sim-chat", kind: "chat", input_price: chat[0], output_price: chat[1] },
      { id: "sim-embed", kind: "embedding", input_price: embed, output_price: "0" },
    ];
    const made = nodeAt(tree, path);
    if (made?.kind === "map")
      made.entries.set("models", { keyAt: nowhere, node: { kind: "list", at: nowhere, items: models.map(mapFromRecord) } });
  }
}

/** Fills in what hangs on a provider's name and type: the type itself, and the vendor's usual variable as key. */
export function completeProviders(tree: MapNode, environment: Environment, report: Report): void {
  const providers = nodeAt(tree, ["providers"]);
  if (providers?.kind !== "map") return;
  for (const [name, { keyAt, node }] of providers.entries) {
    if (node.kind !== "map") continue;
    const path = ["providers", name];
    if (textAt(node, "type") === undefined) {
      if (factsOf(name) === undefined) {
        const types = Object.keys(providerTypeFacts);
        const suggestion = nearest(name, types);
        const list = suggestion === undefined ? `; there are ${types.join(", ")}` : "";
        report.error([...path, "type"], `is required, for "${name}" is not a type itself${list}`, { suggestion });
        continue;
      }
      setLeaf(tree, [...path, "type"], { ...builtIn(name), at: keyAt });
    }
    const { keyVariable: variable, insteadOfKey = [] } = factsOf(textAt(node, "type") ?? "") ?? {};
    const value = variable === undefined ? undefined : environment[variable];
    if (variable === undefined || value === undefined || value === "") continue;
    const hasKey = ["api_key", ...insteadOfKey].some((key) => textAt(node, key) !== undefined || textAt(node, `${key}_file`) !== undefined);
    if (!hasKey && textAt(node, "enabled") !== "false") setLeaf(tree, [...path, "api_key"], leafFromVariable(variable, value));
  }
}

/** Takes out what is written as `name:` alone, in places where the operator makes the names: it is not set, which may surprise. */
export function dropUnset(tree: MapNode, report: Report): void {
  for (const section of ["providers", "models"]) {
    const map = nodeAt(tree, [section]);
    if (map?.kind !== "map") continue;
    for (const [name, { node }] of map.entries) {
      if (node.kind !== "leaf" || node.text !== "") continue;
      report.warn([section, name], "is empty and therefore not set; {} would stand for all defaults", { at: "key" });
      map.entries.delete(name);
    }
  }
}

const nowhere = { kind: "file", line: 1, column: 1 } as const;

function builtIn(text: string): Leaf {
  return { kind: "leaf", text, at: nowhere, source: "config", literal: true };
}

function mapFromRecord(record: Readonly<Record<string, string>>): Node {
  const entries = Object.entries(record).map(([key, value]) => [key, { keyAt: nowhere, node: builtIn(value) }] as const);
  return { kind: "map", at: nowhere, entries: new Map(entries) };
}

function textAt(map: MapNode, name: string): string | undefined {
  const node = map.entries.get(name)?.node;
  // A map or list is something, if not what it should be: the schema refuses it.
  if (node?.kind === "leaf") return node.text === "" ? undefined : node.text;
  return node === undefined ? undefined : "(not text)";
}

function enabledVariable(name: string): string {
  return `SEMAROUTE_PROVIDERS_${name.toUpperCase().replaceAll("-", "_")}_ENABLED`;
}
