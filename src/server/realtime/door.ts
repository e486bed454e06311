import type { IncomingMessage } from "node:http";
import { WebSocketServer } from "ws";
import type { Key } from "../../core/call.ts";
import type { Credentials } from "../auth.ts";
import type { ServerRequest } from "../listen.ts";
import { oneHeader, type RestCall } from "../rest/context.ts";
import { Refusal } from "../rest/refusal.ts";
import { type HeaderReader, wishesFrom } from "../wishes.ts";
import { type RealtimeParts, Session } from "./session.ts";
import { chosenProtocol, keyFromProtocols, offeredProtocols } from "./subprotocol.ts";

/** `GET /v1/realtime/chat`: lets the caller in as every door does, and then speaks WebSocket with it. */
export function createRealtimeDoor(parts: RealtimeParts): (rest: RestCall) => void | Promise<void> {
  const heads = new WeakMap<IncomingMessage, RestCall["headers"]>();
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: parts.settings().bodyMax,
    // Compressed beside secrets it tells them apart by length, and costs each socket its own memory.
    perMessageDeflate: false,
    handleProtocols: (offered) => chosenProtocol(offered),
  });
  server.on("headers", (lines, request) => {
    for (const [name, value] of heads.get(request) ?? []) lines.push(`${name}: ${value}`);
  });
  return ({ request, upgrade, headers }): void | Promise<void> => {
    if (upgrade === undefined || "stream" in request) throw upgradeRequired(request);
    refuseHandshake(request);
    const keyNamed = keyFromProtocols(offeredProtocols(oneHeader(request, "sec-websocket-protocol")));
    const credentials = credentialsOf(request, keyNamed);
    const address = request.socket.remoteAddress;
    const header = wishHeaders(request);
    wishesFrom(header);
    const admitted = (key: Key): void => {
      const refusal = parts.router.refusal(key);
      if (refusal !== undefined) throw refusal;
      heads.set(request, headers);
      server.handleUpgrade(request, upgrade.socket, upgrade.head, (ws) => {
        upgrade.take(new Session(parts, { ws, upgrade, credentials, keyId: key.id, address, header }));
      });
    };
    const caller = parts.settings().keys.authenticate(credentials, address ?? "");
    if (caller instanceof Promise) return caller.then(admitted);
    admitted(caller);
  };
}

/** A key among the subprotocols is one like that of `x-api-key`: two different ones are refused. */
function credentialsOf(request: ServerRequest, keyNamed: string | undefined): Credentials {
  const xApiKey = oneHeader(request, "x-api-key");
  if (keyNamed !== undefined && xApiKey !== undefined && keyNamed !== xApiKey)
    throw new Refusal(400, "invalid_request", "x-api-key and sec-websocket-protocol hold different keys");
  return { authorization: request.headers.authorization, xApiKey: keyNamed ?? xApiKey };
}

/** What the request may wish for all calls of its socket. Its own id is no call's. */
function wishHeaders(request: ServerRequest): HeaderReader {
  return (name) => {
    if (name === "x-request-id") return undefined;
    const value = oneHeader(request, name);
    // Browsers say `no-cache` with every WebSocket, and mean the handshake.
    return name === "cache-control" && !/\bno-store\b/i.test(value ?? "") ? undefined : value;
  };
}

/** RFC 6455, 4.2.1. */
function refuseHandshake({ headers }: ServerRequest): void {
  if (headers["sec-websocket-version"] !== "13")
    throw new Refusal(426, "upgrade_required", "the version of WebSocket must be 13", [["sec-websocket-version", "13"]]);
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers["sec-websocket-key"] ?? ""))
    throw new Refusal(400, "invalid_request", "header sec-websocket-key is not 16 bytes in base64");
}

function upgradeRequired({ httpVersionMajor }: ServerRequest): Refusal {
  const text = "this path speaks WebSocket, over HTTP/1.1";
  // HTTP/2 has no such headers.
  if (httpVersionMajor !== 1) return new Refusal(426, "upgrade_required", text);
  return new Refusal(426, "upgrade_required", text, [
    ["upgrade", "websocket"],
    ["connection", "upgrade"],
  ]);
}
