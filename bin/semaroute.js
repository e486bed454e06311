#!/usr/bin/env node
// The one file that has to run on an old Node (12 and later), which is why it says so little: no `node:` imports, no `?.`, no
// top-level await. It runs the program in this process where Node is new enough, and otherwise looks for one that is.
/* eslint-disable unicorn/prefer-node-protocol, no-console */
import { spawn, spawnSync } from "child_process";
import { existsSync } from "fs";
import module from "module";
import { delimiter, dirname, join, sep } from "path";
import { fileURLToPath, pathToFileURL } from "url";

const needed = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));

function main() {
  const program = findProgram();
  if (program === undefined) fail("neither src/main.ts nor dist/src/main.js is there; the installation is incomplete");
  else if (majorOf(process.versions.node) >= needed) run(program);
  else runElsewhere();
}

/** Types are not stripped inside node_modules, so an installed package brings compiled code. */
function findProgram() {
  const source = join(root, "src", "main.ts");
  const built = join(root, "dist", "src", "main.js");
  const installed = root.split(sep).indexOf("node_modules") >= 0;
  const order = installed ? [built] : [source, built];
  return order.filter(existsSync)[0];
}

function run(program) {
  // Compiled code is kept between starts where the folder for temporary files can be written; since Node 22.1.
  if (module.enableCompileCache) module.enableCompileCache();
  import(pathToFileURL(program).href).catch(function (error) {
    console.error(error);
    process.exit(1);
  });
}

function runElsewhere() {
  const node = findNode();
  if (node === undefined) {
    const named = process.env.SEMAROUTE_NODE;
    if (named) fail("SEMAROUTE_NODE=" + named + " is not a Node " + needed + " or later, and neither is this (" + process.version + ")");
    else fail("needs Node " + needed + " or later, and this is " + process.version + "; install it, or name one in SEMAROUTE_NODE");
    return;
  }
  const child = spawn(node, process.execArgv.concat([fileURLToPath(import.meta.url)], process.argv.slice(2)), { stdio: "inherit" });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"];
  signals.forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal);
    });
  });
  child.on("error", function (error) {
    fail("cannot run " + node + ": " + error.message);
  });
  child.on("exit", function (code, signal) {
    if (signal === null) process.exit(code);
    // End the way the child ended, so that whoever waits for us sees the same.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** SEMAROUTE_NODE, else a `node` in node_modules/.bin beside us or further up, else one in PATH. */
function findNode() {
  const named = process.env.SEMAROUTE_NODE;
  if (named) return isNewEnough(named) ? named : undefined;
  const executable = process.platform === "win32" ? "node.exe" : "node";
  const candidates = [];
  for (let folder = root; ; folder = dirname(folder)) {
    candidates.push(join(folder, "node_modules", ".bin", executable));
    if (dirname(folder) === folder) break;
  }
  (process.env.PATH || "").split(delimiter).forEach(function (folder) {
    if (folder !== "") candidates.push(join(folder, executable));
  });
  return candidates.filter(function (candidate) {
    return existsSync(candidate) && isNewEnough(candidate);
  })[0];
}

function isNewEnough(node) {
  const answer = spawnSync(node, ["--version"], { encoding: "utf8", timeout: 5000 });
  return answer.status === 0 && majorOf(answer.stdout.trim().replace(/^v/, "")) >= needed;
}

function majorOf(version) {
  return parseInt(version, 10);
}

function fail(message) {
  process.stderr.write("semaroute: " + message + "\n");
  process.exitCode = 1;
}

main();
