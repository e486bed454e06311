import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { keepDecisionsMs, openStore, type Surroundings } from "./assembly/store.ts";
import type { Loaded } from "./config/load.ts";
import type { Clock } from "./core/clock.ts";
import type { KeptPolicies, Store } from "./core/store.ts";
import { createDecisionLog, type DecisionLog } from "./stores/decision-log.ts";
import { createKeyDirectory, type KeyDirectory } from "./stores/key-directory.ts";
import { createMemoryKeys } from "./stores/memory-keys.ts";
import { describeCause } from "./telemetry/cause.ts";
import type { Log } from "./telemetry/log.ts";

/** What the process remembers, and what it remembers of those before it. */
export interface Remembering {
  readonly decisions: DecisionLog;
  readonly keys: KeyDirectory;
  /** Policies that an earlier process kept. */
  readonly kept: KeptPolicies | undefined;
  /** Undefined: nothing lasts. */
  readonly keep: ((change: KeptPolicies) => Promise<void>) | undefined;
  /** Writes what waits and lets go of the store. */
  close(): Promise<void>;
}

/** What it works with. */
export interface RememberingParts {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** Opens the store of a configuration; undefined: it cannot be, and the log says why. */
export async function startRemembering(
  loaded: Loaded,
  surroundings: Omit<Surroundings, "onUnwritable">,
  { clock, random, log }: RememberingParts,
): Promise<Remembering | undefined> {
  const onUnwritable = (path: string, reason: string): void =>
    log.warn({ path, reason }, "nothing can be kept beside the configuration: decisions, policies and issued keys end with the process");
  const opened = await openStore(loaded, { ...surroundings, onUnwritable });
  if (opened.kind === "refused") {
    log.error({ path: opened.path, reason: opened.text }, `cannot open the store ${opened.path}: ${opened.text}`);
    return undefined;
  }
  const { store } = opened;
  try {
    return await remembering(store, loaded, { clock, random, log });
  } catch (cause) {
    log.error({ path: opened.path, cause: describeCause(cause) }, "cannot read the store");
    await store.close();
    return undefined;
  }
}

async function remembering(store: Store, { settings }: Loaded, { clock, random, log }: RememberingParts): Promise<Remembering> {
  const kept = await store.policies?.load();
  const decisions = createDecisionLog({
    clock,
    replica: `${hostname()}/${process.pid}`,
    store: store.decisions,
    keepMs: settings.store.retention?.decisions ?? keepDecisionsMs,
    onLost: (cause) =>
      log.error({ reason: cause instanceof Error ? cause.message : "" }, "the store does not take decisions, they are lost"),
    onFound: (lost) => log.info({ lost }, "the store takes decisions again"),
  });
  const keys = createKeyDirectory({
    clock,
    random,
    randomBytes,
    store: store.keys ?? createMemoryKeys(),
    onUnreadable: (cause) =>
      log.error({ reason: cause instanceof Error ? cause.message : "" }, "the store of keys cannot be read, those that are known go on"),
    onReadable: () => log.info({}, "the store of keys can be read again"),
  });
  await keys.start();
  const { policies } = store;
  return {
    decisions,
    keys,
    kept,
    keep:
      policies &&
      (async (change) => {
        try {
          await policies.save(change);
        } catch (cause) {
          log.error({ reason: cause instanceof Error ? cause.message : "" }, "the store does not take a policy, it ends with the process");
          throw cause;
        }
      }),
    async close() {
      keys.close();
      await decisions.close();
      await store.close();
    },
  };
}
