import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { folderWith } from "../config/workspace.ts";

const launcher = join(import.meta.dirname, "../../bin/semaroute.js");

/** Says what it was given, and ends in a way of its own. */
const program = `
console.log(process.versions.node.split(".")[0] + " " + process.argv.slice(2).join(" "));
if (process.argv[2] === "wait") {
  const timer = setInterval(() => {}, 1000);
  process.on("SIGTERM", () => { clearInterval(timer); process.exitCode = 7; });
  console.log("ready");
} else process.exitCode = 5;
`;

/** An old Node, if this machine has one: the launcher's reason to be. */
const oldNode = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => existsSync(path) && major(path) < 24);

function major(node: string): number {
  return Number.parseInt(spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.slice(1), 10);
}

/** A package in node_modules with compiled code, as npm lays it. */
function installed(): string {
  const folder = folderWith({
    "node_modules/semaroute/package.json": '{"type":"module"}',
    "node_modules/semaroute/bin/semaroute.js": "",
    "node_modules/semaroute/dist/src/main.js": program,
  });
  const path = join(folder, "node_modules/semaroute/bin/semaroute.js");
  copyFileSync(launcher, path);
  return path;
}

function run(node: string, args: readonly string[], environment: Readonly<Record<string, string>>) {
  return spawnSync(node, args, { encoding: "utf8", env: { PATH: "/nowhere", ...environment }, timeout: 15_000 });
}

test("an installed package runs its compiled code, with the arguments and the exit code", () => {
  const result = run(process.execPath, [installed(), "check", "--strict"], {});
  expect([result.stdout, result.stderr, result.status]).toEqual([`${major(process.execPath)} check --strict\n`, "", 5]);
});

test("a clone runs its source", () => {
  const folder = folderWith({
    "package.json": '{"type":"module"}',
    "bin/semaroute.js": "",
    "src/main.ts": "const n: number = 3;\nconsole.log(n);\n",
  });
  copyFileSync(launcher, join(folder, "bin/semaroute.js"));
  const result = run(process.execPath, [join(folder, "bin/semaroute.js")], {});
  expect([result.stdout, result.status]).toEqual(["3\n", 0]);
});

test("a package without its code says so in one line", () => {
  const folder = folderWith({ "package.json": '{"type":"module"}', "bin/semaroute.js": "" });
  copyFileSync(launcher, join(folder, "bin/semaroute.js"));
  const result = run(process.execPath, [join(folder, "bin/semaroute.js")], {});
  expect([result.stdout, result.status]).toEqual(["", 1]);
  expect(result.stderr).toMatch(/^semaroute: [^\n]+\n$/);
});

describe.skipIf(oldNode === undefined)("an old Node", () => {
  const old = oldNode ?? "";

  test("finds a newer one in SEMAROUTE_NODE", () => {
    const result = run(old, [installed(), "a"], { SEMAROUTE_NODE: process.execPath });
    expect([result.stdout, result.status]).toEqual([`${major(process.execPath)} a\n`, 5]);
  });

  test("finds a newer one in PATH", () => {
    const result = run(old, [installed(), "a"], { PATH: `/nowhere:${join(process.execPath, "..")}` });
    expect([result.stdout, result.status]).toEqual([`${major(process.execPath)} a\n`, 5]);
  });

  test("or says in one line what it needs", () => {
    const result = run(old, [installed()], {});
    expect([result.stdout, result.status]).toEqual(["", 1]);
    expect(result.stderr).toMatch(/^semaroute: needs Node 24 or later, and this is v\d+[^\n]*\n$/);
    const named = run(old, [installed()], { SEMAROUTE_NODE: old });
    expect([named.stderr.split("\n").length, named.status]).toEqual([2, 1]);
    expect(named.stderr).toContain(`SEMAROUTE_NODE=${old}`);
  });

  test("passes signals on, and the exit code back", async () => {
    const child = spawn(old, [installed(), "wait"], {
      env: { PATH: "/nowhere", SEMAROUTE_NODE: process.execPath },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => void child.on("exit", resolve));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (text.includes("ready")) child.kill("SIGTERM");
    });
    expect(await ended).toBe(7);
  });
});
