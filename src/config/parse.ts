import type { z } from "zod";

import { fieldsOf } from "./fields.ts";
import { type Path, pathText } from "./problem.ts";
import type { Report } from "./report.ts";
import { type Settings, settingsSchema } from "./schema.ts";
import { nearest } from "../core/suggest.ts";
import { type MapNode, nodeAt, type Plain, plainFromTree } from "./tree.ts";
import { missing } from "./values.ts";

/** Each round takes out what was wrong; a tree is not deeper than this many. */
const roundsMax = 20;

/**
 * Reads the tree by the schema and reports all that is wrong. What was wrong is then left out, so that the rest can be checked
 * further and all problems are told at once. Undefined: nothing is left to look at.
 */
export function parseSettings(tree: MapNode, report: Report): Settings | undefined {
  const secrets = new Set(fieldsOf(tree).flatMap(({ path, secret }) => (secret ? [pathText(path)] : [])));
  let plain: Plain = plainFromTree(tree, (path) => secrets.has(pathText(path)));
  const told = new Set<string>();
  for (let round = 0; round < roundsMax; round++) {
    const result = settingsSchema.safeParse(plain);
    if (result.success) return result.data;
    const before = plain;
    for (const issue of result.error.issues) {
      const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
      for (const wrong of issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...path, key]) : [path]) {
        const text = pathText(wrong);
        if (!told.has(text)) tell(issue, wrong, secrets.has(text), tree, report);
        told.add(text);
        plain = removed(plain, placeOf(before, wrong));
      }
    }
  }
  return undefined;
}

function tell(issue: z.core.$ZodIssue, path: Path, secret: boolean, tree: MapNode, report: Report): void {
  if (issue.code === "unrecognized_keys") {
    report.error(path, "unknown setting", { at: "key", suggestion: nearest(String(path.at(-1)), issue.message.split(" ")) });
    return;
  }
  if (issue.message === missing) {
    report.error(path, missing);
    return;
  }
  const node = nodeAt(tree, path) ?? nodeAt(tree, path.slice(0, -1));
  if (node?.kind !== "leaf") {
    report.error(path, node === undefined || issue.code === "custom" ? issue.message : `${issue.message}, got a ${node.kind}`);
    return;
  }
  const shown = node.literal && !secret ? `, got ${JSON.stringify(node.text.length > 60 ? `${node.text.slice(0, 60)}…` : node.text)}` : "";
  const candidates: unknown = issue.code === "custom" ? issue.params?.["candidates"] : undefined;
  const words = Array.isArray(candidates) && node.literal ? candidates.map(String) : [];
  report.error(path, issue.message + shown, { suggestion: nearest(node.text, words) });
}

/** What to leave out because of a problem at the path: what stands there; else, or where it is an item of a list, what it belongs in. */
function placeOf(plain: Plain, path: Path): readonly string[] {
  const listStep = path.findIndex((step) => typeof step === "number");
  let end = listStep < 0 ? path.length : listStep;
  while (end > 0 && !exists(plain, path.slice(0, end))) end--;
  return path.slice(0, end).map(String);
}

/** A copy without what stands at the path. */
function removed(plain: Plain, path: readonly string[]): Plain {
  const [name, ...rest] = path;
  if (name === undefined || !isMap(plain)) return plain;
  const pairs = Object.entries(plain);
  if (rest.length === 0) return Object.fromEntries(pairs.filter(([key]) => key !== name));
  return Object.fromEntries(pairs.map(([key, value]) => [key, key === name ? removed(value, rest) : value]));
}

function exists(plain: Plain, path: Path): boolean {
  let here = plain;
  for (const step of path) {
    if (!isMap(here) || !Object.hasOwn(here, step)) return false;
    here = here[String(step)];
  }
  return true;
}

function isMap(plain: Plain): plain is { readonly [name: string]: Plain } {
  return typeof plain === "object" && !Array.isArray(plain) && Object.getPrototypeOf(plain) === Object.prototype;
}
