import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, openSync, readFileSync, readdirSync } from "node:fs";
import { createServer, connect } from "node:net";
import { once } from "node:events";
import { availableParallelism } from "node:os";

/** What a process is for; each role gets a core of its own where there are enough. */
export type Role = "contender" | "upstream" | "load";

/** How a process is started. */
export interface Start {
  readonly role: Role;
  /** Arguments of `node`. */
  readonly args: readonly string[];
  /** File that receives stdout and stderr. */
  readonly logFile: string;
  /** Working directory. Default: the runner's. */
  readonly cwd?: string;
  /** Whether the process is spoken to over Node's IPC. */
  readonly ipc?: boolean;
}

const taskset = "/usr/bin/taskset";
const cores = availableParallelism();
/** Whether processes are pinned to cores; said in the report, because it makes runs comparable. */
export const pinned = cores > 1 && existsSync(taskset);

/** Starts Node, this very version, pinned to the core of its role. */
export function start({ role, args, logFile, cwd, ipc }: Start): ChildProcess {
  const log = openSync(logFile, "a");
  const command = pinned ? [taskset, "-c", String(coreOf(role)), process.execPath, ...args] : [process.execPath, ...args];
  const [program = "", ...rest] = command;
  return spawn(program, rest, {
    cwd,
    stdio: ["ignore", log, log, ...(ipc === true ? ["ipc" as const] : [])],
    // semaroute must be measured as configured here, not as the caller's environment would have it.
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], NODE_ENV: "production" },
  });
}

/** Ends a process and waits until it is gone. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const impatience = setTimeout(() => child.kill("SIGKILL"), 3000);
  await gone;
  clearTimeout(impatience);
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Waits until the process is ready, and answers how many milliseconds that took. */
export async function ready(child: ChildProcess, isReady: () => Promise<boolean>, boundMs = 20_000): Promise<number> {
  const begun = performance.now();
  for (;;) {
    if (await isReady()) return performance.now() - begun;
    if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
    if (performance.now() - begun > boundMs) throw new Error(`it was not ready within ${boundMs} ms`);
    await pause(2);
  }
}

/** Whether somebody accepts connections on the port. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** CPU the process and its children have used so far, user and system, in microseconds. */
export function cpuMicros(pid: number): number {
  let nanos = 0;
  for (const thread of threads(pid)) nanos += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]);
  return children(pid).reduce((sum, child) => sum + cpuMicros(child), nanos / 1000);
}

/** Resident memory of the process and its children, in MiB. */
export function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const own = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024;
  return children(pid).reduce((sum, child) => sum + residentMiB(child), own);
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function threads(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`);
}

/** Ids of the processes the given one has started; found by their parent, since not every kernel lists children. */
function children(pid: number): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === pid)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    // The second field is the program's name in parentheses and may hold anything; the parent follows the state behind it.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 1).split(" ")[2]);
  } catch {
    // It ended between the listing and the reading.
    return undefined;
  }
}

function coreOf(role: Role): number {
  if (role === "contender") return 0;
  return role === "upstream" ? 1 : Math.min(2, cores - 1);
}
