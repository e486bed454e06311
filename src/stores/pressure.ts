import { type Pressures, type Resource, resources } from "../core/overload.ts";

/** What was measured since the tick before. */
export interface LoadSample {
  /** How late the event loop came to its timers; milliseconds, the 99th percentile. */
  readonly lagMs: number;
  /** V8's heap in use, of its limit. */
  readonly heap: number;
  /** Memory in use, of what the process may have. */
  readonly memory: number;
  /** Connections of callers, of as many as there may be. */
  readonly connections: number;
}

/** What is known of the load; a value, made anew each tick. */
export interface LoadState {
  readonly pressures: Pressures;
  /** What made it as strict as it is: the fullest resource when it last called for as much. */
  readonly cause: Resource;
  /**
   * 0: everybody is served. 1, 2, 3: nobody of priority LOW, NORMAL, HIGH and below. Between two of them the part behind
   * the point tells how much of the next priority is refused, so that calls come back a few at a time.
   */
  readonly strictness: number;
  /** The lags of the last ticks, the newest last. */
  readonly lagsMs: readonly number[];
}

/** How a process begins. */
export const calm: LoadState = {
  pressures: { event_loop: 0, heap: 0, memory: 0, connections: 0 },
  cause: "event_loop",
  strictness: 0,
  lagsMs: [],
};

/** Milliseconds between two ticks. */
export const tickMs = 250;

/** Pressure from which nobody of LOW, NORMAL, HIGH is served. */
const levels = [0.8, 0.9, 0.95] as const;
/** A level is kept until the pressure is so far below it. */
const margin = 0.05;
/** How much strictness falls a tick: a level a second, so that calm returns within 3 s from the strictest. */
const fall = 0.25;

/** A loop is late that was so in as many ticks running: a single stall, however long, is over once it can be measured. */
const lagTicks = 3;
/** Such lags are pressures of 90 % and 95 %. */
const lateMs = 200;
const veryLateMs = 500;

/** The state after one more tick. Pure: a pressure above a level acts at once, one below it step by step. */
export function nextLoad(state: LoadState, sample: LoadSample): LoadState {
  const lagsMs = [...state.lagsMs, sample.lagMs].slice(-lagTicks);
  const lastingMs = lagsMs.length < lagTicks ? 0 : Math.min(...lagsMs);
  const pressures = {
    event_loop: lagPressure(lastingMs),
    heap: within(sample.heap),
    memory: within(sample.memory),
    connections: within(sample.connections),
  };
  const worst = resources.reduce((a, b) => (pressures[b] > pressures[a] ? b : a));
  const called = levelOf(pressures[worst]);
  const kept = levelOf(pressures[worst] + margin);
  const strictness = Math.max(called, Math.min(state.strictness, Math.max(kept, state.strictness - fall)));
  const cause = called > 0 && called >= strictness ? worst : state.cause;
  return { pressures, cause, strictness, lagsMs };
}

/** 0 to 3. */
function levelOf(pressure: number): number {
  let level = 0;
  for (const from of levels) if (pressure >= from) level++;
  return level;
}

/** In a straight line to each of the two marks, and on by the same slope. */
function lagPressure(lagMs: number): number {
  const [, late, veryLate] = levels;
  if (lagMs <= lateMs) return (late * lagMs) / lateMs;
  return within(late + ((veryLate - late) * (lagMs - lateMs)) / (veryLateMs - lateMs));
}

/** What could not be measured does not press. */
function within(share: number): number {
  return Number.isNaN(share) ? 0 : Math.min(1, Math.max(0, share));
}
