/** Whatever bytes arrive on the port, the process goes on, and quotes none of them. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClients } from "./doors.ts";
import { frame, grpc, post, raw } from "./wire.ts";

const canary = "canary7f3a";
const told: string[] = [];
let server: ServerProcess;
beforeAll(async () => {
  server = await startServer("providers: {sim: {type: simulated, models: [m], first_token: 1ms, tokens_per_second: 10000}}\n");
});
afterAll(() => server[Symbol.asyncDispose]());

describe("a socket with", () => {
  const send = async (bytes: string | Uint8Array, wanted: RegExp): Promise<string> => {
    // Where silence is right, it is not waited for long; an answer may take its time.
    const text = await raw(server.port, bytes, wanted.test("") ? 300 : 10_000);
    told.push(text);
    return text;
  };
  test.concurrent.each([
    ["garbage", `${canary} is not HTTP\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ["TLS", Buffer.from([0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]), /^HTTP\/1\.1 400 |^$/],
    ["huge headers", `GET /health HTTP/1.1\r\nhost: x\r\nx-${canary}: ${"y".repeat(40_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ["too long a path", `GET /${"y".repeat(40_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, /^HTTP\/1\.1 4\d\d /],
    ["two lengths", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["a length and chunks", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["half a head and silence", "POST /v1/chat/completions HT", /^$/],
    [
      "half a body and silence",
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${canary}-key\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"model`,
      /^$/,
    ],
    ["half a preface of HTTP/2", "PRI * HTTP/2.0\r\n\r", /^$/],
    ["HTTP/2 and then garbage", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${canary.repeat(9)}`, /^[^]*$/],
    ["a bad host", "GET /semaroute.v1.RouterService/ListModels HTTP/1.1\r\nhost: [::\r\n\r\n", /^HTTP\/1\.1 4\d\d /],
  ] as const)("%s is no trouble", async (_what, bytes, wanted) => expect(await send(bytes, wanted)).toMatch(wanted));
});

describe("JSON that is too deep", () => {
  const deep = `{"model":"m","messages":[{"role":"ROLE_USER","text":"hi"}],"nobody_knows_it":${"[".repeat(64)}${"]".repeat(64)}}`;
  const path = "/semaroute.v1.RouterService/StreamChat";

  test("is refused by streams of Connect and gRPC-Web in their last frame", async () => {
    const connect = await post(server.url + path, frame(deep), { "content-type": "application/connect+json" });
    expect(connect.text).toContain('"code":"invalid_argument"');
    const web = await post(server.url + path, frame(deep), { "content-type": "application/grpc-web+json" });
    expect(web.text.toLowerCase()).toMatch(/grpc-status"?: ?"?3/);
  });

  test("is refused when it is compressed, too", async () => {
    const sent = frame(gzipSync(deep), { flags: 1 });
    expect((await grpc(server.url, path, sent, { "content-type": "application/grpc+json", "grpc-encoding": "gzip" })).code).toBe("3");
    const unary = await post(`${server.url}/semaroute.v1.RouterService/Chat`, gzipSync(deep), { "content-encoding": "gzip" });
    expect([unary.status, unary.code]).toEqual([400, "invalid_argument"]);
  });
});

test("after all this every door answers, and nobody was quoted", async () => {
  for (const door of doorClients) expect((await door.ask(server.url, { model: "m" })).text).toContain("hello");
  expect(await server.stop()).toBe(0);
  expect(told.filter((text) => text.includes(canary))).toEqual([]);
  expect(server.lines.filter((line) => line["level"] !== "info" || JSON.stringify(line).includes(canary))).toEqual([]);
  expect(server.complaints()).toBe("");
});
