/** The WebSocket door: who gets in, what frames tell, many calls on one socket, and how each of them ends. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callerFrame } from "../../src/server/realtime/frames.ts";
import { rawSocket } from "../support/raw-websocket.ts";
import { chunk, completion, createGate, createUpstream, type Upstream, usageChunk } from "../support/scripted-upstream.ts";
import { startServer } from "../support/server.ts";
import { refusal, Refused } from "./doors.ts";
import { type House, openHouse } from "./house.ts";
import { breaksOffInContent, fails, isSilent, says, stallsAfterContent, until } from "./scene.ts";
import { chatFrame, type Frame, openSocket, realtimeUrl } from "./websocket.ts";

const key = { authorization: "Bearer sk-good" };
/** By the name of the model that is asked for. */
const plays: Readonly<Record<string, Parameters<typeof createUpstream>[0]>> = {
  good: says("one ", "two"),
  silent: isSilent,
  half: stallsAfterContent,
  broken: breaksOffInContent,
  bad: fails(500),
  whole: (reply) => reply.json(completion("at once")),
  big: says("é".repeat(300_000), "!"),
};

let upstream: Upstream;
let house: House;
beforeAll(async () => {
  upstream = await createUpstream((reply, request, ordinal) => {
    const { body } = request;
    const model = typeof body === "object" && body !== null && "model" in body ? String(body.model) : "";
    return plays[model]?.(reply, request, ordinal);
  });
  const models = Object.keys(plays).map((id) => `{id: ${id}, input_price: 1, output_price: 2}`);
  house = await openHouse(`
server: {heartbeat: 200ms, cors: {allowed_origins: ["https://good.example"]}}
health: {probe: none}
auth: {keys: [{name: a, key: sk-good}, {name: narrow, key: sk-narrow, models: [good]}]}
resilience: {max_attempts: 2, retry: {base_delay: 1ms}, circuit_breaker: {consecutive_failures: 1000, min_calls: 1000}}
providers: {host: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [${models.join(", ")}]}}
`);
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

const open = (headers: Readonly<Record<string, string>> = key) => openSocket(house.url, { headers });
const isOver = () => expect.poll(() => [house.gateway.running(), house.bugs]).toEqual([0, []]);
const chunksOf = (frames: readonly Frame[], id: string | number) => frames.filter((each) => each["id"] === id && each["type"] === "chunk");

describe("a socket", () => {
  test.each([
    { what: "a bearer", headers: key, protocols: [], chosen: "" },
    { what: "x-api-key", headers: { "x-api-key": "sk-good" }, protocols: [], chosen: "" },
    { what: "its only subprotocol", headers: {}, protocols: ["semaroute.key.sk-good"], chosen: "semaroute.key.sk-good" },
    { what: "a subprotocol beside ours", headers: {}, protocols: ["semaroute.key.sk-good", "semaroute.v1"], chosen: "semaroute.v1" },
    {
      what: "the same key in three places",
      headers: { ...key, "x-api-key": "sk-good" },
      protocols: ["semaroute.key.sk-good"],
      chosen: "semaroute.key.sk-good",
    },
  ])("opens for a key by $what", async ({ headers, protocols, chosen }) => {
    await using socket = await openSocket(house.url, { headers: { ...headers, "x-request-id": "mine" }, protocols });
    expect([socket.ws.protocol, socket.head.get("x-request-id"), socket.ws.extensions]).toEqual([chosen, "mine", ""]);
    socket.send(chatFrame("a", "good"));
    expect(await socket.end("a")).toMatchObject({ type: "done" });
  });

  test.each([
    { what: "no key", headers: {}, protocols: [], status: 401, code: "invalid_api_key" },
    { what: "a wrong key", headers: { authorization: "Bearer no" }, protocols: [], status: 401, code: "invalid_api_key" },
    { what: "a wrong key by subprotocol", headers: {}, protocols: ["semaroute.key.no"], status: 401, code: "invalid_api_key" },
    { what: "an empty key by subprotocol", headers: {}, protocols: ["semaroute.key."], status: 401, code: "invalid_api_key" },
    { what: "two keys", headers: key, protocols: ["semaroute.key.sk-narrow"], status: 400, code: "invalid_request" },
    { what: "a foreign page", headers: { ...key, origin: "https://evil.example" }, protocols: [], status: 403, code: "permission_denied" },
    { what: "a malformed wish", headers: { ...key, "x-semaroute-tags": "=" }, protocols: [], status: 400, code: "invalid_request" },
  ])("stays shut for $what, in OpenAI's shape and with an id", async ({ headers, protocols, status, code }) => {
    house.forget();
    const refused = await openSocket(house.url, { headers, protocols }).catch((thrown: unknown) => thrown);
    if (!(refused instanceof Refused)) throw new Error("it opened", { cause: refused });
    expect([refused.status, refused.word]).toEqual([status, code]);
    expect(refused.headers.get("x-request-id")).toMatch(/^[\da-f-]{36}$/);
    expect(refused.body).not.toMatch(/sk-/);
    if (status !== 400) expect(house.refused).toMatchObject([{ door: "websocket" }]);
  });

  test("is opened by pages of our own and allowed ones, and by Node's own client as browsers do it", async () => {
    const { WebSocket: Native } = globalThis;
    const ws = new Native(realtimeUrl(house.url), ["semaroute.key.sk-good"]);
    const frames: Frame[] = [];
    await new Promise<void>((resolve, reject) => {
      ws.addEventListener("error", () => reject(new Error("it did not open")));
      ws.addEventListener("open", () => ws.send(JSON.stringify(chatFrame("native", "good"))));
      ws.addEventListener("message", ({ data }) => {
        frames.push(JSON.parse(String(data)));
        if (frames.at(-1)?.["type"] !== "chunk") resolve();
      });
    });
    expect(ws.protocol).toBe("semaroute.key.sk-good");
    expect(frames.at(-1)).toMatchObject({ type: "done", id: "native" });
    const closed = new Promise((resolve) => {
      ws.addEventListener("close", ({ code, wasClean }) => resolve([code, wasClean]));
    });
    ws.close(1000);
    expect(await closed).toEqual([1000, true]);
    for (const origin of [`http://127.0.0.1:${house.port}`, "https://good.example"]) {
      await using own = await open({ ...key, origin });
      expect(own.ws.readyState).toBe(own.ws.OPEN);
    }
  });

  test("is pinged in silence, and closed when its pongs stop", async () => {
    await using socket = await open();
    let pings = 0;
    socket.ws.on("ping", () => pings++);
    await until(() => pings >= 3, "three pings");
    const silent = await rawSocket(house.port, ["authorization: Bearer sk-good"]);
    await until(() => silent.destroyed, "a peer that answers none is gone", 8000);
    expect(socket.ws.readyState).toBe(socket.ws.OPEN);
  });
});

describe("a call", () => {
  test("streams OpenAI's chunks, whatever it says of stream, and ends with one frame that tells its route", async () => {
    await using socket = await open();
    for (const [id, more] of [
      ["absent", {}],
      ["false", { stream: false }],
      ["true", { stream: true, stream_options: { include_usage: true } }],
      [4, { stream: null, stream_options: { include_usage: true } }],
    ] as const) {
      socket.send(chatFrame(id, "good", more));
      const end = await socket.end(id);
      const chunks = chunksOf(socket.frames, id).map((each) => each["data"]);
      expect(socket.text(id)).toBe("one two");
      for (const each of chunks)
        expect(each).toMatchObject({ id: expect.stringMatching(/^chatcmpl-/), object: "chat.completion.chunk", model: "good" });
      expect(chunks[0]?.choices).toMatchObject([{ index: 0, delta: { role: "assistant" } }]);
      expect(chunks.filter((each) => each.choices[0]?.finish_reason === "stop")).toHaveLength(1);
      expect(chunks.at(-1)?.usage).toEqual(
        "stream_options" in more ? expect.objectContaining({ prompt_tokens: expect.any(Number) }) : undefined,
      );
      expect(end).toEqual({
        type: "done",
        id,
        request_id: expect.stringMatching(/^[\da-f-]{36}$/),
        route: {
          decision: end["request_id"],
          policy: expect.any(String),
          provider: "host",
          model: "good",
          attempts: 1,
          cache: "bypass",
          cost_usd: expect.stringMatching(/^0\.\d+$/),
        },
      });
    }
    expect(upstream.requests.every(({ body }) => JSON.stringify(body).includes('"stream":true'))).toBe(true);
  });

  test("that its upstream answers whole is a stream, too", async () => {
    await using socket = await open();
    socket.send(chatFrame("w", "whole"));
    expect(await socket.end("w")).toMatchObject({ type: "done" });
    expect(socket.text("w")).toBe("at once");
  });

  test("that fails before any content ends with its error, and what was tried", async () => {
    await using socket = await open();
    socket.send(chatFrame("b", "bad"));
    expect(await socket.end("b")).toEqual({
      type: "error",
      id: "b",
      error: { message: expect.any(String), type: "server_error", param: null, code: "upstream_unavailable" },
      partial: false,
      status: 502,
      should_retry: false,
      request_id: expect.any(String),
      route: { decision: expect.any(String), policy: expect.any(String), provider: expect.any(String), model: "bad", attempts: 2 },
    });
    expect(socket.frames).toHaveLength(1);
  });

  test("that breaks off within its answer says that it is partial, and never done", async () => {
    await using socket = await open();
    socket.send(chatFrame("x", "broken"));
    expect(await socket.end("x")).toMatchObject({
      type: "error",
      error: { code: "stream_interrupted" },
      partial: true,
      route: { provider: "host" },
    });
    expect(socket.text("x")).toBe("half");
    expect(socket.frames.filter(({ type }) => type !== "chunk")).toHaveLength(1);
  });

  test("runs beside others on one socket, and each frame names its own", async () => {
    await using socket = await open();
    const ids = Array.from({ length: 40 }, (_, i) => `call-${i}`);
    socket.send(chatFrame("waits", "silent"));
    for (const id of ids) socket.send(chatFrame(id, "good"));
    for (const id of ids) expect(await socket.end(id)).toMatchObject({ type: "done" });
    for (const id of ids) expect(socket.text(id)).toBe("one two");
    expect(new Set(ids.map((id) => chunksOf(socket.frames, id)[0]?.["data"].id)).size).toBe(40);
    expect(socket.frames.filter(({ id }) => id === "waits")).toEqual([]);
  });

  test("of a large chunk comes whole, between the small ones of others", async () => {
    await using socket = await open();
    for (let i = 0; i < 5; i++) socket.send(chatFrame(i, i % 2 === 0 ? "big" : "good"));
    for (let i = 0; i < 5; i++) expect(await socket.end(i)).toMatchObject({ type: "done" });
    for (let i = 0; i < 5; i++) expect(socket.text(i)).toBe(i % 2 === 0 ? `${"é".repeat(300_000)}!` : "one two");
  });
});

describe("ids", () => {
  test("are free again when their call is over, and not before", async () => {
    await using socket = await open();
    socket.send(chatFrame("a", "silent"));
    socket.send(chatFrame("a", "good"));
    expect(await socket.end(null)).toMatchObject({ type: "error", error: { param: "id", code: "invalid_request" }, partial: false });
    socket.send({ type: "cancel", id: "a" });
    expect(await socket.end("a")).toMatchObject({ type: "error", error: { code: "cancelled" }, partial: false, status: 499 });
    socket.send(chatFrame("a", "good"));
    await socket.frame(({ id, type }) => id === "a" && type === "done");
    expect(socket.frames.map(({ type, id }) => [type, id])).toEqual([
      ["error", null],
      ["error", "a"],
      ...socket.frames.slice(2, -1).map(() => ["chunk", "a"]),
      ["done", "a"],
    ]);
  });

  test("that are a text and a number are two", async () => {
    await using socket = await open();
    socket.send(chatFrame("1", "silent"));
    socket.send(chatFrame(1, "good"));
    expect(await socket.end(1)).toMatchObject({ type: "done" });
    expect(socket.frames.filter(({ id }) => id === "1")).toEqual([]);
  });
});

describe("cancelling", () => {
  test("stops the upstream, ends the call with one error frame, and leaves its neighbours alone", async () => {
    await using socket = await open();
    const before = upstream.requests.length;
    socket.send(chatFrame("stays", "half"));
    await until(() => socket.text("stays") === "half", "the one has begun");
    socket.send(chatFrame("goes", "half"));
    await until(() => socket.text("goes") === "half", "the other has begun");
    const startMs = performance.now();
    socket.send({ type: "cancel", id: "goes" });
    expect(await socket.end("goes")).toMatchObject({ type: "error", error: { type: "server_error", code: "cancelled" }, partial: true });
    expect(await upstream.requests[before + 1]?.closed).toBe("cut");
    expect(performance.now() - startMs).toBeLessThan(1500);
    socket.send({ type: "cancel", id: "goes" });
    socket.send({ type: "cancel", id: "never was" });
    socket.send({ type: "cancel", id: "stays" });
    await socket.end("stays");
    expect(socket.frames.filter(({ type }) => type !== "chunk")).toHaveLength(2);
    await isOver();
  });

  test.each([
    { how: "closes the socket", leave: (socket: Awaited<ReturnType<typeof open>>) => socket.ws.close(1000) },
    { how: "is gone", leave: (socket: Awaited<ReturnType<typeof open>>) => socket.ws.terminate() },
  ])("is what happens to all calls of a caller who $how", async ({ leave }) => {
    house.forget();
    await using socket = await open();
    const before = upstream.requests.length;
    for (const id of ["a", "b", "c"]) socket.send(chatFrame(id, id === "c" ? "silent" : "half"));
    await until(() => socket.text("a") + socket.text("b") === "halfhalf" && upstream.requests.length === before + 3, "all run");
    leave(socket);
    for (const request of upstream.requests.slice(before)) expect(await request.closed).toBe("cut");
    await isOver();
    expect(house.records.map(({ error, call }) => [error?.failure, error?.message, call.door])).toEqual(
      Array.from({ length: 3 }, () => ["CANCELLED", "the caller left", "websocket"]),
    );
  });
});

describe("wishes", () => {
  test("of the request that opened the socket hold for its calls, and a frame's own win", async () => {
    house.forget();
    await using socket = await open({
      ...key,
      "x-semaroute-timeout-ms": "150",
      "x-semaroute-tags": "team=a",
      "x-request-id": "of-the-socket",
    });
    socket.send(chatFrame("late", "silent"));
    expect(await socket.end("late")).toMatchObject({ error: { code: "deadline_exceeded" }, partial: false, status: 504 });
    const headers = { "X-Semaroute-Timeout-Ms": "60000", "x-request-id": "of-the-call" };
    socket.send({ ...chatFrame("patient", "good"), headers });
    expect(await socket.end("patient")).toMatchObject({ type: "done", request_id: "of-the-call" });
    expect(house.records.map(({ call }) => call.request.routing?.tags)).toEqual([{ team: "a" }, { team: "a" }]);
    expect(house.records[0]?.call.requestId).toBe(house.records[0]?.call.id);
  });

  test("that are malformed end their call only", async () => {
    await using socket = await open();
    socket.send({ ...chatFrame("a", "good"), headers: { "x-semaroute-timeout-ms": "soon" } });
    expect(await socket.end("a")).toMatchObject({ error: { code: "invalid_request", param: "x-semaroute-timeout-ms" } });
    socket.send({ type: "chat", id: "b" });
    expect(await socket.end("b")).toMatchObject({ error: { code: "invalid_request", param: "request" } });
    socket.send(chatFrame("c", "good"));
    expect(await socket.end("c")).toMatchObject({ type: "done" });
  });
});

test("a key's list of models holds for each call", async () => {
  await using socket = await open({ authorization: "Bearer sk-narrow" });
  socket.send(chatFrame("a", "half"));
  expect(await socket.end("a")).toMatchObject({ error: { type: "permission_error", code: "permission_denied" }, status: 403 });
  socket.send(chatFrame("b", "good"));
  expect(await socket.end("b")).toMatchObject({ type: "done" });
});

test("idle sockets go where places are scarce, and busy ones stay", async () => {
  await using idle = await open();
  await using busy = await open();
  busy.send(chatFrame("a", "half"));
  await until(() => busy.text("a") === "half", "it runs");
  house.listener.closeIdle();
  expect(await idle.closed).toBe(1001);
  busy.send(chatFrame("b", "good"));
  expect(await busy.end("b")).toMatchObject({ type: "done" });
});

test("a frame that a client of ours would send is one that we read", () => {
  expect(callerFrame(JSON.stringify(chatFrame("a", "m")))).toMatchObject({ kind: "chat", id: "a" });
});

describe("a server that runs as a process", { timeout: 60_000 }, () => {
  const withKeys = (...names: readonly string[]) => `
server: {port: 0, drain_timeout: 9s}
health: {probe: none}
auth: {required: true, keys: [${names.map((name) => `{name: ${name}, key: sk-${name}}`).join(", ")}]}
providers: {host: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [good, half]}}
`;

  test("asks for the key with each call: one that a reload took away begins no more, and what runs goes on", async () => {
    await using server = await startServer(withKeys("a", "b"));
    await using socket = await openSocket(server.url, { headers: { authorization: "Bearer sk-a" } });
    socket.send(chatFrame("runs", "half"));
    await until(() => socket.text("runs") === "half", "it runs");
    const { writeFile } = await import("node:fs/promises");
    await writeFile(server.configFile, withKeys("b"));
    server.signal("SIGHUP");
    await server.logged(({ message, changed }) => message === "configuration reloaded" && changed === true);
    socket.send(chatFrame("late", "good"));
    expect(await socket.end("late")).toMatchObject({ error: { type: "authentication_error", code: "invalid_api_key" }, status: 401 });
    expect(socket.frames.filter(({ id, type }) => id === "runs" && type !== "chunk")).toEqual([]);
    expect(await refusal(openSocket(server.url, { headers: { authorization: "Bearer sk-a" } }))).toMatchObject({ status: 401 });
  });

  test("lets calls finish when it goes, begins no new ones, and then closes with 1001; nothing keeps it alive", async () => {
    const gate = createGate();
    await using slow = await createUpstream(async (reply) => {
      const sse = reply.sse().data(chunk({ role: "assistant", content: "all " }));
      await gate.opened;
      sse
        .data(chunk({ content: "of it" }, "stop"))
        .data(usageChunk(1, 2))
        .done();
    });
    await using server = await startServer(withKeys("a").replace(upstream.url, slow.url));
    const headers = { authorization: "Bearer sk-a" };
    await using busy = await openSocket(server.url, { headers });
    await using idle = await openSocket(server.url, { headers });
    busy.send(chatFrame("runs", "good"));
    await until(() => busy.text("runs") === "all ", "it runs");
    server.signal("SIGTERM");
    expect(await idle.closed).toBe(1001);
    busy.send(chatFrame("late", "good"));
    expect(await busy.end("late")).toMatchObject({ error: { code: "draining" }, partial: false, status: 503 });
    expect(busy.ws.readyState).toBe(busy.ws.OPEN);
    gate.open();
    expect(await busy.end("runs")).toMatchObject({ type: "done" });
    expect(busy.text("runs")).toBe("all of it");
    expect(await busy.closed).toBe(1001);
    expect(await server.exit).toBe(0);
    expect(server.complaints()).toBe("");
  });

  test("tells what still runs after its grace that it goes, also those who never answer a closing", async () => {
    await using server = await startServer(withKeys("a").replace("9s", "200ms"));
    await using socket = await openSocket(server.url, { headers: { authorization: "Bearer sk-a" } });
    const deaf = await rawSocket(server.port, ["authorization: Bearer sk-a"]);
    socket.send(chatFrame("runs", "half"));
    await until(() => socket.text("runs") === "half", "it runs");
    server.signal("SIGTERM");
    expect(await socket.end("runs")).toMatchObject({ error: { code: "draining" }, partial: true });
    expect(await socket.closed).toBe(1001);
    expect(await server.exit).toBe(0);
    expect(deaf.seen().code).toBe(1001);
    deaf.leave();
  });
});
