import type { PolicyRevision } from "../core/chat.ts";
import type { KeptPolicies } from "../core/store.ts";

/** Keeps changes of policy in their order, one write at a time. */
export interface PolicyKeeper {
  keep(added: readonly PolicyRevision[], state: Omit<KeptPolicies, "revisions">): void;
  /** Resolves once all that was to be kept so far is; false: it is not. */
  kept(): Promise<boolean>;
}

/** Revisions that wait for a store that does not take them; more, and the oldest are given up. */
const waitingMax = 1000;

/** What the store did not take is tried again with the next change. Undefined: there is no store, and nothing to wait for. */
export function createPolicyKeeper(save: ((change: KeptPolicies) => Promise<void>) | undefined): PolicyKeeper {
  let waiting: readonly PolicyRevision[] = [];
  let state: Omit<KeptPolicies, "revisions"> | undefined;
  let last: Promise<boolean> = Promise.resolve(true);
  const write = async (store: NonNullable<typeof save>): Promise<boolean> => {
    const revisions = waiting;
    const now = state;
    if (now === undefined) return true;
    // What was to be kept meanwhile went with an earlier write.
    state = undefined;
    try {
      await store({ revisions, ...now });
      waiting = waiting.filter((each) => !revisions.includes(each));
      return true;
    } catch {
      state ??= now;
      return false;
    }
  };
  return {
    keep(added, next) {
      if (save === undefined) return;
      waiting = [...added, ...waiting].slice(0, waitingMax);
      state = next;
      last = last.then(() => write(save));
    },
    kept: () => last,
  };
}
