import type { Environment } from "./environment.ts";
import type { Path } from "./problem.ts";
import type { Report } from "./report.ts";
import type { Leaf, MapNode, Node } from "./tree.ts";

/** `$${` is a literal `${`; then a whole reference; then one that is not. */
const reference = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

/** Names of the variables that the tree's texts ask for. */
export function variablesOf(node: Node, names = new Set<string>()): ReadonlySet<string> {
  if (node.kind === "map") for (const entry of node.entries.values()) variablesOf(entry.node, names);
  else if (node.kind === "list") for (const item of node.items) variablesOf(item, names);
  else for (const [, name] of node.text.matchAll(reference)) if (name !== undefined) names.add(name);
  return names;
}

/**
 * Puts variables in the place of `${NAME}` and `${NAME:-default}` in every text of the file. In a section that says `enabled: false`
 * a variable that is not set is no error; its setting is not set.
 */
export function interpolate(tree: MapNode, environment: Environment, report: Report): void {
  visitMap(tree, [], { environment, report, enabled: true });
}

interface Visit {
  readonly environment: Environment;
  readonly report: Report;
  readonly enabled: boolean;
}

function visitMap(map: MapNode, path: Path, visit: Visit): void {
  const flag = map.entries.get("enabled");
  const own = flag?.node.kind === "leaf" ? filled(flag.node, [...path, "enabled"], visit) : undefined;
  const inner = own?.text === "false" ? { ...visit, enabled: false } : visit;
  for (const [name, entry] of map.entries) {
    const node = name === "enabled" && own !== undefined ? own : visitNode(entry.node, [...path, name], inner);
    map.entries.set(name, { keyAt: entry.keyAt, node });
  }
}

function visitNode(node: Node, path: Path, visit: Visit): Node {
  if (node.kind === "leaf") return filled(node, path, visit);
  if (node.kind === "map") {
    visitMap(node, path, visit);
    return node;
  }
  const items = node.items.map((item, index) => visitNode(item, [...path, index], visit));
  // An item that is empty is not set, so that a list may hold "${EXTRA:-}".
  return { ...node, items: items.filter((item) => item.kind !== "leaf" || item.text !== "") };
}

function filled(leaf: Leaf, path: Path, { environment, report, enabled }: Visit): Leaf {
  if (leaf.at.kind === "environment" || !leaf.text.includes("${")) return leaf;
  let source = "config";
  let sound = true;
  const text = leaf.text.replaceAll(reference, (whole: string, name: string | undefined, fallback: string | undefined) => {
    if (whole === "$${") return "${";
    if (name === undefined) {
      report.error(path, `"\${" does not begin a variable such as \${NAME} or \${NAME:-default}; a literal one is written "$\${"`);
      sound = false;
      return "";
    }
    const value = environment[name];
    // As in a shell, the default also stands for a variable that is empty.
    if (value !== undefined && (value !== "" || fallback === undefined)) {
      if (whole === leaf.text) source = `env:${name}`;
      return value;
    }
    if (fallback !== undefined) return fallback;
    if (enabled) report.error(path, `the variable ${name} is not set, and has no default`);
    sound = false;
    return "";
  });
  return { ...leaf, text: sound ? text : "", source, literal: false };
}
