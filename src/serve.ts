import { randomUUIDv7 } from "node:crypto";
import type { AdminToken } from "./config/data-folder.ts";
import { type Loaded, loadConfiguration, type LoadInput } from "./config/load.ts";
import type { Problem } from "./config/problem.ts";
import type { Settings } from "./config/schema.ts";
import { issuedTwice, keysFrom } from "./assembly/configured-keys.ts";
import { keySpending } from "./assembly/key-spending.ts";
import { watchLoad } from "./assembly/load-watch.ts";
import { createReloader, type Reloader } from "./assembly/reloader.ts";
import { simulations } from "./assembly/simulations.ts";
import type { Clock } from "./core/clock.ts";
import { ChatError } from "./core/error.ts";
import type { Operations, ReloadOutcome } from "./core/operations.ts";
import { createDoors, type Doors } from "./doors.ts";
import { drain } from "./drain.ts";
import { createGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
import { openListeners } from "./listeners.ts";
import { type Remembering, startRemembering } from "./remembering.ts";
import { providerGauges } from "./provider-gauges.ts";
import { anonymousKey } from "./server/auth.ts";
import { boundsDefault } from "./server/bounds.ts";
import { statusOf } from "./server/errors.ts";
import type { Listener } from "./server/listen.ts";
import { type Sharing, startSharing } from "./sharing.ts";
import type { ProcessLimits } from "./stores/key-limits.ts";
import type { Overload } from "./stores/overload.ts";
import { createStats, type Stats } from "./stores/stats.ts";
import { describeCause } from "./telemetry/cause.ts";
import { callLog } from "./telemetry/call-log.ts";
import { credentialLog } from "./telemetry/credential-log.ts";
import type { Log } from "./telemetry/log.ts";
import { auditLine, type Listening, overloadLine, startupLine } from "./telemetry/lines.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { redisObserver } from "./telemetry/redis-log.ts";
import { refusalLog } from "./telemetry/refusal-log.ts";
import { createTracing, type Tracing } from "./telemetry/tracing.ts";
import { refuse } from "./start.ts";
import { version } from "./version.ts";
import { watchConfiguration } from "./watching.ts";
import { beginWork, unheard } from "./worker.ts";
import type { Crew } from "./workers/crew.ts";
import type { Leaving } from "./workers/protocol.ts";

/** Exit codes (docs/operations.md). */
export type ExitCode = 0 | 1 | 78;

/** A server that runs. */
export interface Running {
  readonly urls: readonly string[];
  reload(): Promise<ReloadOutcome>;
  /** Starts all workers anew, one after another, and fails no call by it; without workers it only says so in the log. */
  restartWorkers(): Promise<void>;
  /** Drains and resolves when nothing is left. `replaced`: others take its callers over meanwhile; see `drain`. */
  stop(why?: Leaving): Promise<void>;
}

/** What a house is opened with. */
export interface Start {
  readonly loaded: Loaded;
  readonly input: LoadInput;
  readonly token: Exclude<AdminToken, { readonly kind: "refused" }>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** What a process that serves has beside it. */
export interface ServeStart extends Start {
  /** Bad configuration: one line a problem. */
  readonly tell: (line: string) => void;
  /** Who this process is a worker of; undefined: of nobody. */
  readonly crew: Crew | undefined;
}

/** Opens everything a configuration asks for; an exit code where it cannot. */
export async function serve(start: ServeStart): Promise<Running | ExitCode> {
  const { loaded, input, token, clock, random, log, tell, crew } = start;
  const { settings } = loaded;
  const listeners: Listener[] = [];
  const memory = await startRemembering(loaded, { ...input, random, lent: crew }, { clock, random, log });
  if (memory === undefined) {
    log.flush();
    return 1;
  }
  const house = { clock, random, log, memory, limits: crew?.limits };
  const rooms = await startRooms(settings, house, listeners);
  if (rooms instanceof ChatError) {
    await memory.close();
    return refuse([{ path: rooms.field ?? "routing_policy", message: rooms.message }], tell);
  }
  const { gateway, metrics, sharing, onBug } = rooms;
  // A bug that escaped belongs to one call, if to any; all others would die with the process.
  for (const escape of ["uncaughtException", "unhandledRejection"] as const) process.on(escape, onBug);
  let found = crew?.welcome.file;
  const reloader = createReloader(loaded, () => loadConfiguration({ ...input, found }), {
    ...(crew === undefined ? { log, metrics } : unheard),
    apply: (next) => takeOver(next.settings, { gateway, memory, doors: () => doors }),
  });
  memory.keys.onChanged(gateway.limits.changed);
  if (sharing !== undefined) memory.keys.shareNews(sharing.news);
  const own = operationsOf(house, rooms, reloader);
  const work = crew && beginWork(crew, own, { ...rooms, memory, reload: (file) => ((found = file), reloader.reload()) });
  const doors = createDoors({
    settings,
    router: gateway.router,
    operations: work?.operations ?? own,
    issued: memory.keys,
    clock,
    newId: randomUUIDv7,
    random,
    adminToken: { token: token.token, configured: token.kind === "configured" },
    metrics: settings.observability.metrics.enabled ? (work?.page ?? metrics.render) : undefined,
    refusals: [refusalLog(log, (failure) => statusOf(failure).http), metrics.observer],
    onBug,
  });
  const facts = { simulated: loaded.simulated, adminTokenFile: token.kind === "minted" ? token.path : undefined, version };
  const onOpen = work?.onOpen ?? ((listening: Listening) => startupLine(log, { ...facts, ...listening }));
  if (!(await openListeners({ settings, doors, clock, log, onOpen, listeners }))) {
    await close(house, rooms);
    log.flush();
    return 1;
  }
  const unwatch = crew === undefined ? await watchConfiguration(loaded, house, reloader.reload) : undefined;
  work?.ready();
  const stop = async (why?: Leaving): Promise<void> => {
    await unwatch?.();
    await drain({ settings: reloader.settings(), doors, gateway, listeners, clock, log, isReplaced: why === "replaced" });
    await work?.farewell();
    await close(house, rooms);
    log.info({}, "stopped");
    await log.settled();
    log.flush();
  };
  const restartWorkers = (): Promise<void> => Promise.resolve(log.warn({}, "there are no workers to be replaced: server.workers is 1"));
  return { urls: listeners.map(({ url }) => url), reload: reloader.reload, restartWorkers, stop };
}

async function close({ memory }: House, { overload, tracing, gateway, sharing }: Rooms): Promise<void> {
  overload.stop();
  await tracing.shutdown();
  await gateway.close();
  await sharing?.close();
  await memory.close();
}

/** All of another configuration, or nothing of it, and why not. */
function takeOver(
  settings: Settings,
  { gateway, memory, doors }: { readonly gateway: Gateway; readonly memory: Remembering; readonly doors: () => Doors },
): readonly Problem[] {
  const twins = issuedTwice(settings, memory.keys);
  if (twins.length > 0) return twins;
  const issues = gateway.apply(settings);
  if (issues.length === 0) {
    doors().apply(settings);
    for (const key of keysFrom(settings)) gateway.limits.changed(key);
  }
  return issues.map(({ field, message }) => ({ path: `routing_policy.${field}`, message }));
}

/** What everybody works with. */
interface House {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly memory: Remembering;
  /** Undefined: those of this process. */
  readonly limits: ProcessLimits | undefined;
}

function operationsOf({ clock, log, memory }: House, { gateway, stats, sharing }: Rooms, reloader: Reloader): Operations {
  return {
    providers: gateway.providers,
    policies: gateway.policies,
    decisions: memory.decisions,
    cache: gateway.cache,
    shared: () => sharing?.report(),
    keys: memory.keys,
    configuredKeys: () => keysFrom(reloader.settings()),
    spending: keySpending({ clock, standing: gateway.limits.standing, spentSince: memory.ledger.spentSince }),
    isModel: (name) => gateway.router.model(name, anonymousKey) !== undefined,
    ledger: memory.ledger,
    simulate: simulations({ decisions: memory.decisions, simulator: gateway.simulator }),
    version,
    startWall: clock.wall(),
    now: () => clock.wall(),
    stats: () => stats.targets(),
    reload: reloader.reload,
    audit: auditLine(log),
  };
}

interface Rooms {
  readonly gateway: Gateway;
  readonly stats: Stats;
  readonly metrics: Metrics;
  readonly sharing: Sharing | undefined;
  readonly tracing: Tracing;
  readonly overload: Overload;
  readonly onBug: (error: unknown) => void;
}

/** The gateway, and everybody who is told of its calls; or what the configuration cannot have beside what is remembered. */
async function startRooms(
  settings: Settings,
  { clock, random, log, memory, limits }: House,
  listeners: readonly Listener[],
): Promise<Rooms | ChatError> {
  const [twin] = issuedTwice(settings, memory.keys);
  if (twin !== undefined) return new ChatError("INVALID_REQUEST", twin.message, { field: twin.path });
  const stats = createStats();
  const tracing = await tracingOf(settings, clock, log);
  let bugs = 0;
  const onBug = (error: unknown): void => {
    bugs += 1;
    log.error({ cause: describeCause(error) }, "bug");
  };
  const overload = watchLoad({
    clock,
    listeners,
    connectionsMax: boundsDefault.connections,
    onChange: (change) => overloadLine(log, change),
  });
  // The gauges read the gateway, and the gateway reports to the counters: the one that is asked later is bound later.
  const late: { gateway?: Gateway } = {};
  const metrics = createMetrics({
    version,
    isKnown: (id) => late.gateway?.router.snapshot().catalog.targets.some((target) => target.id === id) ?? false,
    providers: () => (late.gateway === undefined ? [] : providerGauges(late.gateway)),
    logLinesDropped: () => log.dropped(),
    decisionsLost: () => memory.decisionsLost(),
    store: () => memory.storeTrouble(),
    ledger: memory.ledger,
    pressures: () => overload.pressures(),
    bugs: () => bugs,
    shed: (priority) => overload.refused(priority),
    shared: () => sharing?.report(),
    limitRefusals: (kind) => late.gateway?.limits.refusals(kind) ?? 0,
  });
  const sharing = startSharing(settings, { clock, random, observer: redisObserver(log, metrics), spentSince: memory.ledger.spentSince });
  const observers = [callLog(log, (failure) => statusOf(failure).http), stats, memory.decisions.observer, memory.ledger.observer];
  if (settings.observability.metrics.enabled) observers.push(metrics.observer);
  if (tracing.observer !== undefined) observers.push(tracing.observer);
  const gateway = gatewayOrRefusal({
    settings,
    clock,
    random,
    observers,
    onBug,
    onCredential: credentialLog(log),
    gate: overload,
    policyMemory: memory,
    // Replicas that share a Redis are more than the workers of one primary.
    limits: sharing?.limits ?? limits,
    shared: { redis: sharing?.redis, count: metrics.sharedCache },
    news: sharing?.news,
    onHint: metrics.hint,
    spentSince: memory.ledger.spentSince,
    hasBooks: memory.ledger.takes,
  });
  if (gateway instanceof ChatError) {
    overload.stop();
    await sharing?.close();
    return gateway;
  }
  late.gateway = gateway;
  return { gateway, stats, metrics, sharing, tracing, overload, onBug };
}

function tracingOf({ observability }: Settings, clock: Clock, log: Log): Promise<Tracing> {
  const { enabled, endpoint, sample_ratio: sampleRatio } = observability.tracing;
  const onLost = (spans: number): void => log.warn({ spans }, "the trace collector did not take spans");
  return createTracing({ enabled, endpoint, sampleRatio, version, clock, onLost });
}

/** A policy that the house itself refuses is bad configuration like any other. */
function gatewayOrRefusal(options: GatewayOptions): Gateway | ChatError {
  try {
    return createGateway(options);
  } catch (thrown) {
    if (thrown instanceof ChatError && thrown.failure === "INVALID_REQUEST") return thrown;
    throw thrown;
  }
}
