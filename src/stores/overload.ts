import type { Priority } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { LoadGate, Pressures, Resource } from "../core/overload.ts";
import type { LoopTurn } from "./loop-turn.ts";
import { calm, isAlert, type LoadSample, type LoadState, nextLoad, tickMs } from "./pressure.ts";

/** What is watched and who is told. */
export interface OverloadOptions {
  readonly clock: Clock;
  /** Measures what there is to measure since it was last asked. */
  readonly measure: () => LoadSample;
  /** Default: no call is refused for the turn it comes in. */
  readonly turn?: LoopTurn;
  /** Another level: more or fewer priorities are refused. Must not throw. */
  readonly onChange: (change: LoadChange) => void;
  /** Each tick in which memory or connections are short, and idle connections ought to be given up. Must not throw. */
  readonly onScarce: (pressures: Pressures) => void;
}

/** A change of level. */
export interface LoadChange {
  /** 0: everybody is served; 1: LOW is refused at least in part; 2: NORMAL too; 3: HIGH too. */
  readonly level: number;
  /** What made it so. */
  readonly resource: Resource;
  readonly pressures: Pressures;
}

/** The overload monitor of a process. */
export interface Overload extends LoadGate {
  pressures(): Pressures;
  /** Calls refused since start, by priority. */
  refused(priority: Priority): number;
  stop(): void;
}

const scarcities: Readonly<Record<Resource, string>> = {
  event_loop: "its event loop is late",
  heap: "its heap is almost full",
  memory: "its memory is almost full",
  connections: "almost all of its connections are taken",
};

/** Pressure from which idle connections are given up. */
export const scarceFrom = 0.9;

/**
 * Calls at a time, and calls admitted in a second, that a late loop does not refuse: they keep it busy while it catches up, and
 * whoever has so few has another trouble than their number. Not at a time alone: long streams would use it up.
 */
const runningMin = 16;
const admittedMin = 32;
const admittedMs = 1000;

/** Milliseconds from the start in which a late loop counts for nothing: code is loaded and compiled, and pools are filled. */
const youthMs = 10_000;

/**
 * Milliseconds of one turn of the loop after which LOW, NORMAL, HIGH are refused while the process is alert: a crowd that comes once is
 * served, however long that takes; one that does not end is kept to what can be served at once, turn by turn.
 */
const turnMs = { low: 50, normal: 100, high: 200 } as const;

/** What those hear. */
const fullTurn = new ChatError("SHED", `this process is overloaded: ${scarcities.event_loop}`, { retryAfterMs: 1000 });

/** Watches until `stop`, from one tick to the next. */
export function createOverload({ clock, measure, turn, onChange, onScarce }: OverloadOptions): Overload {
  let state: LoadState = calm;
  const low = standing(turnMs.low);
  const normal = standing(turnMs.normal);
  const high = standing(turnMs.high);
  // By priority's number, so that a call costs a look-up and a compare. Who has none is NORMAL.
  const standings: readonly Standing[] = [normal, low, normal, high];
  let hasRefused = false;
  let tickedMs = clock.now();
  const grownMs = tickedMs + youthMs;
  const admissions = createAdmissions(clock);

  const tick = (): void => {
    const nowMs = clock.now();
    const sinceMs = nowMs - tickedMs;
    tickedMs = nowMs;
    cancel = clock.after(tickMs, tick);
    const before = Math.ceil(state.strictness);
    // A loop that could not even come to this tick in time was late, whatever else was measured.
    const { lagMs, ...rest } = measure();
    state = nextLoad(state, { ...rest, lagMs: nowMs < grownMs ? 0 : Math.max(lagMs, sinceMs - tickMs) }, hasRefused);
    hasRefused = false;
    stand(low, state.strictness, state.cause);
    stand(normal, state.strictness - 1, state.cause);
    stand(high, state.strictness - 2, state.cause);
    const level = Math.ceil(state.strictness);
    if (level !== before) onChange({ level, resource: state.cause, pressures: state.pressures });
    const { heap, memory, connections } = state.pressures;
    if (Math.max(heap, memory, connections) >= scarceFrom) onScarce(state.pressures);
  };
  let cancel = clock.after(tickMs, tick);

  const isFew = (running: number): boolean => running < runningMin || admissions.areFew();
  const isServedAnyway = (running: number): boolean => state.cause === "event_loop" && isFew(running);
  /** Whether those who came before it in this turn leave no time for a call. */
  const isTurnFull = (of: Standing, running: number): boolean =>
    turn !== undefined && turn.spentMs() >= of.turnMs && isAlert(state) && !isFew(running);
  const refuseForTurn = (of: Standing): ChatError => {
    of.refused += 1;
    hasRefused = true;
    return fullTurn;
  };
  return {
    refusal(priority, running) {
      const of = standings[priority] ?? normal;
      if (isTurnFull(of, running)) return refuseForTurn(of);
      if (of.answer === undefined || isServedAnyway(running)) return admissions.note();
      of.owed += of.share;
      if (of.owed < 1) return admissions.note();
      of.owed -= 1;
      of.refused += 1;
      return of.answer;
    },
    earlyRefusal(priority, running) {
      const of = standings[priority] ?? normal;
      if (isTurnFull(of, running)) return refuseForTurn(of);
      if (of.share < 1 || isServedAnyway(running)) return undefined;
      of.refused += 1;
      return of.answer;
    },
    isSparing: () => state.strictness > 0,
    pressures: () => state.pressures,
    refused: (priority) => (standings[priority] ?? normal).refused,
    stop() {
      cancel();
    },
  };
}

/** The last calls that were admitted. */
interface Admissions {
  note(): undefined;
  /** Whether there were so few in the last second that it is not their number that makes the loop late. */
  areFew(): boolean;
}

function createAdmissions(clock: Clock): Admissions {
  // A ring, of which the next place holds the oldest.
  const admitted = new Float64Array(admittedMin).fill(-Infinity);
  let next = 0;
  return {
    note() {
      admitted[next] = clock.now();
      next = (next + 1) % admittedMin;
    },
    areFew: () => clock.now() - (admitted[next] ?? 0) >= admittedMs,
  };
}

/** How calls of one priority fare. */
interface Standing {
  /** See `turnMs`. */
  readonly turnMs: number;
  /** Of them, how many are refused; 0 to 1. */
  share: number;
  /** Parts of a refusal that the share has summed up to: every fourth of a quarter is one. */
  owed: number;
  /** Since start. */
  refused: number;
  /** What the refused hear, made once a tick: an error's stack is dear, and it is the same for all. Undefined: none is. */
  answer: ChatError | undefined;
}

function standing(ofTurnMs: number): Standing {
  return { turnMs: ofTurnMs, share: 0, owed: 0, refused: 0, answer: undefined };
}

/** `strictness` is what concerns this priority: from 0 none, from 1 all of them are refused, and above 1 for so much longer. */
function stand(of: Standing, strictness: number, cause: Resource): void {
  of.share = Math.min(1, Math.max(0, strictness));
  // Strictness falls by one a second at most: nobody of this priority is welcome without exception before.
  const retryAfterMs = Math.max(1000, Math.ceil(strictness * 1000));
  const message = `this process is overloaded: ${scarcities[cause]}`;
  of.answer = of.share === 0 ? undefined : new ChatError("SHED", message, { retryAfterMs });
}
