import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, expect, test } from "vitest";

import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Serving } from "../../../gen/grpc/health/v1/health_pb.ts";
import { BreakerState, ProviderState } from "../../../src/core/chat.ts";
import { healthService } from "../../../src/server/rpc/health.ts";
import { type FakeDesk, fakeDesk } from "../fake-operations.ts";
import { startServer, stillClock, type TestServer } from "../rpc-server.ts";

let server: TestServer;
let desk: FakeDesk;
let draining: AbortController;
beforeEach(async () => {
  desk = fakeDesk("a", "b");
  draining = new AbortController();
  server = await startServer((router) =>
    router.service(Health, healthService({ providers: desk, draining: draining.signal, clock: stillClock })),
  );
});
afterEach(() => server[Symbol.asyncDispose]());

function newClient() {
  return createClient(Health, createGrpcTransport({ baseUrl: server.http2 }));
}

test.each(["", "semaroute.v1.RouterService", "semaroute.v1.AdminService", "provider/a"])("%j is serving", async (service) => {
  expect((await newClient().check({ service })).status).toBe(Serving.SERVING);
});

test.each(["nonsense", "provider/", "provider/nope", "semaroute.v1.RouterService/"])("%j is NOT_FOUND", async (service) => {
  const error = await newClient()
    .check({ service })
    .then(
      () => undefined,
      (thrown: unknown) => ConnectError.from(thrown),
    );
  expect(error?.code).toBe(Code.NotFound);
  expect(error?.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "SERVICE_NOT_FOUND" }]);
});

test("a list tells all of them", async () => {
  desk.put("b", { breaker: BreakerState.OPEN });
  const { statuses } = await newClient().list({});
  expect(Object.fromEntries(Object.entries(statuses).map(([name, { status }]) => [name, status]))).toEqual({
    "": Serving.SERVING,
    "semaroute.v1.RouterService": Serving.SERVING,
    "semaroute.v1.AdminService": Serving.SERVING,
    "provider/a": Serving.SERVING,
    "provider/b": Serving.NOT_SERVING,
  });
});

test("where nothing can be routed, the router is not serving and the control plane is", async () => {
  for (const provider of ["a", "b"]) void desk.set(provider, ProviderState.DISABLED, false);
  const client = newClient();
  expect((await client.check({})).status).toBe(Serving.NOT_SERVING);
  expect((await client.check({ service: "semaroute.v1.RouterService" })).status).toBe(Serving.NOT_SERVING);
  expect((await client.check({ service: "semaroute.v1.AdminService" })).status).toBe(Serving.SERVING);
});

test("while draining nothing is serving", async () => {
  draining.abort();
  for (const service of ["", "semaroute.v1.RouterService", "semaroute.v1.AdminService", "provider/a"])
    expect((await newClient().check({ service })).status).toBe(Serving.NOT_SERVING);
});

test("a watch pushes what changes, and only that", async () => {
  const watch = newClient().watch({ service: "provider/a" })[Symbol.asyncIterator]();
  const next = async (): Promise<Serving | undefined> => {
    const { value } = await watch.next();
    return value?.status;
  };
  expect(await next()).toBe(Serving.SERVING);
  desk.put("b", { breaker: BreakerState.OPEN });
  desk.put("a", { inFlight: 3 });
  desk.put("a", { breaker: BreakerState.OPEN });
  expect(await next()).toBe(Serving.NOT_SERVING);
  desk.put("a", { breaker: BreakerState.CLOSED });
  expect(await next()).toBe(Serving.SERVING);
  draining.abort();
  expect(await next()).toBe(Serving.NOT_SERVING);
});

test("a watch of an unknown service says so and stays open until the caller leaves", async () => {
  const leave = new AbortController();
  const watch = newClient().watch({ service: "nope" }, { signal: leave.signal })[Symbol.asyncIterator]();
  expect((await watch.next()).value?.status).toBe(Serving.SERVICE_UNKNOWN);
  expect(desk.listeners.size).toBe(1);
  leave.abort();
  await expect.poll(() => desk.listeners.size).toBe(0);
});
