import { collectDefaultMetrics, Registry } from "prom-client";
import { failedOverFrom, upstreamMs, wasMade } from "../core/attempts.ts";
import type { AttemptRecord, Door, Source } from "../core/call.ts";
import type { Target, TargetId } from "../core/catalog.ts";
import type { SimilarResult } from "../core/similar.ts";
import type { CallObserver, CallRecord, RefusalObserver } from "../core/telemetry.ts";
import type { MetricReport } from "./common-metrics.ts";
import { createFamilies, type Families } from "./families.ts";
import { createGauges, type GaugeSources } from "./gauges.ts";
import { createRedisSeries, type RedisSeries } from "./redis-series.ts";
import { createPendingCounters, type Tally } from "./pending-counters.ts";
import { createTargetSeries, lazy, once, type TargetSeries } from "./target-series.ts";
import { cacheWords, doors, failureWord, outcomeWord } from "./words.ts";

/** The metrics of one process. */
export interface Metrics extends RedisSeries {
  readonly observer: CallObserver & RefusalObserver;
  /** The configuration was read again. */
  reloaded(result: ReloadResult): void;
  /** What was counted, for the page of several processes. */
  report(): Promise<MetricReport>;
  /** What `GET /metrics` answers. */
  render(this: void): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** What came of reading the configuration again. */
export type ReloadResult = "applied" | "unchanged" | "refused";

/** What metrics are made of beside calls. */
export interface MetricsOptions extends Omit<GaugeSources, "callsInFlight"> {
  /** Whether a target is in the configuration now; callers choose other names, which must not become labels. */
  readonly isKnown: (target: TargetId) => boolean;
}

/** On a registry of its own, so that two can live in one process. */
export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counters = createPendingCounters(registry);
  const families = createFamilies(counters, registry);
  const callsInFlight = new Map<Door, number>(doors.map((door) => [door, 0]));
  const readGauges = createGauges({ ...options, callsInFlight }, registry);

  const none = createTargetSeries(families, "none", "none");
  const seriesOf = knownSeries(families, options.isKnown);
  const countAttempts = attemptCounter(seriesOf);
  const overhead = once((door: Door) => families.overhead.labels(door));
  const cache = { hit: families.cache("hit"), miss: families.cache("miss"), bypass: families.cache("bypass") };
  // Each made once: a family makes another series whenever it is asked.
  const failedRules = lazy(() => families.failedRules());
  const similar = once((result: SimilarResult) => families.similar(result));
  const reloads = reloadSeries(families);
  const move = (door: Door, by: number): void => void callsInFlight.set(door, (callsInFlight.get(door) ?? 0) + by);

  const observer: CallObserver & RefusalObserver = {
    refused({ door, failure }) {
      if (door !== "admin") none.calls(door, failureWord(failure)).pending++;
    },
    began: (call) => move(call.door, 1),
    shadowed(_call, attempt) {
      if (wasMade(attempt)) seriesOf(attempt.target).shadowed(attempt);
    },
    looked(_call, { result, attempts, endMs }) {
      similar(result).pending++;
      countAttempts(attempts, endMs);
    },
    ended(record) {
      const { call, attempts, endMs, firstContentMs, source, error } = record;
      const { door, receivedMs } = call;
      move(door, -1);
      const target = targetOf(record);
      const series = target === undefined ? none : seriesOf(target);
      series.calls(door, outcomeWord(error)).pending++;
      series.duration(door).observe((endMs - receivedMs) / 1000);
      if (firstContentMs !== undefined) series.firstContent().observe((firstContentMs - receivedMs) / 1000);
      overhead(door).observe((endMs - receivedMs - upstreamMs(record)) / 1000);
      if (source !== undefined) countSource(source);
      countAttempts(attempts, endMs);
    },
  };

  const countSource = ({ cache: status, failedRules: failed }: Source): void => {
    const word = cacheWords[status];
    if (word !== undefined) cache[word].pending++;
    if (failed !== undefined) failedRules().pending += failed.length;
  };

  return {
    observer,
    ...createRedisSeries(families),
    reloaded: (result) => void reloads[result].pending++,
    report() {
      counters.settle();
      readGauges();
      return registry.getMetricsAsJSON();
    },
    async render() {
      counters.settle();
      readGauges();
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

/** Counts what the attempts of one call did; `endMs` is when it ended. */
function attemptCounter(seriesOf: (target: Target) => TargetSeries): (attempts: readonly AttemptRecord[], endMs: number) => void {
  return (attempts, endMs) => {
    for (let i = 0; i < attempts.length; i++) {
      const attempt = attempts[i];
      if (attempt !== undefined && wasMade(attempt)) seriesOf(attempt.target).attempted(attempt, endMs);
      const from = failedOverFrom(attempts, i);
      if (from !== undefined) seriesOf(from.target).failedOver();
    }
  };
}

function reloadSeries({ reloads }: Families): Readonly<Record<ReloadResult, Tally>> {
  return { applied: reloads("applied"), unchanged: reloads("unchanged"), refused: reloads("refused") };
}

/** Who a call is counted for: the target that answered, else the one tried last. */
function targetOf({ source, attempts }: CallRecord): Target | undefined {
  return source?.target ?? attempts[attempts.length - 1]?.target;
}

/** A target's own series, or those of all targets that only callers know. */
function knownSeries(families: Families, isKnown: (id: TargetId) => boolean): (target: Target) => TargetSeries {
  const other = createTargetSeries(families, "other", "other");
  const known = new Map<TargetId, TargetSeries>();
  return (target) => {
    const series = known.get(target.id);
    if (series !== undefined) return series;
    if (!isKnown(target.id)) return other;
    const made = createTargetSeries(families, target.provider, target.model);
    known.set(target.id, made);
    return made;
  };
}
