import type { Clock } from "../core/clock.ts";

/** What the event loop spends on calls in one turn: from the first that it finds waiting to the last. */
export interface LoopTurn {
  /**
   * To be asked for each call. Milliseconds of CPU that the loop's thread has had since this turn's first one; 0 while there were
   * few, for then it is not calls that take the time.
   */
  spentMs(this: void): number;
}

/** What it is measured by. */
export interface LoopTurnOptions {
  readonly clock: Pick<Clock, "now">;
  /** CPU time of the loop's thread, in milliseconds. */
  readonly cpuMs: () => number;
  /** Calls back once, when all that waited at the sockets has been looked at. */
  readonly onEnd: (callback: () => void) => void;
}

/** So many calls of a turn cost nothing worth a look, and keep a pause for garbage from being taken for their work. */
const callsMin = 32;
/** Of a turn that is shorter the CPU time is not asked for, which takes a system call. */
const lookMs = 25;

/**
 * Whoever comes late in a long turn has waited for all before it, in the kernel, where nobody sees it. Node reads every socket that
 * has something in one turn, so that thousands of callers at once make turns of seconds; a timer that looks at the lag comes only after.
 */
export function createLoopTurn({ clock, cpuMs, onEnd }: LoopTurnOptions): LoopTurn {
  let calls = 0;
  let beganMs = 0;
  let beganCpuMs = 0;
  const end = (): void => {
    calls = 0;
  };
  return {
    spentMs() {
      if (calls === 0) {
        beganMs = clock.now();
        beganCpuMs = cpuMs();
        onEnd(end);
      }
      calls += 1;
      return calls <= callsMin || clock.now() - beganMs < lookMs ? 0 : cpuMs() - beganCpuMs;
    },
  };
}
