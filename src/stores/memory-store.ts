import type { Store } from "../core/store.ts";

/** Nothing outlives the process; what is remembered meanwhile is bounded elsewhere. */
export const memoryStore: Store = {
  kind: "memory",
  decisions: undefined,
  policies: undefined,
  keys: undefined,
  sharedPolicies: undefined,
  ledger: undefined,
  close: () => Promise.resolve(),
};
