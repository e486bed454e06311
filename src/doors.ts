import { Code, ConnectError, type ContextValues, createConnectRouter } from "@connectrpc/connect";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { AdminService } from "../gen/semaroute/v1/admin_pb.ts";
import { RouterService } from "../gen/semaroute/v1/router_pb.ts";
import type { Settings } from "./config/schema.ts";
import type { KeyId, KeyLimits } from "./core/call.ts";
import { Priority } from "./core/chat.ts";
import type { Clock } from "./core/clock.ts";
import type { Operations } from "./core/operations.ts";
import { ChatError, type Failure } from "./core/error.ts";
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
import { adminOptions, adminService } from "./server/rpc/admin.ts";
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
  const { operations, clock, settings: initial } = options;
  let refusing = false;
  const router: Router = { ...options.router, refusal: (key) => (refusing ? goingAway() : options.router.refusal(key)) };
  const throttle = createThrottle({ clock });
  const gone = new AbortController();
  const admin = createAdminGate({ ...options.adminToken, throttle });
  const keysEver = { seen: false };
  let live = liveFrom(initial, initial, { throttle, keysEver });
  const desk: CallDesk = createCallDesk({ router, clock, newId: options.newId, random: options.random });
  const onRefused = refusalTeller(options.refusals, options.onBug);
  const bodyMax = initial.server.max_body;
  const arrivals = createArrivals(arrivingMax(bodyMax));
  const validator = createWarmValidator([RouterService, AdminService]);
  const connect = {
    ...rpcOptions({
      gate: gateWithDetails(
        rpcGate(() => ({ keys: live.keys, admin, router })),
        ({ service, protocolName, values }, failure) => onRefused(refusedRpc(service.typeName, protocolName, values, failure)),
      ),
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
  const rpc = createConnectRouter(data);
  const small = { readMaxBytes: messageBytesMax(Health, bodyMax) };
  rpc.service(RouterService, routerService({ router, desk, clock, heartbeatMs: () => live.heartbeatMs }));
  rpc.service(AdminService, adminMethods, adminOptions(adminMethods, adminConnect));
  rpc.service(Health, healthService({ providers: operations.providers, draining: gone.signal, clock }), { ...data, ...small });
  serveReflection(rpc, [RouterService, AdminService, Health], { ...connect, ...small });

  const parts = {
    router,
    desk,
    clock,
    arrivals,
    bodyMax,
    rpc,
    admin: createAdminDoor(adminMethods, adminConnect),
    settings: () => live,
    browsers: () => live.browsers,
    health: () => healthFacts(operations, gone.signal.aborted, clock),
    metrics: options.metrics,
    deadlineMaxMs: () => router.snapshot().options.totalMs,
    onRefused,
    onBug: options.onBug,
  };
  return {
    handler: (doors) => createRequestHandler(parts, doors),
    apply(settings) {
      live = liveFrom(settings, initial, { throttle, keysEver });
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

function goingAway(): ChatError {
  return new ChatError("DRAINING", "this replica is going away");
}

function healthFacts({ providers, version, startWall }: Operations, draining: boolean, clock: Clock): HealthFacts {
  return { providers, draining, version, startWall, nowWall: clock.wall() };
}

/** Bytes of requests on their way in: an eighth of the memory there may be; never so few that the largest could not come. */
function arrivingMax(bodyMax: number): number {
  return Math.max(64 * 2 ** 20, memoryLimit() / 8, 2 * bodyMax);
}

function refusedRpc(service: string, protocol: string, values: ContextValues, failure: Failure): RefusedRequest {
  const door = service === AdminService.typeName ? "admin" : protocol === "grpc" || protocol === "grpc-web" ? protocol : "connect";
  const isLimited = failure === "CALLER_RATE_LIMITED" || failure === "BUDGET_EXHAUSTED";
  const key = isLimited ? values.get(callerKey)?.id : undefined;
  return { id: values.get(callIdKey), requestId: values.get(requestIdKey), door, address: values.get(peerKey).remoteAddress, failure, key };
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
  /** Once there were keys, taking the last one away must not open the door. */
  readonly keysEver: { seen: boolean };
}

const priorities = { low: Priority.LOW, normal: Priority.NORMAL, high: Priority.HIGH } as const;

function liveFrom({ auth, server }: Settings, initial: Settings, { throttle, keysEver }: Lasting): Live {
  keysEver.seen ||= auth.keys.length > 0;
  const required = auth.required === "auto" ? keysEver.seen : auth.required;
  const keys = auth.keys.map(({ name, key, models, priority, limits }) => ({
    id: `cfg_${name}` as KeyId,
    name,
    secret: key,
    models: models.length === 0 ? undefined : new Set(models),
    priority: priorities[priority],
    limits: limitsFrom(limits),
  }));
  return {
    keys: createKeyRing({ keys, required, throttle }),
    browsers: createBrowserRule(server.cors.allowed_origins),
    bodyMax: initial.server.max_body,
    heartbeatMs: server.heartbeat,
  };
}

/** Undefined: none, so that nobody looks any further. */
function limitsFrom(limits: Settings["auth"]["keys"][number]["limits"]): KeyLimits | undefined {
  const { requests_per_minute, tokens_per_minute, concurrent_calls, budget_usd } = limits;
  if (requests_per_minute + tokens_per_minute + concurrent_calls + budget_usd === 0) return undefined;
  return {
    requestsPerMinute: requests_per_minute,
    tokensPerMinute: tokens_per_minute,
    concurrentCalls: concurrent_calls,
    // A budget below a millionth of a dollar is one, and not none.
    budgetMicroUsd: budget_usd === 0 ? 0 : Math.max(1, Math.round(budget_usd * 1e6)),
    budgetPeriod: limits.budget_period,
  };
}
