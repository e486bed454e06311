/**
 * The program itself, as a process of its own: what the tests of foreign clients talk to.
 *
 *   await using server = await startServer(`providers: {sim: {type: simulated}}`);
 *   const answer = await fetch(`${server.url}/v1/models`);
 *   expect(await server.stop()).toBe(0);
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** One line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A server that runs as a process of its own. */
export interface ServerProcess extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** All log lines so far, in order. */
  readonly lines: readonly LogLine[];
  /** The configuration file, for tests that change it. */
  readonly configFile: string;
  /** The token the server made for itself; undefined: the test configured one. */
  readonly adminToken: string | undefined;
  /** What it wrote to its standard error so far. */
  complaints(): string;
  /** The first log line for which it is true, once it has been written. */
  logged(isIt: (line: LogLine) => boolean): Promise<LogLine>;
  /** Its log is read no more: its pipe is closed, or fills up. */
  unread(how: "closed" | "stalled"): void;
  /** Sends a signal and waits for nothing. */
  signal(signal: NodeJS.Signals): void;
  /** Settles with the exit code; undefined: a signal ended the process. */
  readonly exit: Promise<number | undefined>;
  /** Sends the signal, SIGTERM by default, and waits for the end; undefined: a signal ended the process. */
  stop(signal?: NodeJS.Signals): Promise<number | undefined>;
}

/** Two loaded cores start a process slowly; only a broken server takes longer. */
const startMs = 30_000;
/** After it a server that will not stop is killed, and the test fails. */
const stopMs = 10_000;

/** A test that timed out never gets to its disposal: its server ends with the test's process. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

const entry = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** How a server is started. */
export interface StartOptions {
  /** What a shell does first, such as `ulimit -n 64`. Default: there is no shell. */
  readonly prelude?: string;
}

/** Starts the server on a free port with this configuration file, or with none; of our environment it sees nothing but `env`. */
export async function startServer(
  config?: string,
  env: Readonly<Record<string, string>> = {},
  { prelude }: StartOptions = {},
): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), "semaroute-"));
  const file = join(folder, "config.yaml");
  if (config !== undefined) await writeFile(file, config);
  const args = [entry, ...(config === undefined ? [] : ["--config", file])];
  const [program, ...rest] =
    prelude === undefined ? [process.execPath, ...args] : ["bash", "-c", `${prelude}; exec "$0" "$@"`, process.execPath, ...args];
  const child = spawn(program, rest, {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder, XDG_STATE_HOME: join(folder, "state"), SEMAROUTE_SERVER_PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints += text;
  });
  const lines: LogLine[] = [];
  const waiting = new Set<(line: LogLine) => void>();
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = lineFrom(text);
    lines.push(line);
    for (const each of waiting) each(line);
  });
  const exit = new Promise<number | undefined>((resolve) => {
    child.once("close", (code) => {
      running.delete(child);
      resolve(code ?? undefined);
    });
  });

  const logged: ServerProcess["logged"] = (isIt) =>
    new Promise((resolve, reject) => {
      const already = lines.find(isIt);
      if (already !== undefined) return resolve(already);
      const look = (line: LogLine): void => {
        if (!isIt(line)) return;
        waiting.delete(look);
        resolve(line);
      };
      waiting.add(look);
      void exit.then((code) => reject(new Error(`the server ended with ${code}: ${complaints}${JSON.stringify(lines)}`)));
    });
  const stop: ServerProcess["stop"] = (signal = "SIGTERM") => {
    child.kill(signal);
    return withinOrKill(child, exit, stopMs);
  };

  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const started = logged((line) => line["message"] === "listening");
  const { url, admin_token_file: tokenFile } = await withinOrKill(child, started, startMs).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  return {
    url: String(url),
    port: Number(new URL(String(url)).port),
    lines,
    configFile: file,
    complaints: () => complaints,
    signal: (signal) => void child.kill(signal),
    exit,
    adminToken: typeof tokenFile === "string" ? (await readFile(tokenFile, "utf8")).trim() : undefined,
    logged,
    unread(how) {
      if (how === "closed") child.stdout.destroy();
      else child.stdout.pause();
    },
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await remove();
    },
  };
}

/** What is no JSON is shown as it came: a crash speaks plain text. */
function lineFrom(text: string): LogLine {
  try {
    const line: unknown = JSON.parse(text);
    if (typeof line === "object" && line !== null) return { ...line };
  } catch {
    // Falls through to the text.
  }
  return { message: text };
}

async function withinOrKill<T>(child: { kill(signal: "SIGKILL"): boolean }, done: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`the server neither started nor stopped within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
