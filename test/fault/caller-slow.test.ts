/** K05 to K07: callers who take their time, in a house whose bounds are a hundredth of the product's. K24: callers who have none. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { openHouse, type House } from "../e2e/house.ts";
import { boundsDefault } from "../../src/server/bounds.ts";
import { doorClients, refusal } from "../e2e/doors.ts";
import { soon, until } from "../e2e/scene.ts";
import { block, data, flag, frame, headers, post, preface, rawHttp2, settingsFrame, type } from "../support/raw-http2.ts";
import { chunk, completion } from "../support/scripted-upstream.ts";
import { grantedMs, phases } from "./caller-leaving.ts";
import { allWays, askRaw, bodyOf, isRest, pathOf, type Protocol, typeOf } from "./caller-wire.ts";
import { canaries } from "./canaries.ts";
import { cell } from "./play.ts";
import { createFaultScene, expectAllClean, type FaultScene, wellSaid } from "./scene.ts";
import { always, answer, chunked, endedStream, event, json, repeat, sleep, sseHead, write } from "./steps.ts";
import { createScriptedUpstream, type ScriptedUpstream } from "./upstream.ts";

const hurry = 50;
const bounds = {
  headersMs: boundsDefault.headersMs / hurry,
  requestMs: boundsDefault.requestMs / hurry,
  readerStallMs: boundsDefault.readerStallMs / hurry,
  sweepMs: boundsDefault.sweepMs / hurry,
};

/** Bytes, and at which pace; what must come back before the end, and how soon the end. */
interface SlowCaller {
  readonly id: string;
  readonly fault: string;
  readonly protocol: string;
  /** At once. */
  readonly first: Uint8Array;
  /** And then again and again, every 20 ms, until the end. */
  readonly drip?: Uint8Array;
  readonly told: RegExp;
  readonly withinMs: number;
}

const body = bodyOf("REST", "m");
const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length + 5000}\r\n`;
const fields = post(pathOf("grpc stream"), typeOf("grpc stream"));
const hello = Buffer.concat([preface, settingsFrame()]);
const slow: readonly SlowCaller[] = [
  {
    id: "K06",
    fault: "a head that comes letter by letter",
    protocol: "HTTP/1.1",
    first: Buffer.from(head),
    drip: Buffer.from("x"),
    told: /^HTTP\/1\.1 408 /,
    withinMs: bounds.headersMs,
  },
  {
    id: "K06",
    fault: "a body that comes letter by letter",
    protocol: "HTTP/1.1",
    first: Buffer.from(`${head}\r\n`),
    drip: Buffer.from("{"),
    told: /^HTTP\/1\.1 408 /,
    withinMs: bounds.requestMs,
  },
  {
    id: "K06",
    fault: "a connection that says nothing",
    protocol: "HTTP/1.1",
    first: Buffer.alloc(0),
    told: /^$/,
    withinMs: bounds.headersMs,
  },
  { id: "K07", fault: "half of the preface", protocol: "HTTP/2", first: preface.subarray(0, 10), told: /^$/, withinMs: bounds.headersMs },
  { id: "K07", fault: "a preface, and nothing more", protocol: "HTTP/2", first: hello, told: /[^]*/, withinMs: bounds.headersMs },
  {
    id: "K07",
    fault: "headers without their end",
    protocol: "HTTP/2",
    first: Buffer.concat([hello, frame(type.headers, 0, 1, block(fields))]),
    told: /[^]*/,
    withinMs: bounds.headersMs,
  },
];

describe("callers who are slow", () => {
  let house: House;
  let upstream: ScriptedUpstream;
  beforeAll(async () => {
    upstream = await createScriptedUpstream(always(write(sseHead()), repeat(chunked(event(chunk({ content: "x".repeat(16_384) }))))));
    house = await openHouse(
      `{health: {probe: none}, providers: {host: {type: openai_compatible, base_url: "http://127.0.0.1:${upstream.port}/v1", models: [m]}}}`,
      bounds,
    );
  });
  afterAll(async () => {
    await house[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  for (const { id, fault, protocol, first, drip, told, withinMs } of slow) {
    cell({ id, fault, protocol }, async () => {
      const calls = upstream.requests.length;
      const socket = connect(house.port, "127.0.0.1");
      let text = "";
      let over = false;
      socket.on("data", (bytes) => (text += bytes.toString("latin1")));
      socket.on("error", () => {});
      socket.on("close", () => (over = true));
      socket.write(first);
      const timer = setInterval(() => drip !== undefined && socket.writable && socket.write(drip), 20);
      const ms = await until(() => over, "the server has ended the connection", withinMs + 5000).finally(() => clearInterval(timer));
      expect(ms).toBeGreaterThan(withinMs / 2);
      expect(text).toMatch(told);
      expect(upstream.requests.length - calls, "upstream calls").toBe(0);
    });
  }

  for (const protocol of ["grpc stream", "connect stream", "SSE"] as const satisfies readonly Protocol[]) {
    cell(
      { id: "K07", fault: "headers, and no body after them", protocol: `${protocol} by HTTP/2` },
      { skip: "takes a minute; shown with a clock that can be moved: test/server/rpc/arriving.test.ts, test/server/body.test.ts" },
    );
  }

  for (const protocol of ["SSE", "grpc stream", "connect stream"] as const satisfies readonly Protocol[]) {
    cell({ id: "K05", fault: "an answer of which nothing is taken", protocol: `${protocol} by HTTP/2` }, async () => {
      using peer = await rawHttp2(house.port, [[4, 0]]);
      const asked = bodyOf(protocol, "m");
      const framed = protocol === "SSE" ? Buffer.from(asked) : Buffer.concat([Buffer.from([0, 0, 0, 0, asked.length]), Buffer.from(asked)]);
      peer.send(headers(1, post(pathOf(protocol), typeOf(protocol)), flag.endHeaders), data(1, framed, flag.endStream));
      await until(() => upstream.connections.some(({ closedMs }) => closedMs === undefined), "it has begun");
      await until(
        () => upstream.connections.every(({ closedMs }) => closedMs !== undefined),
        "the upstream connection is closed",
        bounds.readerStallMs + 5000,
      );
      expect(house.records.at(-1)?.error?.failure).toBe("CANCELLED");
      await until(() => house.gateway.running() === 0, "the call is over");
    });
  }

  cell({ id: "K05 to K07", fault: "afterwards nothing runs", protocol: "process" }, async () => {
    expect(house.gateway.running()).toBe(0);
    expect(house.bugs).toEqual([]);
  });
});

/** What a caller says of its time, by each protocol's own header and by ours. */
const wishes: readonly {
  readonly fault: string;
  readonly header: (protocol: Protocol) => readonly [string, string] | undefined;
  readonly told: "answered" | "INVALID_REQUEST" | "DEADLINE_EXCEEDED";
  readonly model: "slow" | "never";
}[] = [
  { fault: "a millisecond", header: () => ["x-semaroute-timeout-ms", "1"], told: "DEADLINE_EXCEEDED", model: "never" },
  { fault: "no time at all", header: () => ["x-semaroute-timeout-ms", "0"], told: "INVALID_REQUEST", model: "slow" },
  { fault: "less than no time", header: () => ["x-semaroute-timeout-ms", "-1"], told: "INVALID_REQUEST", model: "slow" },
  { fault: "a time that is no number", header: () => ["x-semaroute-timeout-ms", "soon"], told: "INVALID_REQUEST", model: "slow" },
  {
    fault: "a number that no number holds",
    header: () => ["x-semaroute-timeout-ms", "99999999999999999999"],
    told: "INVALID_REQUEST",
    model: "slow",
  },
  {
    fault: "25 days, which is more than a timer holds",
    header: () => ["x-semaroute-timeout-ms", "2160000000"],
    told: "answered",
    model: "slow",
  },
  { fault: "99,999,999 hours", header: own("99999999H", "9999999999"), told: "answered", model: "slow" },
  { fault: "600 hours", header: own("600H", "2160000000"), told: "answered", model: "slow" },
  { fault: "300 ms", header: own("300m", "300"), told: "DEADLINE_EXCEEDED", model: "never" },
  { fault: "a deadline that is no number", header: own("soon", "soon"), told: "INVALID_REQUEST", model: "slow" },
  { fault: "a deadline below zero", header: own("-1S", "-1"), told: "INVALID_REQUEST", model: "slow" },
  { fault: "a deadline of nine digits", header: own("123456789m", "12345678901"), told: "INVALID_REQUEST", model: "slow" },
];

function own(grpc: string, connectMs: string) {
  return (protocol: Protocol): readonly [string, string] | undefined => {
    if (protocol.startsWith("grpc")) return ["grpc-timeout", grpc];
    return protocol.startsWith("connect") ? ["connect-timeout-ms", connectMs] : undefined;
  };
}

describe("K24: deadlines", () => {
  let scene: FaultScene;
  const inTime = phases.filter(({ at, held }) => at !== "black hole" && held === undefined);
  beforeAll(async () => {
    const slowly = answer(({ streamed }) => [
      sleep(200),
      streamed ? endedStream(event(chunk({ content: wellSaid }, "stop")), event("[DONE]")) : write(json(completion(wellSaid))),
    ]);
    scene = await createFaultScene({
      faulty: [
        { name: "slow", script: [slowly], models: ["slow"] },
        ...inTime.map(({ name, script, settings, at }) => ({
          name,
          script,
          settings,
          models: doorClients.map((_, nth) => `${name}-${nth}`),
          baseUrl: at === undefined ? undefined : (port: number) => `https://127.0.0.1:${port}`,
        })),
      ],
      shared: [],
      timeouts: "connect: 30s, first_token: 30s, idle: 30s, progress: 30s, total: 60s",
    });
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  for (const { fault, header, told, model } of wishes) {
    for (const protocol of allWays) {
      const given = header(protocol);
      if (given === undefined) continue;
      cell({ id: "K24", fault, protocol }, async () => {
        const asked = model === "slow" ? "slow/slow" : "unanswered/unanswered-0";
        const end = await askRaw(scene.url, protocol, { body: bodyOf(protocol, asked), headers: { [given[0]]: given[1] } });
        const word = told === "answered" ? "" : isRest(protocol) ? told.toLowerCase() : told;
        expect(end.word, end.text).toBe(word);
        if (told === "answered") expect(end.text).toContain(wellSaid);
      });
    }
  }

  for (const phase of inTime) {
    for (const door of doorClients) {
      if (phase.only !== undefined && door.streamed !== (phase.only === "streamed")) continue;
      cell({ id: "K24", fault: `the deadline comes ${phase.when}`, protocol: door.name }, async () => {
        const upstream = scene.upstream(phase.name);
        const hurried = { ...scene.headers, "x-semaroute-timeout-ms": "400" };
        const question = { content: canaries.prompt, temperature: phase.temperature, headers: hurried };
        const startMs = performance.now();
        const refused = await refusal(
          door.ask(scene.url, { ...question, model: `${phase.name}/${phase.name}-${doorClients.indexOf(door)}` }),
        );
        // Where the pause before another attempt would outlive the deadline, the answer is known already.
        expect(refused.word.toUpperCase()).toBe(
          phase.name === "pausing" ? (door.rest ? "UPSTREAM_RATE_LIMITED" : "RATE_LIMITED") : "DEADLINE_EXCEEDED",
        );
        expect(performance.now() - startMs).toBeLessThan(400 + grantedMs);
        if (phase.idle === undefined)
          await until(
            () => upstream.connections.every(({ closedMs }) => closedMs !== undefined),
            "the upstream connection is closed",
            grantedMs,
          );
        await soon();
      });
    }
  }

  cell(
    { id: "K24", fault: "nothing in flight, nothing held, nothing told", protocol: "process" },
    () => expectAllClean(scene, ["slow", ...inTime.map(({ name }) => name)]),
    40_000,
  );
});
