import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { AdminService } from "../gen/semaroute/v1/admin_pb.ts";
import { RouterService } from "../gen/semaroute/v1/router_pb.ts";
import { keysFrom } from "./assembly/configured-keys.ts";
import type { Settings } from "./config/schema.ts";
import type { KeyId } from "./core/call.ts";
import type { Clock } from "./core/clock.ts";
import type { Operations } from "./core/operations.ts";
import { ChatError, type Failure } from "./core/error.ts";
import type { IssuedKeys } from "./core/keys.ts";
import type { Router } from "./core/router.ts";
import type { Secret } from "./core/secret.ts";
import { type RefusalObserver, type RefusedRequest, refusalTeller } from "./core/telemetry.ts";
import { createArrivals } from "./server/arrivals.ts";
import { createAdminGate, createKeyRing, type KeyRing } from "./server/auth.ts";
import { type BrowserRule, createBrowserRule } from "./server/browsers.ts";
import { type CallDesk, createCallDesk } from "./server/call-desk.ts";
import type { RequestHandler } from "./server/listen.ts";
import { createAdminDoor } from "./server/rest/admin.ts";
import type { HealthFacts } from "./server/rest/health.ts";
import { createRequestHandler, type DoorSet } from "./server/routes.ts";
import { type AdminMethods, adminOptions, adminService } from "./server/rpc/admin.ts";
import { callerKey, callIdKey, peerKey } from "./server/rpc/context.ts";
import { errorDetails, gateWithDetails, requestIdKey } from "./server/rpc/error-details.ts";
import { rpcGate } from "./server/rpc/gate.ts";
import { healthService } from "./server/rpc/health.ts";
import { messageBytesMax, rpcOptions } from "./server/rpc/options.ts";
import { serveReflection } from "./server/rpc/reflection.ts";
import { routerService } from "./server/rpc/router.ts";
import { createWarmValidator, validation } from "./server/rpc/validation.ts";
import { createThrottle, type Throttle } from "./server/throttle.ts";
import { memoryLimit } from "./stores/machine-load.ts";

/** What the doors stand on. */
export interface DoorsOptions {
  readonly settings: Settings;
  readonly router: Router;
  readonly operations: Operations;
  readonly issued: IssuedKeys;
  readonly clock: Clock;
  /** UUIDv7. */
  readonly newId: () => string;
  /** In [0, 1). */
  readonly random: () => number;
  readonly adminToken: { readonly token: Secret; readonly configured: boolean };
  /** Undefined: metrics are off. */
  readonly metrics: (() => Promise<{ readonly contentType: string; readonly body: string }>) | undefined;
  /** Told of requests that never became a call. */
  readonly refusals: readonly RefusalObserver[];
  readonly onBug: (error: unknown) => void;
}

/** The whole server side, without a socket. */
export interface Doors {
  handler(doors: DoorSet): RequestHandler;
  /** Keys, browsers and heartbeat of another configuration. */
  apply(settings: Settings): void;
  /** Health says no from now on, and watchers are sent home. */
  drain(): void;
  /** Calls that arrive from now on are told DRAINING; what has arrived is served. */
  refuse(): void;
  /** Requests whose bodies are still being read: no calls yet. */
  arriving(): number;
  /** Ends every open call with DRAINING, and every request that has not arrived. */
  cut(): void;
}

/** One set of handlers for every protocol: gRPC, gRPC-Web, Connect and JSON from one router, REST beside it on the same core. */
export function createDoors(options: DoorsOptions): Doors {
  const { operations, issued, clock, newId, random, settings: initial } = options;
  let refusing = false;
  const router: Router = { ...options.router, refusal: (key) => (refusing ? goingAway() : options.router.refusal(key)) };
  const throttle = createThrottle({ clock });
  const gone = new AbortController();
  const admin = createAdminGate({ ...options.adminToken, throttle });
  let live = liveFrom(initial, initial, { throttle, issued });
  const desk: CallDesk = createCallDesk({ router, clock, newId, random, refusal: (key) => issued.refusal(key) });
  issued.onRevoked((id) => desk.cutKey(id));
  const onRefused = refusalTeller(options.refusals, options.onBug);
  const bodyMax = initial.server.max_body;
  const arrivals = createArrivals(arrivingMax(bodyMax));
  const validator = createWarmValidator([RouterService, AdminService]);
  const gate = rpcGate(() => ({ keys: live.keys, admin, router }));
  const connect = {
    ...rpcOptions({
      gate: gateWithDetails(gate, (context, failure) => onRefused(refusedRpc(context, failure))),
      readMaxBytes: bodyMax,
    }),
    interceptors: [errorDetails, validation(validator)],
    shutdownSignal: gone.signal,
  };
  const adminMethods = adminService(operations);
  const adminConnect = { ...connect, readMaxBytes: messageBytesMax(AdminService, bodyMax) };
  // A call in flight finishes within the grace, so the data plane's streams must not hear of the shutdown; and whoever
  // watches health has to be told of it before his stream ends.
  const { shutdownSignal: _unheard, ...data } = connect;
  const small = { readMaxBytes: messageBytesMax(Health, bodyMax) };
  const services: Services = {
    options: data,
    router: routerService({ router, desk, clock, heartbeatMs: () => live.heartbeatMs }),
    admin: adminMethods,
    adminOptions: adminOptions(adminConnect),
    health: healthService({ providers: operations.providers, draining: gone.signal, clock }),
    healthOptions: { ...data, ...small },
    reflectionOptions: { ...connect, ...small },
  };
  const parts = {
    router,
    desk,
    clock,
    arrivals,
    bodyMax,
    admin: createAdminDoor(adminMethods, adminConnect),
    settings: () => live,
    browsers: () => live.browsers,
    health: () => healthFacts(operations, gone.signal.aborted, clock),
    metrics: options.metrics,
    deadlineMaxMs: () => router.snapshot().options.totalMs,
    onRefused,
    onRevoked: (listener: (id: KeyId) => void) => issued.onRevoked(listener),
    onBug: options.onBug,
  };
  return {
    handler: (doors) => createRequestHandler({ ...parts, rpc: routerFor(doors, services) }, doors),
    apply(settings) {
      live = liveFrom(settings, initial, { throttle, issued });
    },
    drain: () => gone.abort(new ConnectError("this replica is going away", Code.Unavailable)),
    refuse() {
      refusing = true;
    },
    arriving: () => arrivals.open,
    cut() {
      desk.cut();
      arrivals.cut();
    },
  };
}

/** What listeners choose from. */
interface Services {
  readonly options: ConnectRouterOptions;
  readonly router: Partial<ServiceImpl<typeof RouterService>>;
  readonly admin: AdminMethods;
  readonly adminOptions: ConnectRouterOptions;
  readonly health: ServiceImpl<typeof Health>;
  readonly healthOptions: ConnectRouterOptions;
  readonly reflectionOptions: ConnectRouterOptions;
}

/** What a listener has, which is also what its reflection tells. */
function routerFor({ data, admin }: DoorSet, services: Services): ConnectRouter {
  const rpc = createConnectRouter(services.options);
  if (!data && !admin) return rpc;
  if (data) rpc.service(RouterService, services.router);
  if (admin) rpc.service(AdminService, services.admin, services.adminOptions);
  rpc.service(Health, services.health, services.healthOptions);
  serveReflection(rpc, [...(data ? [RouterService] : []), ...(admin ? [AdminService] : []), Health], services.reflectionOptions);
  return rpc;
}

function goingAway(): ChatError {
  return new ChatError("DRAINING", "this replica is going away");
}

function healthFacts({ providers, version, startWall, shared }: Operations, draining: boolean, clock: Clock): HealthFacts {
  return { providers, shared: shared(), draining, version, startWall, nowWall: clock.wall() };
}

/** Bytes of requests on their way in: an eighth of the memory there may be; never so few that the largest could not come. */
function arrivingMax(bodyMax: number): number {
  return Math.max(64 * 2 ** 20, memoryLimit() / 8, 2 * bodyMax);
}

function refusedRpc({ service, method, protocolName, values }: HandlerContext, failure: Failure): RefusedRequest {
  const refused = { id: values.get(callIdKey), requestId: values.get(requestIdKey), address: values.get(peerKey).remoteAddress, failure };
  if (service.typeName === AdminService.typeName) return { ...refused, door: "admin", action: method.name };
  const isLimited = failure === "CALLER_RATE_LIMITED" || failure === "BUDGET_EXHAUSTED";
  const key = isLimited ? values.get(callerKey)?.id : undefined;
  return { ...refused, door: protocolName === "grpc" || protocolName === "grpc-web" ? protocolName : "connect", key };
}

/** What a reload replaces. */
interface Live {
  readonly keys: KeyRing;
  readonly browsers: BrowserRule;
  readonly bodyMax: number;
  readonly heartbeatMs: number;
}

interface Lasting {
  readonly throttle: Throttle;
  readonly issued: IssuedKeys;
}

function liveFrom(settings: Settings, initial: Settings, { throttle, issued }: Lasting): Live {
  const { auth, server } = settings;
  const keys = keysFrom(settings);
  // Once there were keys, taking the last one away must not open the door.
  if (keys.length > 0) issued.noteConfigured();
  return {
    keys: createKeyRing({ keys, issued, required: auth.required, throttle }),
    browsers: createBrowserRule(server.cors.allowed_origins),
    bodyMax: initial.server.max_body,
    heartbeatMs: server.heartbeat,
  };
}
