import type { Clock } from "../core/clock.ts";
import { createMachineLoad } from "../stores/machine-load.ts";
import { createOverload, type LoadChange, type Overload } from "../stores/overload.ts";

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
  /** Connections that a listener takes. */
  readonly connectionsMax: number;
  /** Another level. */
  readonly onChange: (change: LoadChange) => void;
}

/** Watches whether this process has enough of everything, until `stop`. */
export function watchLoad({ clock, listeners, connectionsMax, onChange }: LoadWatchOptions): Overload {
  const connections = (): number => listeners.reduce((sum, listener) => sum + listener.connections(), 0);
  const machine = createMachineLoad({ clock, connections, connectionsMax });
  const overload = createOverload({
    clock,
    measure: machine.measure,
    onChange,
    onScarce() {
      for (const listener of listeners) listener.closeIdle();
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
