/** Nothing is lost on SIGTERM: what runs finishes within the grace, and what cannot is told so. */
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { AdminService } from "../../gen/semaroute/v1/admin_pb.ts";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { chunk, completion, createGate, createUpstream, type UpstreamHandler, usageChunk } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { type Answer, type DoorClient, doorClients, refusal } from "./doors.ts";
import { isStreamed, says, tracked, until } from "./scene.ts";

const provider = (url: string): string => `providers: {host: {type: openai_compatible, base_url: "${url}/v1", models: [m]}}`;
const settings = (server: string, url: string): string => `
server: {port: 0, ${server}}
health: {probe: none}
resilience: {retry: {base_delay: 1ms}}
${provider(url)}
`;

interface Running {
  readonly door: DoorClient;
  readonly answer: Promise<Answer>;
  readonly line: ReturnType<typeof tracked>["line"];
}

/** One call by each door; streams have had their first content, unary calls are at the upstream. */
async function startCalls(server: ServerProcess, hasAll: () => boolean): Promise<readonly Running[]> {
  const streaming: Promise<void>[] = [];
  const running = doorClients.map((door): Running => {
    const { headers, line } = tracked(server);
    const gate = createGate();
    if (door.streamed) streaming.push(gate.opened);
    const answer = door.ask(server.url, { model: "m", headers, onText: () => gate.open() });
    answer.catch(() => undefined);
    return { door, answer, line };
  });
  await Promise.all(streaming);
  await until(hasAll, "all calls have reached the upstream");
  return running;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

describe("SIGTERM", { timeout: 60_000 }, () => {
  test("lets every call finish, takes no new ones after drain_delay, and exits with 0", async () => {
    const gate = createGate();
    const slow: UpstreamHandler = async (reply, request) => {
      if (!isStreamed(request)) {
        await gate.opened;
        reply.json(completion("all of it"));
        return;
      }
      const sse = reply
        .sse()
        .data(chunk({ role: "assistant", content: "" }))
        .data(chunk({ content: "all " }));
      await gate.opened;
      sse
        .data(chunk({ content: "of it" }))
        .data(chunk({}, "stop"))
        .data(usageChunk(1, 2))
        .done();
    };
    await using upstream = await createUpstream((reply, request, ordinal) =>
      (ordinal < doorClients.length ? slow : says("late"))(reply, request, ordinal),
    );
    await using server = await startServer(settings("drain_delay: 700ms, drain_timeout: 9s", upstream.url));
    const running = await startCalls(server, () => upstream.requests.length === doorClients.length);
    const ready = async () => (await fetch(`${server.url}/health/ready`)).status;
    expect(await ready()).toBe(200);

    server.signal("SIGTERM");
    await until(async () => (await ready()) === 503, "not ready");
    // Until the load balancer has noticed, new calls still come, and are served.
    for (const door of doorClients.slice(0, 4)) expect((await door.ask(server.url, { model: "m" })).text).toBe("late");
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
    await until(async () => !(await canConnect(server.port)), "new connections are refused");

    gate.open();
    for (const { answer } of running) expect((await answer).text).toBe("all of it");
    expect(await server.exit).toBe(0);
    for (const { line } of running) expect(await line()).toMatchObject({ status: 200 });
    expect(server.lines.filter(({ message }) => message === "call")).toHaveLength(doorClients.length + 4);
    expect(server.lines.at(-1)).toMatchObject({ message: "stopped" });
    expect(server.complaints()).toBe("");
  });

  test("ends what still runs after drain_timeout with DRAINING, in each protocol's own shape, and exits with 0", async () => {
    const stalls: UpstreamHandler = (reply, request) => {
      if (isStreamed(request))
        reply
          .sse()
          .data(chunk({ role: "assistant", content: "" }))
          .data(chunk({ content: "half" }));
    };
    await using upstream = await createUpstream(stalls);
    await using server = await startServer(settings("drain_timeout: 300ms", upstream.url));
    const running = await startCalls(server, () => upstream.requests.length === doorClients.length);
    server.signal("SIGTERM");
    for (const { door, answer } of running) {
      const refused = await refusal(answer);
      const rest = [door.streamed ? 200 : 503, "draining"];
      expect([refused.status, refused.word], door.name).toEqual(door.rest ? rest : [14, "DRAINING"]);
      expect(refused.text).toBe(door.streamed ? "half" : "");
    }
    expect(await server.exit).toBe(0);
    expect(await Promise.all(upstream.requests.map(({ closed }) => closed))).toEqual(doorClients.map(() => "cut"));
    for (const { line } of running) expect(await line()).toMatchObject({ reason: "DRAINING", status: 503 });
    expect(server.lines.at(-1)).toMatchObject({ message: "stopped" });
  });

  test("ends streams that have not begun with a status, where that still can be sent", async () => {
    await using upstream = await createUpstream((reply) => void reply.sse().data(chunk({ role: "assistant", content: "" })));
    await using server = await startServer(settings("drain_timeout: 200ms", upstream.url));
    const streams = doorClients.filter(({ streamed }) => streamed);
    const answers = streams.map((door) => refusal(door.ask(server.url, { model: "m" })));
    await until(() => upstream.requests.length === streams.length, "all calls have reached the upstream");
    server.signal("SIGTERM");
    const told = (await Promise.all(answers)).map(({ status, word }) => [status, word]);
    expect(told).toEqual(streams.map(({ rest }) => (rest ? [503, "draining"] : [14, "DRAINING"])));
    expect(await server.exit).toBe(0);
  });

  test("is not held up by idle connections and by those who only watch", async () => {
    await using server = await startServer("server: {port: 0, drain_timeout: 9s}");
    const admin = createClient(AdminService, createGrpcTransport({ baseUrl: server.url }));
    let seen = false;
    const watching = (async () => {
      for await (const { snapshot } of admin.watchProviderHealth({})) seen ||= snapshot;
    })().catch((thrown: unknown) => thrown);
    await until(() => seen, "the snapshot came");
    await (await fetch(`${server.url}/health`)).text();
    const began = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - began).toBeLessThan(5000);
    await watching;
  });

  test("twice within a second is one, and a later one ends at once with 1", async () => {
    await using upstream = await createUpstream(() => {});
    await using server = await startServer(settings("drain_timeout: 60s", upstream.url));
    const left = doorClients[0]?.ask(server.url, { model: "m" }).catch(() => "broken");
    await upstream.request(0);
    let ended = false;
    void server.exit.then(() => (ended = true));
    server.signal("SIGTERM");
    server.signal("SIGINT");
    const began = performance.now();
    await until(() => performance.now() - began > 1100, "a second has passed");
    expect(ended).toBe(false);
    server.signal("SIGTERM");
    expect(await server.exit).toBe(1);
    expect(await left).toBe("broken");
  });
});
