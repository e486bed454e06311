import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument, type Scalar } from "yaml";

import type { Origin } from "./problem.ts";
import type { Report } from "./report.ts";
import { emptyMap, type MapNode, type Node } from "./tree.ts";

/** Aliases can make a small file huge; no sane configuration comes near. */
const nodesMax = 100_000;

/** What the walk over one document carries along. */
interface Walk {
  readonly document: Document;
  readonly report: Report;
  readonly origin: (node: unknown, fallback: Origin) => Origin;
  /** Aliases being followed, so that one within itself is noticed. */
  readonly following: Set<unknown>;
  /** Where the walk stands. */
  readonly path: (string | number)[];
  nodes: number;
}

/** The file's text as a tree. Undefined: it is not YAML, or not a map; the report says why. */
export function treeFromYaml(text: string, report: Report): MapNode | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: false, logLevel: "silent" });
  const place = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset);
    return { kind: "file", line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  let readable = true;
  let told = -1;
  for (const { code, message, pos } of document.errors) {
    // What is said of a place a second time follows from what was said first.
    if (code === "DUPLICATE_KEY" || pos[0] === told) continue;
    readable = false;
    told = pos[0];
    report.errorAt(place(pos[0]), [], `not valid YAML: ${message.replace(/\.?\s*$/, "").toLowerCase()}`);
  }
  if (!readable) return undefined;
  const top = document.contents;
  if (top === null || (isScalar(top) && top.value === null)) return emptyMap(place(0));
  const walk: Walk = {
    document,
    report,
    origin: (node, fallback) => {
      const range = isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range : undefined;
      return range ? place(range[0]) : fallback;
    },
    following: new Set(),
    path: [],
    nodes: 0,
  };
  const tree = nodeFrom(top, place(0), walk);
  if (tree.kind === "map") return tree;
  report.errorAt(tree.at, [], "expected a map of settings");
  return undefined;
}

function nodeFrom(value: unknown, fallback: Origin, walk: Walk): Node {
  const at = walk.origin(value, fallback);
  if (++walk.nodes > nodesMax) {
    if (walk.nodes === nodesMax + 1) walk.report.errorAt(at, [], `more than ${nodesMax} values, aliases counted`);
    return leaf("", at);
  }
  if (isScalar(value)) {
    if (value.value === null) return leaf("", at);
    return leaf(textOf(value), at);
  }
  if (isSeq(value))
    return { kind: "list", at, items: value.items.map((item, index) => under(index, walk, () => nodeFrom(item, at, walk))) };
  if (isMap(value)) return mapFrom(value.items, at, walk);
  if (!isAlias(value)) return leaf("", at);
  const resolved = value.resolve(walk.document);
  if (resolved === undefined || walk.following.has(resolved)) {
    walk.report.errorAt(at, walk.path, `the alias *${value.source} has no anchor before it`);
    return leaf("", at);
  }
  walk.following.add(resolved);
  const node = nodeFrom(resolved, at, walk);
  walk.following.delete(resolved);
  return node;
}

function mapFrom(pairs: readonly Pair[], at: Origin, walk: Walk): MapNode {
  const map = emptyMap(at);
  const merged: Node[] = [];
  for (const { key, value } of pairs) {
    const keyAt = walk.origin(key, at);
    if (!isScalar(key)) {
      walk.report.errorAt(keyAt, walk.path, "a name must be plain text");
      continue;
    }
    const name = textOf(key);
    const node = under(name, walk, () => nodeFrom(value, keyAt, walk));
    if (name === "<<") merged.push(...(node.kind === "list" ? node.items : [node]));
    else if (map.entries.has(name)) walk.report.errorAt(keyAt, [...walk.path, name], "set twice");
    else map.entries.set(name, { keyAt, node });
  }
  for (const node of merged) {
    if (node.kind !== "map") walk.report.errorAt(node.at, [...walk.path, "<<"], "expected a map to merge");
    else for (const [name, entry] of node.entries) if (!map.entries.has(name)) map.entries.set(name, entry);
  }
  return map;
}

/** As it is written: a key `0123` or a version `1.10` must not become a number. */
function textOf(scalar: Scalar): string {
  return typeof scalar.value === "string" ? scalar.value : (scalar.source ?? "");
}

function under<T>(step: string | number, walk: Walk, visit: () => T): T {
  walk.path.push(step);
  const result = visit();
  walk.path.pop();
  return result;
}

function leaf(text: string, at: Origin): Node {
  return { kind: "leaf", text, at, source: "config", literal: true };
}
