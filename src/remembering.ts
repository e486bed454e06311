import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { keepDecisionsMs, type Opened, openStore, type Surroundings, workerJournals } from "./assembly/store.ts";
import { dataFolder } from "./config/data-folder.ts";
import type { Loaded } from "./config/load.ts";
import type { Clock } from "./core/clock.ts";
import type { KeptPolicies, Store, StoreTrouble } from "./core/store.ts";
import type { PolicyMemory } from "./gateway.ts";
import { createKeyDirectory, type KeyDirectory } from "./stores/key-directory.ts";
import { createMemoryKeys } from "./stores/memory-keys.ts";
import type { SharedChange } from "./stores/shared-policies.ts";
import { startLedger } from "./ledger.ts";
import { createDecisionLog, type DecisionLog } from "./stores/decision-log.ts";
import type { LedgerLog } from "./stores/ledger-log.ts";
import { describeCause } from "./telemetry/cause.ts";
import type { Log } from "./telemetry/log.ts";

/** What the process remembers, and what it remembers of those before it. */
export interface Remembering {
  readonly decisions: DecisionLog;
  readonly keys: KeyDirectory;
  /** Decisions that no store took, since start. */
  decisionsLost(): number;
  /** How the store that may be away is served. */
  storeTrouble(): StoreTrouble;
  readonly ledger: LedgerLog;
  /** Resolves when all that ended until now is in the store. Rejects as long as some of it is not. */
  settled(): Promise<void>;
  /** Policies that an earlier process kept. */
  readonly kept: KeptPolicies | undefined;
  /** Undefined: nothing lasts, or policies are shared. */
  readonly keep: ((change: KeptPolicies) => Promise<void>) | undefined;
  /** Undefined: policies are this process's alone. */
  readonly shared: PolicyMemory["shared"];
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

/** What is told of rows on their way. */
export interface StoreCounts {
  /** Decisions that a journal held, and no store took. */
  lost: number;
  /** Rows that were set aside. */
  refused: number;
  isAway: boolean;
  isUnable: boolean;
}

/** Nothing was told yet. */
export function storeCounts(): StoreCounts {
  return { lost: 0, refused: 0, isAway: false, isUnable: false };
}

/** How a store is served, by what was told. */
export function troubleOf({ isAway, isUnable, refused }: StoreCounts): StoreTrouble {
  return { waits: isAway || isUnable, refused };
}

/** What somebody else lends in the place of a store of one's own. */
export interface Lent {
  readonly store: Store;
  /** File of this process's journal; undefined: nothing lasts. */
  readonly journal: string | undefined;
}

/** Where it runs, and who lends it a store; nobody does by default. */
type Whereabouts = Pick<Surroundings, "environment" | "cwd" | "random"> & { readonly lent: Lent | undefined };

/** Opens the store of a configuration; undefined: it cannot be, and the log says why. */
export async function startRemembering(
  loaded: Loaded,
  { lent, ...surroundings }: Whereabouts,
  { clock, random, log }: RememberingParts,
): Promise<Remembering | undefined> {
  const counts = storeCounts();
  const opened = await (lent === undefined
    ? openOwn(loaded, surroundings, { clock, log }, counts)
    : { ...lent, path: undefined, left: undefined });
  if (opened === undefined) return undefined;
  const { store } = opened;
  try {
    const memory = await remembering(opened, loaded, { clock, random, log });
    return {
      ...memory,
      decisionsLost: () => memory.decisions.lost() + counts.lost,
      storeTrouble: () => troubleOf(counts),
    };
  } catch (cause) {
    log.error({ path: opened.path, cause: describeCause(cause) }, "cannot read the store");
    await store.close();
    return undefined;
  }
}

/** A store, and where the journals of the ledger are. */
interface Kept extends Lent {
  readonly path: string | undefined;
  /** See `LedgerParts`. */
  readonly left: string | undefined;
}

async function openOwn(
  loaded: Loaded,
  surroundings: Omit<Whereabouts, "lent">,
  { clock, log }: Pick<RememberingParts, "clock" | "log">,
  counts: StoreCounts,
): Promise<Kept | undefined> {
  const opened = await openTold(loaded, { ...surroundings, clock }, log, counts);
  if (opened === undefined) return undefined;
  const { store, path } = opened;
  const journal = store.kind === "sqlite" ? path && `${path}.ledger` : undefined;
  return { store, path, journal, left: workerJournals(opened, dataFolder(loaded.path, surroundings.environment)) };
}

/** Opens the store of a configuration, and tells the log of its troubles. Undefined: it cannot be opened. */
export async function openTold(
  loaded: Loaded,
  surroundings: Omit<Surroundings, "onUnwritable" | "postgres">,
  log: Log,
  counts: StoreCounts,
): Promise<Exclude<Opened, { readonly kind: "refused" }> | undefined> {
  const opened = await openStore(loaded, { ...surroundings, ...storeLines(log, counts) });
  if (opened.kind === "opened") return opened;
  log.error({ path: opened.path, reason: opened.text }, `cannot open the store ${opened.path}: ${opened.text}`);
  return undefined;
}

/** What a store has to say. */
function storeLines(log: Log, counts: StoreCounts): Pick<Surroundings, "onUnwritable" | "postgres"> {
  return {
    onUnwritable: (path, reason) =>
      log.warn(
        { path, reason },
        "nothing can be kept beside the configuration: decisions, policies, issued keys and the ledger end with the process",
      ),
    postgres: {
      onAway(reason) {
        counts.isAway = true;
        log.error({ reason }, "the store is away: what would be written waits, what is asked fails");
      },
      onBack() {
        counts.isAway = false;
        log.info({}, "the store is back");
      },
      onUnable(reason) {
        counts.isUnable = true;
        log.error({ reason }, "the store does not take rows, they wait in the journal");
      },
      onAble() {
        counts.isUnable = false;
        log.info({}, "the store has all rows again");
      },
      onRefused(refused) {
        counts.refused += refused.rows;
        log.error({ ...refused }, "the store refuses rows for good, they are set aside in the journal");
      },
      onLost({ kind, rows, cause }) {
        if (kind === "decisions") counts.lost += rows;
        log.error({ kind, rows, cause: describeCause(cause) }, "the store does not take rows, they are lost");
      },
      onNoJournal: (path, reason) =>
        log.warn({ path, reason }, "no journal can be kept: what waits for the store while it is away ends with the process"),
    },
  };
}

async function remembering(
  { store, journal, left }: Omit<Kept, "path">,
  { settings }: Loaded,
  { clock, random, log }: RememberingParts,
): Promise<Omit<Remembering, "decisionsLost" | "storeTrouble">> {
  const { policies, sharedPolicies } = store;
  // Policies that are shared are asked for again and again; a start does not wait for a database that is away.
  const kept = await policies?.load().catch((cause: unknown) => {
    if (sharedPolicies === undefined) throw cause;
    return undefined;
  });
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
  const ledger = await startLedger({ settings, store: store.ledger, journal, left, clock, log });
  return {
    decisions,
    keys,
    ledger,
    async settled() {
      await Promise.all([decisions.settled(), ledger.settled()]);
    },
    kept,
    shared: sharedPolicies && { store: sharedPolicies, onShared: sharedPolicyLine(log) },
    keep:
      policies !== undefined && sharedPolicies === undefined
        ? async (change) => {
            try {
              await policies.save(change);
            } catch (cause) {
              log.error(
                { reason: cause instanceof Error ? cause.message : "" },
                "the store does not take a policy, it ends with the process",
              );
              throw cause;
            }
          }
        : undefined,
    async close() {
      keys.close();
      await decisions.close();
      await ledger.close();
      await store.close();
    },
  };
}

function sharedPolicyLine(log: Log): (change: SharedChange) => void {
  return ({ kind, revision, author }) => {
    if (kind === "adopted") log.info({ revision, author }, "the policy of the store is in force");
    else log.error({ revision, author }, "the policy of the store does not fit this configuration, the one before stays in force here");
  };
}
