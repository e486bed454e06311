import { once } from "node:events";
import http from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { boundsDefault } from "../../src/server/bounds.ts";
import { createExchanges, type Exchanges } from "../../src/server/exchanges.ts";
import { upgradeListener } from "../../src/server/upgrades.ts";
import { raw } from "../fault/caller-socket.ts";
import { handshake } from "../support/raw-websocket.ts";

/** A server of a Node that cannot be told which wishes to ignore: its listener hears of all. */
let server: http.Server;
let exchanges: Exchanges;
let port = 0;
beforeAll(async () => {
  exchanges = createExchanges(boundsDefault);
  const connections = { heard: () => {}, lodge: () => {} };
  server = http.createServer();
  server.on(
    "upgrade",
    upgradeListener({
      bounds: boundsDefault,
      connections,
      exchanges,
      handler(_request, response, upgrade) {
        if ("stream" in response) return;
        response.writeHead(200);
        response.end(upgrade === undefined ? "plain" : "asks");
      },
    }),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("there is no port");
  ({ port } = address);
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test.each([
  { what: "our path", bytes: handshake(), told: /^HTTP\/1\.1 200 [^]*\r\nasks/ },
  { what: "our path in other letters", bytes: handshake(["upgrade: WebSocket"]), told: /^HTTP\/1\.1 200 [^]*\r\nasks/ },
  { what: "our path with a query", bytes: handshake([], "GET /v1/realtime/chat?a=b HTTP/1.1"), told: /^HTTP\/1\.1 200 [^]*\r\nasks/ },
  { what: "our path in absolute form", bytes: handshake([], "GET http://localhost/v1/realtime/chat HTTP/1.1"), told: /\r\nasks/ },
  { what: "another path", bytes: handshake([], "GET /v1/models HTTP/1.1"), told: /^HTTP\/1\.1 200 [^]*\r\nplain/ },
  { what: "another protocol", bytes: handshake(["upgrade: h2c"]), told: /^HTTP\/1\.1 200 [^]*\r\nplain/ },
  {
    what: "another path with a body",
    bytes: `${handshake(["content-length: 2"], "POST /v1/chat/completions HTTP/1.1")}{}`,
    told: /^HTTP\/1\.1 400 [^]*there is nothing here to upgrade to/,
  },
])("a wish at $what is answered, and its connection ends with the answer", async ({ bytes, told }) => {
  const { text, closedByServer } = await raw(port, bytes);
  expect(text).toMatch(told);
  expect([closedByServer, text.match(/HTTP\/1\.1 /g)?.length]).toEqual([true, 1]);
  await exchanges.quiet();
});
