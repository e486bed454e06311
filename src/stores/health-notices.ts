import type { BreakerState, HealthStatus } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { DoubtKind } from "../core/hints.ts";
import type { ProviderEvidence, TargetState } from "./target-state.ts";
import { barEndMs } from "./target-view.ts";

/** A target with what watchers were last told of it. */
export interface Watched {
  readonly state: TargetState;
  readonly provider: ProviderEvidence & { readonly name: string };
  toldStatus: HealthStatus;
  toldBreaker: BreakerState;
  toldHearsay: DoubtKind | undefined;
  /** When the next bar, or what others say, ends; monotonic milliseconds. Undefined: there is neither. */
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

  /** Speaks where a target's status, breaker, bar or hearsay is not as last told, and comes back when the next of them ends. */
  compare(watched: Watched): void {
    if (this.#hasNews(watched)) this.tell(watched.provider.name);
  }

  /** The same of all targets of one provider, speaking once. */
  compareAll(provider: string, targets: readonly Watched[]): void {
    let news = false;
    for (const watched of targets) news = this.#hasNews(watched) || news;
    if (news) this.tell(provider);
  }

  #hasNews(watched: Watched): boolean {
    const nowMs = this.#clock.now();
    const { status, breaker } = watched.state.view(nowMs, watched.provider);
    const hearsay = watched.state.hearsay.kind(nowMs);
    const moved = this.#arm(watched, nowMs);
    if (!moved && status === watched.toldStatus && breaker === watched.toldBreaker && hearsay === watched.toldHearsay) return false;
    watched.toldStatus = status;
    watched.toldBreaker = breaker;
    watched.toldHearsay = hearsay;
    return true;
  }

  /** Speaks. */
  tell(provider: string): void {
    for (const listener of this.#listeners) listener(provider);
  }

  /** Answers whether the end of the bar is another than it was. */
  #arm(watched: Watched, nowMs: number): boolean {
    const endMs = barEndMs(watched.state, nowMs);
    if (endMs === watched.noticeAtMs) return false;
    watched.cancelNotice();
    watched.noticeAtMs = endMs;
    if (endMs === undefined) return true;
    watched.cancelNotice = this.#clock.after(endMs - nowMs, () => {
      // Also where the timer came a little early: the same end is then armed again.
      watched.noticeAtMs = undefined;
      this.compare(watched);
    });
    return true;
  }
}
