import { Secret } from "../core/secret.ts";
import type { Origin, Path } from "./problem.ts";

/** A scalar as text, whatever YAML made of it: the schema decides what it is. */
export interface Leaf {
  readonly kind: "leaf";
  /** Empty: not set. */
  readonly text: string;
  readonly at: Origin;
  /** `env:NAME`, `file:PATH` or `config`; what a secret says of its source. */
  readonly source: string;
  /** False: the text came from a variable or a secret file, and is never repeated in a message. */
  readonly literal: boolean;
}

/** A list. */
export interface ListNode {
  readonly kind: "list";
  readonly at: Origin;
  readonly items: Node[];
}

/** A map's value and where its key stands. */
export interface Entry {
  readonly keyAt: Origin;
  readonly node: Node;
}

/** Settings by name. */
export interface MapNode {
  readonly kind: "map";
  readonly at: Origin;
  readonly entries: Map<string, Entry>;
}

/** The configuration before the schema has looked at it; every part knows where it was set. */
export type Node = Leaf | ListNode | MapNode;

/** What the schema reads. Undefined: named, but not set; an unknown name is wrong even so. */
export type Plain = string | Secret | undefined | readonly Plain[] | { readonly [name: string]: Plain };

/** The node at the path; undefined: there is none. */
export function nodeAt(node: Node, path: Path): Node | undefined {
  let found: Node | undefined = node;
  for (const step of path) {
    if (found === undefined) return undefined;
    found = childOf(found, step);
  }
  return found;
}

/** Where the path was set; where it was not, its nearest parent's place. */
export function originAt(node: Node, path: Path, prefer: "key" | "value"): Origin {
  let here = node;
  let origin = node.at;
  for (const [index, step] of path.entries()) {
    const child = childOf(here, step);
    const entry = here.kind === "map" ? here.entries.get(String(step)) : undefined;
    if (child === undefined) return origin;
    const last = index === path.length - 1;
    // A missing setting is reported where the key of the nearest parent stands, a wrong one where its value stands.
    origin = last && prefer === "value" ? child.at : (entry?.keyAt ?? child.at);
    here = child;
  }
  return origin;
}

/** Sets a leaf, and the maps on the way to it. Items of lists must be there already. */
export function setLeaf(root: MapNode, path: Path, leaf: Leaf): void {
  let here: Node = root;
  for (const [index, step] of path.entries()) {
    const node: Node = index === path.length - 1 ? leaf : (mapOrList(childOf(here, step)) ?? emptyMap(leaf.at));
    if (here.kind === "map") here.entries.set(String(step), { keyAt: here.entries.get(String(step))?.keyAt ?? leaf.at, node });
    else if (here.kind === "list" && typeof step === "number" && step < here.items.length) here.items[step] = node;
    here = node;
  }
}

/** Takes a setting out of its map. */
export function removeAt(root: MapNode, path: Path): void {
  const parent = nodeAt(root, path.slice(0, -1));
  if (parent?.kind === "map") parent.entries.delete(String(path.at(-1)));
}

/** A map without settings. */
export function emptyMap(at: Origin): MapNode {
  return { kind: "map", at, entries: new Map() };
}

/** A scalar that was set by a variable of the environment. */
export function leafFromVariable(name: string, text: string): Leaf {
  return { kind: "leaf", text, at: { kind: "environment", name }, source: `env:${name}`, literal: true };
}

/** What is set, as the schema reads it: empty scalars and empty lists are not set. `isSecret` tells which leaves nobody may print. */
export function plainFromTree(node: MapNode, isSecret: (path: Path) => boolean): { readonly [name: string]: Plain } {
  return plainMap(node, [], isSecret);
}

function plainMap(node: MapNode, path: Path, isSecret: (path: Path) => boolean): { readonly [name: string]: Plain } {
  const pairs: [string, Plain][] = [];
  for (const [name, entry] of node.entries) {
    pairs.push([name, plainNode(entry.node, [...path, name], isSecret)]);
  }
  // Not by assignment: a setting called `__proto__` must stay a setting, and be refused as one.
  return Object.fromEntries(pairs);
}

function plainNode(node: Node, path: Path, isSecret: (path: Path) => boolean): Plain {
  switch (node.kind) {
    case "map":
      return plainMap(node, path, isSecret);
    case "list":
      return node.items.length === 0 ? undefined : node.items.map((item, index) => plainNode(item, [...path, index], isSecret) ?? "");
    case "leaf":
      if (node.text === "") return undefined;
      return isSecret(path) ? new Secret(node.text, node.source) : node.text;
    default:
      return node satisfies never;
  }
}

function childOf(node: Node, step: string | number): Node | undefined {
  if (node.kind === "map") return node.entries.get(String(step))?.node;
  return node.kind === "list" && typeof step === "number" ? node.items[step] : undefined;
}

function mapOrList(node: Node | undefined): MapNode | ListNode | undefined {
  return node === undefined || node.kind === "leaf" ? undefined : node;
}
