import { Counter, Gauge, type Registry } from "prom-client";
import { BreakerState, HealthStatus } from "../core/chat.ts";
import type { Door } from "../core/call.ts";

/** A provider at the moment of a scrape. */
export interface ProviderGauges {
  /** The configuration's name. */
  readonly provider: string;
  readonly health: HealthStatus;
  /** Calls it is at work for. */
  readonly inFlight: number;
  /** Its configured targets. */
  readonly targets: readonly { readonly model: string; readonly breaker: BreakerState }[];
}

/** What gauges are read from, at scrape time. */
export interface GaugeSources {
  readonly version: string;
  readonly providers: () => readonly ProviderGauges[];
  /** Calls under way, by door. */
  readonly callsInFlight: ReadonlyMap<Door, number>;
  /** Log lines lost since start. */
  readonly logLinesDropped: () => number;
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

/** What is read anew at each scrape, so that what left the configuration leaves the gauges. Returns what reads it. */
export function createGauges(sources: GaugeSources, registry: Registry): () => void {
  const gauge = (name: string, help: string, labelNames: string[]): Gauge =>
    new Gauge({ name: `semaroute_${name}`, help, labelNames, registers: [registry] });
  const callsInFlight = gauge("calls_in_flight", "Calls under way", ["door"]);
  const health = gauge("provider_health", "1 healthy or never called, 0.5 degraded, 0 unhealthy", ["provider"]);
  const breaker = gauge("target_breaker_open", "1 open, 0.5 half open, 0 closed", ["provider", "model"]);
  const inFlight = gauge("provider_in_flight", "Calls a provider is at work for", ["provider"]);
  const dropped = new Counter({ name: "semaroute_log_lines_dropped_total", help: "Log lines lost", registers: [registry] });
  gauge("build_info", "1, with the version as a label", ["version"]).labels(sources.version).set(1);

  return () => {
    health.reset();
    breaker.reset();
    inFlight.reset();
    for (const [door, calls] of sources.callsInFlight) callsInFlight.labels(door).set(calls);
    for (const each of sources.providers()) {
      health.labels(each.provider).set(healthValues[each.health] ?? 1);
      inFlight.labels(each.provider).set(each.inFlight);
      for (const target of each.targets) breaker.labels(each.provider, target.model).set(breakerValues[target.breaker] ?? 0);
    }
    dropped.reset();
    dropped.inc(sources.logLinesDropped());
  };
}
