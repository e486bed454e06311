/** Row 16 of the conformance checklist (wire protocols, 10): the API's own files, which `npm run check` lints and compares with what was released. */
import { readFileSync, statSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

test("10.16 buf lint and buf breaking run in every check, against the API as last released", () => {
  const checks = read("tools/check.ts");
  expect(checks).toContain('attempt("buf", ["lint"])');
  const [, released = ""] = /attempt\("buf", \["breaking", "proto", "--against", "([^"]+)"\]\)/.exec(checks) ?? [];
  expect(statSync(new URL(released, root)).size).toBeGreaterThan(1000);
  expect(JSON.parse(read("package.json")).scripts.check).toBe("node tools/check.ts");
  expect(read(".ci/run")).toContain("npm run check");
});

test("10.16 by rules that would find something", () => {
  const rules = read("buf.yaml");
  expect(rules).toMatch(/lint:[^]*STANDARD/);
  expect(rules).toMatch(/breaking:[^]*(?:FILE|PACKAGE|WIRE_JSON)/);
});
