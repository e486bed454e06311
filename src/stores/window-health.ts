import { LRUCache } from "lru-cache";

import type { TargetId } from "../core/catalog.ts";
import { BreakerState, HealthStatus, type ProviderHealth } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { type ChatError, remedies } from "../core/error.ts";
import type { Barred, HealthReporter, HealthTracker, HealthView, Outcome, Trial } from "../core/health.ts";
import type { BreakerOptions } from "./breaker.ts";
import { HealthNotices, type Watched } from "./health-notices.ts";
import { type ReportInput, reportProvider } from "./health-report.ts";
import { type HostEvidence, speaksAgainst, TargetState } from "./target-state.ts";

/** Names that callers made up (`provider/any-name`) and that are remembered, over all providers. */
const othersMax = 1000;

/** A provider whose health is kept. */
interface DeclaredProvider {
  readonly name: string;
  readonly targets: readonly TargetId[];
  /** For the report only; who bounds is `Slots`. */
  readonly concurrencyMax: number;
}

/** Health of this process's targets, from the outcomes of its own attempts and from probes. */
export interface WindowHealth extends HealthTracker, HealthReporter {
  /** All providers, at configuration load: what stays keeps its state, the rest is forgotten. */
  declare(providers: readonly DeclaredProvider[]): void;
  /**
   * A probe's outcome; undefined: good. A bad one makes the provider unhealthy until a probe or a call succeeds, and bars
   * nothing: the list of models can be down, or closed to the key, where chats are answered.
   */
  probed(provider: string, error: ChatError | undefined): void;
  /** Closes the breakers of a provider's targets and ends their cool-downs. */
  reset(provider: string): void;
  /** Cancels its timers: watchers hear no more of bars that end by time. */
  close(): void;
}

/** What it needs. */
export interface WindowHealthOptions {
  /** Its timers only serve to tell watchers that a bar has ended. */
  readonly clock: Clock;
  /** Gives [0, 1): jitter of the breakers. */
  readonly random: () => number;
  /** The window is also that of the success ratio. */
  readonly breaker: BreakerOptions;
}

/** Nothing is known of any target at the start. */
export function createWindowHealth(options: WindowHealthOptions): WindowHealth {
  return new HealthWindow(options);
}

/** A target that may move to another provider's state: its own, once that is declared. */
type Member = Watched & { provider: ProviderState };

interface ProviderState {
  readonly name: string;
  concurrencyMax: number;
  declared: readonly Member[];
  host: HostEvidence;
  lastError: ReportInput["lastError"];
  lastProbeWallMs: number | undefined;
}

class HealthWindow implements WindowHealth {
  readonly #options: WindowHealthOptions;
  readonly #providers = new Map<string, ProviderState>();
  #declared = new Map<TargetId, Member>();
  readonly #others = new LRUCache<TargetId, Member>({
    max: othersMax,
    dispose: (watched, _id, reason) => {
      if (reason === "evict") watched.cancelNotice();
    },
  });
  readonly #notices: HealthNotices;

  constructor(options: WindowHealthOptions) {
    this.#options = options;
    this.#notices = new HealthNotices(options.clock);
  }

  view(id: TargetId): HealthView {
    const watched = this.#declared.get(id) ?? this.#others.get(id);
    if (watched === undefined) return untried[this.#providers.get(providerOf(id))?.host ?? "none"];
    return watched.state.view(this.#options.clock.now(), watched.provider.host);
  }

  begin(id: TargetId): Trial | Barred {
    const watched = this.#find(id);
    const { state } = watched;
    const nowMs = this.#options.clock.now();
    const ticket = state.coolingUntilMs(nowMs) === undefined ? state.breaker.admit(nowMs) : undefined;
    if (ticket === undefined) {
      const { barred, barredUntilMs } = state.view(nowMs, watched.provider.host);
      return { barred: barred ?? "open", retryAfterMs: barredUntilMs - nowMs };
    }
    // The one trial of a half-open breaker bars all others, which the view has to show.
    if (state.breaker.state(nowMs) !== BreakerState.CLOSED) state.changed();
    state.inFlight += 1;
    let running = true;
    return {
      answered: () => {
        if (running) this.#answered(watched, ticket);
      },
      end: (outcome) => {
        if (!running) return;
        running = false;
        state.inFlight -= 1;
        this.#learn(watched, ticket, nowMs, outcome);
      },
    };
  }

  declare(list: readonly DeclaredProvider[]): void {
    const before = this.#declared;
    this.#declared = new Map();
    const gone = new Set(this.#providers.keys());
    for (const { name, targets, concurrencyMax } of list) {
      gone.delete(name);
      const provider = this.#providers.get(name) ?? newProvider(name);
      this.#providers.set(name, provider);
      provider.concurrencyMax = concurrencyMax;
      provider.declared = targets.map((id) => before.get(id) ?? this.#others.peek(id) ?? this.#watch(id, provider));
      for (const watched of provider.declared) {
        watched.provider = provider;
        this.#declared.set(watched.state.id, watched);
        this.#others.delete(watched.state.id);
      }
    }
    for (const name of gone) this.#providers.delete(name);
    for (const [id, watched] of before) if (!this.#declared.has(id)) watched.cancelNotice();
    for (const [id, watched] of Array.from(this.#others.entries())) {
      const provider = this.#providers.get(watched.provider.name);
      if (provider !== undefined) watched.provider = provider;
      else {
        watched.cancelNotice();
        this.#others.delete(id);
      }
    }
  }

  probed(name: string, error: ChatError | undefined): void {
    const provider = this.#providers.get(name);
    if (provider === undefined) return;
    provider.lastProbeWallMs = this.#options.clock.wall();
    if (error !== undefined) provider.lastError = this.#lastError(error);
    // A host that answers the list call with an error is there: its list may be closed to the key, or down, where chats are served.
    const answered = error?.upstream !== undefined && error.upstream.status > 0;
    this.#setHost(provider, error === undefined ? "good" : answered ? "doubtful" : "bad");
  }

  reset(name: string): void {
    const provider = this.#providers.get(name);
    if (provider === undefined) return;
    for (const watched of this.#targetsOf(provider)) {
      watched.state.reset();
      this.#notices.compare(watched);
    }
  }

  close(): void {
    for (const watched of [...this.#declared.values(), ...this.#others.values()]) watched.cancelNotice();
  }

  report(name: string): ProviderHealth {
    const provider = this.#providers.get(name) ?? newProvider(name);
    const others = this.#othersOf(provider).map((watched) => watched.state);
    const declared = provider.declared.map((watched) => watched.state);
    return reportProvider({ ...provider, declared, others }, this.#options.clock);
  }

  watch(listener: (provider: string) => void): () => void {
    return this.#notices.watch(listener);
  }

  #find(id: TargetId): Member {
    const known = this.#declared.get(id) ?? this.#others.get(id);
    if (known !== undefined) return known;
    const name = providerOf(id);
    // A call may outlive its provider's place in the configuration; what it learns is then nobody's.
    const made = this.#watch(id, this.#providers.get(name) ?? newProvider(name));
    this.#others.set(id, made);
    return made;
  }

  #watch(id: TargetId, provider: ProviderState): Member {
    const state = new TargetState(id, this.#options.breaker, this.#options.random);
    const { status, breaker } = untried[provider.host];
    return { state, provider, toldStatus: status, toldBreaker: breaker, noticeAtMs: undefined, cancelNotice: () => {} };
  }

  #othersOf(provider: ProviderState): Member[] {
    return [...this.#others.values()].filter((watched) => watched.provider === provider);
  }

  #targetsOf(provider: ProviderState): Member[] {
    return [...provider.declared, ...this.#othersOf(provider)];
  }

  #answered({ state }: Member, ticket: number): void {
    const nowMs = this.#options.clock.now();
    if (state.breaker.state(nowMs) !== BreakerState.HALF_OPEN) return;
    state.breaker.succeeded(ticket, nowMs);
    state.changed();
  }

  #learn(watched: Member, ticket: number, beganMs: number, outcome: Outcome): void {
    const { state, provider } = watched;
    const nowMs = this.#options.clock.now();
    if (outcome.kind === "succeeded") {
      state.breaker.succeeded(ticket, nowMs);
      state.succeeded(outcome.streamed, outcome.firstContentMs, nowMs);
      if (provider.host === "bad" || provider.host === "doubtful") this.#setHost(provider, "good");
    } else if (outcome.kind === "failed" && speaksAgainst(outcome.error)) {
      if (remedies[outcome.error.failure].blame) state.breaker.failed(ticket, nowMs);
      else state.breaker.abandoned(ticket);
      state.failed(outcome.error, beganMs, nowMs);
      provider.lastError = this.#lastError(outcome.error);
    } else {
      state.breaker.abandoned(ticket);
    }
    state.changed();
    this.#notices.compare(watched);
  }

  #setHost(provider: ProviderState, host: HostEvidence): void {
    if (provider.host === host) return;
    provider.host = host;
    for (const watched of this.#targetsOf(provider)) {
      watched.state.changed();
      this.#notices.compare(watched);
    }
    this.#notices.tell(provider.name);
  }

  /** An upstream's own words about a request may quote it, so operators get only the reason of those. */
  #lastError(error: ChatError): ReportInput["lastError"] {
    return { reason: error.reason, message: error.fromUpstream ? "" : error.message, wallMs: this.#options.clock.wall() };
  }
}

function newProvider(name: string): ProviderState {
  return { name, concurrencyMax: 0, declared: [], host: "none", lastError: undefined, lastProbeWallMs: undefined };
}

function providerOf(id: TargetId): string {
  return id.slice(0, Math.max(0, id.indexOf("/")));
}

function untriedView(status: HealthStatus): HealthView {
  return {
    status,
    breaker: BreakerState.CLOSED,
    barred: undefined,
    barredUntilMs: 0,
    firstTokenMs: undefined,
    unaryMs: undefined,
    firstTokenP95Ms: undefined,
    successRatio: 1,
    failedAtMs: undefined,
  };
}

/** What is known of a target that was never called, by its provider's last probe. */
const untried = {
  none: untriedView(HealthStatus.UNKNOWN),
  good: untriedView(HealthStatus.HEALTHY),
  doubtful: untriedView(HealthStatus.DEGRADED),
  bad: untriedView(HealthStatus.UNHEALTHY),
} as const satisfies Record<HostEvidence, HealthView>;
