import type { ActivePolicy } from "../core/call.ts";
import type { PolicyRevision, RoutingPolicy } from "../core/chat.ts";
import type { Policy } from "../core/policy.ts";
import type { KeptPolicies } from "../core/store.ts";
import { createPolicyKeeper } from "./policy-keeper.ts";

/** A policy that is tried on a share of the callers, in (0, 1). */
export interface TriedPolicy {
  readonly policy: ActivePolicy;
  readonly share: number;
}

/** What is in force, what is tried beside it, and what was before. */
export interface PolicyRegister {
  /** Undefined: nothing was activated yet. */
  active(): PolicyRevision | undefined;
  canary(): PolicyRevision | undefined;
  /** Newest first. */
  revisions(): readonly PolicyRevision[];
  /** For all, which ends a canary; or, below a share of 1, as the canary. */
  activate(planned: PolicyRevision, policy: RoutingPolicy): void;
  dropCanary(): void;
  /**
   * Goes on where an earlier process stopped: if the file still says what it said then, and what was in force then still can be.
   * False: nothing is in force.
   */
  resume(fileText: string, isGood: (policy: RoutingPolicy) => boolean): boolean;
  /**
   * Takes over what another process says, its revisions included. False: what is in force there cannot be here, and what was here
   * stays.
   */
  adopt(kept: KeptPolicies, isGood: (policy: RoutingPolicy) => boolean): boolean;
  /** Keeps what is in force now, and these revisions. */
  keep(added: readonly PolicyRevision[], fileText: string): void;
  /** See `PolicyDesk`. */
  kept(): Promise<boolean>;
}

/** See `PolicyDeskOptions`. */
export interface PolicyRegisterOptions {
  readonly createPolicy: (policy: RoutingPolicy) => Policy;
  readonly revisionsMax: number;
  /** `messages` is what both were compiled from. */
  readonly onActive: (policy: ActivePolicy, canary: TriedPolicy | undefined, messages: readonly RoutingPolicy[]) => void;
  readonly kept?: KeptPolicies | undefined;
  readonly keep?: ((change: KeptPolicies) => Promise<void>) | undefined;
}

/** A revision, and what calls use of it. */
interface InForce {
  readonly revision: PolicyRevision;
  readonly policy: RoutingPolicy;
  readonly compiled: ActivePolicy;
}

/** Knows what is in force, and decides nothing. */
export function createPolicyRegister({ createPolicy, revisionsMax, onActive, kept, keep }: PolicyRegisterOptions): PolicyRegister {
  const keeper = createPolicyKeeper(keep);
  let revisions: readonly PolicyRevision[] = kept?.revisions.slice(0, revisionsMax) ?? [];
  let active: InForce | undefined;
  let canary: InForce | undefined;
  const force = (nextActive: InForce, nextCanary: InForce | undefined): void => {
    const messages = nextCanary === undefined ? [nextActive.policy] : [nextActive.policy, nextCanary.policy];
    onActive(nextActive.compiled, nextCanary && { policy: nextCanary.compiled, share: nextCanary.revision.share }, messages);
    active = nextActive;
    canary = nextCanary;
  };
  const compiled = (revision: PolicyRevision, policy: RoutingPolicy): InForce => ({
    revision,
    policy,
    compiled: { revision: revision.revision, name: policy.name, rank: createPolicy(policy) },
  });
  const adopt = (state: KeptPolicies, isGood: (policy: RoutingPolicy) => boolean): boolean => {
    const known = (number: bigint | undefined): InForce | undefined => {
      const revision = number === undefined ? undefined : state.revisions.find((each) => each.number === number);
      return revision?.policy === undefined || !isGood(revision.policy) ? undefined : compiled(revision, revision.policy);
    };
    const next = known(state.active);
    if (next === undefined) return false;
    force(next, known(state.canary));
    return true;
  };
  return {
    active: () => active?.revision,
    canary: () => canary?.revision,
    revisions: () => revisions,
    activate(planned, policy) {
      const next = compiled(planned, policy);
      if (planned.share < 1 && active !== undefined) force(active, next);
      else force(next, undefined);
      revisions = [planned, ...revisions.slice(0, revisionsMax - 1)];
    },
    dropCanary() {
      if (active !== undefined) force(active, undefined);
    },
    resume: (fileText, isGood) => kept !== undefined && kept.fileText === fileText && adopt(kept, isGood),
    adopt(state, isGood) {
      revisions = state.revisions.slice(0, revisionsMax);
      return adopt(state, isGood);
    },
    keep(added, fileText) {
      if (active !== undefined) keeper.keep(added, { active: active.revision.number, canary: canary?.revision.number, fileText });
    },
    kept: () => keeper.kept(),
  };
}
