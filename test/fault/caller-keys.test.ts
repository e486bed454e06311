/** K18 to K20, K26, K32 and what this build has nothing to show for: who may come in, and how many. */
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { doorClients } from "../e2e/doors.ts";
import { until } from "../e2e/scene.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { raw } from "./caller-socket.ts";
import { allWays, askRaw, bodyOf, isRest, pathOf, type Protocol } from "./caller-wire.ts";
import { canaries, expectNoSecret } from "./canaries.ts";
import { outcomes } from "./outcome.ts";
import { cell } from "./play.ts";

const narrowKey = "sk-canary-narrow-77";
const config = `
cache: {enabled: false}
auth: {keys: [{name: caller, key: ${canaries.callerKey}}, {name: narrow, key: ${narrowKey}, models: [other]}]}
providers: {sim: {type: simulated, models: [m, other], first_token: 1ms, tokens_per_second: 10000}}
`;

let server: ServerProcess;
beforeAll(async () => {
  server = await startServer(config);
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

const bearer = (key: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${key}` });
type Reason = "CALLER_UNAUTHENTICATED" | "CALLER_FORBIDDEN" | "INVALID_REQUEST";
/** Few enough that nobody is thought to be guessing: ten at once, and one each second. */
const keys: readonly {
  readonly id: string;
  readonly fault: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly model?: string;
  readonly reason: Reason | "answered";
  readonly doors?: readonly Protocol[];
}[] = [
  {
    id: "K18",
    fault: "no key",
    headers: { authorization: "" },
    reason: "CALLER_UNAUTHENTICATED",
    doors: ["REST", "grpc unary", "WebSocket"],
  },
  {
    id: "K18",
    fault: "a wrong key",
    headers: bearer("sk-wrong"),
    reason: "CALLER_UNAUTHENTICATED",
    doors: ["REST", "connect unary", "WebSocket"],
  },
  { id: "K18", fault: "a key with a tail", headers: bearer(`${canaries.callerKey}x`), reason: "CALLER_UNAUTHENTICATED", doors: ["REST"] },
  { id: "K18", fault: "half of a key", headers: bearer(canaries.callerKey.slice(0, -4)), reason: "CALLER_UNAUTHENTICATED", doors: ["SSE"] },
  { id: "K18", fault: "a key of 8 KiB", headers: bearer("k".repeat(8192)), reason: "CALLER_UNAUTHENTICATED", doors: ["REST"] },
  {
    id: "K18",
    fault: "a key that is SQL",
    headers: bearer("' OR 1=1 --"),
    reason: "CALLER_UNAUTHENTICATED",
    doors: ["grpc stream"],
  },
  { id: "K18", fault: "a key in another header", headers: { authorization: "", "x-api-key": canaries.callerKey }, reason: "answered" },
  {
    id: "K18",
    fault: "the same key in two headers",
    headers: { ...bearer(canaries.callerKey), "x-api-key": canaries.callerKey },
    reason: "answered",
  },
  { id: "K18", fault: "two keys", headers: { ...bearer(canaries.callerKey), "x-api-key": narrowKey }, reason: "INVALID_REQUEST" },
  { id: "K20", fault: "a model that is not on the key's list", headers: bearer(narrowKey), reason: "CALLER_FORBIDDEN" },
  {
    id: "K20",
    fault: "a model not on the list by its provider's name",
    headers: bearer(narrowKey),
    model: "sim/m",
    reason: "CALLER_FORBIDDEN",
  },
  { id: "K20", fault: "a model that is on the key's list", headers: bearer(narrowKey), model: "other", reason: "answered" },
];

describe("keys", () => {
  for (const { id, fault, headers, model = "m", reason, doors = allWays } of keys) {
    for (const protocol of doors) {
      cell({ id, fault, protocol }, async () => {
        const end = await askRaw(server.url, protocol, { body: bodyOf(protocol, model), headers });
        if (reason === "answered") return expect([end.http, end.word], end.text).toEqual([200, ""]);
        const row = outcomes[reason];
        if (isRest(protocol)) expect([end.http, end.word], end.text).toEqual([row.http, row.code]);
        else expect([end.grpc, end.word], end.text).toEqual([row.grpc, reason]);
        expectNoSecret(end.text, "a refusal");
      });
    }
  }

  cell({ id: "K18", fault: "a key in the query", protocol: "HTTP/1.1" }, async () => {
    const { text } = await raw(
      server.port,
      `GET /v1/models?key=${canaries.callerKey}&api_key=${canaries.callerKey} HTTP/1.1\r\nhost: localhost\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 401 /);
  });
  cell({ id: "K18", fault: "a key of 64 KiB", protocol: "HTTP/1.1" }, async () => {
    const { text } = await raw(
      server.port,
      `GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${"k".repeat(65_536)}\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe("gRPC-Web", () => {
  const ask = (headers: Readonly<Record<string, string>>, body: string | Uint8Array) =>
    fetch(server.url + pathOf("grpc-web unary"), {
      method: "POST",
      headers: { ...bearer(canaries.callerKey), ...headers },
      body: new Uint8Array(Buffer.from(body)),
    });
  for (const [fault, type, body] of [
    ["base64 with bad padding", "application/grpc-web-text", "AAAAAAA=="],
    ["bytes where base64 is told", "application/grpc-web-text+proto", Buffer.from([0, 0, 0, 0, 1, 255])],
  ] as const) {
    // The text form of gRPC-Web is no part of this build, nor of Connect's: it is told so.
    cell({ id: "K26", fault, protocol: "grpc-web unary" }, async () =>
      expect((await ask({ "content-type": type }, body)).status).toBe(415),
    );
  }
  cell({ id: "K26", fault: "a preflight from a foreign page", protocol: "grpc-web unary" }, async () => {
    const answer = await fetch(server.url + pathOf("grpc-web unary"), {
      method: "OPTIONS",
      headers: {
        origin: "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-grpc-web,authorization",
      },
    });
    expect(answer.status).toBe(403);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
  });
  cell({ id: "K26", fault: "a call from a foreign page", protocol: "grpc-web unary" }, async () => {
    const answer = await ask({ "content-type": "application/grpc-web+json", origin: "https://evil.example" }, "");
    expect(answer.status).toBe(403);
  });
});

describe("crowds", () => {
  const crowd = 10_000;
  cell(
    { id: "K32", fault: `${crowd} idle connections`, protocol: "all doors" },
    async () => {
      const sockets: Socket[] = [];
      let connected = 0;
      for (let i = 0; i < crowd; i++) {
        const socket = connect(server.port, "127.0.0.1", () => connected++);
        socket.on("error", () => {});
        sockets.push(socket);
        if (i % 500 === 499) await until(() => sockets.every(({ connecting }) => !connecting), "they are there", 10_000);
      }
      expect(connected).toBeGreaterThan(crowd * 0.9);
      // Most are told nothing, and some may be sent away; who has something to say is served.
      sockets.pop()?.destroy();
      await until(
        async () =>
          fetch(`${server.url}/health/live`).then(
            ({ ok }) => ok,
            () => false,
          ),
        "health answers",
        15_000,
      );
      // A caller who is told to wait comes again; those who say nothing are gone before long.
      for (const door of doorClients) {
        const isServed = () =>
          door.ask(server.url, { model: "m", headers: bearer(canaries.callerKey) }).then(
            ({ text }) => text !== "",
            () => false,
          );
        await until(isServed, `${door.name} serves`, 30_000);
      }
      const admin = await fetch(`${server.url}/admin/providers`, { headers: bearer(server.adminToken ?? "") });
      expect(admin.status).toBe(200);
      for (const socket of sockets) socket.destroy();
    },
    60_000,
  );

  cell({ id: "K19", fault: "who measures how long wrong keys take is soon told to wait", protocol: "REST" }, async () => {
    const ask = (key: string) => askRaw(server.url, "REST", { body: bodyOf("REST", "m"), headers: bearer(key) });
    const words = new Set<string>();
    for (let i = 0; i < 40; i++) words.add((await ask(`${canaries.callerKey.slice(0, i % 20)}-guess`)).word);
    expect(words).toContain("rate_limit_exceeded");
    await until(async () => (await ask(canaries.callerKey)).http === 200, "the good key is served");
  });
});

describe("afterwards", () => {
  cell({ id: "K18 to K32", fault: "the process goes on, and has quoted nobody", protocol: "process" }, async () => {
    expect(await server.stop()).toBe(0);
    const lines = server.lines.map((line) => JSON.stringify(line)).join("\n");
    expectNoSecret(lines, "the log");
    expect(lines).not.toContain(narrowKey);
    expect(server.lines.filter(({ level }) => level === "error")).toEqual([]);
    expect(server.complaints()).toBe("");
  });
});

describe("rows without a cell", () => {
  cell({ id: "K30", fault: "h2spec", protocol: "HTTP/2" }, { skip: "a suite of its own, for it is built with Go: npm run h2spec" });
  cell(
    { id: "K30", fault: "Connect's conformance suite", protocol: "all doors" },
    { skip: "a suite of its own, for it is built with Go: npm run conformance" },
  );
  cell(
    { id: "K34", fault: "SDKs of other languages against each class", protocol: "REST" },
    { skip: "the tests of this build need Node alone" },
  );
  for (const protocol of ["REST", "grpc unary"])
    cell(
      { id: "K35", fault: "an idempotency key that comes again", protocol },
      { skip: "this build has no idempotency keys; the contract knows none" },
    );
});
