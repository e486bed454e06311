/**
 * Connect's own conformance suite against our listener: builds the runner with Go, looks whether the code generated from
 * the suite's .proto files is current, and runs every case. `--generate` writes that code anew instead. Exits with 3 where
 * there is no Go.
 */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { goInstall, goScratch } from "./go.ts";
import { attempt, run } from "./run.ts";

/** The suite's version; nothing else names one. */
const version = "v1.0.7";
const suite = "connectrpc.com/conformance";
const folder = "test/conformance";
/** Usually it is well under a minute. */
const limitMs = 240_000;
/** Of what the runner says; when all fails it is thousands of lines. */
const linesMax = 200;

const scratch = await goScratch("the conformance suite");
await generate(join(scratch, "gen"));
if (process.argv.includes("--generate")) {
  rmSync(join(folder, "gen"), { recursive: true, force: true });
  cpSync(join(scratch, "gen"), join(folder, "gen"), { recursive: true });
  process.exit();
}
await run("diff", ["-r", join(scratch, "gen"), join(folder, "gen")]);
await runSuite();

/** From the .proto files that the suite's own module brings. */
async function generate(out: string): Promise<void> {
  const { code, output } = await attempt("go", ["mod", "download", "-json", `${suite}@${version}`]);
  const dir = /"Dir": "([^"]+)"/.exec(output)?.[1];
  if (code !== 0 || dir === undefined) throw new Error(`go mod download failed: ${output}`);
  const opt = ["target=ts", "import_extension=ts", "erasable_syntax=true"];
  const template = JSON.stringify({ version: "v2", plugins: [{ local: "protoc-gen-es", out, opt }] });
  const protos = ["config", "server_compat", "service"].map((name) => join(dir, "proto/connectrpc/conformance/v1", `${name}.proto`));
  await run("buf", ["generate", join(dir, "proto"), "--template", template, ...protos.flatMap((path) => ["--path", path])]);
}

async function runSuite(): Promise<void> {
  await goInstall(`${suite}/cmd/connectconformance@${version}`, scratch);
  const config = ["--conf", join(folder, "config.yaml"), "--known-failing", `@${join(folder, "known-failing.txt")}`];
  // Some cases have deadlines of 200 ms: no more at once than a machine of two cores has time for.
  const load = ["--max-servers", "2", "--parallel", "4"];
  const server = ["--", process.execPath, join(folder, "server.ts")];
  // The runner itself waits for ever where several servers leave several requests unanswered.
  const { code, output } = await attempt(join(scratch, "connectconformance"), ["--mode", "server", ...load, ...config, ...server], limitMs);
  const lines = output === "" ? [`the suite was given up after ${limitMs / 1000} s`] : output.trim().split("\n");
  const shown = lines.length <= linesMax ? lines : [...lines.slice(0, linesMax - 10), "…", ...lines.slice(-10)];
  process.stdout.write(`${shown.join("\n")}\n`);
  process.exitCode = code;
}
