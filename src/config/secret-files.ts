import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";

import { fieldsOf } from "./fields.ts";
import type { Report } from "./report.ts";
import { type MapNode, nodeAt, removeAt, setLeaf } from "./tree.ts";

/** No credential is longer; a larger file is a mistake. */
const bytesMax = 65_536;

/** Reads every `<secret>_file` of an enabled section into the secret's own place. Paths begin at `folder`. */
export function readSecretFiles(tree: MapNode, folder: string, report: Report): void {
  for (const { path, secret } of fieldsOf(tree)) {
    if (!secret) continue;
    const filePath = [...path.slice(0, -1), `${path.at(-1)}_file`];
    const file = nodeAt(tree, filePath);
    if (file === undefined) continue;
    if (file.kind !== "leaf") {
      report.error(filePath, "expected the path of a file");
    } else if (file.text !== "" && !isDisabled(tree, path)) {
      const direct = nodeAt(tree, path);
      if (direct !== undefined && !(direct.kind === "leaf" && direct.text === "")) {
        report.error(filePath, `set together with ${path.at(-1)}; only one of them may be`, { at: "key" });
      } else {
        const text = contentOf(resolve(folder, file.text), filePath, report);
        if (text === undefined) report.hide(path);
        else setLeaf(tree, path, { kind: "leaf", text, at: file.at, source: `file:${file.text}`, literal: false });
      }
    }
    removeAt(tree, filePath);
  }
}

function contentOf(file: string, path: readonly (string | number)[], report: Report): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    report.error(path, `cannot be read: ${reasonOf(error)}`);
    return undefined;
  }
  if (text.length > bytesMax) report.error(path, `${basename(file)} is larger than ${bytesMax} bytes`);
  else if (text.trim() === "") report.error(path, `${basename(file)} is empty`);
  else return text.trim();
  return undefined;
}

/** What the system says of a failed file operation, in words. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return reasons.get(code) ?? (code === "" ? "unknown reason" : code);
}

const reasons = new Map([
  ["ENOENT", "no such file"],
  ["ENOTDIR", "no such file"],
  ["EACCES", "permission denied"],
  ["EPERM", "operation not permitted"],
  ["EISDIR", "is a folder"],
  ["EROFS", "the file system is read-only"],
  ["ENOSPC", "no space left"],
]);

function isDisabled(tree: MapNode, path: readonly (string | number)[]): boolean {
  const flag = nodeAt(tree, [...path.slice(0, -1), "enabled"]);
  return flag?.kind === "leaf" && flag.text === "false";
}
