import type { TargetId } from "../core/catalog.ts";
import type { ProviderHealth } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { ChatError } from "../core/error.ts";
import type { Barred, CredentialChange, HealthReporter, HealthTracker, HealthView, Insistence, Outcome, Trial } from "../core/health.ts";
import type { Hint, HintEvent } from "../core/hints.ts";
import type { BreakerOptions } from "./breaker.ts";
import { barsBefore, findingsOf } from "./findings.ts";
import { type DeclaredProvider, HealthMembers, type Member, newProvider, providerOf, type ProviderState } from "./health-members.ts";
import { HealthNotices } from "./health-notices.ts";
import { type ReportInput, reportProvider } from "./health-report.ts";
import type { Admission, HostEvidence } from "./target-state.ts";
import type { Lockout } from "./lockout.ts";
import { lockOf } from "./target-view.ts";
import { untriedViews } from "./untried-views.ts";

/** Fewer samples have no quantile worth acting on. */
const samplesForQuantile = 10;

/** Health of this process's targets, from the outcomes of its own attempts and from probes. */
export interface WindowHealth extends HealthTracker, HealthReporter {
  /** All providers, at configuration load: what stays keeps its state, the rest is forgotten. */
  declare(providers: readonly DeclaredProvider[]): void;
  /**
   * A probe's outcome; undefined: good. A bad one makes the provider unhealthy until a probe or a call succeeds, and bars
   * nothing: the list of models can be down, or closed to the key, where chats are answered. A good one proves a credential
   * that was refused.
   */
  probed(provider: string, error: ChatError | undefined): void;
  /**
   * What another replica found. It bars nothing: at most other targets of the same model are asked first, until an attempt of this replica
   * was answered, and one failure opens the breaker.
   */
  hear(hint: Hint): Extract<HintEvent, "heard" | "known_better" | "foreign">;
  /** It is called with other settings from now on: what was said of its credential was said of another. */
  renewed(provider: string): void;
  /** Closes the breakers of a provider's targets, and ends all else that bars them. */
  reset(provider: string): void;
  /** Calls a target may have at a time; Infinity: no bound of its own is known. */
  concurrencyLimit(target: TargetId, insist: Insistence | undefined): number;
  /** Keeps means of latency by these time constants, too, in milliseconds: the last ones asked for. */
  keepMeans(decaysMs: readonly number[]): void;
  /** Cancels its timers: watchers hear no more of bars that end by time. */
  close(): void;
}

/** What it needs. */
export interface WindowHealthOptions {
  /** Its timers only serve to tell watchers that a bar has ended. */
  readonly clock: Clock;
  /** Gives [0, 1): jitter of the breakers and cool-downs. */
  readonly random: () => number;
  /** The window is also that of the success ratio. */
  readonly breaker: BreakerOptions;
  /** Told once a change, for a person to act; must not throw. */
  readonly onCredential?: (change: CredentialChange) => void;
  /** Told what attempts at configured targets found that other replicas may want to know; must not throw. */
  readonly onFinding?: ((hint: Hint) => void) | undefined;
}

/** Nothing is known of any target at the start. */
export function createWindowHealth(options: WindowHealthOptions): WindowHealth {
  return new HealthWindow(options);
}

class HealthWindow implements WindowHealth {
  readonly #options: WindowHealthOptions;
  readonly #members: HealthMembers;
  readonly #notices: HealthNotices;

  constructor(options: WindowHealthOptions) {
    this.#options = options;
    this.#members = new HealthMembers(options.breaker, options.random);
    this.#notices = new HealthNotices(options.clock);
  }

  view(id: TargetId): HealthView {
    const member = this.#members.known(id);
    if (member !== undefined) return member.state.view(this.#options.clock.now(), member.provider);
    return untriedViews[this.#members.provider(providerOf(id))?.host ?? "none"];
  }

  load(id: TargetId): number {
    const member = this.#members.known(id);
    if (member === undefined) return 0;
    const { state, provider } = member;
    const ofTarget = state.inFlight / state.concurrencyLimit(this.#options.clock.now(), undefined);
    return provider.concurrencyMax === 0 ? ofTarget : Math.max(ofTarget, provider.inFlight / provider.concurrencyMax);
  }

  keepMeans(decaysMs: readonly number[]): void {
    this.#members.keepMeans(decaysMs);
  }

  latencyQuantileMs(id: TargetId, streamed: boolean, share: number): number | undefined {
    const state = this.#members.known(id)?.state;
    const samples = (streamed ? state?.firstToken : state?.unary)?.samples;
    return samples === undefined || samples.size < samplesForQuantile ? undefined : samples.quantile(share);
  }

  concurrencyLimit(id: TargetId, insist: Insistence | undefined): number {
    const member = this.#members.known(id);
    if (member === undefined) return Number.POSITIVE_INFINITY;
    return member.state.concurrencyLimit(this.#options.clock.now(), insist);
  }

  begin(id: TargetId, insist: Insistence | undefined): Trial | Barred {
    const member = this.#members.find(id);
    const { state, provider } = member;
    const nowMs = this.#options.clock.now();
    const lock = lockOf(state, nowMs);
    if (lock !== undefined) return { barred: "credential", retryAfterMs: lock.untilMs - nowMs };
    if (state.cooldown.holds(nowMs)) return { barred: "cooling", retryAfterMs: (state.cooldown.untilMs(nowMs) ?? nowMs) - nowMs };
    const admission = state.admit(nowMs, insist);
    if (admission === undefined) {
      return { barred: "open", retryAfterMs: Math.max(1, state.view(nowMs, provider).openUntilMs - nowMs) };
    }
    state.inFlight += 1;
    provider.inFlight += 1;
    return new WatchedTrial(this, member, admission);
  }

  declare(list: readonly DeclaredProvider[]): void {
    this.#members.declare(list);
  }

  probed(name: string, error: ChatError | undefined): void {
    const provider = this.#members.provider(name);
    if (provider === undefined) return;
    provider.lastProbeWallMs = this.#options.clock.wall();
    if (error !== undefined) provider.lastError = this.#lastError(error);
    else this.#eachLockout(provider, (lockout, nowMs) => lockout.probed(nowMs));
    // A host that answers the list call with an error is there: its list may be closed to the key, or down, where chats are served.
    const answered = error?.upstream !== undefined && error.upstream.status > 0;
    this.#setHost(provider, error === undefined ? "good" : answered ? "doubtful" : "bad");
  }

  hear(hint: Hint): ReturnType<WindowHealth["hear"]> {
    const member = this.#members.declared(hint.target);
    if (member === undefined) return "foreign";
    if (!member.state.hear(hint, this.#options.clock.now())) return "known_better";
    this.#notices.compare(member);
    return "heard";
  }

  renewed(name: string): void {
    const provider = this.#members.provider(name);
    if (provider === undefined) return;
    this.#eachLockout(provider, (lockout, nowMs) => lockout.reset(nowMs));
  }

  reset(name: string): void {
    const provider = this.#members.provider(name);
    if (provider === undefined) return;
    this.renewed(name);
    for (const { state } of this.#members.targetsOf(provider)) state.reset(this.#options.clock.now());
    this.#allChanged(provider);
  }

  close(): void {
    for (const member of this.#members.all()) member.cancelNotice();
  }

  report(name: string): ProviderHealth {
    const provider = this.#members.provider(name) ?? newProvider(name);
    const others = this.#members.othersOf(provider).map((member) => member.state);
    const declared = provider.declared.map((member) => member.state);
    return reportProvider({ ...provider, declared, others }, this.#options.clock);
  }

  watch(listener: (provider: string) => void): () => void {
    return this.#notices.watch(listener);
  }

  /** Of a trial: its first content came. Answers when. */
  answered(member: Member, admission: Admission): number {
    const { state } = member;
    const nowMs = this.#options.clock.now();
    const before = barsBefore(state, nowMs);
    this.#proved(member, nowMs);
    if (state.answered(admission, nowMs)) this.#notices.compare(member);
    this.#found(member, before);
    return nowMs;
  }

  /** Of a trial: it is over. */
  learn(member: Member, { admission, answeredMs, provider: began }: WatchedTrial, outcome: Outcome): void {
    const { state, provider } = member;
    const nowMs = this.#options.clock.now();
    const before = barsBefore(state, nowMs);
    switch (outcome.kind) {
      case "succeeded":
        if (answeredMs === undefined) this.#proved(member, nowMs);
        state.succeeded(admission, outcome, nowMs);
        if (provider.host === "bad" || provider.host === "doubtful") this.#setHost(provider, "good");
        break;
      case "failed":
        if (state.failed(admission, { error: outcome.error, streamed: outcome.streamed, answeredMs }, nowMs)) {
          provider.lastError = this.#lastError(outcome.error);
          this.#lock(member, outcome.error, admission.beganMs);
        }
        break;
      default:
        state.abandoned(admission);
    }
    this.#found(member, before);
    state.ended(admission);
    began.inFlight -= 1;
    this.#notices.compare(member);
  }

  #found(member: Member, before: ReturnType<typeof barsBefore>): void {
    const { onFinding, clock } = this.#options;
    // Callers make up names of others.
    if (onFinding === undefined || this.#members.declared(member.state.id) !== member) return;
    for (const hint of findingsOf(member.state, before, clock.now())) onFinding(hint);
  }

  /** Whoever answers took the credential. */
  #proved(member: Member, nowMs: number): void {
    if (member.state.lockout.succeeded(nowMs)) this.#credentialChanged(member);
  }

  /** Of this target alone: a refusal may be about the one model, and each of the others finds out by one call of its own. */
  #lock(member: Member, { failure, upstream }: ChatError, beganMs: number): void {
    if (failure !== "UPSTREAM_AUTH" && failure !== "QUOTA_EXHAUSTED") return;
    const facts = { beganMs, nowMs: this.#options.clock.now(), isForbidden: upstream?.status === 403 };
    if (member.state.lockout.refused(failure, facts)) this.#credentialChanged(member);
  }

  /** What changes all of them at once: a good probe, another key. */
  #eachLockout(provider: ProviderState, change: (lockout: Lockout, nowMs: number) => boolean): void {
    const nowMs = this.#options.clock.now();
    for (const member of this.#members.targetsOf(provider)) if (change(member.state.lockout, nowMs)) this.#credentialChanged(member);
  }

  #credentialChanged(member: Member): void {
    const { state, provider } = member;
    this.#options.onCredential?.({ provider: provider.name, target: state.id, reason: state.lockout.state });
    state.changed();
    this.#notices.compare(member);
  }

  #setHost(provider: ProviderState, host: HostEvidence): void {
    if (provider.host === host) return;
    provider.host = host;
    this.#allChanged(provider);
    this.#notices.tell(provider.name);
  }

  #allChanged(provider: ProviderState): void {
    const members = this.#members.targetsOf(provider);
    for (const { state } of members) state.changed();
    this.#notices.compareAll(provider.name, members);
  }

  /** An upstream's own words about a request may quote it, so operators get only the reason of those. */
  #lastError(error: ChatError): ReportInput["lastError"] {
    return { reason: error.reason, message: error.fromUpstream ? "" : error.message, wallMs: this.#options.clock.wall() };
  }
}

/** Ends once; what comes after is not heard. */
class WatchedTrial implements Trial {
  readonly #health: HealthWindow;
  readonly #member: Member;
  /** The provider's state when it began: a reload may move its target to another. */
  readonly provider: ProviderState;
  readonly admission: Admission;
  /** When its first content came; undefined: it has not. */
  answeredMs: number | undefined;
  #running = true;

  constructor(health: HealthWindow, member: Member, admission: Admission) {
    this.#health = health;
    this.#member = member;
    this.provider = member.provider;
    this.admission = admission;
  }

  answered(): void {
    if (!this.#running || this.answeredMs !== undefined) return;
    this.answeredMs = this.#health.answered(this.#member, this.admission);
  }

  end(outcome: Outcome): void {
    if (!this.#running) return;
    this.#running = false;
    this.#health.learn(this.#member, this, outcome);
  }
}
