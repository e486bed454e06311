import { randomUUIDv7 } from "node:crypto";
import { adminToken, dataFolder } from "./config/data-folder.ts";
import { type Loaded, loadConfiguration, type LoadInput } from "./config/load.ts";
import { formatProblem, formatWarning, type Problem } from "./config/problem.ts";
import type { Settings } from "./config/schema.ts";
import { watchFile } from "./config/watch.ts";
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
import { anonymousKey } from "./server/auth.ts";
import { boundsDefault } from "./server/bounds.ts";
import { statusOf } from "./server/errors.ts";
import type { Listener } from "./server/listen.ts";
import { type Sharing, startSharing } from "./sharing.ts";
import type { Overload } from "./stores/overload.ts";
import { createStats, type Stats } from "./stores/stats.ts";
import { systemClock } from "./stores/system-clock.ts";
import type { ProviderGauges } from "./telemetry/gauges.ts";
import { describeCause } from "./telemetry/cause.ts";
import { callLog } from "./telemetry/call-log.ts";
import { credentialLog } from "./telemetry/credential-log.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { auditLine, overloadLine } from "./telemetry/lines.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { redisObserver } from "./telemetry/redis-log.ts";
import { refusalLog } from "./telemetry/refusal-log.ts";
import { createTracing, type Tracing } from "./telemetry/tracing.ts";
import { version } from "./version.ts";

/** Exit codes (docs/operations.md). */
export type ExitCode = 0 | 1 | 78;

/** A server that runs. */
export interface Running {
  readonly urls: readonly string[];
  reload(): Promise<ReloadOutcome>;
  /** Drains and resolves when nothing is left. */
  stop(): Promise<void>;
}

/** What a start needs. */
export interface ServeInput extends LoadInput {
  /** Bad configuration: one line a problem. */
  readonly tell: (line: string) => void;
}

/** Starts everything a configuration asks for; an exit code where it cannot. */
export async function serve({ tell, ...input }: ServeInput): Promise<Running | ExitCode> {
  const loaded = loadConfiguration(input);
  if (loaded.kind === "refused") return refuse(loaded.problems, tell);
  const { settings, path } = loaded;
  const token = adminToken(settings.admin.token, dataFolder(path, input.environment));
  if (token.kind === "refused") return refuse([token.problem], tell);
  const clock = systemClock;
  const log = createLog({ ...settings.observability.logging, clock });
  for (const warning of loaded.warnings) log.warn({ path: warning.path, problem: formatWarning(warning) }, "configuration warning");

  const listeners: Listener[] = [];
  const memory = await startRemembering(loaded, { ...input, random: Math.random }, { clock, random: Math.random, log });
  if (memory === undefined) {
    log.flush();
    return 1;
  }
  const rooms = await startRooms(settings, { clock, log, memory }, listeners);
  if (rooms instanceof ChatError) {
    await memory.close();
    return refuse([{ path: rooms.field ?? "routing_policy", message: rooms.message }], tell);
  }
  const { gateway, metrics, tracing, overload, onBug, sharing } = rooms;
  // A bug that escaped belongs to one call, if to any; all others would die with the process.
  for (const escape of ["uncaughtException", "unhandledRejection"] as const) process.on(escape, onBug);
  const reloader = createReloader(loaded, () => loadConfiguration(input), {
    log,
    metrics,
    apply: (next) => takeOver(next.settings, { gateway, memory, doors: () => doors }),
  });
  memory.keys.onChanged(gateway.limits.changed);
  if (sharing !== undefined) memory.keys.shareNews(sharing.news);
  const operations = operationsOf({ clock, log, memory }, rooms, reloader);
  const doors = createDoors({
    settings,
    router: gateway.router,
    operations,
    issued: memory.keys,
    clock,
    newId: randomUUIDv7,
    random: Math.random,
    adminToken: { token: token.token, configured: token.kind === "configured" },
    metrics: settings.observability.metrics.enabled ? () => metrics.render() : undefined,
    refusals: [refusalLog(log, (failure) => statusOf(failure).http), metrics.observer],
    onBug,
  });
  const facts = { simulated: loaded.simulated, adminTokenFile: token.kind === "minted" ? token.path : undefined };
  if (!(await openListeners({ settings, doors, clock, log, facts, listeners }))) {
    overload.stop();
    await gateway.close();
    await sharing?.close();
    await memory.close();
    log.flush();
    return 1;
  }
  const unwatch = await watch(loaded, clock, log, reloader.reload);
  const stop = async (): Promise<void> => {
    await unwatch();
    await drain({ settings: reloader.settings(), doors, gateway, listeners, clock, log });
    overload.stop();
    await tracing.shutdown();
    await gateway.close();
    await sharing?.close();
    await memory.close();
    log.info({}, "stopped");
    await log.settled();
    log.flush();
  };
  return { urls: listeners.map(({ url }) => url), reload: reloader.reload, stop };
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
  readonly log: Log;
  readonly memory: Remembering;
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
async function startRooms(settings: Settings, { clock, log, memory }: House, listeners: readonly Listener[]): Promise<Rooms | ChatError> {
  const [twin] = issuedTwice(settings, memory.keys);
  if (twin !== undefined) return new ChatError("INVALID_REQUEST", twin.message, { field: twin.path });
  const { tracing: traces, metrics: metering } = settings.observability;
  const stats = createStats();
  const tracing = await createTracing({
    enabled: traces.enabled,
    endpoint: traces.endpoint,
    sampleRatio: traces.sample_ratio,
    version,
    clock,
    onLost: (spans) => log.warn({ spans }, "the trace collector did not take spans"),
  });
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
  const sharing = startSharing(settings, {
    clock,
    random: Math.random,
    observer: redisObserver(log, metrics),
    spentSince: memory.ledger.spentSince,
  });
  const observers = [callLog(log, (failure) => statusOf(failure).http), stats, memory.decisions.observer, memory.ledger.observer];
  if (metering.enabled) observers.push(metrics.observer);
  if (tracing.observer !== undefined) observers.push(tracing.observer);
  const gateway = gatewayOrRefusal({
    settings,
    clock,
    random: Math.random,
    observers,
    onBug,
    onCredential: credentialLog(log),
    gate: overload,
    policyMemory: memory,
    shared: { redis: sharing?.redis, count: metrics.sharedCache },
    news: sharing?.news,
    onHint: metrics.hint,
    limits: sharing?.limits,
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

/** A policy that the house itself refuses is bad configuration like any other. */
function gatewayOrRefusal(options: GatewayOptions): Gateway | ChatError {
  try {
    return createGateway(options);
  } catch (thrown) {
    if (thrown instanceof ChatError && thrown.failure === "INVALID_REQUEST") return thrown;
    throw thrown;
  }
}

async function watch(
  { path, revision }: Loaded,
  clock: Clock,
  log: Log,
  reload: () => Promise<ReloadOutcome>,
): Promise<() => Promise<void>> {
  if (path === undefined) return () => Promise.resolve();
  const onError = (): void => log.warn({ path }, "watching the configuration file failed");
  return watchFile({ path, revision, clock, onError }, () => void reload());
}

function refuse(problems: readonly Problem[], tell: (line: string) => void): 78 {
  for (const problem of problems) tell(formatProblem(problem));
  return 78;
}

/** Only what is configured becomes a label: callers choose the other names. */
function providerGauges({ providers, router }: Gateway): ProviderGauges[] {
  const configured = new Set<string>(router.snapshot().catalog.targets.map(({ id }) => id));
  return providers.list().map(({ id }) => {
    const { status, inFlight, targets } = providers.health(id);
    return {
      provider: id,
      health: status,
      inFlight,
      targets: targets.filter(({ model }) => configured.has(`${id}/${model}`)),
    };
  });
}
