/**
 * A real PostgreSQL for tests: the one that `SEMAROUTE_TEST_POSTGRES` names (`postgres://…`, of a user who may create databases),
 * else one of our own from installed binaries, on a free port, in a folder that goes with it.
 *
 *   describe.skipIf(noPostgres !== undefined)("…", () => { … await using server = await startPostgres(); … });
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Client } from "pg";

const given = process.env["SEMAROUTE_TEST_POSTGRES"];

/** Folder of `initdb` and `postgres`; undefined: there is none. */
const binaries = (() => {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((one, other) => Number(other) - Number(one)) : [];
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...versions.map((version) => join(debian, version, "bin"))];
  return folders.find((folder) => ["initdb", "postgres"].every((name) => existsSync(join(folder, name))));
})();

/** Why there is no PostgreSQL for tests; undefined: there is one. */
export const noPostgres =
  given === undefined && binaries === undefined ? "no PostgreSQL here: install one, or name one in SEMAROUTE_TEST_POSTGRES" : undefined;
/** Why there is none that tests may stop and kill. */
export const noOwnPostgres = binaries === undefined ? "no PostgreSQL is installed here that could be stopped and killed" : undefined;

/** Databases for tests. */
export interface TestPostgres extends AsyncDisposable {
  /** URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** Runs a statement, as whoever owns all. */
  run(url: string, text: string): Promise<readonly Record<string, unknown>[]>;
}

/** A server that tests may ill-treat. */
export interface OwnPostgres extends TestPostgres {
  /** Every process of it stands still: connections stay, and nobody answers. */
  freeze(): void;
  thaw(): void;
  /** Ends at once, as in a crash. */
  crash(): Promise<void>;
  /** Ends in order: whoever is connected is told so, and sent away. */
  shutDown(): Promise<void>;
  /** After its end, at the same place. */
  restart(): Promise<void>;
}

/** The given one, or one of our own. */
export async function findPostgres(): Promise<TestPostgres> {
  if (given === undefined) return startPostgres();
  const made: string[] = [];
  const { createDatabase, run } = databasesAt(given, made);
  return {
    createDatabase,
    run,
    async [Symbol.asyncDispose]() {
      for (const name of made) await run(given, `drop database if exists ${name} with (force)`);
    },
  };
}

/** Settings of a server that has nothing to lose, and few connections. */
const settings = ["fsync=off", "full_page_writes=off", "max_connections=50", "shared_buffers=16MB", "listen_addresses=127.0.0.1"];
const startMs = 30_000;

/** A server that ends with the process at the latest. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGQUIT");
});

/** One of our own; `more` are settings of it, `files` lie in its folder and are its own. */
export async function startPostgres(
  more: readonly string[] = [],
  files: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<OwnPostgres> {
  if (binaries === undefined) throw new Error(noOwnPostgres);
  const user = unprivileged();
  const folder = mkdtempSync(join(tmpdir(), "semaroute-pg-"));
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const options = { ...user, cwd: folder, env: { PATH: process.env["PATH"], LC_ALL: "C.UTF-8" } };
  const password = join(folder, "password");
  writeFileSync(password, "secret");
  const auth = ["-U", "postgres", "-A", "scram-sha-256", `--pwfile=${password}`];
  execFileSync(join(binaries, "initdb"), ["-D", data, ...auth, "--no-sync", "-E", "UTF8"], { ...options, stdio: "ignore" });
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(data, name), content, { mode: 0o600 });
    if (user !== undefined) chownSync(join(data, name), user.uid, user.gid);
  }
  const port = await freePort();
  const parameters = [...settings, ...more, `unix_socket_directories=${folder}`].flatMap((each) => ["-c", each]);
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(join(binaries, "postgres"), ["-D", data, "-p", String(port), ...parameters], {
      ...options,
      stdio: ["ignore", "ignore", "pipe"],
    });
    running.add(child);
    child.once("exit", () => running.delete(child));
    await ready(child);
    return child;
  };
  let server = await start();
  const root = `postgres://postgres:secret@127.0.0.1:${port}/postgres`;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const gone = new Promise((resolve) => server.once("exit", resolve));
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill(signal);
    await gone;
  };
  const each = (signal: NodeJS.Signals): void => {
    for (const pid of familyOf(server.pid)) {
      try {
        process.kill(pid, signal);
      } catch (thrown) {
        // A worker of its own that ended since it was listed.
        if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ESRCH")) throw thrown;
      }
    }
  };
  return {
    ...databasesAt(root, []),
    freeze: () => each("SIGSTOP"),
    thaw: () => each("SIGCONT"),
    crash: () => end("SIGQUIT"),
    shutDown: () => end("SIGINT"),
    async restart() {
      server = await start();
    },
    async [Symbol.asyncDispose]() {
      each("SIGCONT");
      await end("SIGQUIT");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function databasesAt(root: string, made: string[]): Pick<TestPostgres, "createDatabase" | "run"> {
  const run = async (url: string, text: string): Promise<readonly Record<string, unknown>[]> => {
    const client = new Client({ connectionString: url });
    // Of a server that a test crashes.
    client.on("error", () => undefined);
    await client.connect();
    try {
      const { rows } = await client.query<Record<string, unknown>>(text);
      return rows;
    } finally {
      await client.end();
    }
  };
  return {
    run,
    async createDatabase() {
      const name = `semaroute_${randomBytes(6).toString("hex")}`;
      await run(root, `create database ${name}`);
      made.push(name);
      const url = new URL(root);
      url.pathname = `/${name}`;
      return url.href;
    },
  };
}

/** Whom servers of our own run as, for they refuse to run as root; undefined: whom we run as. */
export function unprivileged(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const [, , uid, gid] = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    const timer = setTimeout(() => reject(new Error(`PostgreSQL does not start: ${said}`)), startMs);
    child.once("exit", (code) => reject(new Error(`PostgreSQL ended with ${code}: ${said}`)));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said = `${said}${text}`.slice(-10_000);
      if (!said.includes("ready to accept connections")) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Connections have processes of their own. */
function familyOf(pid: number | undefined): number[] {
  if (pid === undefined || !existsSync(`/proc/${pid}`)) return [];
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  return [pid, ...children];
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (typeof address === "object" && address !== null ? resolve(address.port) : reject(new Error("no port"))));
    });
  });
}
