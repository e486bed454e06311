import { hostname } from "node:os";
import { keepDecisionsMs, openStore, type Surroundings } from "./assembly/store.ts";
import type { Loaded } from "./config/load.ts";
import type { Clock } from "./core/clock.ts";
import type { KeptPolicies, Store } from "./core/store.ts";
import { startLedger } from "./ledger.ts";
import { createDecisionLog, type DecisionLog } from "./stores/decision-log.ts";
import type { LedgerLog } from "./stores/ledger-log.ts";
import { describeCause } from "./telemetry/cause.ts";
import type { Log } from "./telemetry/log.ts";

/** What the process remembers, and what it remembers of those before it. */
export interface Remembering {
  readonly decisions: DecisionLog;
  readonly ledger: LedgerLog;
  /** Policies that an earlier process kept. */
  readonly kept: KeptPolicies | undefined;
  /** Undefined: nothing lasts. */
  readonly keep: ((change: KeptPolicies) => Promise<void>) | undefined;
  /** Writes what waits and lets go of the store. */
  close(): Promise<void>;
}

/** Opens the store of a configuration; undefined: it cannot be, and the log says why. */
export async function startRemembering(
  loaded: Loaded,
  surroundings: Omit<Surroundings, "onUnwritable">,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Remembering | undefined> {
  const onUnwritable = (path: string, reason: string): void =>
    log.warn({ path, reason }, "nothing can be kept beside the configuration: decisions, policies and the ledger end with the process");
  const opened = await openStore(loaded, { ...surroundings, onUnwritable });
  if (opened.kind === "refused") {
    log.error({ path: opened.path, reason: opened.text }, `cannot open the store ${opened.path}: ${opened.text}`);
    return undefined;
  }
  const { store } = opened;
  try {
    return await remembering(opened, loaded, { clock, log });
  } catch (cause) {
    log.error({ path: opened.path, cause: describeCause(cause) }, "cannot read the store");
    await store.close();
    return undefined;
  }
}

async function remembering(
  { store, path }: { readonly store: Store; readonly path: string | undefined },
  { settings }: Loaded,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Remembering> {
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
  const ledger = await startLedger({ settings, store: store.ledger, path, clock, log });
  const { policies } = store;
  return {
    decisions,
    ledger,
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
      await decisions.close();
      await ledger.close();
      await store.close();
    },
  };
}
