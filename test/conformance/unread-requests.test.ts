import http2 from "node:http2";
import net from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Listener, listen } from "../../src/server/listen.ts";
import { ClientStreamRequestSchema, UnaryRequestSchema } from "./gen/connectrpc/conformance/v1/service_pb.ts";
import { conformanceFront } from "./front.ts";

const readMaxBytes = 4096;
const service = "/connectrpc.conformance.v1.ConformanceService";
let listener: Listener;
beforeAll(async () => {
  listener = await listen({ host: "127.0.0.1", port: 0, tls: undefined, handler: conformanceFront({ readMaxBytes }) });
});
afterAll(() => listener.close());

/** One message in its envelope, which says its length. */
function envelope(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** More than is taken, and more than any buffer on the way holds. */
const padding = new Uint8Array(2 * 1024 * 1024);
const unary = toBinary(UnaryRequestSchema, create(UnaryRequestSchema, { requestData: padding }));
const stream = envelope(toBinary(ClientStreamRequestSchema, create(ClientStreamRequestSchema, { requestData: padding })));

const tooLarge: readonly Readonly<{ protocol: string; method: string; type: string; body: Uint8Array }>[] = [
  { protocol: "Connect, unary", method: "Unary", type: "application/proto", body: unary },
  { protocol: "Connect, streamed", method: "ClientStream", type: "application/connect+proto", body: stream },
  { protocol: "gRPC-Web", method: "Unary", type: "application/grpc-web+proto", body: envelope(unary) },
];
const grpc = { protocol: "gRPC", method: "Unary", type: "application/grpc", body: envelope(unary) };

describe("a request that is refused before it was read", () => {
  for (const { protocol, method, type, body } of tooLarge)
    test(`leaves an HTTP/1.1 connection to the next one: ${protocol}`, async () => {
      const socket = net.connect(listener.port, "127.0.0.1");
      let said = "";
      const answers = new Promise<void>((resolve, reject) => {
        socket.on("error", reject);
        socket.on("close", () => reject(new Error(`closed after ${JSON.stringify(said)}`)));
        socket.on("data", (chunk: Buffer) => {
          said += chunk.toString("latin1");
          if (said.split("HTTP/1.1 ").length === 3) resolve();
        });
      });
      socket.write(`POST ${service}/${method} HTTP/1.1\r\nhost: a\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`);
      socket.write(body);
      socket.write(`POST ${service}/Unary HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`);
      await answers;
      expect(said.split("HTTP/1.1 ")[2]).toMatch(/^200 OK/);
      socket.destroy();
    });

  for (const { protocol, method, type, body } of [...tooLarge, grpc])
    test(`ends its HTTP/2 stream, of which no more is wanted: ${protocol}`, async () => {
      const session = http2.connect(listener.url);
      const asked = session.request({ ":method": "POST", ":path": `${service}/${method}`, "content-type": type });
      let trailers: http2.IncomingHttpHeaders = {};
      asked.on("trailers", (headers) => (trailers = headers));
      const closed = new Promise<number>((resolve, reject) => {
        asked.on("error", reject);
        asked.on("close", () => resolve(asked.rstCode));
      });
      asked.resume();
      // The request is never ended: only the server can close the stream.
      asked.write(body);
      expect(await closed).toBe(http2.constants.NGHTTP2_NO_ERROR);
      if (type === "application/grpc") expect(trailers["grpc-status"]).toBe("8");
      session.destroy();
    });
});

describe("a call of what is not there", () => {
  for (const { what, headers } of [
    { what: "Connect's JSON", headers: { "content-type": "application/json", "connect-protocol-version": "1" } },
    { what: "Connect's protobuf", headers: { "content-type": "application/proto" } },
    { what: "Connect's streams", headers: { "content-type": "application/connect+json" } },
  ])
    test(`is told so in Connect's JSON: ${what}`, async () => {
      const answer = await fetch(`${listener.url}${service}/Nothing`, { method: "POST", headers, body: "{}" });
      expect(answer.status).toBe(404);
      expect(await answer.json()).toEqual({ code: "unimplemented", message: `there is no method at ${service}/Nothing` });
    });

  test("is told so in OpenAI's where the path is none of a method", async () => {
    const headers = { "content-type": "application/json", "connect-protocol-version": "1" };
    const answer = await fetch(`${listener.url}/v1/completions`, { method: "POST", headers, body: "{}" });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: "not_found" } });
  });

  test("has a status that clients go by, and a sentence that is no JSON, where method or content type are wrong", async () => {
    const wrongType = await fetch(`${listener.url}${service}/Unary`, {
      method: "POST",
      headers: { "content-type": "image/jpeg" },
      body: "12345678",
    });
    const wrongVerb = await fetch(`${listener.url}${service}/Unary`, { method: "DELETE" });
    expect([wrongType.status, wrongVerb.status]).toEqual([415, 405]);
    expect(wrongVerb.headers.get("allow")).toBe("POST");
    for (const { headers } of [wrongType, wrongVerb]) expect(headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await wrongType.text()).toContain("application/grpc-web");
  });
});
