import {
  AggregatorRegistry,
  collectDefaultMetrics,
  Counter,
  Gauge,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import { type LimitKind, limitKinds } from "../core/limits.ts";
import type { StoreTrouble } from "../core/store.ts";
import { createStoreGauges } from "./gauges.ts";
import type { Metrics, ReloadResult } from "./metrics.ts";

/** What a process has counted, as it goes to another one. */
export type MetricReport = readonly MetricObjectWithValues<MetricValue<string>>[];

/** One page for several processes. */
export interface CommonMetrics {
  /** The configuration was read again, once for all. */
  reloaded(result: ReloadResult): void;
  /** Sums of all reports, and of what processes that are gone had counted. */
  page(reports: readonly MetricReport[]): ReturnType<Metrics["render"]>;
  /** A process is gone; what it had counted when it last reported stays counted. */
  retire(last: MetricReport): void;
}

/** What the process that makes the page knows by itself. */
export interface CommonSources {
  /** Workers that live. */
  readonly workers: () => number;
  /** Workers that ended by themselves, and were replaced. */
  readonly restarts: () => number;
  /** Calls that a limit of their key refused since start. */
  readonly limitRefusals: (kind: LimitKind) => number;
  /** Decisions that its journal held and the store did not take, since start. */
  readonly decisionsLost: () => number;
  /** How the store is served. */
  readonly store: () => StoreTrouble;
  /** Log lines of its own that were lost since start. */
  readonly logLinesDropped: () => number;
}

/** A page on which nothing that counts goes back, whoever dies. */
export function createCommonMetrics(sources: CommonSources): CommonMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const readOwn = createOwnSeries(sources, registry);
  const reloads = counter(registry, "config_reloads_total", "Times the configuration was read again", ["result"]);
  let retired: MetricReport = [];
  // One after the other: what is folded in must not be lost by who folds at the same time.
  let folding: Promise<void> = Promise.resolve();
  return {
    reloaded: (result) => reloads.labels(result).inc(),
    async page(reports) {
      await folding;
      readOwn();
      const own = await registry.getMetricsAsJSON();
      const all = summed([...reports, retired, own]);
      return { contentType: all.contentType, body: await all.metrics() };
    },
    retire(last) {
      folding = folding.then(async () => {
        const sums = await summed([retired, last]).getMetricsAsJSON();
        retired = sums.filter(({ type }) => onlyGrows.has(String(type)));
      });
    },
  };
}

const onlyGrows: ReadonlySet<string> = new Set(["counter", "histogram"]);

function summed(reports: readonly MetricReport[]): Registry {
  return AggregatorRegistry.aggregate(reports.map((report) => [...report]));
}

function counter(registry: Registry, name: string, help: string, labelNames: string[] = []): Counter {
  return new Counter({ name: `semaroute_${name}`, help, labelNames, registers: [registry] });
}

/** Those that workers have too are added to theirs. Returns what reads them. */
function createOwnSeries(sources: CommonSources, registry: Registry): () => void {
  const count = new Gauge({ name: "semaroute_workers", help: "Workers that live", registers: [registry] });
  const restarts = counter(registry, "worker_restarts_total", "Workers that ended by themselves, and were replaced");
  const limited = counter(registry, "limit_refusals_total", "Calls refused by a limit or the budget of their key", ["kind"]);
  const lost = counter(registry, "decisions_lost_total", "Decisions the store did not take");
  const dropped = counter(registry, "log_lines_dropped_total", "Log lines lost");
  const readTrouble = createStoreGauges(
    (name, help, labelNames) => new Gauge({ name: `semaroute_${name}`, help, labelNames, registers: [registry] }),
    (name, help, labelNames) => counter(registry, name, help, labelNames),
  );
  return () => {
    count.set(sources.workers());
    readTrouble(sources.store());
    for (const each of [restarts, limited, lost, dropped]) each.reset();
    restarts.inc(sources.restarts());
    lost.inc(sources.decisionsLost());
    dropped.inc(sources.logLinesDropped());
    for (const kind of limitKinds) limited.labels(kind).inc(sources.limitRefusals(kind));
  };
}
