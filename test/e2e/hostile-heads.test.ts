/** Heads that two servers might read in two ways, or that pretend to be something else, are refused, and nothing behind them is served. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as h2 from "../support/raw-http2.ts";
import { type House, openHouse } from "./house.ts";
import { raw } from "./wire.ts";

const secret = "key-of-team";
let house: House;
let calls = 0;
beforeAll(async () => {
  house = await openHouse(`{health: {probe: none}, cache: {enabled: false}, auth: {keys: [{name: team, key: ${secret}}]},
    providers: {sim: {type: simulated, models: [m], first_token: 1ms, tokens_per_second: 10000}}}`);
});
afterAll(() => house[Symbol.asyncDispose]());
beforeEach(() => {
  calls = house.records.length;
});
const served = (): number => house.records.length - calls;

const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });
const authorized = `authorization: Bearer ${secret}\r\ncontent-type: application/json\r\n`;
/** A whole chat, good or with other lines. */
const chat = (more = "", host = "host: localhost\r\n", target = "/v1/chat/completions"): string =>
  `POST ${target} HTTP/1.1\r\n${host}${authorized}${more}content-length: ${body.length}\r\n\r\n${body}`;
const models = (more = "", target = "/v1/models", host = "host: localhost\r\n"): string =>
  `GET ${target} HTTP/1.1\r\n${host}authorization: Bearer ${secret}\r\n${more}\r\n`;
const headers = (count: number): string => Array.from({ length: count }, (_, i) => `x-${i}: y\r\n`).join("");
const send = (bytes: string): Promise<string> => raw(house.port, Buffer.from(bytes, "latin1"));
const statuses = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status ?? "");

describe("over HTTP/1.1", () => {
  test("a good request is served, and so is one in absolute form to the same host", async () => {
    expect(statuses(await send(chat()))).toEqual(["200"]);
    expect(statuses(await send(chat("", "host: localhost:8080\r\n", "http://localhost:8080/v1/chat/completions")))).toEqual(["200"]);
    expect(served()).toBe(2);
  });

  for (const [what, bytes, status] of [
    [
      "101 headers, of which the last is the key",
      `GET /v1/models HTTP/1.1\r\nhost: localhost\r\n${headers(99)}authorization: Bearer ${secret}\r\n\r\n`,
      "431",
    ],
    ["200 headers", models(headers(200)), "431"],
    ["a header above 16 KiB", models(`x: ${"y".repeat(17_000)}\r\n`), "431"],
    ["a folded header", models("x-a: b\r\n c\r\n"), "400"],
    ["a space before the colon", models("x-a : b\r\n"), "400"],
    ["a NUL in a header", models("x-a: b\0c\r\n"), "400"],
    ["a bare CR in a header", models("x-a: b\rc\r\n"), "400"],
    ["two hosts", models("host: localhost\r\n"), "400"],
    ["no host", models("", "/v1/models", ""), "400"],
    ["a host with a path", models("", "/v1/models", "host: x/#@y\r\n"), "400"],
    ["a host with somebody in it", models("", "/v1/models", "host: me@localhost\r\n"), "400"],
    ["a host with a space", models("", "/v1/models", "host: local host\r\n"), "400"],
    ["a host of two", models("", "/v1/models", "host: a, b\r\n"), "400"],
    ["a port that is none", models("", "/v1/models", "host: localhost:http\r\n"), "400"],
    ["an absolute form with another host", chat("", "host: localhost\r\n", "http://evil.example/v1/chat/completions"), "400"],
    [
      "a length and chunks",
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${authorized}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${models()}`,
      "400",
    ],
    [
      "chunks and a length",
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${authorized}transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n${models()}`,
      "400",
    ],
    ["two transfer encodings", chat("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n") + models(), "400"],
    [
      "a transfer encoding that is none",
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${authorized}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${models()}`,
      "400",
    ],
    [
      "a transfer encoding behind a tab",
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${authorized}transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n${models()}`,
      "400",
    ],
    ["two lengths", chat("content-length: 0\r\n") + models(), "400"],
    [
      "a length with a sign",
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${authorized}content-length: +5\r\n\r\nhello${models()}`,
      "400",
    ],
    [
      "a length of two",
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${authorized}content-length: 5, 5\r\n\r\nhello${models()}`,
      "400",
    ],
    [
      "a chunk size with a sign",
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${authorized}transfer-encoding: chunked\r\n\r\n-1\r\n\r\n${models()}`,
      "400",
    ],
    ["bare line feeds", "GET /v1/models HTTP/1.1\nhost: localhost\n\n", "400"],
    [
      "a bare line feed behind a chunk",
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${authorized}transfer-encoding: chunked\r\n\r\n2\r\nhi\n0\r\n\r\n${models()}`,
      "400",
    ],
    ["no version", "GET /v1/models\r\n\r\n", "400"],
  ] as const) {
    test(`${what} is ${status} and the end; what comes behind is not served`, async () => {
      const text = await send(bytes);
      expect(statuses(text)).toEqual([status]);
      expect(text).toMatch(/connection: close/i);
      expect(text).not.toContain(secret);
      expect(served()).toBe(0);
    });
  }

  for (const [method, target, status] of [
    ["TRACE", "/v1/models", "405"],
    ["TRACE", "/semaroute.v1.RouterService/Chat", "405"],
    ["CONNECT", "localhost:443", "405"],
    ["PUT", "/v1/chat/completions", "405"],
    ["GET", "/v1/chat/completions", "405"],
    ["HEAD", "/v1/models", "200"],
    ["OPTIONS", "/v1/models", "405"],
    ["OPTIONS", "*", "404"],
    ["BREW", "/v1/models", "400"],
  ] as const) {
    test(`${method} ${target} is ${status}`, async () => {
      const text = await send(
        `${method} ${target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${secret}\r\nconnection: close\r\n\r\n`,
      );
      expect(statuses(text)).toEqual([status]);
      if (status === "405") expect(text).toMatch(/^allow: \S/im);
      // A TRACE would give back the key.
      expect(text).not.toContain(secret);
    });
  }

  for (const target of [
    "//v1/models",
    "/v1//models",
    "/v1/models/",
    "/V1/models",
    "/v1/MODELS",
    "/v1/%6dodels",
    "/v1%2fmodels",
    "/x/../v1/models",
    "/v1/./models",
    "/v1/models;a=b",
    "/%2e%2e/v1/models",
    "/semaroute.v1.RouterService/../v1/models",
    "/v1/models%00",
    "/v1/models%20",
    "/v1/../admin/providers",
    "/admin/../admin/providers",
    "/admin/x/../providers",
    "/admin/%2e%2E/admin/providers",
    "/admin/providers/.",
    "/admin\\providers",
    "/admin/providers\\sim",
    "/ADMIN/providers",
    "/admin//providers",
    "//admin/providers",
    "/%61dmin/providers",
    "/v1/chat/completions/../../../admin/policy",
  ]) {
    test(`${target} is nothing that is here`, async () =>
      expect(statuses(await send(models("connection: close\r\n", target)))).toEqual(["404"]));
  }

  test("a path with dots below /v1/models/ is a name that is not known, and no way out", async () => {
    const text = await send(models("connection: close\r\n", "/v1/models/../../admin/providers"));
    expect(text).toMatch(/^HTTP\/1\.1 404 [^]*"code":"model_not_found"/);
  });

  test("names of internal headers change nothing", async () => {
    const spoofed = [
      "x-forwarded-for: 10.0.0.1",
      "x-semaroute-provider: other",
      "x-semaroute-cost-usd: 0",
      "x-real-ip: ::1",
      "x-http-method-override: DELETE",
      "__proto__: x",
      "constructor: y",
    ];
    const text = await send(chat(`${spoofed.join("\r\n")}\r\nconnection: close\r\n`));
    expect(text).toMatch(/^HTTP\/1\.1 200 [^]*x-semaroute-provider: sim/);
    expect(Reflect.get({}, "x")).toBeUndefined();
  });

  for (const id of ["a\u00e9b", "x".repeat(10_240), "a b", "a,b"]) {
    test(`a request id such as ${JSON.stringify(id.slice(0, 10))} is not taken over`, async () => {
      const text = await send(models(`x-request-id: ${id}\r\nconnection: close\r\n`));
      const [, told] = /^x-request-id: (.*)$/im.exec(text) ?? [];
      expect(told).toMatch(/^[0-9a-f-]{36}$/);
    });
  }

  test("two request ids are none", async () => {
    const text = await send(models("x-request-id: a\r\nx-request-id: b\r\nconnection: close\r\n"));
    expect(text).toMatch(/^x-request-id: [0-9a-f-]{36}\r$/im);
  });
});

describe("over HTTP/2", () => {
  const call = (fields: readonly (readonly [string, string])[], bytes: string) => {
    const all = [...h2.post("/v1/chat/completions", "application/json"), ["authorization", `Bearer ${secret}`] as const, ...fields];
    return Buffer.concat([h2.headers(1, all, h2.flag.endHeaders), h2.data(1, Buffer.from(bytes), h2.flag.endStream)]);
  };

  for (const [what, frames] of [
    ["a length that is more than what comes", call([["content-length", "1000"]], body)],
    ["a length that is less than what comes", call([["content-length", "10"]], body)],
    ["a transfer encoding", call([["transfer-encoding", "chunked"]], body)],
    ["a connection header", call([["connection", "close"]], body)],
    ["a name in capitals", call([["X-A", "b"]], body)],
    ["a pseudo-header at the end", call([[":path", "/admin/policy"]], body)],
    ["two paths", h2.headers(1, [...h2.get("/v1/models"), [":path", "/admin/policy"]])],
    [
      "no path",
      h2.headers(
        1,
        h2.get("").filter(([name]) => name !== ":path"),
      ),
    ],
  ] as const) {
    test(`${what} is refused, if not with its whole connection`, async () => {
      using connection = await h2.rawHttp2(house.port);
      connection.send(frames, h2.headers(3, h2.get("/health/live")));
      const end = await connection.until(({ type }) => type === h2.type.rstStream || type === h2.type.goaway);
      if (end.type === h2.type.goaway) expect([h2.errorCode.protocol, h2.errorCode.internal]).toContain(h2.goaway(end).code);
      else {
        expect([end.stream, end.payload.readUInt32BE()]).toEqual([1, h2.errorCode.protocol]);
        await connection.until(({ type, stream }) => type === h2.type.headers && stream === 3);
      }
      expect(served()).toBe(0);
    });
  }

  for (const [what, name, value] of [
    ["a line break in a value", "x-request-id", "b\r\nx-evil: 1"],
    ["a NUL in a value", "x-request-id", "b\0c"],
    ["a colon in a name", "x:request-id", "b"],
  ] as const) {
    test(`a header with ${what} is left out, and the request is served without it`, async () => {
      using connection = await h2.rawHttp2(house.port);
      connection.send(call([[name, value]], body));
      const head = await connection.until(({ type }) => type === h2.type.headers);
      await connection.until(({ type, flags }) => type === h2.type.data && flags === h2.flag.endStream);
      expect(head.payload.toString("latin1")).not.toContain("evil");
      expect([served(), house.records.at(-1)?.call.requestId]).toEqual([1, house.records.at(-1)?.call.id]);
    });
  }

  for (const [what, fields] of [
    ["another host than its authority", [["host", "evil.example"]]],
    [
      "two hosts",
      [
        ["host", "localhost"],
        ["host", "localhost"],
      ],
    ],
  ] as const) {
    test(`${what} is refused`, async () => {
      using connection = await h2.rawHttp2(house.port);
      connection.send(call(fields, body));
      await connection.until(({ type }) => type === h2.type.data || type === h2.type.rstStream);
      await connection.settled();
      const text = connection.frames.map(({ payload }) => payload.toString("latin1")).join("");
      const reset = connection.frames.some(({ type }) => type === h2.type.rstStream);
      expect(reset || text.includes("names more than one host")).toBe(true);
      expect(served()).toBe(0);
    });
  }
});
