import { existsSync, readFileSync } from "node:fs";

/** The package's version, from package.json: beside `src` in a clone, one folder further up from `dist/src`. */
export const version: string = readVersion();

function readVersion(): string {
  for (const path of ["../package.json", "../../package.json"]) {
    const url = new URL(path, import.meta.url);
    if (!existsSync(url)) continue;
    const manifest: unknown = JSON.parse(readFileSync(url, "utf8"));
    if (typeof manifest === "object" && manifest !== null && "version" in manifest && typeof manifest.version === "string")
      return manifest.version;
  }
  return "0.0.0";
}
