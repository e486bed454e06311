/**
 * A real Redis of a test's own: on a free port of loopback, with nothing on disk that outlives it.
 *
 *   await using redis = await startRedis();
 *   await using server = await startServer(`redis: {url: "${redis.url}"}`);
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";

/** Whether this machine has one. */
export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
// Once for each file that needs it, and once is enough to be seen.
if (!hasRedis) process.stderr.write("skipped: there is no redis-server on this machine\n");

/** A server under a test's thumb. */
export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** For looking inside, and for breaking things. */
  readonly client: Redis;
  /** It is there, takes connections, and answers nothing. */
  freeze(): void;
  thaw(): void;
  /** Ends it without a word. */
  kill(): Promise<void>;
  /** Another one at the same place, which remembers nothing. */
  restart(...args: readonly string[]): Promise<void>;
}

/** Starts one with these arguments, such as `--requirepass`, `secret`; it answers when this resolves. */
export async function startRedis(...args: readonly string[]): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "semaroute-redis-"));
  const port = await freePort();
  const password = args[args.indexOf("--requirepass") + 1];
  const login = args.includes("--requirepass") && password !== undefined ? { password } : {};
  let child = await started(folder, port, args);
  const client = new Redis({ port, host: "127.0.0.1", ...login });
  client.on("error", () => undefined);
  const gone = (): Promise<void> => ended(child, "SIGKILL");
  return {
    url: `redis://${"password" in login ? `:${login.password}@` : ""}127.0.0.1:${port}`,
    port,
    client,
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    kill: gone,
    async restart(...more) {
      await gone();
      child = await started(folder, port, more.length === 0 ? args : more);
    },
    async [Symbol.asyncDispose]() {
      client.disconnect();
      await gone();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A port that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** A test that timed out never gets to its disposal. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A process of redis-server, once it takes connections. */
export async function started(folder: string, port: number, args: readonly string[]): Promise<ChildProcess> {
  const base = args[0]?.startsWith("/") === true ? [] : ["--save", "", "--appendonly", "no"];
  const child = spawn("redis-server", [...args, "--port", String(port), "--bind", "127.0.0.1", "--dir", folder, ...base], {
    stdio: "ignore",
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const probe = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 20, enableReadyCheck: false, lazyConnect: true });
  probe.on("error", () => undefined);
  void probe.connect().catch(() => undefined);
  for (let tries = 0; probe.status !== "ready" && probe.status !== "connect"; tries++) {
    if (tries > 500) throw new Error("redis-server did not start");
    await sleep(20);
  }
  probe.disconnect();
  return child;
}

/** Ends a process by a signal and waits for its end. */
export async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await exit;
}
