import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { loadConfiguration } from "../../src/config/load.ts";
import { build, folderWith, problemsOf } from "./workspace.ts";

test("all problems are told at once, in the order of the file, those that only a whole shows included", () => {
  const lines = problemsOf(`server:
  prot: 1
  workers: 4
auth:
  keys: [{name: a, key: "\${NOT_SET}"}]
providers:
  openai: {timeot: 1s, api_key: k}
models:
  fast: {targets: [opnai/x]}
cache: {mode: sometimes, backend: redis}
`);
  expect(lines.map((line) => line.split(": ")[0])).toEqual([
    "config.yaml:2:3 server.prot",
    "config.yaml:5:25 auth.keys[0].key",
    "config.yaml:7:12 providers.openai.timeot",
    "config.yaml:9:20 models.fast.targets[0]",
    "config.yaml:10:15 cache.mode",
    "config.yaml:10:35 cache.backend",
  ]);
});

test("what follows from a problem is not told as another one", () => {
  expect(problemsOf("providers:\n  mine: {type: [openai]}\nmodels:\n  fast: {targets: [mine/x]}\n")).toEqual([
    "config.yaml:2:16 providers.mine.type: expected text, got a list",
  ]);
});

test("a certificate and a key that are none are refused, without showing them", () => {
  const text = "server:\n  tls: {cert_file: pem, key_file: pem}\n";
  expect(problemsOf(text, {}, { pem: "nonsense-1234" })).toEqual([
    expect.stringMatching(/^config\.yaml:2:8 server\.tls: certificate and key cannot be used: (?!.*1234)/),
  ]);
});

test("a file that is not UTF-8, or too full of aliases, is refused", () => {
  const folder = folderWith({});
  writeFileSync(join(folder, "config.yaml"), Buffer.from([0x61, 0xff, 0xfe]));
  const read = loadConfiguration({ ...build, explicitPath: undefined, environment: {}, cwd: folder });
  expect(read).toEqual({ kind: "refused", problems: [{ path: "", file: "config.yaml", message: "is not UTF-8 text" }] });
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${["b", "c", "d", "e", "f", "g", "h"].map((name, i) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${"abcdefg"[i]}`).join()}]\n`).join("")}`;
  expect(problemsOf(bomb).some((line) => line.includes("more than 100000 values"))).toBe(true);
});
