import { join } from "node:path";

import { expect, test } from "vitest";

import { check } from "../../src/cli/check.ts";
import { build, folderWith } from "../config/workspace.ts";

function run(text: string | undefined, strict = false, environment = {}) {
  const cwd = folderWith(text === undefined ? {} : { "config.yaml": text });
  const lines: string[] = [];
  const code = check({ ...build, explicitPath: undefined, environment, cwd, strict, write: (line) => void lines.push(line) });
  return { code, lines: lines.map((line) => line.replace(join(cwd, "config.yaml"), "FILE")) };
}

test("a good configuration is called good, and the code is 0, strict or not", () => {
  for (const strict of [false, true]) {
    expect(run("server: {port: 0}\n", strict)).toEqual({ code: 0, lines: ["configuration is good: FILE"] });
    expect(run(undefined, strict)).toEqual({ code: 0, lines: ["configuration is good: no file, built from the environment"] });
  }
});

test("a bad configuration is told line by line, and the code is 78", () => {
  expect(run("server:\n  prot: 1\n  port: x\n")).toEqual({
    code: 78,
    lines: [
      "config.yaml:2:3 server.prot: unknown setting; did you mean port?",
      'config.yaml:3:9 server.port: expected a whole number from 0 to 65535, got "x"',
      "configuration is bad: 2 problems",
    ],
  });
});

test("warnings are told, and the code is 0, but 78 if strict", () => {
  const lines = [
    "config.yaml:1:13 providers.openai.api_key: warning: not set, nor is OPENAI_API_KEY; openai answers nobody without a key",
    "env:SEMAROUTE_ZEBRA: warning: ignored: no such setting",
    "configuration is good: FILE, 2 warnings",
  ];
  expect(run("providers: {openai: {}}\n", false, { SEMAROUTE_ZEBRA: "1" })).toEqual({ code: 0, lines });
  expect(run("providers: {openai: {}}\n", true, { SEMAROUTE_ZEBRA: "1" })).toEqual({ code: 78, lines });
});
