import { existsSync, readdirSync } from "node:fs";

/** Files in a folder beside this one that no case stands for. */
export function strayFiles(folder: string, cases: readonly string[]): readonly string[] {
  const url = new URL(`${folder}/`, import.meta.url);
  const known = new Set(cases);
  return existsSync(url) ? readdirSync(url).filter((file) => !known.has(file)) : [];
}
