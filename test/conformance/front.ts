import { randomUUID } from "node:crypto";
import { createRegistry } from "@bufbuild/protobuf";
import { createConnectRouter } from "@connectrpc/connect";
import { createArrivals } from "../../src/server/arrivals.ts";
import { createBrowserRule } from "../../src/server/browsers.ts";
import { createCallDesk } from "../../src/server/call-desk.ts";
import type { RequestHandler } from "../../src/server/listen.ts";
import { createRequestHandler } from "../../src/server/routes.ts";
import { rpcOptions } from "../../src/server/rpc/options.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { ConformanceService, file_connectrpc_conformance_v1_service } from "./gen/connectrpc/conformance/v1/service_pb.ts";
import { conformanceService } from "./service.ts";

/** `server.max_body` where the configuration does not say. */
const bodyMax = 16 * 1024 * 1024;
/** `resilience.timeouts.total`, likewise. */
const deadlineMaxMs = 600_000;

/** What the suite may ask for; bugs are told on stderr, which the runner shows beside the case that failed. */
export interface FrontOptions {
  /** Bytes. Default: the product's. */
  readonly readMaxBytes?: number;
}

/**
 * The product's front door, adapter and limits around the suite's service. Left out is what is about our own services:
 * keys, the validation of requests, and the details that our errors carry, for the suite compares an error's details.
 */
export function conformanceFront({ readMaxBytes = bodyMax }: FrontOptions): RequestHandler {
  const options = rpcOptions({ gate: () => {}, readMaxBytes });
  // The suite's requests carry messages of any of its own types.
  const jsonOptions = { ...options.jsonOptions, registry: createRegistry(file_connectrpc_conformance_v1_service) };
  const router = {
    chat: nobody,
    snapshot: nobody,
    explain: nobody,
    countTokens: nobody,
    models: nobody,
    model: nobody,
    refusal: nobody,
    exhausted: nobody,
    allowances: nobody,
  };
  const browsers = createBrowserRule([]);
  const parts = {
    router,
    desk: createCallDesk({ router, clock: systemClock, newId: randomUUID, random: Math.random }),
    clock: systemClock,
    arrivals: createArrivals(Infinity),
    bodyMax: readMaxBytes,
    rpc: createConnectRouter({ ...options, jsonOptions }).service(ConformanceService, conformanceService),
    admin: () => undefined,
    settings: () => ({ keys: { authenticate: nobody }, bodyMax: readMaxBytes, heartbeatMs: deadlineMaxMs }),
    browsers: () => browsers,
    health: nobody,
    metrics: undefined,
    deadlineMaxMs: () => deadlineMaxMs,
    onRefused: () => {},
    onRevoked: () => () => {},
    onBug: (error: unknown) => console.error(error),
  };
  return createRequestHandler(parts, { data: true, admin: false, metrics: false });
}

function nobody(): never {
  throw new Error("the suite asks for nothing but its own service");
}
