import type { Clock } from "../core/clock.ts";
import { createLoopTurn } from "../stores/loop-turn.ts";
import { createMachineLoad, openFilesLimit, threadCpuMs } from "../stores/machine-load.ts";
import { createOverload, type LoadChange, type Overload, scarceFrom } from "../stores/overload.ts";

/** What a listener tells, and can give up. */
export interface Connected {
  /** Connections that are open. */
  connections(): number;
  /** Closes connections that nothing runs on. */
  closeIdle(): void;
}

/** What is watched. */
export interface LoadWatchOptions {
  readonly clock: Clock;
  /** May grow meanwhile. */
  readonly listeners: readonly Connected[];
  /** Connections that each of the listeners takes; half of the files that may be open where that is less. */
  readonly connectionsMax: number;
  /** Another level. */
  readonly onChange: (change: LoadChange) => void;
}

/** Watches whether this process has enough of everything, until `stop`. */
export function watchLoad({ clock, listeners, connectionsMax, onChange }: LoadWatchOptions): Overload {
  // Each call may need one more file towards an upstream.
  const places = Math.min(connectionsMax, openFilesLimit() / 2);
  const fullness = (listener: Connected): number => listener.connections() / places;
  const machine = createMachineLoad({
    clock,
    // Each listener has places of its own: who fills that of the metrics takes nothing from the calls.
    connections: () => Math.max(0, ...listeners.map(fullness)),
  });
  const overload = createOverload({
    clock,
    measure: machine.measure,
    turn: createLoopTurn({ clock, cpuMs: threadCpuMs, onEnd: (callback) => void setImmediate(callback) }),
    onChange,
    onScarce({ heap, memory }) {
      const isMemoryShort = Math.max(heap, memory) >= scarceFrom;
      for (const listener of listeners) if (isMemoryShort || fullness(listener) >= scarceFrom) listener.closeIdle();
    },
  });
  return {
    ...overload,
    stop() {
      overload.stop();
      machine.stop();
    },
  };
}
