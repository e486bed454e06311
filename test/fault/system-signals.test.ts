/** S15 to S17, S25 and S28: signals, and a world that does not answer. */
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect } from "vitest";
import { AdminService } from "../../gen/semaroute/v1/admin_pb.ts";
import { doorClients, refusal } from "../e2e/doors.ts";
import { soon, tracked, until } from "../e2e/scene.ts";
import { completion } from "../support/scripted-upstream.ts";
import { startServer } from "../support/server.ts";
import { cell } from "./play.ts";
import { answer, byKind, json, lastChunk, openStream, sleep, stall, write } from "./steps.ts";
import { begun, chunks, config, ended, freePort, piece } from "./system-load.ts";
import { createScriptedUpstream, type ScriptedUpstream } from "./upstream.ts";

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
                write(chunks(piece("of it"), ...ended)),
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
