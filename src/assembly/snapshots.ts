import type { CallOptions, Snapshot } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { priceVersionOf } from "./model-price.ts";
import type { Roster } from "./roster.ts";

/** The one snapshot that calls begin with; swapped by one assignment. */
export interface Snapshots {
  current(this: void): Snapshot;
  /** When the current one was made; milliseconds since the epoch. */
  madeWall(): number;
  /** Makes another of what the roster and the options are now. */
  renew(this: void, policy?: Snapshot["policy"]): void;
}

/** None yet: the policy desk makes the first when it activates its first policy. */
export function createSnapshots(roster: Roster, options: () => CallOptions, clock: Clock): Snapshots {
  let snapshot: Snapshot | undefined;
  let madeWall = 0;
  const current = (): Snapshot => {
    if (snapshot === undefined) throw new Error("no policy has been activated");
    return snapshot;
  };
  return {
    current,
    madeWall: () => madeWall,
    renew(policy = current().policy) {
      madeWall = clock.wall();
      const catalog = roster.catalog();
      const priceVersion = snapshot?.catalog === catalog ? snapshot.priceVersion : priceVersionOf(catalog);
      snapshot = Object.freeze({ catalog, providers: roster.providers(), policy, options: options(), priceVersion });
    },
  };
}
