/** Several processes on one port: what they share, and what becomes of callers when one of them goes. */
import { create } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ProviderState, RoutingPolicySchema } from "../../src/core/chat.ts";
import { adminClient } from "../support/admin-client.ts";
import { noOwnPostgres, startPostgres } from "../support/postgres.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClient, refusal, routerClient } from "./doors.ts";
import { Refused } from "./question.ts";
import { metricsFrom, soon, until } from "./scene.ts";

/** Input of `hello` and ten words of an answer, as the simulated provider counts and these prices have it: 0.024 dollars. */
const callUsd = 0.024;
const fast = `reply: "tokens:10", tokens_per_second: 1e9`;
const config = (more = "", workers: number | string = 3): string => `
server: {port: 0, workers: ${workers}}
admin: {token: secret}
health: {probe: none}
auth:
  keys:
    - {name: free, key: key-free}
    - {name: requests, key: key-requests, limits: {requests_per_minute: 100}}
    - {name: budget, key: key-budget, limits: {budget_usd: ${37 * callUsd}}}
    - {name: calls, key: key-calls, limits: {concurrent_calls: 9}}
    - {name: one, key: key-one, limits: {concurrent_calls: 1}}
providers:
  sim: {type: simulated, models: [{id: m, input_price: 1000, output_price: 2000}], ${fast}, first_token: 5ms}
  other: {type: simulated, models: [m], ${fast}, first_token: 5ms}
  long: {type: simulated, models: [l], reply: "tokens:150", tokens_per_second: 50, first_token: 1ms}
${more}`;

const rest = doorClient("REST");
const stream = doorClient("SSE");
const bearer = (key: string) => ({ authorization: `Bearer key-${key}` });

/** Numbers of the processes that began to serve, in order. */
function pids({ lines }: ServerProcess): number[] {
  return lines.filter(({ message }) => message === "worker serves").map(({ pid }) => Number(pid));
}

const page = async ({ url }: ServerProcess) => metricsFrom(await (await fetch(`${url}/metrics`)).text());

/** What came of so many calls at once: how many of each outcome. */
async function flood(server: ServerProcess, key: string, calls = 200): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {};
  const one = async (): Promise<void> => {
    let word = "ok";
    try {
      await rest.ask(server.url, { model: "sim/m", headers: bearer(key) });
    } catch (thrown) {
      word = thrown instanceof Refused ? thrown.word : String(thrown);
    }
    outcomes[word] = (outcomes[word] ?? 0) + 1;
  };
  await Promise.all(Array.from({ length: calls }, one));
  return outcomes;
}

/** Which processes served the calls that are remembered. */
async function replicas(server: ServerProcess): Promise<number[]> {
  const { decisions } = await adminClient(server).listDecisions({ pageSize: 1000 });
  return decisions.map(({ replica }) => Number(replica.split("/").at(-1)));
}

/** A database that outlives its server. */
function lasting(): Readonly<Record<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { SEMAROUTE_STORE_URL: `sqlite:${join(folder, "kept.db")}` };
}

const openStreams = (server: ServerProcess, count: number, key = "free") => {
  const open = Array.from({ length: count }, () => stream.ask(server.url, { model: "long/l", headers: bearer(key) }));
  for (const each of open) each.catch(() => undefined);
  return open;
};
const running = (server: ServerProcess, calls: number) =>
  until(async () => (await page(server)).sum("calls_in_flight") === calls, `${calls} calls run`, 10_000);

function isUnseen(thrown: unknown): boolean {
  return thrown instanceof ConnectError && thrown.message.includes("NGHTTP2_REFUSED_STREAM");
}

describe("three workers", { timeout: 60_000 }, () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await startServer(config());
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  test("serve one port together, and any of them tells of all", async () => {
    expect(pids(server)).toHaveLength(3);
    expect(server.lines.filter(({ message }) => message === "listening")).toHaveLength(1);
    const watched: string[] = [];
    const leaving = new AbortController();
    const watch = (async () => {
      for await (const { decision } of adminClient(server).watchDecisions({}, { signal: leaving.signal })) watched.push(decision?.id ?? "");
    })().catch(() => undefined);
    await soon(500);
    await flood(server, "free", 60);
    await doorClient("grpc unary").ask(server.url, { model: "sim/m", headers: bearer("free") });
    const served = await replicas(server);
    expect(served).toHaveLength(61);
    expect(new Set(served)).toEqual(new Set(pids(server)));
    for (let at = 0; at < 6; at++) {
      const metrics = await page(server);
      expect(metrics.sum("calls_total", { outcome: "ok" })).toBe(61);
      expect(metrics.sum("workers")).toBe(3);
    }
    const stats = await adminClient(server).getStats({});
    expect(stats.targets.map(({ provider, requests }) => [provider, requests])).toEqual([["sim", 61n]]);
    const { rows } = await adminClient(server).getUsage({});
    expect(rows.map(({ usage }) => usage?.costMicroUsd)).toEqual([BigInt(Math.round(61 * callUsd * 1e6))]);
    await until(() => new Set(watched).size === 61, "all decisions were watched");
    leaving.abort();
    await watch;
  });

  test("count the limits of a key together, to the call and to the cent", async () => {
    const [requests, budget] = await Promise.all([flood(server, "requests"), flood(server, "budget")]);
    expect(requests).toEqual({ ok: 100, rate_limit_exceeded: 100 });
    expect(budget).toEqual({ ok: 37, insufficient_quota: 163 });
    const metrics = await page(server);
    expect(metrics.sum("limit_refusals_total", { kind: "requests" })).toBe(100);
    expect(metrics.sum("limit_refusals_total", { kind: "budget" })).toBe(163);
    const { keys } = await adminClient(server).listKeys({});
    expect(keys.find(({ name }) => name === "budget")?.spentMicroUsd).toBe(BigInt(Math.round(37 * callUsd * 1e6)));
  });

  test("know at the next call what the last one gave back", async () => {
    for (let at = 0; at < 60; at++) {
      const response = await fetch(`${server.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", connection: "close", ...bearer("one") },
        body: JSON.stringify({ model: "sim/m", messages: [{ role: "user", content: "hello" }] }),
      });
      await response.text();
      expect(response.status).toBe(200);
    }
  });

  test("have one policy, and one set of keys: what one is told holds in all when it answers", async () => {
    const desk = adminClient(server);
    for (const provider of ["other", "sim", "other"]) {
      const policy = create(RoutingPolicySchema, {
        kind: { case: "failover", value: { primaryProvider: provider, backupProviders: ["long"] } },
      });
      await desk.swapPolicy({ policy });
      const answers = await Promise.all(Array.from({ length: 12 }, () => rest.ask(server.url, { model: "m", headers: bearer("free") })));
      expect(new Set(answers.map(({ headers }) => headers.get("x-semaroute-provider")))).toEqual(new Set([provider]));
    }
    const { key, secret } = await desk.createKey({ name: "short-lived" });
    const headers = { authorization: `Bearer ${secret}` };
    await Promise.all(Array.from({ length: 12 }, () => rest.ask(server.url, { model: "m", headers })));
    const streams = Array.from({ length: 6 }, () => refusal(stream.ask(server.url, { model: "long/l", headers })));
    await running(server, 6);
    await desk.revokeKey({ id: key?.id ?? "" });
    const refused = await Promise.all(Array.from({ length: 12 }, () => refusal(rest.ask(server.url, { model: "m", headers }))));
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([401]));
    for (const each of await Promise.all(streams)) expect(each.word).toBe("invalid_api_key");
  });

  test("take over a provider's state, another file and an empty cache together, and tell it to their successors", async () => {
    const desk = adminClient(server);
    const ask = (temperature?: number) => rest.ask(server.url, { model: "m", temperature, headers: bearer("free") });
    const providers = async () =>
      new Set((await Promise.all(Array.from({ length: 12 }, () => ask()))).map(({ headers }) => headers.get("x-semaroute-provider")));
    const cached = async () =>
      (await Promise.all(Array.from({ length: 12 }, () => ask(0)))).map(({ headers }) => headers.get("x-semaroute-cache"));
    await cached();
    expect(await cached()).not.toContain("miss");
    const { entries } = await desk.purgeCache({ all: true });
    expect(entries).toBe(3n);
    expect(await cached()).toContain("miss");
    await desk.setProviderState({ id: "other", state: ProviderState.DISABLED });
    expect(await providers()).toEqual(new Set(["sim"]));
    writeFileSync(server.configFile, `${config()}  third: {type: simulated, models: [m3], ${fast}, first_token: 5ms}\n`);
    const { changed } = await desk.reloadConfig({});
    expect(changed).toBe(true);
    const third = () => Promise.all(Array.from({ length: 12 }, () => rest.ask(server.url, { model: "m3", headers: bearer("free") })));
    await third();
    writeFileSync(server.configFile, "providers: nonsense");
    await server.logged(({ message }) => message === "configuration refused, the old one stays");
    const [victim = 0] = pids(server);
    process.kill(victim, "SIGKILL");
    await until(() => pids(server).length === 4, "another one serves", 10_000);
    await third();
    expect(await providers()).toEqual(new Set(["sim"]));
  });
});

describe("one of two workers", { timeout: 90_000 }, () => {
  test("that is killed takes its own calls with it, and is replaced", async () => {
    await using server = await startServer(config("", 2));
    const open = openStreams(server, 9, "calls");
    await running(server, 9);
    const [victim = 0] = pids(server);
    process.kill(victim, "SIGKILL");
    const line = await server.logged(({ message }) => message === "worker died, another one starts");
    expect(line).toMatchObject({ level: "error", pid: victim, signal: "SIGKILL" });
    const more = await Promise.allSettled(openStreams(server, 9, "calls"));
    const broken = (await Promise.allSettled(open)).filter(({ status }) => status === "rejected").length;
    expect(broken).toBeGreaterThan(0);
    expect(broken).toBeLessThan(9);
    expect(more.filter(({ status }) => status === "fulfilled")).toHaveLength(broken);
    expect(await replicas(server)).not.toContain(victim);
    await until(() => pids(server).length === 3, "another one serves", 10_000);
    const metrics = await page(server);
    expect(metrics.sum("worker_restarts_total")).toBe(1);
    expect(metrics.sum("workers")).toBe(2);
  });

  test("after another is replaced on SIGUSR2, without a failed call", async () => {
    await using server = await startServer(config("", 2));
    const before = pids(server);
    const failures: unknown[] = [];
    let calls = 0;
    const over = new AbortController();
    const repeat = async (call: () => Promise<unknown>): Promise<void> => {
      while (!over.signal.aborted) {
        // What crossed with a GOAWAY was not looked at. gRPC's own clients send it again by themselves, this one does not.
        const again = (thrown: unknown): Promise<unknown> => (isUnseen(thrown) ? call() : Promise.reject(thrown));
        await call()
          .catch(again)
          .catch((thrown: unknown) => failures.push(thrown));
        calls++;
      }
    };
    const callers = ["REST", "REST", "REST", "SSE", "grpc unary", "grpc stream", "connect unary"].map((door) =>
      repeat(() => doorClient(door).ask(server.url, { model: "sim/m", headers: bearer("free") })),
    );
    // One connection for all its calls, as programs have it.
    const lastingClient = routerClient(server.url, "grpc");
    callers.push(repeat(() => lastingClient.chat({ model: "sim/m", messages: [{ role: 2, text: "hello" }] }, { headers: bearer("free") })));
    const long = Promise.all(openStreams(server, 4));
    server.signal("SIGUSR2");
    await server.logged(({ message }) => message === "all workers are replaced");
    over.abort();
    await Promise.all(callers);
    await long;
    expect(failures).toEqual([]);
    expect(calls).toBeGreaterThan(100);
    expect(pids(server)).toHaveLength(4);
    const left = server.lines.filter(({ message }) => message === "worker has left").map(({ pid }) => pid);
    expect(new Set(left)).toEqual(new Set(before));
    const metrics = await page(server);
    expect(metrics.sum("worker_restarts_total")).toBe(0);
    expect(metrics.sum("calls_total", { outcome: "ok" })).toBe(calls + 4);
  });
});

describe("workers that have to end", { timeout: 90_000 }, () => {
  test("let every call finish on SIGTERM, and keep every row", async () => {
    const store = lasting();
    await using server = await startServer(config("", 2), store);
    const open = openStreams(server, 9);
    await running(server, 9);
    expect(await server.stop()).toBe(0);
    for (const { text } of await Promise.all(open)) expect(text.split(" ").length).toBeGreaterThan(100);
    await using next = await startServer(config("", 1), store);
    expect((await adminClient(next).listLedger({ pageSize: 100 })).rows).toHaveLength(9);
  });

  test("let every call finish when the primary is killed, and leave their rows to the next start", async () => {
    const store = lasting();
    await using server = await startServer(config("", 2), store);
    const open = openStreams(server, 6);
    await running(server, 6);
    server.signal("SIGKILL");
    for (const { text } of await Promise.all(open)) expect(text.split(" ").length).toBeGreaterThan(100);
    // The pipe of the log is closed as soon as the last of them has ended.
    await server.exit;
    await using next = await startServer(config("", 1), store);
    expect((await adminClient(next).listLedger({ pageSize: 100 })).rows).toHaveLength(6);
  });
});

describe.skipIf(noOwnPostgres !== undefined)("workers on PostgreSQL", { timeout: 90_000 }, () => {
  test("have one store by way of the primary, and lose no row of it when they stop", async () => {
    await using postgres = await startPostgres();
    const store = { SEMAROUTE_STORE_URL: await postgres.createDatabase() };
    await using server = await startServer(config("", 2), store);
    const policy = create(RoutingPolicySchema, {
      kind: { case: "failover", value: { primaryProvider: "other", backupProviders: ["sim"] } },
    });
    const { policy: swapped } = await adminClient(server).swapPolicy({ policy });
    expect(await flood(server, "budget", 60)).toEqual({ ok: 37, insufficient_quota: 23 });
    expect(new Set(await replicas(server)).size).toBe(2);
    const open = openStreams(server, 3);
    await running(server, 3);
    expect(await server.stop()).toBe(0);
    await Promise.all(open);
    await using next = await startServer(config("", 2), store);
    expect((await adminClient(next).getPolicy({})).policy?.revision).toBe(swapped?.revision);
    expect((await adminClient(next).listLedger({ pageSize: 100, keyId: "cfg_budget" })).rows).toHaveLength(37);
    expect(await flood(next, "budget", 3)).toEqual({ insufficient_quota: 3 });
  });
});

describe("a primary whose workers cannot start", { timeout: 90_000 }, () => {
  test("ends like a process alone: 78 for bad configuration, 1 for a port in use", async () => {
    await expect(startServer("server: {workers: 2}\nsever: {}")).rejects.toThrow(/ended with 78: .*config\.yaml:2:1 sever/s);
    await using server = await startServer(config("", 1));
    server.signal("SIGUSR2");
    await server.logged(({ message }) => message === "there are no workers to be replaced: server.workers is 1");
    await expect(startServer(config(), { SEMAROUTE_SERVER_PORT: String(server.port) })).rejects.toThrow(
      /ended with 1: .*the port is in use/s,
    );
  });
});
