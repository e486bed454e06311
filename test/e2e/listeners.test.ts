/** TLS, and listeners of their own for admin and metrics. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectH2 } from "node:http2";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type ServerProcess, startServer } from "../support/server.ts";
import { chatFrame, openSocket } from "./websocket.ts";
import { frame, grpc, request } from "./wire.ts";

// Self-signed for localhost, good for a hundred years; its key opens nothing.
const certFile = fileURLToPath(new URL("../fixtures/tls/cert.pem", import.meta.url));
const keyFile = fileURLToPath(new URL("../fixtures/tls/key.pem", import.meta.url));
const cert = readFileSync(certFile);
const key = readFileSync(keyFile);
const sim = "providers: {sim: {type: simulated}}";

describe("TLS", { timeout: 60_000 }, () => {
  const get = (url: string, options: RequestOptions): Promise<number | string> =>
    new Promise((resolve) => {
      const sent = httpsRequest(url, options, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      sent.on("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message)).end();
    });
  const overH2 = (url: string, options: { readonly cert?: Buffer; readonly key?: Buffer } = {}): Promise<readonly unknown[]> =>
    new Promise((resolve) => {
      const session = connectH2(url, { ca: cert, ...options });
      session.on("error", (error) => resolve([error.message]));
      const stream = session.request({ ":path": "/health/live" });
      // A refused certificate is heard of by the stream alone, for with TLS 1.3 the client's handshake was over by then.
      stream.on("error", (error) => resolve([error.message]));
      stream.on("response", (head) => {
        resolve([session.alpnProtocol, head[":status"]]);
        session.destroy();
      });
    });

  test("serves HTTP/1.1 and HTTP/2 on one port by ALPN, and nothing without TLS", async () => {
    await using server = await startServer(`server: {tls: {cert_file: "${certFile}", key_file: "${keyFile}"}}\n${sim}\n`);
    expect(server.url).toMatch(/^https:/);
    expect(await get(`${server.url}/health/live`, { ca: cert })).toBe(200);
    expect(await overH2(server.url)).toEqual(["h2", 200]);
    expect(await get(`${server.url}/health/live`, {})).toMatch(/SELF_SIGNED|self-signed/);
    expect(await get(`${server.url}/health/live`, { ca: cert, maxVersion: "TLSv1.1", minVersion: "TLSv1" })).not.toBe(200);
    await expect(fetch(server.url.replace("https", "http"))).rejects.toThrow();
    expect(await get(`${server.url}/health/live`, { ca: cert })).toBe(200);
    expect(await server.stop()).toBe(0);
  });

  test("carries WebSocket over HTTP/1.1, and over HTTP/2 says that it does not", async () => {
    await using server = await startServer(`server: {tls: {cert_file: "${certFile}", key_file: "${keyFile}"}}\n${sim}\n`);
    await using socket = await openSocket(server.url, { ca: cert.toString() });
    socket.send(chatFrame("a", "auto"));
    expect(await socket.end("a")).toMatchObject({ type: "done" });
    const session = connectH2(server.url, { ca: cert });
    const stream = session.request({ ":path": "/v1/realtime/chat" });
    const [head] = await once(stream, "response");
    let body = "";
    for await (const part of stream.setEncoding("utf8")) body += String(part);
    session.destroy();
    expect([head[":status"], JSON.parse(body)]).toMatchObject([426, { error: { code: "upgrade_required" } }]);
    expect(await server.stop()).toBe(0);
    expect(await socket.closed).toBe(1001);
  });

  test("lets in only who has a certificate, where client_ca_file says so", async () => {
    await using server = await startServer(
      `server: {tls: {cert_file: "${certFile}", key_file: "${keyFile}", client_ca_file: "${certFile}"}}\n${sim}\n`,
    );
    expect(await get(`${server.url}/health/live`, { ca: cert, cert, key })).toBe(200);
    expect(await overH2(server.url, { cert, key })).toEqual(["h2", 200]);
    expect(await get(`${server.url}/health/live`, { ca: cert })).not.toBe(200);
    expect(await overH2(server.url)).not.toContain(200);
  });
});

test("admin and metrics leave the main port for listeners of their own", async () => {
  await using server = await startServer(`admin: {port: 0}\nobservability: {metrics: {port: 0}}\n${sim}\n`);
  const [admin, metrics] = [await listenerOf(server, "admin"), await listenerOf(server, "metrics")];
  const status = async (url: string): Promise<number> => (await request(url, {})).status;
  const table = [
    { path: "/v1/models", main: 200, admin: 404, metrics: 404 },
    { path: "/admin/providers", main: 404, admin: 200, metrics: 404 },
    { path: "/metrics", main: 404, admin: 404, metrics: 200 },
    { path: "/health/live", main: 200, admin: 200, metrics: 200 },
  ];
  for (const { path, ...wanted } of table) {
    expect(
      { main: await status(server.url + path), admin: await status(admin + path), metrics: await status(metrics + path) },
      path,
    ).toEqual(wanted);
  }
  const code = async (url: string, method: string): Promise<string> => (await grpc(url, `/semaroute.v1.${method}`, frame(""))).code;
  expect([await code(server.url, "AdminService/GetStats"), await code(admin, "AdminService/GetStats")]).toEqual(["12", "0"]);
  expect([await code(server.url, "RouterService/ListModels"), await code(admin, "RouterService/ListModels")]).toEqual(["0", "12"]);
});

async function listenerOf(server: ServerProcess, door: string): Promise<string> {
  const line = await server.logged(({ message, doors }) => message === "listening" && Array.isArray(doors) && doors.join() === door);
  return String(line["url"]);
}
