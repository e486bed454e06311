import type { CallOptions, Snapshot } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { priceVersionOf } from "./model-price.ts";
import type { TriedPolicy } from "../stores/policy-register.ts";
import type { Roster } from "./roster.ts";

/** The one snapshot that calls begin with; swapped by one assignment. */
export interface Snapshots {
  current(this: void): Snapshot;
  /** When the current one was made; milliseconds since the epoch. */
  madeWall(): number;
  /** Makes another of what the roster and the options are now. */
  renew(this: void, policies?: Policies): void;
}

/** What is in force, and what is tried beside it. */
export interface Policies {
  readonly policy: Snapshot["policy"];
  readonly canary: TriedPolicy | undefined;
}

/** None yet: the policy desk makes the first when it activates its first policy. */
export function createSnapshots(roster: Pick<Roster, "catalog" | "providers">, options: () => CallOptions, clock: Clock): Snapshots {
  let snapshot: Snapshot | undefined;
  let inForce: Policies | undefined;
  let madeWall = 0;
  const current = (): Snapshot => {
    if (snapshot === undefined) throw new Error("no policy has been activated");
    return snapshot;
  };
  return {
    current,
    madeWall: () => madeWall,
    renew(policies = inForce) {
      if (policies === undefined) throw new Error("no policy has been activated");
      const { policy, canary } = policies;
      const common = { catalog: roster.catalog(), providers: roster.providers(), options: options() };
      madeWall = clock.wall();
      inForce = policies;
      const { catalog } = common;
      const priceVersion = snapshot?.catalog === catalog ? snapshot.priceVersion : priceVersionOf(catalog);
      snapshot = Object.freeze({
        ...common,
        policy,
        priceVersion,
        ...(canary !== undefined && {
          canary: { snapshot: Object.freeze({ ...common, policy: canary.policy, priceVersion }), share: canary.share },
        }),
      });
    },
  };
}
