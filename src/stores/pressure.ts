import { type Pressures, type Resource, resources } from "../core/overload.ts";

/** What was measured since the tick before. */
export interface LoadSample {
  /** How late the event loop came to its timers; milliseconds, the 99th percentile. */
  readonly lagMs: number;
  /** CPU time that the event loop's thread had; milliseconds. */
  readonly cpuMs: number;
  /** Time that has passed; milliseconds. */
  readonly tookMs: number;
  /** V8's heap in use, of its limit. */
  readonly heap: number;
  /** Memory in use, of what the process may have. */
  readonly memory: number;
  /** Connections of callers, of as many as there may be; of the fullest listener. */
  readonly connections: number;
}

/** A tick, as far as the event loop goes. */
type LoopTick = Pick<LoadSample, "lagMs" | "cpuMs" | "tookMs">;

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
  /** The last ticks, the newest last. */
  readonly ticks: readonly LoopTick[];
  /** Milliseconds since somebody was refused. */
  readonly calmMs: number;
}

/** How a process begins. */
export const calm: LoadState = {
  pressures: { event_loop: 0, heap: 0, memory: 0, connections: 0 },
  cause: "event_loop",
  strictness: 0,
  ticks: [],
  calmMs: Infinity,
};

/** Milliseconds between two ticks. */
export const tickMs = 250;

/** Pressure from which nobody of LOW, NORMAL, HIGH is served. */
const levels = [0.8, 0.9, 0.95] as const;
/** A level is kept until the pressure is so far below it. */
const margin = 0.05;
/** How much strictness falls a tick: a level a second, so that calm returns within 3 s from the strictest. */
const fall = 0.25;

/** What keeps calls out. A refused call frees no connection: where these are short, idle ones are closed instead. */
const shedding = resources.filter((each) => each !== "connections");

/**
 * A loop is late that was so for so long, and in two ticks at least: a stall, however long, is over once it can be measured. By
 * time, because the ticks of a loop that is seconds late are seconds apart.
 */
const lateMs = 1500;
const lateTicks = 2;
/** As many as take that long if they are in time. */
const ticksMax = lateMs / tickMs;
/** Who has refused calls within that time is alert: the load is still there, and comes back with the calls. */
const alertMs = 10_000;

/** Whether calls were refused so lately that a late loop counts at once. */
export function isAlert({ calmMs }: LoadState): boolean {
  return calmMs < alertMs;
}

/** Lags in milliseconds, and the pressures they are; in straight lines from each to the next, and on by the last slope. */
const marks = [
  { lagMs: 0, pressure: 0 },
  { lagMs: 300, pressure: levels[0] },
  { lagMs: 500, pressure: levels[1] },
  { lagMs: 1000, pressure: levels[2] },
] as const;

/**
 * The state after one more tick, in which calls were refused or not. Pure: a pressure above a level acts at once, one below it step
 * by step.
 */
export function nextLoad(state: LoadState, sample: LoadSample, hasRefused = false): LoadState {
  const { lagMs, cpuMs, tookMs } = sample;
  const ticks = [...state.ticks, { lagMs, cpuMs, tookMs }].slice(-ticksMax);
  const pressures = {
    event_loop: lagPressure(isAlert(state) ? ownLag(ticks.slice(-1), 0) : ownLag(ticks, lateMs)),
    heap: within(sample.heap),
    memory: within(sample.memory),
    connections: within(sample.connections),
  };
  const worst = shedding.reduce((a, b) => (pressures[b] > pressures[a] ? b : a));
  const called = levelOf(pressures[worst]);
  const kept = levelOf(pressures[worst] + margin);
  const strictness = Math.max(called, Math.min(state.strictness, Math.max(kept, state.strictness - fall)));
  const cause = called > 0 && called >= strictness ? worst : state.cause;
  return { pressures, cause, strictness, ticks, calmMs: strictness > 0 || hasRefused ? 0 : state.calmMs + tookMs };
}

/** 0 to 3. */
function levelOf(pressure: number): number {
  let level = 0;
  for (const from of levels) if (pressure >= from) level++;
  return level;
}

/** Milliseconds that the loop was late by its own work in each of the last ticks that have taken `forMs` together; 0 where they have not. */
function ownLag(ticks: readonly LoopTick[], forMs: number): number {
  let lagMs = Infinity;
  let tookMs = 0;
  for (const [index, tick] of ticks.toReversed().entries()) {
    lagMs = Math.min(lagMs, ownLagOf(tick));
    tookMs += tick.tookMs;
    if (tookMs >= forMs && (forMs === 0 || index + 1 >= lateTicks)) return lagMs;
  }
  return 0;
}

/**
 * What of a lag is the process's own doing, and can be mended by it. A loop that had a third of its core was late for a third by its own
 * work, the rest for programs that had the core meanwhile; and of what a refused call frees it gets a third. So the share counts twice.
 */
function ownLagOf({ lagMs, cpuMs, tookMs }: LoopTick): number {
  const share = tookMs > 0 ? Math.min(1, cpuMs / tookMs) : 0;
  return lagMs * share * share;
}

function lagPressure(lagMs: number): number {
  let [from, to] = [marks[0], marks[1]] as readonly [(typeof marks)[number], (typeof marks)[number]];
  for (const mark of marks.slice(2)) if (lagMs > to.lagMs) [from, to] = [to, mark];
  return within(from.pressure + ((to.pressure - from.pressure) * (lagMs - from.lagMs)) / (to.lagMs - from.lagMs));
}

/** What could not be measured does not press. */
function within(share: number): number {
  return Number.isNaN(share) ? 0 : Math.min(1, Math.max(0, share));
}
