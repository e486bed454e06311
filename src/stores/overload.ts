import { Priority } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { LoadGate, Pressures, Resource } from "../core/overload.ts";
import { calm, type LoadSample, type LoadState, nextLoad, tickMs } from "./pressure.ts";

/** What is watched and who is told. */
export interface OverloadOptions {
  readonly clock: Clock;
  /** Measures what there is to measure since it was last asked. */
  readonly measure: () => LoadSample;
  /** Another level: more or fewer priorities are refused. Must not throw. */
  readonly onChange: (change: LoadChange) => void;
  /** Each tick in which idle connections ought to be given up. Must not throw. */
  readonly onScarce: () => void;
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
const scarceFrom = 0.9;

/**
 * Calls at a time that a late loop does not refuse: they keep it busy while it catches up, and on a machine that is slow, or
 * whose other programs take its time, refusing the few there are would help nobody.
 */
const runningMin = 16;

/** Watches until `stop`, from one tick to the next. */
export function createOverload({ clock, measure, onChange, onScarce }: OverloadOptions): Overload {
  let state: LoadState = calm;
  // By priority's number, so that a call costs a look-up and a compare: the share refused, what of it is still owed, and a count.
  const shares = [0, 0, 0, 0];
  const owed = [0, 0, 0, 0];
  const counts = [0, 0, 0, 0];
  let tickedMs = clock.now();

  const tick = (): void => {
    const nowMs = clock.now();
    const sinceMs = nowMs - tickedMs;
    tickedMs = nowMs;
    cancel = clock.after(tickMs, tick);
    const before = Math.ceil(state.strictness);
    // A loop that could not even come to this tick in time was late, whatever else was measured.
    const { lagMs, ...rest } = measure();
    state = nextLoad(state, { ...rest, lagMs: Math.max(lagMs, sinceMs - tickMs) });
    for (let priority = 1; priority < shares.length; priority++)
      shares[priority] = Math.min(1, Math.max(0, state.strictness - (priority - 1)));
    const level = Math.ceil(state.strictness);
    if (level !== before) onChange({ level, resource: state.cause, pressures: state.pressures });
    const { heap, memory, connections } = state.pressures;
    if (Math.max(heap, memory, connections) >= scarceFrom) onScarce();
  };
  let cancel = clock.after(tickMs, tick);

  const isServedAnyway = (running: number): boolean => running < runningMin && state.cause === "event_loop";
  const refuse = (priority: number): ChatError => {
    counts[priority] = (counts[priority] ?? 0) + 1;
    // Strictness falls by one a second at most: nobody of this priority is welcome without exception before.
    const retryAfterMs = Math.max(1000, Math.ceil((state.strictness - (priority - 1)) * 4) * tickMs);
    return new ChatError("SHED", `this process is overloaded: ${scarcities[state.cause]}`, { retryAfterMs });
  };

  return {
    refusal(priority, running) {
      const rank = rankOf(priority);
      const share = shares[rank] ?? 0;
      if (share === 0 || isServedAnyway(running)) return undefined;
      const due = (owed[rank] ?? 0) + share;
      if (due < 1) {
        owed[rank] = due;
        return undefined;
      }
      owed[rank] = due - 1;
      return refuse(rank);
    },
    earlyRefusal(priority, running) {
      const rank = rankOf(priority);
      return shares[rank] === 1 && !isServedAnyway(running) ? refuse(rank) : undefined;
    },
    isSparing: () => state.strictness > 0,
    pressures: () => state.pressures,
    refused: (priority) => counts[priority] ?? 0,
    stop() {
      cancel();
    },
  };
}

function rankOf(priority: Priority): number {
  return priority === Priority.UNSPECIFIED ? Priority.NORMAL : priority;
}
