/** What a server that goes away says on connections that are open, frame by frame and header by header. */
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import * as h2 from "../support/raw-http2.ts";
import { chunk, completion, createGate, createUpstream, type Gate, type Upstream, usageChunk } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClients } from "./doors.ts";
import { isStreamed, until } from "./scene.ts";
import { frame } from "./wire.ts";

/** A server whose calls end when the gate opens; streams have said "all " by then. */
async function scene(server = "drain_timeout: 9s") {
  const open = new AsyncDisposableStack();
  const gate: Gate = createGate();
  const upstream: Upstream = open.use(
    await createUpstream(async (reply, request) => {
      if (!isStreamed(request)) {
        await gate.opened;
        reply.json(completion("all of it"));
        return;
      }
      const sse = reply.sse().data(chunk({ role: "assistant", content: "all " }));
      await gate.opened;
      sse
        .data(chunk({ content: "of it" }, "stop"))
        .data(usageChunk(1, 2))
        .done();
    }),
  );
  const started: ServerProcess = open.use(
    await startServer(`
server: {port: 0, ${server}}
health: {probe: none}
providers: {host: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [m]}}
`),
  );
  return { server: started, gate, upstream, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** Sends SIGTERM, and waits until the listener is closed. */
async function leave(server: ServerProcess): Promise<void> {
  server.signal("SIGTERM");
  await until(() => refuses(server.port), "new connections are refused");
}

function refuses(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" }, () => {
      socket.destroy();
      resolve(false);
    });
    socket.on("error", () => resolve(true));
  });
}

/** An HTTP/1.1 connection that is written to by hand. */
function byHand(port: number) {
  const socket = connect({ port, host: "127.0.0.1" });
  let text = "";
  socket.on("error", () => {});
  socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  return { write: (bytes: string) => void socket.write(bytes), closed, text: () => text, [Symbol.dispose]: () => void socket.destroy() };
}

const rest = (stream: boolean): string => JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }], stream });
const rpc = JSON.stringify({ model: "m", messages: [{ role: "ROLE_USER", text: "hi" }] });
const post = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
const chatPath = "/v1/chat/completions";
const service = "/semaroute.v1.RouterService/";

const grpc = (stream: number): Buffer =>
  Buffer.concat([
    h2.headers(stream, h2.post(`${service}StreamChat`, "application/grpc+json"), h2.flag.endHeaders),
    h2.data(stream, frame(rpc), h2.flag.endStream),
  ]);

function grpcClient<T extends Parameters<typeof createClient>[0]>(of: T, server: ServerProcess): Client<T> {
  return createClient(of, createGrpcTransport({ baseUrl: server.url, idleConnectionTimeoutMs: 500 }));
}

describe("SIGTERM, over HTTP/2,", { timeout: 60_000 }, () => {
  test("is a GOAWAY that names the last stream; that one ends whole, and one behind it is not begun", async () => {
    await using at = await scene();
    using raw = await h2.rawHttp2(at.server.port);
    using idle = await h2.rawHttp2(at.server.port);
    idle.send(h2.headers(1, h2.get("/health/live")));
    await idle.until(({ type }) => type === h2.type.data);
    raw.send(grpc(1), grpc(3));
    await until(() => raw.frames.filter(({ type }) => type === h2.type.data).length >= 2, "both streams have begun");
    expect(raw.frames.some(h2.isGoaway)).toBe(false);
    await leave(at.server);
    for (const connection of [raw, idle]) {
      const goodbye = h2.goaway(await connection.until(h2.isGoaway));
      expect(goodbye).toEqual({ code: 0, lastStream: connection === raw ? 3 : 1 });
    }
    await idle.closed;
    raw.send(grpc(5));
    await raw.settled();
    expect(raw.frames.filter(({ stream }) => stream === 5)).toEqual([]);
    at.gate.open();
    for (const stream of [1, 3]) {
      const trailers = await raw.until(
        (each) => each.type === h2.type.headers && each.stream === stream && (each.flags & h2.flag.endStream) > 0,
      );
      // Field names of trailers that are new to the table are literals, Huffman-coded or not; the status is the last of the answer.
      expect(trailers.payload.length).toBeGreaterThan(0);
    }
    await raw.closed;
    expect(at.upstream.requests).toHaveLength(2);
    expect(await at.server.exit).toBe(0);
    const lines = at.server.lines.filter(({ message }) => message === "call");
    expect(lines.map(({ status }) => status)).toEqual([200, 200]);
  });

  test("tells those who watch health, and ends them with UNAVAILABLE", async () => {
    await using at = await scene("drain_delay: 300ms, drain_timeout: 9s");
    const client = grpcClient(Health, at.server);
    const told: Serving[] = [];
    const watching = (async () => {
      for await (const { status } of client.watch({ service: "semaroute.v1.RouterService" })) told.push(status);
    })().catch((thrown: unknown) => thrown);
    await until(() => told.length === 1, "the watch has begun");
    at.server.signal("SIGTERM");
    const error = await watching;
    if (!(error instanceof ConnectError)) throw new Error("the watch ended well");
    expect([told, error.code]).toEqual([[Serving.SERVING, Serving.NOT_SERVING], 14]);
    expect(error.findDetails(ErrorInfoSchema)[0]?.reason).toBe("DRAINING");
    expect(await at.server.exit).toBe(0);
  });

  test("ends a reflection that was left open", async () => {
    await using at = await scene();
    const client = grpcClient(ServerReflection, at.server);
    const gate = createGate();
    async function* questions() {
      yield { messageRequest: { case: "listServices", value: "" } } as const;
      await gate.opened;
    }
    let answers = 0;
    const asking = (async () => {
      for await (const _ of client.serverReflectionInfo(questions())) answers++;
    })().catch((thrown: unknown) => thrown);
    await until(() => answers === 1, "it was answered");
    const began = performance.now();
    at.server.signal("SIGTERM");
    expect(await at.server.exit).toBe(0);
    expect(performance.now() - began).toBeLessThan(6000);
    expect(await asking).toBeInstanceOf(ConnectError);
    gate.open();
  });
});

describe("SIGTERM, over HTTP/1.1,", { timeout: 60_000 }, () => {
  for (const [what, next, wanted] of [
    ["a call", post(chatPath, rest(false)), { status: "503", code: "draining" }],
    ["a Connect call", post(`${service}Chat`, rpc), { status: "503", code: "unavailable" }],
    ["a look at its health", "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n", { status: "200", code: undefined }],
  ] as const) {
    test(`answers ${what} on a connection that lives with ${wanted.status} and the end`, async () => {
      await using at = await scene();
      using connection = byHand(at.server.port);
      connection.write(post(chatPath, rest(true)));
      await until(() => connection.text().includes("all "), "the stream has begun");
      await leave(at.server);
      connection.write(next);
      // The second request is there before the first is answered.
      await at.server.logged(({ message }) => message === "draining");
      await until(() => wanted.status === "200" || at.server.lines.some(({ reason }) => reason === "DRAINING"), "it was refused");
      at.gate.open();
      await connection.closed;
      const [first = "", second = ""] = connection.text().split(/(?=HTTP\/1\.1 )/);
      expect(first).toMatch(/^HTTP\/1\.1 200 [^]*of it[^]*data: \[DONE\]/);
      expect(second).toMatch(new RegExp(`^HTTP/1.1 ${wanted.status} [^]*connection: close`, "i"));
      if (wanted.code !== undefined) expect(second).toContain(`"code":"${wanted.code}"`);
      if (what === "a Connect call") expect(second).toContain("DRAINING");
      expect(await at.server.exit).toBe(0);
      expect(at.upstream.requests).toHaveLength(1);
    });
  }

  test("makes an answer that has not begun its connection's last", async () => {
    await using at = await scene();
    using connection = byHand(at.server.port);
    connection.write(post(chatPath, rest(false)));
    await at.upstream.request(0);
    await leave(at.server);
    at.gate.open();
    await connection.closed;
    expect(connection.text()).toMatch(/^HTTP\/1\.1 200 [^]*connection: close[^]*all of it/i);
    expect(await at.server.exit).toBe(0);
  });

  test("waits for a request that has begun, and serves it", async () => {
    await using at = await scene();
    at.gate.open();
    using connection = byHand(at.server.port);
    const request = post(chatPath, rest(false));
    connection.write(request.slice(0, -10));
    using silent = byHand(at.server.port);
    // Connections are taken in their order: once this one is answered, those two are there.
    expect((await fetch(`${at.server.url}/health/live`)).status).toBe(200);
    await leave(at.server);
    await silent.closed;
    connection.write(request.slice(-10));
    await connection.closed;
    expect(connection.text()).toMatch(/^HTTP\/1\.1 200 [^]*connection: close[^]*all of it/i);
    expect(await at.server.exit).toBe(0);
  });

  test("waits for half a request no longer than for a call", async () => {
    await using at = await scene("drain_timeout: 300ms");
    using connection = byHand(at.server.port);
    connection.write(post(chatPath, rest(false)).slice(0, -10));
    expect((await fetch(`${at.server.url}/health/live`)).status).toBe(200);
    at.server.signal("SIGTERM");
    await connection.closed;
    expect(await at.server.exit).toBe(0);
  });
});

test("SIGTERM cuts none of forty calls of all doors", { timeout: 60_000 }, async () => {
  await using at = await scene();
  const calls = Array.from({ length: 5 }, () => doorClients)
    .flat()
    .map((door) => door.ask(at.server.url, { model: "m", headers: { "cache-control": "no-store" } }));
  await until(() => at.upstream.requests.length === calls.length, "all calls have reached the upstream", 20_000);
  await leave(at.server);
  at.gate.open();
  expect((await Promise.all(calls)).map(({ text }) => text)).toEqual(calls.map(() => "all of it"));
  expect(await at.server.exit).toBe(0);
  expect(at.server.complaints()).toBe("");
});
