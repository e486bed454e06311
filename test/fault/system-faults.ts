/** S01 to S30: what goes wrong around the process, as data, and why some of it cannot be shown by this build. */
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A configuration file, and the way to break it. */
export interface ReloadFault {
  readonly fault: string;
  /** Does it; the server's file and its good text are given. */
  readonly break: (file: string, text: string) => Promise<void>;
  /** The log's word for it. */
  readonly told: "refused" | "applied";
  /** In the refusal. */
  readonly problem?: RegExp;
}

const writes = (change: (text: string) => string) => async (file: string, text: string) => writeFile(file, change(text));

/** S18. */
export const reloadFaults: readonly ReloadFault[] = [
  { fault: "text that is no YAML", break: writes((text) => `${text}\nmodels: {a: [`), told: "refused", problem: /config\.yaml/ },
  { fault: "a field that nobody knows", break: writes((text) => `${text}\nsever: {}\n`), told: "refused", problem: /sever/ },
  {
    fault: "a wrong type",
    break: writes((text) => text.replace("max_attempts: 3", "max_attempts: many")),
    told: "refused",
    problem: /max_attempts/,
  },
  {
    fault: "a secret's file that is not there",
    break: writes((text) => text.replace("api_key: first-key", "api_key_file: /nonexistent/secret")),
    told: "refused",
    problem: /api_key_file|nonexistent/,
  },
  {
    fault: "a variable that is not set",
    break: writes((text) => text.replace("first-key", '"${NOT_SET_ANYWHERE}"')),
    told: "refused",
    problem: /NOT_SET_ANYWHERE/,
  },
  { fault: "a name twice", break: writes((text) => text.replace("models: {", "models: {both: {targets: [second/m]}, ")), told: "refused" },
  {
    fault: "names that stand for each other",
    break: writes((text) => text.replace("models: {", "models: {a: {targets: [b]}, b: {targets: [a]}, ")),
    told: "refused",
  },
  { fault: "an empty file", break: writes(() => ""), told: "refused" },
  { fault: "half of a file", break: writes((text) => text.slice(0, Math.floor(text.length * 0.6))), told: "refused" },
  { fault: "ten megabytes of comment", break: writes((text) => `${text}\n${`# ${"x".repeat(98)}\n`.repeat(100_000)}`), told: "applied" },
  { fault: "ten megabytes of something else", break: writes(() => "x".repeat(10 * 2 ** 20)), told: "refused" },
  { fault: "bytes that are no text", break: async (file) => writeFile(file, Buffer.from([0xff, 0xfe, 0, 1, 2])), told: "refused" },
  { fault: "a file that is gone", break: async (file) => rm(file), told: "refused" },
];

/** As Kubernetes does it: the file is a link into a folder that is a link, and that one is swapped. */
export async function swapByLink(file: string, text: string): Promise<void> {
  const folder = dirname(file);
  for (const [name, content] of [
    ["..one", await readFile(file, "utf8")],
    ["..two", text],
  ] as const) {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "config.yaml"), content);
  }
  await symlink("..one", join(folder, "..data"));
  await symlink("..data/config.yaml", join(folder, "config.link"));
  await rename(join(folder, "config.link"), file);
  await symlink("..two", join(folder, "..data.next"));
  await rename(join(folder, "..data.next"), join(folder, "..data"));
}

const withRedis = "with a real Redis: test/e2e/redis.test.ts, test/stores/redis/";

/** Rows without a cell of their own, and why. */
export const unplayed: readonly { readonly id: string; readonly fault: string; readonly skip: string }[] = [
  { id: "S01", fault: "Redis refused at start", skip: withRedis },
  { id: "S02", fault: "Redis that never answers", skip: withRedis },
  { id: "S03", fault: "Redis that is slow", skip: withRedis },
  { id: "S04", fault: "Redis that restarts, forgets and moves", skip: withRedis },
  { id: "S05", fault: "Redis that comes back", skip: withRedis },
  { id: "S06", fault: "one limit over four replicas", skip: "this build has no limits in Redis" },
  {
    id: "S07",
    fault: "a replica that dies with reservations",
    skip: `of leases, ${withRedis}; this build has no reservations in Redis`,
  },
  { id: "S11", fault: "256 MiB of memory and 200 slow streams", skip: "needs a memory limit of the kernel's, which only root can set" },
  {
    id: "S13",
    fault: "a disk that is full",
    skip: "on the store and the log: test/stores/sql/sqlite-store.test.ts, test/stores/decision-log.test.ts, test/telemetry/line-sink.test.ts",
  },
  {
    id: "S23",
    fault: "name servers that go down",
    skip: "names are looked up by the system's resolver for each new connection and kept by nobody here; U03 shows one that fails",
  },
  {
    id: "S25",
    fault: "an address that is none among the providers",
    skip: "such a configuration is refused: test/config/problems.test.ts",
  },
  {
    id: "S26",
    fault: "three times the load for a minute",
    skip: "a minute of load belongs to a bench: npm run overload, its figures in docs/operations.md",
  },
  {
    id: "S29",
    fault: "two versions of a replica",
    skip: "entries of another version are none: test/stores/redis/entry.test.ts; limits are not shared in this build",
  },
];
