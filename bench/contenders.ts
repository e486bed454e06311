import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { model } from "./fixtures.ts";
import { portkeyProgram } from "./peers.ts";
import { accepts, freePort, ready, start } from "./processes.ts";

/** What a contender is started with. */
export interface Surroundings {
  /** Port of the upstream it shall call. */
  readonly upstreamPort: number;
  /** Folder for its files, removed after the run. */
  readonly folder: string;
}

/** A contender that runs. */
export interface Running {
  /** Its process; undefined where the upstream itself is called. */
  readonly child: ChildProcess | undefined;
  readonly port: number;
  /** Milliseconds from the start of the process until it could serve. */
  readonly readyMs: number;
}

/** A server that takes part in a case. */
export interface Contender {
  /** As the report calls it. */
  readonly name: string;
  /** Request headers it needs. */
  readonly headers: (surroundings: Surroundings) => Readonly<Record<string, string>>;
  /** What the head of each of its answers must contain, lower case. Default: nothing special. */
  readonly headContains?: string;
  readonly start: (surroundings: Surroundings) => Promise<Running>;
}

/** What of semaroute's configuration differs between the cases. */
export interface Variant {
  /** Answers from the cache whatever the temperature. */
  readonly cached?: boolean;
  /** Puts a provider first that nobody answers for. */
  readonly deadFirst?: boolean;
  /** Runs what `npm run build` made instead of the sources. */
  readonly built?: boolean;
}

const none = (): Readonly<Record<string, string>> => ({});

/** No server at all: the caller calls the upstream. */
export const direct: Contender = {
  name: "upstream, called directly",
  headers: none,
  start: ({ upstreamPort }) => Promise.resolve({ child: undefined, port: upstreamPort, readyMs: 0 }),
};

/** One of the small servers of this bench. */
export function reference(name: string, file: string): Contender {
  const program = fileURLToPath(new URL(`servers/${file}`, import.meta.url));
  return {
    name,
    headers: none,
    start: (surroundings) => launch(surroundings, file, (port) => [program, port, `${surroundings.upstreamPort}`]),
  };
}

/** semaroute with every default on, but for what the variant says. */
export function semaroute(name = "semaroute", variant: Variant = {}): Contender {
  return {
    name,
    headers: none,
    headContains: variant.cached === true ? "x-semaroute-cache: hit" : "",
    start: (surroundings) =>
      launch(
        surroundings,
        name,
        async (port) => {
          const configFile = join(surroundings.folder, `semaroute-${port}`, "config.yaml");
          await writeConfig(configFile, configuration(Number(port), surroundings.upstreamPort, variant));
          return [semarouteProgram(variant), "serve", "--config", configFile];
        },
        "/health/ready",
      ),
  };
}

/** Portkey's gateway, told by headers to call the same upstream. */
export const portkey: Contender = {
  name: "Portkey 1.15.2",
  headers: ({ upstreamPort }) => ({
    authorization: "Bearer sk-bench",
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": `http://127.0.0.1:${upstreamPort}/v1`,
  }),
  async start(surroundings) {
    const program = await portkeyProgram();
    return launch(surroundings, "portkey", (port) => [program, "--headless", `--port=${port}`], "/");
  },
};

type Arguments = (port: string) => readonly string[] | Promise<readonly string[]>;

/** Starts a server on a free port. Ready is: it answers 200 on the path, or, without one, it accepts connections. */
async function launch({ folder }: Surroundings, name: string, argumentsOf: Arguments, readyPath?: string): Promise<Running> {
  const port = await freePort();
  const args = await argumentsOf(String(port));
  const logFile = join(folder, `${name.replaceAll(/\W+/g, "-")}-${port}.log`);
  const child = start({ role: "contender", args, logFile, cwd: folder });
  try {
    const readyMs = await ready(child, () => (readyPath === undefined ? accepts(port) : answers(port, readyPath)));
    return { child, port, readyMs };
  } catch (error) {
    child.kill("SIGKILL");
    const said = (await readFile(logFile, "utf8")).trim().split("\n").at(-1);
    throw new Error(`${error instanceof Error ? error.message : String(error)}; it said: ${said}`, { cause: error });
  }
}

async function answers(port: number, path: string): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

function semarouteProgram({ built }: Variant): string {
  const program = fileURLToPath(new URL(built === true ? "../dist/src/main.js" : "../bin/semaroute.js", import.meta.url));
  if (!existsSync(program)) throw new Error(`there is no ${basename(program)}${built === true ? "; npm run build makes it" : ""}`);
  return program;
}

function configuration(port: number, upstreamPort: number, { cached, deadFirst }: Variant): object {
  const upstream = provider(upstreamPort);
  // Nobody listens on port 1.
  const failover = { type: "failover", config: { primary_provider: "dead", backup_providers: ["upstream"] } };
  return {
    server: { host: "127.0.0.1", port },
    ...(deadFirst === true ? { providers: { dead: provider(1), upstream }, routing_policy: failover } : { providers: { upstream } }),
    cache: cached === true ? { enabled: true, mode: "all" } : { enabled: false },
    observability: { logging: { level: "info", format: "json" }, metrics: { enabled: true } },
  };
}

function provider(port: number): object {
  const models = [{ id: model, input_price: 0.15, output_price: 0.6 }];
  return { type: "openai_compatible", base_url: `http://127.0.0.1:${port}/v1`, api_key: "sk-bench", models };
}

async function writeConfig(file: string, value: object): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // JSON is YAML.
  await writeFile(file, JSON.stringify(value, undefined, 2));
}
