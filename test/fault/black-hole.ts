import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";

/** A port whose connections are never made: what SYN packets that nobody answers look like. */
export interface BlackHole extends AsyncDisposable {
  readonly port: number;
  /** Sockets of this machine that are waiting for it. */
  waiting(): number;
}

/** Why there is none on this machine; undefined: there can be one. */
export const noBlackHole =
  process.platform === "linux" ? undefined : "a port that drops SYN packets is made by a full backlog, as only Linux has it";

// The accept queue of a stopped process stays full; what comes then is dropped by the kernel.
const program = `require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () { console.log(this.address().port); });`;
/** More than fit into a queue of one. */
const fillers = 4;
const settleMs = 200;

/** Makes one on 127.0.0.1. */
export async function createBlackHole(): Promise<BlackHole> {
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  const port = Number(String(line));
  child.kill("SIGSTOP");
  const filling = Array.from({ length: fillers }, () => ignoringErrors(connect(port, "127.0.0.1")));
  await new Promise((resolve) => {
    setTimeout(resolve, settleMs);
  });
  for (const socket of filling) if (socket.connecting) socket.destroy();
  return {
    port,
    waiting: () => connectionsIn("02", port),
    async [Symbol.asyncDispose]() {
      for (const socket of filling) socket.destroy();
      await end(child);
    },
  };
}

function ignoringErrors(socket: Socket): Socket {
  return socket.on("error", () => {});
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

/** Sockets to the port in a state of the kernel's list; 02 is SYN_SENT. */
function connectionsIn(state: string, port: number): number {
  const to = `:${port.toString(16).toUpperCase().padStart(4, "0")} ${state} `;
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .filter((line) => line.includes(to)).length;
}
