import type { BreakerState, HealthStatus } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { HostEvidence, TargetState } from "./target-state.ts";

/** A target with what watchers were last told of it. */
export interface Watched {
  readonly state: TargetState;
  readonly provider: { readonly name: string; readonly host: HostEvidence };
  toldStatus: HealthStatus;
  toldBreaker: BreakerState;
  /** When the next bar ends; monotonic milliseconds. Undefined: nothing bars it. */
  noticeAtMs: number | undefined;
  cancelNotice: () => void;
}

/** Tells watchers which provider changed. What only comes from samples growing old is told with the next outcome. */
export class HealthNotices {
  readonly #clock: Clock;
  readonly #listeners = new Set<(provider: string) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer unsubscribes. */
  watch(listener: (provider: string) => void): () => void {
    // Wrapped, so that one function may watch twice and leave once.
    const entry = (provider: string): void => listener(provider);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Speaks where a target's status, breaker or bar is not as last told, and comes back when the next bar ends. */
  compare(watched: Watched): void {
    const nowMs = this.#clock.now();
    const { status, breaker } = watched.state.view(nowMs, watched.provider.host);
    const moved = this.#arm(watched, nowMs);
    if (!moved && status === watched.toldStatus && breaker === watched.toldBreaker) return;
    watched.toldStatus = status;
    watched.toldBreaker = breaker;
    this.tell(watched.provider.name);
  }

  /** Speaks. */
  tell(provider: string): void {
    for (const listener of this.#listeners) listener(provider);
  }

  /** Answers whether the end of the bar is another than it was. */
  #arm(watched: Watched, nowMs: number): boolean {
    const barEndMs = watched.state.barEndMs(nowMs);
    if (barEndMs === watched.noticeAtMs) return false;
    watched.cancelNotice();
    watched.noticeAtMs = barEndMs;
    if (barEndMs === undefined) return true;
    watched.cancelNotice = this.#clock.after(barEndMs - nowMs, () => {
      // Also where the timer came a little early: the same end is then armed again.
      watched.noticeAtMs = undefined;
      this.compare(watched);
    });
    return true;
  }
}
