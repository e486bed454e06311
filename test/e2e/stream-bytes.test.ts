/** What streams look like on the wire, by every door: signs of life only between events, nothing compressed, nothing behind an error. */
import { connect as connectH2 } from "node:http2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunk, usageChunk, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { createScene, type Scene, soon } from "./scene.ts";
import { frame } from "./wire.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await createScene({ serverSettings: "heartbeat: 60ms" });
});
afterAll(() => scene[Symbol.asyncDispose]());

const silenceMs = 200;
/** Silent before the head, before the first content and in the middle of an event; then good, or broken off. */
const plays =
  (isGood: boolean): UpstreamHandler =>
  async (reply) => {
    await soon(silenceMs);
    const sse = reply.sse().data(chunk({ role: "assistant", content: "" }));
    await soon(silenceMs);
    const event = `data: ${JSON.stringify(chunk({ content: "first" }))}\n\n`;
    sse.raw(event.slice(0, 20));
    await soon(silenceMs);
    sse.raw(event.slice(20));
    await soon(silenceMs);
    if (isGood)
      sse
        .data(chunk({ content: " last" }, "stop"))
        .data(usageChunk(1, 2))
        .done();
    else reply.reset();
  };

/** What compresses whoever may. */
const willing = {
  "accept-encoding": "gzip, br, deflate, zstd",
  "grpc-accept-encoding": "gzip, identity",
  "connect-accept-encoding": "gzip, br",
};

interface Raw {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

function ask(model: string, { path, type, body, version }: Door): Promise<Raw> {
  const bytes = Buffer.from(body(model));
  if (version === 1) {
    return (async () => {
      const response = await fetch(scene.url + path, {
        method: "POST",
        headers: { "content-type": type, ...willing },
        body: new Uint8Array(bytes),
      });
      return { headers: Object.fromEntries(response.headers), body: Buffer.from(await response.arrayBuffer()) };
    })();
  }
  return new Promise((resolve, reject) => {
    const session = connectH2(scene.url);
    session.on("error", reject);
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": type, te: "trailers", ...willing });
    const parts: Buffer[] = [];
    let headers = {};
    stream.on("response", (given) => (headers = { ...given }));
    stream.on("trailers", (given) => (headers = { ...headers, ...given }));
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("error", reject);
    stream.on("close", () => {
      session.destroy();
      resolve({ headers, body: Buffer.concat(parts) });
    });
    stream.end(bytes);
  });
}

interface Door {
  readonly name: string;
  readonly version: 1 | 2;
  readonly path: string;
  readonly type: string;
  readonly body: (model: string) => string | Buffer;
  /** The stream's words: `heartbeat`, the content's text, `end`, `error`. */
  readonly words: (body: Buffer, headers: Raw["headers"]) => string[];
}

const rpc = (model: string): Buffer => frame(JSON.stringify({ model, messages: [{ role: "ROLE_USER", text: "hi" }] }));
const streamPath = "/semaroute.v1.RouterService/StreamChat";

function wordsOfSse(body: Buffer): string[] {
  const text = body.toString();
  expect(text.endsWith("\n\n")).toBe(true);
  return text
    .slice(0, -2)
    .split("\n\n")
    .flatMap((event) => {
      if (event === ": keep-alive") return ["heartbeat"];
      expect(event).toMatch(/^data: [^\n]+$/);
      const data = event.slice("data: ".length);
      if (data === "[DONE]") return ["end"];
      const value = JSON.parse(data);
      if (value.error !== undefined) return ["error"];
      const content = value.choices?.[0]?.delta?.content ?? "";
      return content === "" ? [] : [content];
    });
}

/** Of length-prefixed messages; none may have the flag of a compressed one. */
function wordsOfFrames(body: Buffer, headers: Raw["headers"]): string[] {
  const words: string[] = [];
  for (let at = 0; at < body.length;) {
    const flags = body.readUInt8(at);
    const length = body.readUInt32BE(at + 1);
    const message = body.subarray(at + 5, at + 5 + length).toString();
    expect(flags & 1).toBe(0);
    at += 5 + length;
    if (flags === 0x80) words.push(/grpc-status: ?0\r/i.test(message) ? "end" : "error");
    else if (flags === 2) words.push(message.includes('"error"') ? "error" : "end");
    else {
      const value = JSON.parse(message);
      if (value.heartbeat !== undefined) words.push("heartbeat");
      const text = value.partDelta?.text ?? "";
      if (text !== "") words.push(text);
    }
  }
  if (headers["grpc-status"] !== undefined) words.push(headers["grpc-status"] === "0" ? "end" : "error");
  return words;
}

const sse: Omit<Door, "version"> = {
  name: "SSE",
  path: "/v1/chat/completions",
  type: "application/json",
  body: (model) => JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "hi" }] }),
  words: wordsOfSse,
};
const framed = (name: string, type: string): Omit<Door, "version"> => ({ name, path: streamPath, type, body: rpc, words: wordsOfFrames });
const web = framed("gRPC-Web", "application/grpc-web+json");
const connect = framed("Connect", "application/connect+json");
const doors: readonly Door[] = [
  { ...sse, version: 1 },
  { ...sse, version: 2 },
  { ...web, version: 1 },
  { ...web, version: 2 },
  { ...connect, version: 1 },
  { ...connect, version: 2 },
  { ...framed("gRPC", "application/grpc+json"), version: 2 },
];

describe.each(doors)("$name by HTTP/$version", (door) => {
  for (const isGood of [true, false]) {
    test.concurrent(`shows that it lives between its events, plainly, and ends with its ${isGood ? "end" : "error"}`, async () => {
      const part = scene.part(plays(isGood));
      const { headers, body } = await ask(part.model, door);
      // gRPC and Connect may announce what they could use; whether a message is compressed is told by its flag.
      expect(headers["content-encoding"]).toBeUndefined();
      const words = door.words(body, headers);
      const content = words.filter((word) => word !== "heartbeat");
      expect(content).toEqual(isGood ? ["first", " last", "end"] : ["first", "error"]);
      // Silences of more than three beats each: head and content, half an event, the rest.
      expect(words.indexOf("first")).toBeGreaterThanOrEqual(3);
      expect(words.slice(words.indexOf("first")).filter((word) => word === "heartbeat").length).toBeGreaterThanOrEqual(1);
      expect(words.at(-1)).toBe(isGood ? "end" : "error");
    });
  }
});

describe("nothing that anybody sends", () => {
  const evil = "m\r\nx-evil: 1\r\n\r\nevent: evil\ndata: {}\n\n\0";
  test("as a model's name becomes a header or an event", async () => {
    const body = JSON.stringify({ model: `first/${evil}`, stream: true, messages: [{ role: "user", content: "hi" }] });
    const response = await fetch(`${scene.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    // An error by status, or, where a sign of life had to come first, as the stream's only event.
    const text = await response.text();
    expect([response.headers.get("x-evil"), /^event: evil/m.test(text), text.includes('"error"')]).toEqual([null, false, true]);
    for (const door of [connect, framed("gRPC", "application/grpc+json")]) {
      const answer = await ask(`first/${evil}`, { ...door, version: 2 });
      expect(answer.headers["x-evil"]).toBeUndefined();
      expect(answer.body.toString()).not.toMatch(/^event: evil/m);
    }
  });

  test("as an upstream's words becomes an event of our own", async () => {
    const part = scene.part((reply) =>
      reply
        .sse({ "x-request-id": "up" })
        .data(chunk({ role: "assistant", content: evil }, null, { id: "a\u2028b\nevent: evil", model: evil }))
        .data(chunk({ content: "data: [DONE]\n\n" }, "stop"))
        .data(usageChunk(1, 2))
        .done(),
    );
    const { body, headers } = await ask(part.model, { ...sse, version: 1 });
    expect(headers["x-evil"]).toBeUndefined();
    expect(wordsOfSse(body)).toEqual([evil, "data: [DONE]\n\n", "end"]);
  });
});
