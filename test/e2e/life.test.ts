/** Starting, or saying why not, and taking over another configuration. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completion, createGate, createUpstream } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClient, refusal } from "./doors.ts";
import { says, until } from "./scene.ts";

const entry = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const rest = doorClient("REST");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "semaroute-life-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the program to its own end. */
function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: folder, env: { PATH: process.env["PATH"], HOME: folder, ...env }, timeout: 50_000 };
    const child = execFile(process.execPath, [entry, ...args], options, (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

// A process each, on a machine that may have much else to do.
describe("the command line", { timeout: 60_000 }, () => {
  test.each([
    { args: ["--version"], code: 0, out: /^semaroute \d+\.\d+\.\d+\n$/ },
    { args: ["-version"], code: 0, out: /^semaroute \d+\.\d+\.\d+\n$/ },
    { args: ["--help"], code: 0, out: /^Usage: semaroute \[serve\]/ },
    { args: ["--prot=1"], code: 64, err: /^unknown option '--prot=1'.*semaroute --help/ },
  ])("$args ends with $code", async ({ args, code, out = /^$/, err = /^$/ }) => {
    const ended = await run(args);
    expect(ended.out).toMatch(out);
    expect(ended.err).toMatch(err);
    expect(ended.code).toBe(code);
  });

  const good = "providers: {sim: {type: simulated}}\n";
  const warned = "providers: {sim: {type: simulated, enabled: false}}\n";
  test.each([
    { name: "good.yaml", text: good, args: ["check", "--strict"], code: 0, out: /^configuration is good: \S+good\.yaml\n$/ },
    { name: "warned.yaml", text: warned, args: ["check"], code: 0, out: /warned\.yaml:1:1 providers: warning: / },
    { name: "strict.yaml", text: warned, args: ["check", "--strict"], code: 78, out: /strict\.yaml:1:1 providers: warning: / },
    { name: "bad.yaml", text: "sever: {}\n", args: ["check"], code: 78, out: /bad\.yaml:1:1 sever: / },
  ])("$args of $name ends with $code", async ({ name, text, args, code, out }) => {
    const ended = await run([...args, `-config=${await file(name, text)}`]);
    expect(ended).toMatchObject({ code, out: expect.stringMatching(out), err: "" });
  });

  test("a bad configuration starts nothing, and every problem has its place and its remedy", async () => {
    const bad = await file("worse.yaml", "sever: {}\nserver:\n  port: many\nrouting_policy: {type: failovr}\n");
    const ended = await run(["--config", bad]);
    expect([ended.code, ended.out]).toEqual([78, ""]);
    expect(ended.err).toMatch(/worse\.yaml:1:1 sever: .*did you mean "?server/);
    expect(ended.err).toMatch(/worse\.yaml:3:9 server\.port: expected a whole number/);
    expect(ended.err).toMatch(/worse\.yaml:4:\d+ routing_policy\.type: .*did you mean "?failover/);
  });

  test("a port in use is one clear line and exit 1", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const ended = await run([], { SEMAROUTE_SERVER_PORT: String(port), XDG_STATE_HOME: folder });
    taken.close();
    expect(ended.code).toBe(1);
    const lines = ended.out.trim().split("\n");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "error", message: `cannot listen on 127.0.0.1:${port}: the port is in use` });
    expect(ended.err).toBe("");
  });
});

describe("a changed configuration", { timeout: 60_000 }, () => {
  const keys = (...names: readonly string[]): string =>
    `auth: {keys: [${names.map((name) => `{name: ${name}, key: key-of-${name}}`).join(", ")}]}`;
  const status = async (server: ServerProcess, name: string): Promise<number> => {
    const response = await fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer key-of-${name}` } });
    return response.status;
  };
  const edit = async (server: ServerProcess, change: (text: string) => string): Promise<void> => {
    await writeFile(server.configFile, change(await readFile(server.configFile, "utf8")));
  };
  /** Waits by the log, for asking with a wrong key again and again is throttled. */
  const reloads = (server: ServerProcess, count: number) =>
    until(() => server.lines.filter(({ message }) => message === "configuration reloaded").length === count, `${count} reloads`);
  const sim = "providers: {sim: {type: simulated, models: [m]}}";

  test("is taken over when the file changes, and a bad one changes nothing", async () => {
    await using server = await startServer(`${keys("old")}\n${sim}\n`);
    expect([await status(server, "old"), await status(server, "new")]).toEqual([200, 401]);
    await edit(server, (text) => text.replace(keys("old"), keys("old", "new")));
    await reloads(server, 1);
    expect(await status(server, "new")).toBe(200);
    await edit(server, (text) => text.replace(keys("old", "new"), `${keys("other")}\nsever: {}`));
    const refused = await server.logged(({ message }) => message === "configuration refused, the old one stays");
    expect(refused).toMatchObject({ level: "error", path: "sever", problem: expect.stringMatching(/config\.yaml:2:1 sever: /) });
    expect([await status(server, "old"), await status(server, "new"), await status(server, "other")]).toEqual([200, 200, 401]);
    // Without any key left the door stays closed: once there were keys.
    await edit(server, () => `${sim}\n`);
    await reloads(server, 2);
    expect(await status(server, "old")).toBe(401);
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(401);
  });

  test("is read again on SIGHUP and by the admin call, changed or not", async () => {
    await using server = await startServer(`${sim}\n`);
    server.signal("SIGHUP");
    expect(await server.logged(({ message }) => message === "configuration reloaded")).toMatchObject({ changed: false });
    const response = await fetch(`${server.url}/admin/reload`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.adminToken ?? ""}`, "content-type": "application/json" },
      body: "{}",
    });
    expect([response.status, await response.json()]).toMatchObject([200, { changed: false }]);
  });

  test("makes a revision of its policy, and only when that changed", async () => {
    const policy = (name: string): string => `routing_policy: {type: failover, name: ${name}, config: {primary_provider: sim}}`;
    await using server = await startServer(`${policy("one")}\n${sim}\n`);
    const revisions = async (): Promise<readonly { revision: string; author: string }[]> => {
      const answer: unknown = await (await fetch(`${server.url}/admin/policy/revisions`)).json();
      return (answer as { revisions: { revision: string; author: string }[] }).revisions;
    };
    const [first] = await revisions();
    await edit(server, (text) => text.replace(policy("one"), policy("two")));
    await reloads(server, 1);
    const [second, ...older] = await revisions();
    expect(older).toEqual([first]);
    expect(second?.author).toBe("configuration");
    expect(second?.revision).not.toBe(first?.revision);
    server.signal("SIGHUP");
    await reloads(server, 2);
    expect(await revisions()).toEqual([second, first]);
  });

  test("takes a provider away without breaking the call it is at work for", async () => {
    const gate = createGate();
    await using going = await createUpstream(async (reply) => {
      await gate.opened;
      reply.json(completion("the last words"));
    });
    await using staying = await createUpstream(says("from the other"));
    const provider = (name: string, url: string): string =>
      `  ${name}: {type: openai_compatible, base_url: "${url}/v1", models: [m-${name}]}\n`;
    await using server = await startServer(
      `health: {probe: none}\nproviders:\n${provider("going", going.url)}${provider("staying", staying.url)}`,
    );
    const answer = rest.ask(server.url, { model: "m-going" });
    await going.request(0);
    await edit(server, (text) => text.replace(provider("going", going.url), ""));
    await server.logged(({ message }) => message === "configuration reloaded");
    expect((await refusal(rest.ask(server.url, { model: "m-going" }))).status).toBe(404);
    expect((await rest.ask(server.url, { model: "m-staying" })).text).toBe("from the other");
    gate.open();
    expect((await answer).text).toBe("the last words");
    expect(going.requests).toHaveLength(1);
  });
});
