import { type IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { openaiErrors } from "../dialects/openai-chat/door.ts";
import type { Bounds } from "./bounds.ts";
import type { Connections } from "./connections.ts";
import type { Exchanges } from "./exchanges.ts";
import type { RequestHandler } from "./listen.ts";
import type { Lodger } from "./lodgers.ts";
import { pathOf, realtimePath } from "./request-path.ts";

/** A request that asks to speak WebSocket on its connection, until somebody takes it. */
export interface Upgrade {
  readonly socket: Socket;
  /** What came right behind the request. */
  readonly head: Buffer;
  /** Of `Bounds`. */
  readonly readerStallMs: number;
  /** From now on the connection is the lodger's, and HTTP has nothing more to say on it. */
  take(lodger: Lodger): void;
}

/** Any other wish for another protocol is ignored, as HTTP allows (RFC 9110, 7.8): the request is served as it is. */
export function mayUpgrade(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === "websocket" && pathOf(request) === realtimePath;
}

/** What the front door is reached by. */
export interface UpgradeParts {
  readonly bounds: Pick<Bounds, "readerStallMs">;
  readonly connections: Pick<Connections, "heard" | "lodge">;
  readonly exchanges: Pick<Exchanges, "begin" | "isBusy">;
  readonly handler: RequestHandler;
}

/**
 * Takes such requests through the same front door as all others: Node has no answer for them to write to, so they get one, and whoever
 * is refused is told by it.
 */
export function upgradeListener({ bounds, connections, exchanges, handler }: UpgradeParts) {
  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // Sent behind a request that is not answered yet, its own answer would come first.
    if (!(socket instanceof Socket) || exchanges.isBusy(socket)) {
      socket.destroy();
      return;
    }
    connections.heard(socket);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once("finish", () => socket.destroySoon());
    const end = exchanges.begin(request, response);
    if (!mayUpgrade(request)) {
      serveAsItIs(request, response, handler);
      return;
    }
    handler(request, response, {
      socket,
      head,
      readerStallMs: bounds.readerStallMs,
      take(lodger) {
        response.detachSocket(socket);
        end();
        connections.lodge(socket, lodger);
      },
    });
  };
}

/** Node before 24.9 cannot be told which wishes to ignore, and reads no body of a request that has any. */
function serveAsItIs(request: IncomingMessage, response: ServerResponse, handler: RequestHandler): void {
  if (request.method === "GET" || request.method === "HEAD") {
    handler(request, response);
    return;
  }
  response.writeHead(400, { "content-type": "application/json" });
  response.end(openaiErrors.refusal({ status: 400, code: "invalid_request", message: "there is nothing here to upgrade to" }, ""));
}
