import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";

import { type Client, ConnectError, type ConnectRouter, createClient, createContextValues, type Interceptor } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";

import { AdminService } from "../../gen/semaroute/v1/admin_pb.ts";
import type { Clock } from "../../src/core/clock.ts";
import { ChatError } from "../../src/core/error.ts";
import { createAdminDoor } from "../../src/server/rest/admin.ts";
import { adminOptions, adminService } from "../../src/server/rpc/admin.ts";
import { errorDetails, gateWithDetails, requestIdKey } from "../../src/server/rpc/error-details.ts";
import { createWarmValidator, validation } from "../../src/server/rpc/validation.ts";
import { type FakeOperations, fakeOperations } from "./fake-operations.ts";

/** Time that stands still. */
export const stillClock: Clock = { now: () => 0, wall: () => 0, after: () => () => {} };

/** The control plane on both HTTP versions, wired as the product wires it. */
export interface TestServer extends AsyncDisposable {
  readonly http1: string;
  readonly http2: string;
  readonly operations: FakeOperations;
  /** Aborts what is open, as a drain does. */
  readonly shutdown: AbortController;
}

const contextValues = () => createContextValues().set(requestIdKey, "req-1");

function urlOf(server: http.Server | http2.Http2Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const validator = createWarmValidator([AdminService]);

/** Calls need `authorization: Bearer admin`; every request has the id `req-1`. */
export async function startServer(more: (router: ConnectRouter) => void = () => {}): Promise<TestServer> {
  const operations = fakeOperations("a", "b", "c");
  const shutdown = new AbortController();
  const options = {
    interceptors: [errorDetails, validation(validator)],
    readMaxBytes: 4096,
    shutdownSignal: shutdown.signal,
    requestGate: gateWithDetails((context) => {
      if (context.service.typeName !== AdminService.typeName || context.requestHeader.get("authorization") === "Bearer admin") return;
      throw new ChatError("CALLER_UNAUTHENTICATED", "the admin token is needed");
    }),
  };
  const methods = adminService(operations);
  const door = createAdminDoor(methods, options);
  const handler = connectNodeAdapter({
    ...options,
    contextValues,
    routes(router) {
      router.service(AdminService, methods, adminOptions(options));
      more(router);
    },
    fallback(request, response) {
      const answer = door(universalRequestFromNodeRequest(request, response, undefined, contextValues()));
      if (answer === undefined) {
        response.writeHead(404);
        response.end();
      } else void answer.then((given) => universalResponseToNodeResponse(given, response)).catch(() => response.destroy());
    },
  });
  const one = http.createServer(handler);
  const two = http2.createServer(handler);
  const sessions = new Set<http2.ServerHttp2Session>();
  two.on("session", (session) => sessions.add(session));
  await Promise.all([one, two].map((server) => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))));
  return {
    http1: urlOf(one),
    http2: urlOf(two),
    operations,
    shutdown,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      one.closeAllConnections();
      await Promise.all([one, two].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

/** A client of the control plane with the token: JSON over HTTP/1.1 for Connect, HTTP/2 for gRPC. */
export function adminClient(
  server: TestServer,
  protocol: "grpc" | "grpc-web" | "connect",
  headers: Readonly<Record<string, string>> = {},
): Client<typeof AdminService> {
  const sendHeaders: Interceptor = (next) => (request) => {
    for (const [name, value] of Object.entries({ authorization: "Bearer admin", ...headers })) request.header.set(name, value);
    return next(request);
  };
  const interceptors = [sendHeaders];
  const old = { interceptors, httpVersion: "1.1", baseUrl: server.http1 } as const;
  if (protocol === "grpc") return createClient(AdminService, createGrpcTransport({ interceptors, baseUrl: server.http2 }));
  if (protocol === "grpc-web") return createClient(AdminService, createGrpcWebTransport(old));
  return createClient(AdminService, createConnectTransport({ ...old, useBinaryFormat: false }));
}

/** The error of a call that must fail; streams are read to their end. */
export async function errorOf(call: Promise<unknown> | AsyncIterable<unknown>): Promise<ConnectError> {
  try {
    if (Symbol.asyncIterator in call) for await (const _ of call);
    else await call;
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("the call succeeded");
}
