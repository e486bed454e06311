import type { DecisionRecord } from "../core/decision.ts";
import type { Operations } from "../core/operations.ts";
import type { Place, PrimaryLink } from "./protocol.ts";

/** How long whoever changes something waits until all workers have it; milliseconds. */
const spreadMs = 3000;
/** How long all workers may take to read the configuration again; milliseconds. */
const reloadMs = 30_000;

/** The operations of one worker, made those of all. */
export interface CommonOperations extends Operations {
  /** Tells those who watch here of decisions that other workers made, as the store keeps them. */
  decided(this: void, texts: readonly string[]): void;
}

/** Whichever worker is asked: what is changed is changed in all of them when the answer leaves, and what is counted is the sum. */
export function commonOperations(own: Operations, link: PrimaryLink, startWall: number): CommonOperations {
  const { providers, policies, keys, decisions, cache } = own;
  // A worker that hangs does not keep the change from being one: it looks by itself, later.
  const spread = (place: Place): Promise<void> => link.ask("spread", place, spreadMs).catch(() => undefined);
  const spreads = async <T>(place: Place, change: Promise<T> | T): Promise<T> => {
    const outcome = await change;
    await spread(place);
    return outcome;
  };
  const watchers = new Set<(record: DecisionRecord) => void>();
  return {
    ...own,
    startWall,
    providers: {
      ...providers,
      async set(id, state, resetBreaker) {
        const isThere = await providers.set(id, state, resetBreaker);
        if (isThere) await link.ask("setProvider", { id, state, resetBreaker }, spreadMs);
        return isThere;
      },
    },
    policies: {
      ...policies,
      swap: (change) => spreads("policies", policies.swap(change)),
      rollback: (way) => spreads("policies", policies.rollback(way)),
    },
    keys: {
      ...keys,
      issue: (init) => spreads("keys", keys.issue(init)),
      update: (id, change) => spreads("keys", keys.update(id, change)),
      revoke: (id) => spreads("keys", keys.revoke(id)),
    },
    decisions: {
      ...decisions,
      watch(listener) {
        const unwatch = decisions.watch(listener);
        watchers.add(listener);
        if (watchers.size === 1) link.tell("watchDecisions", true);
        return () => {
          unwatch();
          if (watchers.delete(listener) && watchers.size === 0) link.tell("watchDecisions", false);
        };
      },
    },
    cache: {
      async purge(tenant) {
        const here = await cache.purge(tenant);
        // Where there is Redis, all have heard of it by that.
        return own.shared() === undefined ? here + (await link.ask("purge", tenant)) : here;
      },
    },
    stats: () => link.ask("stats", undefined),
    reload: () => link.ask("reload", undefined, reloadMs),
    decided(texts) {
      for (const text of texts) {
        // Written by the same program.
        const record: DecisionRecord = JSON.parse(text);
        for (const watcher of watchers) watcher(record);
      }
    },
  };
}
