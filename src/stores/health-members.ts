import { LRUCache } from "lru-cache";

import type { TargetId } from "../core/catalog.ts";
import { BreakerState, HealthStatus } from "../core/chat.ts";
import type { BreakerOptions } from "./breaker.ts";
import type { Watched } from "./health-notices.ts";
import type { ReportInput } from "./health-report.ts";
import { type HostEvidence, TargetState } from "./target-state.ts";

/** Names that callers made up (`provider/any-name`) and that are remembered, over all providers. */
const othersMax = 1000;

/** A provider whose health is kept. */
export interface DeclaredProvider {
  readonly name: string;
  readonly targets: readonly TargetId[];
  /** Where its targets' own limits begin; who bounds is `Slots`. */
  readonly concurrencyMax: number;
}

/** A target that may move to another provider's state: its own, once that is declared. */
export type Member = Watched & { provider: ProviderState };

/** What the targets of a provider share. */
export interface ProviderState {
  readonly name: string;
  concurrencyMax: number;
  /** Attempts begun and not ended, of all its targets. */
  inFlight: number;
  declared: readonly Member[];
  host: HostEvidence;
  lastError: ReportInput["lastError"];
  lastProbeWallMs: number | undefined;
}

/** The targets whose health is kept: those of the configuration, and the latest of those that callers made up. */
export class HealthMembers {
  readonly #options: BreakerOptions;
  readonly #random: () => number;
  readonly #providers = new Map<string, ProviderState>();
  #decaysMs: readonly number[] = [];
  #declared = new Map<TargetId, Member>();
  readonly #others = new LRUCache<TargetId, Member>({
    max: othersMax,
    dispose: (member, _id, reason) => {
      if (reason === "evict") member.cancelNotice();
    },
  });

  constructor(options: BreakerOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** All providers, at configuration load: what stays keeps its state, the rest is forgotten. */
  declare(list: readonly DeclaredProvider[]): void {
    const before = this.#declared;
    this.#declared = new Map();
    const gone = new Set(this.#providers.keys());
    for (const { name, targets, concurrencyMax } of list) {
      gone.delete(name);
      const provider = this.#providers.get(name) ?? newProvider(name);
      this.#providers.set(name, provider);
      provider.concurrencyMax = concurrencyMax;
      provider.declared = targets.map((id) => before.get(id) ?? this.#others.peek(id) ?? this.#make(id, provider));
      for (const member of provider.declared) {
        member.provider = provider;
        this.#declared.set(member.state.id, member);
        this.#others.delete(member.state.id);
      }
    }
    for (const name of gone) this.#providers.delete(name);
    for (const [id, member] of before) if (!this.#declared.has(id)) member.cancelNotice();
    for (const [id, member] of Array.from(this.#others.entries())) {
      const provider = this.#providers.get(member.provider.name);
      if (provider !== undefined) member.provider = provider;
      else {
        member.cancelNotice();
        this.#others.delete(id);
      }
    }
    for (const { state, provider } of this.all()) state.limit.max = maxOf(provider);
  }

  /** See `TargetState`. */
  keepMeans(decaysMs: readonly number[]): void {
    this.#decaysMs = decaysMs;
    for (const { state } of this.all()) state.keepMeans(decaysMs);
  }

  /** Undefined: it was never called, and is in no configuration. */
  known(id: TargetId): Member | undefined {
    return this.#declared.get(id) ?? this.#others.get(id);
  }

  /** Undefined: it is in no configuration. */
  declared(id: TargetId): Member | undefined {
    return this.#declared.get(id);
  }

  /** Made where it is not known. */
  find(id: TargetId): Member {
    const known = this.known(id);
    if (known !== undefined) return known;
    const name = providerOf(id);
    // A call may outlive its provider's place in the configuration; what it learns is then nobody's.
    const made = this.#make(id, this.#providers.get(name) ?? newProvider(name));
    this.#others.set(id, made);
    return made;
  }

  /** Undefined: not declared. */
  provider(name: string): ProviderState | undefined {
    return this.#providers.get(name);
  }

  /** Of a provider, those that callers made up. */
  othersOf(provider: ProviderState): Member[] {
    return [...this.#others.values()].filter((member) => member.provider === provider);
  }

  /** Of a provider, all. */
  targetsOf(provider: ProviderState): Member[] {
    return [...provider.declared, ...this.othersOf(provider)];
  }

  /** Of all providers. */
  all(): Member[] {
    return [...this.#declared.values(), ...this.#others.values()];
  }

  #make(id: TargetId, provider: ProviderState): Member {
    const state = new TargetState(id, this.#options, this.#random);
    state.limit.max = maxOf(provider);
    if (this.#decaysMs.length > 0) state.keepMeans(this.#decaysMs);
    return {
      state,
      provider,
      toldStatus: untriedStatus[provider.host],
      toldBreaker: BreakerState.CLOSED,
      toldHearsay: undefined,
      noticeAtMs: undefined,
      cancelNotice: () => {},
    };
  }
}

/** Of a provider that nothing is known of. */
export function newProvider(name: string): ProviderState {
  const host: HostEvidence = "none";
  return { name, concurrencyMax: 0, inFlight: 0, declared: [], host, lastError: undefined, lastProbeWallMs: undefined };
}

function maxOf({ concurrencyMax }: ProviderState): number {
  return concurrencyMax > 0 ? concurrencyMax : Number.POSITIVE_INFINITY;
}

/** A target's provider. */
export function providerOf(id: TargetId): string {
  return id.slice(0, Math.max(0, id.indexOf("/")));
}

/** Status of a target that was never called, by its provider's last probe. */
export const untriedStatus = {
  none: HealthStatus.UNKNOWN,
  good: HealthStatus.HEALTHY,
  doubtful: HealthStatus.DEGRADED,
  bad: HealthStatus.UNHEALTHY,
} as const satisfies Record<HostEvidence, HealthStatus>;
