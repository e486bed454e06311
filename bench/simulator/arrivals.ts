import { createDraws } from "./draws.ts";
import type { Fleet } from "./fleet.ts";

const hourMs = 3_600_000;
/** At 15:00 UTC so much more than the mean, at 3:00 so much less. */
const swing = 0.6;
const peakHour = 15;
const inputTokensMax = 30_000;
const outputTokensMax = 4000;

/** A call as it comes: the same for every policy. */
export interface Arrival {
  /** From the beginning of the run. */
  readonly atMs: number;
  readonly model: string;
  readonly inputTokens: number;
  /** That its answer will have, whoever gives it. */
  readonly outputTokens: number;
}

/** What arrivals are drawn from. */
export interface ArrivalOptions {
  readonly seed: number;
  readonly fleet: Fleet;
  /** How many, in the mean. */
  readonly calls: number;
  /** Of the day in UTC. */
  readonly fromHour: number;
  readonly untilHour: number;
}

/** Relative to the mean of a day. */
export function loadAt(hour: number): number {
  return 1 + swing * Math.cos((2 * Math.PI * (hour - peakHour)) / 24);
}

/** The busiest a run gets, in calls a second. */
export function peakPerSecond({ calls, fromHour, untilHour }: Pick<ArrivalOptions, "calls" | "fromHour" | "untilHour">): number {
  const steps = 200;
  const loads = Array.from({ length: steps + 1 }, (_, i) => loadAt(fromHour + ((untilHour - fromHour) * i) / steps));
  const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
  return (calls / ((untilHour - fromHour) * 3600)) * (Math.max(...loads) / mean);
}

/** By a Poisson process whose rate goes with the hour: drawn at the highest rate, and thinned to the hour's. */
export function createArrivals(options: ArrivalOptions): readonly Arrival[] {
  const { fleet, fromHour, untilHour } = options;
  const draws = createDraws(options.seed);
  const arrivals: Arrival[] = [];
  const meanGapMs = 1000 / peakPerSecond(options);
  const loadMax = Math.max(...Array.from({ length: 201 }, (_, i) => loadAt(fromHour + ((untilHour - fromHour) * i) / 200)));
  const lastMs = (untilHour - fromHour) * hourMs;
  for (let atMs = draws.exponential(meanGapMs); atMs < lastMs; atMs += draws.exponential(meanGapMs)) {
    if (draws.uniform() * loadMax >= loadAt(fromHour + atMs / hourMs)) continue;
    arrivals.push({
      atMs,
      model: modelAt(fleet, draws.uniform()),
      inputTokens: Math.max(20, Math.min(inputTokensMax, Math.round(draws.logNormal(600, 1)))),
      outputTokens: Math.max(5, Math.min(outputTokensMax, Math.round(draws.logNormal(250, 0.8)))),
    });
  }
  return arrivals;
}

function modelAt({ models, popularity }: Fleet, lot: number): string {
  let until = 0;
  for (let i = 0; i < popularity.length; i++) {
    until += popularity[i] ?? 0;
    if (lot < until) return models[i] ?? "";
  }
  return models[0] ?? "";
}
