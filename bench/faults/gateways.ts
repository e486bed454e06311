import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ChildProcess } from "node:child_process";
import { portkeyProgram } from "../peers.ts";
import { freePort, ready, start } from "../processes.ts";

/** Bounds that both gateways are given, milliseconds. */
export const limitMs = 1000;

/** A gateway in front of one or two upstreams, the first one preferred. */
export interface Gateway {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly child: ChildProcess;
}

/** A way to start one. */
export interface Peer {
  readonly name: string;
  start(ports: readonly number[], folder: string): Promise<Gateway>;
}

/** The key of the caller and of the providers; redirects must not carry it anywhere. */
export const secret = "sk-peers-canary";

/** Every default, but for the time limits. */
export const semaroute: Peer = {
  name: "semaroute",
  async start(ports, folder) {
    const port = await freePort();
    const config = join(folder, `semaroute-${port}`, "config.yaml");
    await mkdir(join(folder, `semaroute-${port}`), { recursive: true });
    const provider = (upstream: number, index: number): string =>
      `  up-${index}: {type: openai_compatible, base_url: "http://127.0.0.1:${upstream}/v1", api_key: ${secret}, timeout: ${limitMs}ms, models: [m]}`;
    await writeFile(
      config,
      `server: {port: ${port}}
providers:
${ports.map(provider).join("\n")}
health: {probe: none}
${ports.length > 1 ? "routing_policy: {type: failover, config: {primary_provider: up-0, backup_providers: [up-1], failover_delay: 1ms}}" : ""}
resilience: {timeouts: {first_token: ${limitMs}ms, idle: ${limitMs}ms, progress: ${limitMs}ms}}
`,
    );
    const program = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
    const child = await launched([program, "--config", config], folder, `http://127.0.0.1:${port}/health/ready`);
    return { url: `http://127.0.0.1:${port}`, headers: {}, child };
  },
};

/** With what its documents offer for such days: a fallback, two retries and a time limit for each target. */
export const portkey: Peer = {
  name: "Portkey 1.15.2",
  async start(ports, folder) {
    const port = await freePort();
    const child = await launched([await portkeyProgram(), "--headless", `--port=${port}`], folder, `http://127.0.0.1:${port}/`);
    const target = (upstream: number): object => ({
      provider: "openai",
      api_key: secret,
      custom_host: `http://127.0.0.1:${upstream}/v1`,
      request_timeout: limitMs,
      retry: { attempts: 2 },
    });
    const [first = 0] = ports;
    const config = ports.length === 1 ? target(first) : { strategy: { mode: "fallback" }, targets: ports.map(target) };
    return { url: `http://127.0.0.1:${port}`, headers: { "x-portkey-config": JSON.stringify(config) }, child };
  },
};

async function launched(args: readonly string[], folder: string, url: string): Promise<ChildProcess> {
  const child = start({ role: "contender", args, logFile: join(folder, "gateway.log"), cwd: folder });
  await ready(child, async () => (await fetch(url).catch(() => undefined))?.ok === true);
  return child;
}
