/**
 * Everything a change must pass besides the tests: drift of what is generated, format, lint, types, the API's rules and
 * its promise to stay compatible, unused code, and a package that can be published. Prints one line a check.
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attempt, type Finished } from "./run.ts";

const formatted = ["src", "test", "bench", "tools", "vitest.config.ts"];

const checks: readonly (readonly [name: string, check: () => Promise<Finished>])[] = [
  ["generated code is current", drift],
  ["proto format", () => attempt("buf", ["format", "--diff", "--exit-code", "proto"])],
  ["proto lint", () => attempt("buf", ["lint"])],
  ["proto compatibility", () => attempt("buf", ["breaking", "proto", "--against", "tools/released-api.binpb"])],
  ["format", () => attempt("oxfmt", ["--check", ...formatted])],
  ["lint", () => attempt("oxlint", ["--type-aware", "--deny-warnings"])],
  ["types", () => attempt("tsc", ["--noEmit"])],
  ["unused code", () => attempt("knip", [])],
  ["build", () => attempt("node", ["tools/build.ts"])],
  ["package", () => attempt("publint", ["--strict"])],
  ["tidy", () => attempt("vitest", ["run", "test/tidy.test.ts"])],
];

let failed = 0;
for (const [name, check] of checks) {
  const { code, output } = await check();
  process.stdout.write(`${code === 0 ? "ok  " : "FAIL"} ${name}\n`);
  if (code === 0) continue;
  failed++;
  process.stdout.write(`${output.trimEnd()}\n`);
}
process.stdout.write(`${checks.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

/** Generates anew beside the committed code and compares, without touching it. */
async function drift(): Promise<Finished> {
  const kept = mkdtempSync(join(tmpdir(), "semaroute-gen-"));
  const generated = ["gen", "third_party/buf", "proto", "config.schema.json"];
  for (const path of generated) cpSync(path, join(kept, path), { recursive: true });
  try {
    const made = await attempt("node", ["tools/generate.ts"]);
    if (made.code !== 0) return made;
    const differences = await Promise.all(generated.map((path) => attempt("diff", ["-r", join(kept, path), path])));
    const changed = differences.filter(({ code }) => code !== 0);
    return {
      code: changed.length === 0 ? 0 : 1,
      output: changed.map(({ output }) => `run "npm run generate" and commit:\n${output}`).join(""),
    };
  } finally {
    for (const path of generated) {
      if (!existsSync(join(kept, path))) continue;
      rmSync(path, { recursive: true, force: true });
      cpSync(join(kept, path), path, { recursive: true });
    }
    rmSync(kept, { recursive: true, force: true });
  }
}
