import { type Aggregator, Counter, Gauge, type Registry } from "prom-client";
import { BreakerState, HealthAxis, HealthStatus, type Priority, type TargetHealth } from "../core/chat.ts";
import type { Door } from "../core/call.ts";
import { type LimitKind, limitKinds } from "../core/limits.ts";
import type { Pressures } from "../core/overload.ts";
import type { RedisStatus, SharedReport } from "../core/redis.ts";
import type { StoreTrouble } from "../core/store.ts";
import { priorityWords } from "./words.ts";

/** A provider at the moment of a scrape. */
export interface ProviderGauges {
  /** The configuration's name. */
  readonly provider: string;
  readonly health: HealthStatus;
  /** Calls it is at work for. */
  readonly inFlight: number;
  /** Its configured targets. */
  readonly targets: readonly TargetGauges[];
}

/** A target at the moment of a scrape. */
export type TargetGauges = Pick<TargetHealth, "model" | "breaker" | "concurrencyLimit" | "bars">;

/** What gauges are read from, at scrape time. */
export interface GaugeSources {
  readonly version: string;
  readonly providers: () => readonly ProviderGauges[];
  /** Calls under way, by door. */
  readonly callsInFlight: ReadonlyMap<Door, number>;
  /** Log lines lost since start. */
  readonly logLinesDropped: () => number;
  /** Decisions the store did not take, since start. Default: none. */
  readonly decisionsLost?: () => number;
  /** Default: rows are taken. */
  readonly store?: () => StoreTrouble;
  /** Calls and copies whose ledger rows are lost since start, and the size of the journal's file. Default: there is no ledger. */
  readonly ledger?: { lost(): number; journalBytes(): number };
  /** Errors nobody foresaw, since start. */
  readonly bugs: () => number;
  /** Undefined: replicas share nothing. Default: they do not. */
  readonly shared?: () => SharedReport | undefined;
  /** How full each resource is. */
  readonly pressures: () => Pressures;
  /** Calls of a priority that were shed since start. */
  readonly shed: (priority: Priority) => number;
  /** Calls that a limit of their key refused since start. Default: none. */
  readonly limitRefusals?: (kind: LimitKind) => number;
}

/** What is not in here has not been found wanting. */
const healthValues: Readonly<Partial<Record<HealthStatus, number>>> = {
  [HealthStatus.DEGRADED]: 0.5,
  [HealthStatus.UNHEALTHY]: 0,
};

const breakerValues: Readonly<Partial<Record<BreakerState, number>>> = {
  [BreakerState.HALF_OPEN]: 0.5,
  [BreakerState.OPEN]: 1,
};

/** The breaker has a gauge of its own. */
const axisWords: ReadonlyMap<HealthAxis, string> = new Map([
  [HealthAxis.RATE_LIMIT, "rate_limit"],
  [HealthAxis.CREDENTIAL, "credential"],
  [HealthAxis.CAPABILITY, "capability"],
]);

/** What is read anew at each scrape, so that what left the configuration leaves the gauges. Returns what reads it. */
export function createGauges(sources: GaugeSources, registry: Registry): () => void {
  // What a page for several processes makes of theirs: a sum, or the one that is worst.
  const gauge = (name: string, help: string, labelNames: string[], aggregator: Aggregator = "sum"): Gauge =>
    new Gauge({ name: `semaroute_${name}`, help, labelNames, aggregator, registers: [registry] });
  const counter = (name: string, help: string, labelNames: string[]): Counter =>
    new Counter({ name: `semaroute_${name}`, help, labelNames, registers: [registry] });
  const callsInFlight = gauge("calls_in_flight", "Calls under way", ["door"]);
  const health = gauge("provider_health", "1 healthy or never called, 0.5 degraded, 0 unhealthy", ["provider"], "min");
  const breaker = gauge("target_breaker_open", "1 open, 0.5 half open, 0 closed", ["provider", "model"], "max");
  const barredLabels = ["provider", "model", "axis"];
  const barred = gauge("target_barred", "1 while something other than its breaker keeps calls from a target", barredLabels, "max");
  const limit = gauge("target_concurrency_limit", "Calls a target may have at a time", ["provider", "model"]);
  const inFlight = gauge("provider_in_flight", "Calls a provider is at work for", ["provider"]);
  const dropped = new Counter({ name: "semaroute_log_lines_dropped_total", help: "Log lines lost", registers: [registry] });
  const lost = new Counter({ name: "semaroute_decisions_lost_total", help: "Decisions the store did not take", registers: [registry] });
  const ledgerLost = new Counter({
    name: "semaroute_ledger_lost_total",
    help: "Calls whose ledger rows neither the store nor the journal took",
    registers: [registry],
  });
  const journal = gauge("ledger_journal_bytes", "Size of the ledger's journal; 0 as long as the store takes its rows", []);
  const readTrouble = createStoreGauges(gauge, counter);
  const bugs = new Counter({ name: "semaroute_bugs_total", help: "Errors nobody foresaw; each has its log line", registers: [registry] });
  const pressure = gauge("overload_pressure", "How full a resource is, from 0 to 1; load is shed from 0.8", ["resource"], "max");
  const shed = counter("shed_total", "Calls refused because this process was overloaded", ["priority"]);
  const readShared = createSharedGauges(gauge);
  const limited = counter("limit_refusals_total", "Calls refused by a limit or the budget of their key", ["kind"]);
  gauge("build_info", "1, with the version as a label", ["version"], "max").labels(sources.version).set(1);

  return () => {
    health.reset();
    breaker.reset();
    barred.reset();
    limit.reset();
    inFlight.reset();
    for (const [door, calls] of sources.callsInFlight) callsInFlight.labels(door).set(calls);
    for (const each of sources.providers()) {
      health.labels(each.provider).set(healthValues[each.health] ?? 1);
      inFlight.labels(each.provider).set(each.inFlight);
      for (const target of each.targets) {
        const { model, bars, concurrencyLimit } = target;
        breaker.labels(each.provider, model).set(breakerValues[target.breaker] ?? 0);
        if (concurrencyLimit !== undefined) limit.labels(each.provider, model).set(concurrencyLimit);
        for (const axis of bars.flatMap((bar) => axisWords.get(bar.axis) ?? [])) barred.labels(each.provider, model, axis).set(1);
      }
    }
    for (const [resource, share] of Object.entries(sources.pressures())) pressure.labels(resource).set(share);
    shed.reset();
    for (const [priority, word] of priorityWords) shed.labels(word).inc(sources.shed(priority));
    readShared(sources.shared?.());
    limited.reset();
    for (const kind of limitKinds) limited.labels(kind).inc(sources.limitRefusals?.(kind) ?? 0);
    bugs.reset();
    bugs.inc(sources.bugs());
    lost.reset();
    lost.inc(sources.decisionsLost?.() ?? 0);
    ledgerLost.reset();
    ledgerLost.inc(sources.ledger?.lost() ?? 0);
    journal.set(sources.ledger?.journalBytes() ?? 0);
    readTrouble(sources.store?.());
    dropped.reset();
    dropped.inc(sources.logLinesDropped());
  };
}

/** What becomes of rows for a database. */
export function createStoreGauges(
  gauge: (name: string, help: string, labelNames: string[]) => Gauge,
  counter: (name: string, help: string, labelNames: string[]) => Counter,
): (trouble: StoreTrouble | undefined) => void {
  const wait = gauge("store_rows_wait", "1 while the database does not take rows, and they wait in the journal", []);
  const refused = counter("store_rows_refused_total", "Rows that the database refuses for good, set aside in the journal", []);
  return (trouble) => {
    wait.set(trouble?.waits === true ? 1 : 0);
    refused.reset();
    refused.inc(trouble?.refused ?? 0);
  };
}

const redisBreakerValues: Readonly<Record<RedisStatus["breaker"], number>> = { closed: 0, half_open: 0.5, open: 1 };

/** What replicas share; no series at all where they share nothing. */
function createSharedGauges(
  gauge: (name: string, help: string, labelNames: string[], aggregator: Aggregator) => Gauge,
): (shared: SharedReport | undefined) => void {
  const make = () => ({
    up: gauge("redis_up", "1 while Redis is connected and answers", [], "min"),
    readOnly: gauge("redis_read_only", "1 while Redis answers, but refuses to write", [], "max"),
    breaker: gauge("redis_breaker_open", "1 open, 0.5 half open, 0 closed", [], "max"),
    mode: gauge(
      "shared_mode",
      "1 for how a part of the house works now: shared through Redis, or local without it",
      ["part", "mode"],
      "max",
    ),
  });
  let made: ReturnType<typeof make> | undefined;
  return (shared) => {
    if (shared === undefined) return;
    made ??= make();
    const { state, breaker } = shared.redis;
    made.up.set(state === "up" || state === "read_only" ? 1 : 0);
    made.readOnly.set(state === "read_only" ? 1 : 0);
    made.breaker.set(redisBreakerValues[breaker]);
    made.mode.reset();
    for (const part of ["cache", "limits", "budgets"] as const) made.mode.labels(part, shared[part]).set(1);
  };
}
