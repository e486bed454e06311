import { Code, ConnectError, type ConnectRouter, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { describe, expect, test } from "vitest";

import { RouterService } from "../../../gen/semaroute/v1/router_pb.ts";
import { Priority } from "../../../src/core/chat.ts";
import { ChatError } from "../../../src/core/error.ts";
import type { KeyId } from "../../../src/core/call.ts";
import { createArrivals } from "../../../src/server/arrivals.ts";
import { listen } from "../../../src/server/listen.ts";
import { rpcHandlers } from "../../../src/server/rpc/adapter.ts";
import { callerKey, callIdKey, peerKey, receivedKey, wishesKey } from "../../../src/server/rpc/context.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { requestIdKey } from "../../../src/server/rpc/error-details.ts";
import { rpcGate } from "../../../src/server/rpc/gate.ts";

const peer = {
  origin: undefined,
  fetchSite: undefined,
  host: "localhost",
  localAddress: "127.0.0.1",
  path: "/p.S/M",
  remoteAddress: "10.0.0.9",
};

/** A server of one method, done by the test. */
async function scene(method: (request: UniversalServerRequest) => Promise<UniversalServerResponse>, deadlineMaxMs = 600_000) {
  const bugs: unknown[] = [];
  const router = {
    handlers: [Object.assign(method, { requestPath: "/p.S/M", method: { methodKind: "unary", parent: RouterService } })],
  } as unknown as ConnectRouter;
  const find = rpcHandlers(router, {
    deadlineMaxMs: () => deadlineMaxMs,
    onBug: (error) => bugs.push(error),
    clock: createFakeClock(),
    arrivals: createArrivals(Infinity),
    bodyMax: 2 ** 20,
  });
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    handler: (request, response) => find(request.url ?? "")?.(request, response, { peer, id: "id-1", requestId: "r-1", receivedMs: 42 }),
  });
  return { ...listener, find, bugs, [Symbol.asyncDispose]: () => listener.close() };
}

const ok: UniversalServerResponse = { status: 200, header: new Headers({ "x-done": "1" }) };

describe("a request on its way to a method", () => {
  test("is found by its path, exactly", async () => {
    await using server = await scene(() => Promise.resolve(ok));
    expect([server.find("/p.S/M") !== undefined, server.find("/p.S/m"), server.find("/p.S/M/"), server.find("")]).toEqual([
      true,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("takes along what the socket knows of it", async () => {
    const seen: unknown[] = [];
    await using server = await scene(({ contextValues, header }) => {
      const values = contextValues ?? createContextValues();
      seen.push(values.get(peerKey), values.get(callIdKey), values.get(requestIdKey), values.get(receivedKey), header.get("x-a"));
      return Promise.resolve(ok);
    });
    const answer = await fetch(`${server.url}/p.S/M`, { method: "POST", headers: { "x-a": "b" } });
    expect([answer.status, answer.headers.get("x-done")]).toEqual([200, "1"]);
    expect(seen).toEqual([peer, "id-1", "r-1", 42, "b"]);
  });

  for (const [name, sent, arrives] of [
    ["grpc-timeout", "1S", "1S"],
    ["grpc-timeout", "5000m", "5000m"],
    ["grpc-timeout", "5001m", "5000m"],
    ["grpc-timeout", "99999999H", "5000m"],
    ["grpc-timeout", "1M", "5000m"],
    ["grpc-timeout", "5000001u", "5000m"],
    ["grpc-timeout", "99999999n", "99999999n"],
    ["grpc-timeout", "soon", "soon"],
    ["grpc-timeout", "999999999S", "999999999S"],
    ["connect-timeout-ms", "100", "100"],
    ["connect-timeout-ms", "5001", "5000"],
    ["connect-timeout-ms", "9999999999", "5000"],
    ["connect-timeout-ms", "-1", "-1"],
  ] as const) {
    test(`with ${name} ${sent} has ${arrives}: a longer deadline is clamped, an ill-formed one left to its protocol`, async () => {
      let seen: string | null = null;
      await using server = await scene((request) => {
        seen = request.header.get(name);
        return Promise.resolve(ok);
      }, 5000);
      await fetch(`${server.url}/p.S/M`, { method: "POST", headers: { [name]: sent } });
      expect(seen).toBe(arrives);
    });
  }

  test("that breaks ends its connection, and is told where it is our bug", async () => {
    const bug = new TypeError("oops");
    await using broken = await scene(() => Promise.reject(bug));
    await expect(fetch(`${broken.url}/p.S/M`, { method: "POST" })).rejects.toThrow();
    expect(broken.bugs).toEqual([bug]);
    await using gone = await scene(() => Promise.reject(new ConnectError("the caller left", Code.Aborted)));
    await expect(fetch(`${gone.url}/p.S/M`, { method: "POST" })).rejects.toThrow();
    expect(gone.bugs).toEqual([]);
  });
});

describe("the gate", () => {
  const key = { id: "cfg_team" as KeyId, name: "team", models: undefined, priority: Priority.NORMAL };

  /** What the gate asked and set for a method. */
  function passed(service: string, method: string, headers: Readonly<Record<string, string>>) {
    const asked: unknown[] = [];
    const values = createContextValues().set(peerKey, peer);
    const gate = rpcGate(() => ({
      router: { refusal: () => undefined, exhausted: () => undefined },
      keys: {
        required: true,
        authenticate: (credentials, address) => {
          asked.push(["key", credentials, address]);
          return key;
        },
      },
      admin: {
        admit: (name, caller) => {
          asked.push(["admin", name, caller]);
          if (caller.authorization === undefined) throw new ChatError("CALLER_UNAUTHENTICATED", "no token");
        },
      },
    }));
    const context = { service: { typeName: service }, method: { name: method }, requestHeader: new Headers(headers), values };
    void gate(context as unknown as HandlerContext);
    return { asked, caller: values.get(callerKey), wishes: values.get(wishesKey) };
  }

  test("asks the key ring about callers, and reads their wishes", () => {
    const { asked, caller, wishes } = passed("semaroute.v1.RouterService", "Chat", {
      "x-api-key": "k",
      "x-semaroute-timeout-ms": "5",
      "x-request-id": "r",
    });
    expect(asked).toEqual([["key", { authorization: undefined, xApiKey: "k" }, "10.0.0.9"]]);
    expect(caller).toBe(key);
    expect(wishes).toMatchObject({ timeoutMs: 5, requestId: "r" });
  });

  test("refuses malformed wishes", () => {
    expect(() => passed("semaroute.v1.RouterService", "Chat", { "x-semaroute-timeout-ms": "x" })).toThrow(
      expect.objectContaining({ failure: "INVALID_REQUEST" }),
    );
  });

  test("asks the admin gate about operators, with all that it must know", () => {
    const { asked, caller } = passed("semaroute.v1.AdminService", "SetPolicy", { authorization: "Bearer t", "x-forwarded-for": "1.2.3.4" });
    expect(asked).toEqual([
      [
        "admin",
        "SetPolicy",
        { authorization: "Bearer t", remoteAddress: "10.0.0.9", host: "localhost", headerNames: ["authorization", "x-forwarded-for"] },
      ],
    ]);
    expect(caller).toBeUndefined();
    expect(() => passed("semaroute.v1.AdminService", "SetPolicy", {})).toThrow(
      expect.objectContaining({ failure: "CALLER_UNAUTHENTICATED" }),
    );
  });

  for (const service of ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"]) {
    test(`lets anyone to ${service}`, () => expect(passed(service, "Check", {})).toMatchObject({ asked: [], caller: undefined }));
  }
});
