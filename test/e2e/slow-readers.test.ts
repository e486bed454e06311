/** A caller who does not read makes the upstream wait, costs little, and is not waited for without end; by every door. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as h2 from "../support/raw-http2.ts";
import { chunk, completion } from "../support/scripted-upstream.ts";
import { opcode, rawSocket, wsFrame } from "../support/raw-websocket.ts";
import { type House, openHouse } from "./house.ts";
import { frame } from "./wire.ts";

/** Bytes of one event of the upstream. */
const piece = "x".repeat(4096);
/** What may lie in kernels between the upstream and a caller who reads nothing: four socket buffers of this machine. */
const kernelBytes = 32e6;

/** Streams without end, as fast as it is read; answers whole with as much as fits. */
let upstream: Server;
let sent = 0;
let closed = 0;
/** Answers that the upstream has not ended or lost yet. */
let open = 0;
let patient: House;
let strict: House;
beforeAll(async () => {
  upstream = createServer((request, response) => {
    let body = "";
    open++;
    response.on("close", () => {
      open--;
      closed++;
    });
    response.on("error", () => {});
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      if (!body.includes('"stream":true')) {
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(completion("y".repeat(24e6))));
        return;
      }
      response.setHeader("content-type", "text/event-stream");
      const event = `data: ${JSON.stringify(chunk({ content: piece }))}\n\n`;
      const pour = (): void => {
        while (!response.destroyed) {
          sent += event.length;
          if (!response.write(event)) return;
        }
      };
      response.on("drain", pour);
      pour();
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  const config = `{health: {probe: none}, server: {heartbeat: 50ms}, cache: {enabled: false},
    providers: {host: {type: openai_compatible, base_url: "http://127.0.0.1:${port}/v1", models: [m]}}}`;
  strict = await openHouse(config, { readerStallMs: 600, sweepMs: 20 });
  patient = await openHouse(config);
});
afterAll(async () => {
  await strict[Symbol.asyncDispose]();
  await patient[Symbol.asyncDispose]();
  upstream.closeAllConnections();
  upstream.close();
});
beforeEach(async () => {
  // A call is over a moment before its upstream hears of it.
  await expect.poll(() => open, { timeout: 10_000 }).toBe(0);
  sent = 0;
  closed = 0;
});

const rest = (stream: boolean): string => JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }], stream });
const rpc = JSON.stringify({ model: "m", messages: [{ role: "ROLE_USER", text: "hi" }] });
const service = "/semaroute.v1.RouterService/";

interface Way {
  readonly name: string;
  readonly path: string;
  readonly type: string;
  readonly body: string | Buffer;
}

const streams: readonly Way[] = [
  { name: "SSE", path: "/v1/chat/completions", type: "application/json", body: rest(true) },
  { name: "gRPC-Web stream", path: `${service}StreamChat`, type: "application/grpc-web+json", body: frame(rpc) },
  { name: "Connect stream", path: `${service}StreamChat`, type: "application/connect+json", body: frame(rpc) },
];
const grpcStream: Way = { name: "gRPC stream", path: `${service}StreamChat`, type: "application/grpc+json", body: frame(rpc) };
const whole: readonly Way[] = [
  { name: "REST", path: "/v1/chat/completions", type: "application/json", body: rest(false) },
  { name: "Connect unary", path: `${service}Chat`, type: "application/json", body: rpc },
  { name: "gRPC-Web unary", path: `${service}Chat`, type: "application/grpc-web+json", body: frame(rpc) },
];
const grpcWhole: Way = { name: "gRPC unary", path: `${service}Chat`, type: "application/grpc+json", body: frame(rpc) };

/** Asks by HTTP/1.1 and reads nothing. */
function askByOne(house: House, { path, type, body }: Way) {
  const socket = connect(house.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`);
  socket.write(body);
  return { leave: () => void socket.resetAndDestroy() };
}

/** Asks by HTTP/2, and lets nothing be sent but heads. */
async function askByTwo(house: House, { path, type, body }: Way) {
  const raw = await h2.rawHttp2(house.port, [[4, 0]]);
  raw.send(h2.headers(1, h2.post(path, type), h2.flag.endHeaders), h2.data(1, Buffer.from(body), h2.flag.endStream));
  return { raw, leave: () => raw.send(h2.rstStream(1)) };
}

/** Asks by WebSocket, as many times as it is told, and reads nothing. */
async function askBySocket(house: House, calls: number) {
  const socket = await rawSocket(house.port);
  socket.stopReading();
  for (let id = 0; id < calls; id++)
    await socket.send(
      wsFrame(opcode.text, `{"type":"chat","id":${id},"request":{"model":"m","messages":[{"role":"user","content":"hi"}]}}`),
    );
  return socket;
}

const isOver = (house: House) => expect.poll(() => [house.gateway.running(), house.bugs], { timeout: 10_000 });
/** The upstream has stopped pouring. */
async function untilStill(): Promise<number> {
  let before = 0;
  await expect
    .poll(
      () => {
        const poured = sent - before;
        before = sent;
        return before > 0 && poured === 0;
      },
      { interval: 150, timeout: 10_000 },
    )
    .toBe(true);
  return sent;
}

describe.each([...streams.map((way) => ({ way, version: 1 })), ...[...streams, grpcStream].map((way) => ({ way, version: 2 }))])(
  "$way.name by HTTP/$version",
  ({ way, version }) => {
    const ask = (house: House) => (version === 1 ? askByOne(house, way) : askByTwo(house, way));

    test("stops the upstream while nobody reads, and ends the call when its caller leaves", async () => {
      const before = patient.records.length;
      const { leave } = await ask(patient);
      expect(await untilStill()).toBeLessThan(kernelBytes);
      expect([patient.gateway.running(), closed]).toEqual([1, 0]);
      leave();
      await isOver(patient).toEqual([0, []]);
      await expect.poll(() => closed).toBe(1);
      expect(patient.records.slice(before)).toMatchObject([{ error: { failure: "CANCELLED", message: "the caller left" } }]);
    });

    test("is ended where the reader stays and takes nothing", async () => {
      const before = strict.records.length;
      const { leave } = await ask(strict);
      await expect.poll(() => closed, { timeout: 15_000 }).toBe(1);
      await isOver(strict).toEqual([0, []]);
      expect(strict.records.slice(before)).toMatchObject([{ error: { failure: "CANCELLED", code: "reader_stalled" } }]);
      leave();
    });
  },
);

describe.each([...whole.map((way) => ({ way, version: 1 })), ...[...whole, grpcWhole].map((way) => ({ way, version: 2 }))])(
  "$way.name by HTTP/$version",
  ({ way, version }) => {
    test("gives up an answer that nobody reads", async () => {
      if (version === 1) {
        const before = strict.listener.connections();
        const { leave } = askByOne(strict, way);
        await expect.poll(() => closed, { timeout: 10_000 }).toBe(1);
        await expect.poll(() => strict.listener.connections(), { timeout: 10_000 }).toBe(before);
        leave();
      } else {
        const { raw } = await askByTwo(strict, way);
        const reset = await raw.until(({ type }) => type === h2.type.rstStream);
        expect([reset.stream, reset.payload.readUInt32BE()]).toEqual([1, h2.errorCode.cancel]);
        raw.socket.destroy();
      }
      await strict.listener.quiet();
      await isOver(strict).toEqual([0, []]);
    });
  },
);

describe.each([1, 20])("%i calls by one WebSocket", (calls) => {
  test("stop their upstreams while nobody reads, and end when their caller leaves", async () => {
    const before = patient.records.length;
    const socket = await askBySocket(patient, calls);
    await expect.poll(() => patient.gateway.running()).toBe(calls);
    expect(await untilStill()).toBeLessThan(calls * kernelBytes);
    expect([patient.gateway.running(), closed]).toEqual([calls, 0]);
    socket.leave();
    await isOver(patient).toEqual([0, []]);
    await expect.poll(() => closed).toBe(calls);
    const left = { error: { failure: "CANCELLED", message: "the caller left" } };
    expect(patient.records.slice(before)).toMatchObject(Array.from({ length: calls }, () => left));
  });

  test("are ended where the reader stays and takes nothing", async () => {
    const before = strict.records.length;
    const connections = strict.listener.connections();
    const socket = await askBySocket(strict, calls);
    await expect.poll(() => closed, { timeout: 15_000 }).toBe(calls);
    await isOver(strict).toEqual([0, []]);
    const stalled = { error: { failure: "CANCELLED", code: "reader_stalled" } };
    expect(strict.records.slice(before)).toMatchObject(Array.from({ length: calls }, () => stalled));
    await expect.poll(() => strict.listener.connections()).toBe(connections);
    socket.leave();
  });

  test("go on as soon as somebody reads", async () => {
    const socket = await askBySocket(patient, calls);
    await untilStill();
    const still = sent;
    socket.readOn();
    await expect.poll(() => sent, { timeout: 10_000 }).toBeGreaterThan(still);
    await expect.poll(() => socket.received()).toBeGreaterThan(1e6);
    socket.leave();
    await isOver(patient).toEqual([0, []]);
  });
});

test("one stream that nobody reads holds up none of its connection's others", async () => {
  const raw = await h2.rawHttp2(patient.port, [[4, 0]]);
  using _ = raw;
  raw.send(h2.headers(1, h2.post(grpcStream.path, grpcStream.type), h2.flag.endHeaders));
  raw.send(h2.data(1, Buffer.from(grpcStream.body), h2.flag.endStream));
  await untilStill();
  raw.send(h2.headers(3, h2.get("/health/live")), h2.windowUpdate(3, 1000));
  const answer = await raw.until(({ type, stream }) => type === h2.type.data && stream === 3);
  expect(answer.payload.toString()).toContain("alive");
  raw.send(h2.rstStream(1));
  await isOver(patient).toEqual([0, []]);
});
