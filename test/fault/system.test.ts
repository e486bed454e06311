/** S13 to S28: signals, configurations, secrets and silence around a running server. */
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AdminService } from "../../gen/semaroute/v1/admin_pb.ts";
import { type DoorClient, doorClient, doorClients, refusal } from "../e2e/doors.ts";
import { metricsFrom, soon, tracked, until } from "../e2e/scene.ts";
import { chunk, completion } from "../support/scripted-upstream.ts";
import { type LogLine, type ServerProcess, startServer } from "../support/server.ts";
import { cell } from "./play.ts";
import { says } from "./scene.ts";
import {
  answer,
  byKind,
  endedStream,
  errorJson,
  event,
  json,
  openStream,
  type Script,
  sleep,
  stall,
  write,
  chunked,
  lastChunk,
} from "./steps.ts";
import { reloadFaults, swapByLink, unplayed } from "./system-faults.ts";
import { createScriptedUpstream, type ScriptedUpstream } from "./upstream.ts";

for (const { id, fault, skip } of unplayed) cell({ id, fault, protocol: "process" }, { skip });

const begun = event(chunk({ role: "assistant", content: "" }));
const piece = (content: string): string => event(chunk({ content }));
const ended = [event(chunk({}, "stop")), event("[DONE]")];
const mainDoors = doorClients.filter(({ name }) => ["REST", "SSE", "grpc stream", "connect unary"].includes(name));

function config(upstreams: Readonly<Record<string, ScriptedUpstream>>, more = ""): string {
  const providers = Object.entries(upstreams).map(
    ([name, { port }], at) =>
      `  ${name}: {type: openai_compatible, base_url: "http://127.0.0.1:${port}/v1", api_key: ${name}-key, models: [{id: m, input_price: ${at + 1}, output_price: ${at + 1}}]}`,
  );
  return `
server: {port: 0, drain_timeout: 9s}
health: {probe: none}
routing_policy: {type: cost_based, config: {cost_weight: 1, latency_weight: 0, health_weight: 0}}
resilience: {max_attempts: 3, retry: {base_delay: 1ms, max_delay: 2ms, budget: 1}}
models: {both: {targets: [${Object.keys(upstreams)
    .map((name) => `${name}/m`)
    .join(", ")}]}}
${more}
providers:
${providers.join("\n")}
`;
}

/** Callers who ask again and again, until they are told to stop; what went wrong for them. */
function load(server: ServerProcess, model: string): { stop(): Promise<{ readonly calls: number; readonly failures: readonly string[] }> } {
  let going = true;
  let calls = 0;
  const failures: string[] = [];
  const caller = async (door: DoorClient): Promise<void> => {
    while (going) {
      await door.ask(server.url, { model }).catch((error: unknown) => failures.push(`${door.name}: ${String(error)}`));
      calls++;
      await soon(5);
    }
  };
  const callers = mainDoors.map((door) => caller(door));
  return {
    async stop() {
      going = false;
      await Promise.all(callers);
      return { calls, failures };
    },
  };
}

const reloads = (server: ServerProcess): number =>
  server.lines.filter(({ message }) => message === "configuration reloaded" || message === "configuration refused, the old one stays")
    .length;
const isRefusal = ({ message }: LogLine): boolean => message === "configuration refused, the old one stays";

describe("S18: a configuration that is wrong", () => {
  const open = new AsyncDisposableStack();
  let server: ServerProcess;
  let text: string;
  beforeAll(async () => {
    const first = open.use(await createScriptedUpstream(says("first")));
    const second = open.use(await createScriptedUpstream(says("second")));
    server = open.use(await startServer(config({ first, second })));
    text = await readFile(server.configFile, "utf8");
  }, 60_000);
  afterAll(() => open.disposeAsync());

  for (const { fault, break: breakIt, told, problem } of reloadFaults) {
    cell(
      { id: "S18", fault, protocol: "process" },
      async () => {
        const seen = reloads(server);
        const from = server.lines.length;
        const busy = load(server, "both");
        await breakIt(server.configFile, text);
        server.signal("SIGHUP");
        await until(() => reloads(server) > seen, "it was read", 10_000);
        const fresh = server.lines.slice(from);
        expect(fresh.some(isRefusal)).toBe(told === "refused");
        if (problem !== undefined) expect(JSON.stringify(fresh.filter(isRefusal))).toMatch(problem);
        await soon(50);
        const { calls, failures } = await busy.stop();
        expect(failures).toEqual([]);
        expect(calls).toBeGreaterThan(0);
        expect((await doorClient("REST").ask(server.url, { model: "both" })).text).toBe("first");
        // The good one again, for those who come next.
        const before = reloads(server);
        await writeFile(server.configFile, text);
        server.signal("SIGHUP");
        await until(
          () => server.lines.some(({ message }, at) => at >= from && message === "configuration reloaded") && reloads(server) > before,
          "it was mended",
          10_000,
        );
      },
      30_000,
    );
  }

  cell(
    { id: "S18", fault: "a hundred reloads under load", protocol: "process" },
    async () => {
      const busy = load(server, "both");
      const seen = reloads(server);
      for (let i = 0; i < 100; i++) {
        await writeFile(server.configFile, text.replace("max_attempts: 3", `max_attempts: ${2 + (i % 2)}`));
        server.signal("SIGHUP");
        await soon(10);
      }
      await until(() => reloads(server) > seen, "they were read");
      const { failures } = await busy.stop();
      expect(failures).toEqual([]);
      await writeFile(server.configFile, text);
    },
    60_000,
  );

  cell(
    { id: "S18", fault: "a link that is swapped, as Kubernetes does it", protocol: "process" },
    async () => {
      const busy = load(server, "both");
      const seen = reloads(server);
      await swapByLink(server.configFile, text.replace("models: {both:", "models: {swapped: {targets: [second/m]}, both:"));
      await until(() => reloads(server) > seen, "it was noticed without a signal", 10_000);
      await until(
        async () =>
          doorClient("REST")
            .ask(server.url, { model: "swapped" })
            .then(
              ({ text: said }) => said === "second",
              () => false,
            ),
        "it is in force",
        10_000,
      );
      expect((await busy.stop()).failures).toEqual([]);
    },
    60_000,
  );

  cell(
    { id: "S17", fault: "a storm of SIGHUP", protocol: "process" },
    async () => {
      const busy = load(server, "both");
      const seen = reloads(server);
      for (let i = 0; i < 200; i++) server.signal("SIGHUP");
      await until(() => reloads(server) > seen, "it was read");
      expect((await busy.stop()).failures).toEqual([]);
      expect(await server.stop()).toBe(0);
      expect(server.complaints()).toBe("");
    },
    60_000,
  );
});

describe("what a reload takes away", () => {
  cell(
    { id: "S19", fault: "a target with live streams and whole answers is removed", protocol: "all doors" },
    async () => {
      let release: (() => void) | undefined;
      const script: Script = [
        answer(({ streamed }) => [
          ...(streamed ? [openStream(begun, piece("the last "))] : []),
          sleep(1500),
          ...(streamed
            ? [write(Buffer.concat([piece("words"), ...ended].map((each) => chunked(each)))), write(lastChunk)]
            : [write(json(completion("the last words")))]),
        ]),
      ];
      release?.();
      release = undefined;
      await using going = await createScriptedUpstream(script);
      await using staying = await createScriptedUpstream(says("from the other"));
      await using server = await startServer(config({ staying, going }));
      const calls = doorClients.map((door) => door.ask(server.url, { model: "going/m" }));
      await until(() => going.requests.length === doorClients.length, "all have reached it");
      const text = await readFile(server.configFile, "utf8");
      await writeFile(server.configFile, text.replace(/^ {2}going: .*$/m, "").replace(", going/m", ""));
      await server.logged(({ message }) => message === "configuration reloaded");
      expect((await refusal(doorClient("REST").ask(server.url, { model: "going/m" }))).status).toBe(404);
      expect((await doorClient("REST").ask(server.url, { model: "both" })).text).toBe("from the other");
      for (const call of calls) expect((await call).text).toBe("the last words");
      const metrics = metricsFrom(await (await fetch(`${server.url}/metrics`)).text());
      expect(metrics.text).not.toMatch(/^semaroute_(?:provider|target)_[a-z_]+\{[^}]*provider="going"/m);
    },
    60_000,
  );

  cell(
    { id: "S20", fault: "a secret's file is rotated, and then emptied", protocol: "REST" },
    async () => {
      await using upstream = await createScriptedUpstream(says("fine"));
      const text = config({ first: upstream });
      await using server = await startServer(text);
      const secret = `${server.configFile}.secret`;
      const last = (): string | undefined => /^authorization: Bearer (.*)$/im.exec(upstream.requests.at(-1)?.head ?? "")?.[1]?.trim();
      const ask = () => doorClient("REST").ask(server.url, { model: "both" });
      const reload = async (): Promise<void> => {
        const seen = reloads(server);
        server.signal("SIGHUP");
        await until(() => reloads(server) > seen, "it was read");
      };
      await writeFile(secret, "key-one\n");
      await writeFile(server.configFile, text.replace("api_key: first-key", `api_key_file: ${JSON.stringify(secret)}`));
      await reload();
      await ask();
      expect(last()).toBe("key-one");
      await writeFile(secret, "key-two\n");
      await reload();
      await ask();
      expect(last()).toBe("key-two");
      await writeFile(secret, "");
      await reload();
      expect(server.lines.findLast(isRefusal)).toMatchObject({ level: "error" });
      await ask();
      expect(last()).toBe("key-two");
      expect(server.lines.filter((line) => /key-(?:one|two)/.test(JSON.stringify(line)))).toEqual([]);
    },
    60_000,
  );

  cell(
    { id: "S21", fault: "a provider's credential is revoked under load", protocol: "all doors" },
    async () => {
      let revoked = false;
      await using first = await createScriptedUpstream([
        answer((request) => (revoked ? [write(errorJson(401, { code: "invalid_api_key" }))] : goodAnswer("first", request.streamed))),
      ]);
      await using second = await createScriptedUpstream(says("second"));
      await using server = await startServer(config({ first, second }));
      const busy = load(server, "both");
      await until(() => first.requests.length > 8, "the first one serves");
      revoked = true;
      const before = second.requests.length;
      await until(() => second.requests.length > before + 12, "the second one serves");
      const { failures } = await busy.stop();
      expect(failures).toEqual([]);
      expect(
        server.lines.filter(({ message, provider }) => message === "provider credential is refused" && provider === "first"),
      ).toHaveLength(1);
    },
    60_000,
  );
});

function goodAnswer(text: string, streamed: boolean) {
  return streamed ? [endedStream(begun, piece(text), ...ended)] : [write(json(completion(text)))];
}

describe("signals", () => {
  cell(
    { id: "S15", fault: "SIGTERM with 48 live streams, 16 whole answers and 5 who watch", protocol: "all doors" },
    async () => {
      await using upstream = await createScriptedUpstream([
        answer(({ streamed, ordinal }) =>
          streamed
            ? [
                openStream(begun, piece("all ")),
                sleep(600 + (ordinal % 8) * 200),
                write(Buffer.concat([piece("of it"), ...ended].map((each) => chunked(each)))),
                write(lastChunk),
              ]
            : [sleep(600 + (ordinal % 8) * 200), write(json(completion("all of it")))],
        ),
      ]);
      await using server = await startServer(config({ first: upstream }));
      const calls = doorClients.flatMap((door) =>
        Array.from({ length: door.streamed ? 12 : 4 }, () => {
          const { headers, line } = tracked(server);
          return { door, line, answer: door.ask(server.url, { model: "both", headers }) };
        }),
      );
      for (const { answer: call } of calls) call.catch(() => undefined);
      const watching = Array.from({ length: 5 }, async () => {
        const admin = createClient(AdminService, createGrpcTransport({ baseUrl: server.url }));
        for await (const _ of admin.watchProviderHealth({})) continue;
      }).map((each) => each.catch(() => undefined));
      await until(() => upstream.requests.length === calls.length, "all have reached the upstream", 10_000);
      server.signal("SIGTERM");
      for (const { door, answer: call } of calls) expect((await call).text, door.name).toBe("all of it");
      expect(await server.exit).toBe(0);
      for (const { line } of calls) expect(await line()).toMatchObject({ status: 200 });
      await Promise.all(watching);
      expect(server.complaints()).toBe("");
    },
    60_000,
  );

  cell(
    { id: "S16", fault: "SIGTERM, and streams that last longer than the grace", protocol: "all doors" },
    async () => {
      await using upstream = await createScriptedUpstream(byKind([stall], [openStream(begun, piece("half")), stall]));
      await using server = await startServer(config({ first: upstream }).replace("drain_timeout: 9s", "drain_timeout: 300ms"));
      const calls = doorClients.map((door) => {
        const { headers, line } = tracked(server);
        return { door, line, end: refusal(door.ask(server.url, { model: "both", headers })) };
      });
      await until(() => upstream.requests.length === calls.length, "all have reached the upstream");
      await soon(100);
      server.signal("SIGTERM");
      for (const { door, end } of calls) expect((await end).word.toUpperCase(), door.name).toBe("DRAINING");
      expect(await server.exit).toBe(0);
      for (const { door, line } of calls) {
        const logged = await line();
        expect(logged).toMatchObject({ reason: "DRAINING" });
        // What was told before the end is settled.
        if (door.streamed) expect(Number(logged["output_tokens"]), door.name).toBeGreaterThan(0);
      }
      await until(() => upstream.connections.every(({ closedMs }) => closedMs !== undefined), "every upstream connection is closed");
    },
    60_000,
  );

  cell(
    { id: "S17", fault: "SIGKILL under load, and a start at the same port", protocol: "process" },
    async () => {
      await using upstream = await createScriptedUpstream(byKind([stall], [openStream(begun, piece("half")), stall]));
      const port = await freePort();
      const text = config({ first: upstream }).replace("port: 0", `port: ${port}`);
      const environment = { SEMAROUTE_SERVER_PORT: String(port) };
      const killed = await startServer(text, environment);
      const calls = doorClients.map((door) =>
        door.ask(killed.url, { model: "both" }).then(
          () => "answered",
          () => "broken",
        ),
      );
      await until(() => upstream.requests.length === calls.length, "all have reached the upstream");
      killed.signal("SIGKILL");
      expect(await Promise.all(calls)).toEqual(doorClients.map(() => "broken"));
      await until(() => upstream.connections.every(({ closedMs }) => closedMs !== undefined), "every upstream connection is closed");
      await killed[Symbol.asyncDispose]();
      await using next = await startServer(text, environment);
      expect((await fetch(`${next.url}/health/ready`)).status).toBe(200);
    },
    60_000,
  );
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

describe("silence and absence", () => {
  cell(
    { id: "S28", fault: "a start where nothing can be reached", protocol: "all doors" },
    async () => {
      const port = await freePort();
      const dead = { port } as ScriptedUpstream;
      const tracing = `observability: {tracing: {enabled: true, sample_ratio: 1, endpoint: "http://127.0.0.1:${port}"}}`;
      await using server = await startServer(
        config({ first: dead, second: dead }, tracing).replace("{probe: none}", "{interval: 1s, timeout: 500ms}"),
      );
      expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
      for (const door of doorClients) {
        const refused = await refusal(door.ask(server.url, { model: "both" }));
        expect(refused.word.toUpperCase(), door.name).toMatch(/^(?:UPSTREAM_UNAVAILABLE|NO_TARGET|NO_TARGET_AVAILABLE)$/);
      }
      expect((await fetch(`${server.url}/v1/models`)).status).toBe(200);
      expect(await server.stop()).toBe(0);
      expect(server.complaints()).toBe("");
    },
    60_000,
  );

  cell(
    { id: "S25", fault: "one provider's probe fails in every way, and the others are still asked", protocol: "process" },
    async () => {
      await using html = await createScriptedUpstream([
        answer(() => [write("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>")]),
      ]);
      await using garbage = await createScriptedUpstream([answer(() => [write("\0\0\0garbage\r\n\r\n")])]);
      await using silent = await createScriptedUpstream([stall]);
      let asked = 0;
      await using good = await createScriptedUpstream([
        answer(() => {
          asked++;
          return [write(json({ object: "list", data: [{ id: "m", object: "model" }] }))];
        }),
      ]);
      await using server = await startServer(
        config({ html, garbage, silent, good }).replace("{probe: none}", "{interval: 1s, timeout: 500ms}"),
      );
      await until(() => asked >= 3, "the good one was asked again and again", 15_000);
      const health: unknown = await (await fetch(`${server.url}/health`)).json();
      expect(health).toMatchObject({ providers: { good: { status: "healthy" } } });
      expect(server.complaints()).toBe("");
    },
    60_000,
  );
});
