import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A server that listens. */
export interface Server {
  readonly child: ChildProcess;
  /** Where it listens, as its own first line says. */
  readonly url: string;
}

/** Starts the model server on a free port. */
export function startModelServer(weights: string): Promise<Server> {
  return startServer([join(import.meta.dirname, "model-server.ts"), weights, "0"]);
}

/** Starts semaroute on a free port, in front of an OpenAI-shaped server and nothing else. */
export async function startSemaroute(modelUrl: string, model: string): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), "semaroute-real-model-"));
  const configFile = join(folder, "config.yaml");
  const config = `server: {port: 0}
providers:
  local:
    type: openai_compatible
    base_url: ${modelUrl}
    models:
      - {id: ${model}, input_price: 0.01, output_price: 0.02, context_tokens: 2048}
# Off, so that every call below reaches the model.
cache: {enabled: false}
store: {url: "memory:"}
observability: {logging: {format: json}}
`;
  await writeFile(configFile, config);
  return startServer([join(import.meta.dirname, "..", "..", "bin", "semaroute.js"), "serve", "--config", configFile]);
}

/** Ends a server and waits for it. */
export async function stopServer({ child }: Server): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  await gone;
}

/** Starts a program whose JSON lines include one with the message "listening" and a url. */
async function startServer(args: readonly string[]): Promise<Server> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      const said = urlOfLine(line);
      if (said !== undefined) resolve(said);
    });
    child.on("exit", (code) => reject(new Error(`${args[0]} ended with exit code ${code} before it listened`)));
  });
  return { child, url };
}

function urlOfLine(line: string): string | undefined {
  if (!line.includes('"listening"')) return undefined;
  const said: { readonly message?: string; readonly url?: string } = JSON.parse(line);
  return said.message === "listening" ? said.url : undefined;
}
