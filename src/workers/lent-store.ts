import type { DecisionRow, DecisionStore, KeptPolicies, PolicyMark, SharedPolicyStore, Store } from "../core/store.ts";
import { createDecisionRing } from "../stores/decision-ring.ts";
import { createMemoryKeys } from "../stores/memory-keys.ts";
import { createMemoryLedger } from "../stores/memory-ledger.ts";
import { answerCall } from "../stores/sql/answer-call.ts";
import { askedStore } from "../stores/sql/asked-store.ts";
import type { SqlParts } from "../stores/sql/sql-store.ts";
import type { StoreAnswers, StoreCall } from "../stores/sql/store-calls.ts";
import type { PrimaryLink } from "./protocol.ts";

/** Decisions in memory, as many as one process alone would remember. */
const decisionsMax = 10_000;
const decisionsBytesMax = 64 * 2 ** 20;
/** Revisions in memory. */
const revisionsMax = 1000;

/** What a primary lends: the parts of its store; where nothing lasts, such as end with the primary. */
export function lentParts({ decisions, sharedPolicies, keys, ledger }: Store): SqlParts {
  return {
    decisions: decisions ?? memoryDecisions(),
    policies: sharedPolicies ?? memoryPolicies(),
    keys: keys ?? createMemoryKeys(),
    ledger: ledger ?? createMemoryLedger(),
  };
}

/** What happens beside a call to the store. */
export interface LendingParts {
  readonly parts: SqlParts;
  /** Before something is read that other workers may still hold back. Never rejects. */
  readonly settled: (asker: number) => Promise<void>;
  /** Decisions of one worker, for others who watch. */
  readonly onDecided: (by: number, rows: readonly DecisionRow[]) => void;
}

const needsAll: ReadonlySet<string> = new Set(["listDecisions", "findDecision", "listLedger", "sumLedger", "spentSince"]);

/** Answers what a worker asks of the store. */
export function lendStore({ parts, settled, onDecided }: LendingParts): (asker: number, call: StoreCall) => Promise<unknown> {
  return async (asker, call) => {
    // The store stays open until the last worker is gone.
    if (call.kind === "close") return undefined;
    if (needsAll.has(call.kind)) await settled(asker);
    const answer = await answerCall(parts, call);
    if (call.kind === "addDecisions") onDecided(asker, call.rows);
    return answer;
  };
}

/** How long a primary may take for an answer of its store; milliseconds. */
const answerMs = 30_000;

/** The primary's store, as a worker has it. Closing it changes nothing for others. */
export function borrowedStore(link: PrimaryLink, kind: Store["kind"]): Store {
  const parts = askedStore(async <C extends StoreCall>(call: C) => {
    const answer = await link.ask("store", call, answerMs);
    // The primary answers each kind with its own type.
    return answer as StoreAnswers[C["kind"]];
  });
  return { kind, ...parts, sharedPolicies: parts.policies, close: () => Promise.resolve() };
}

function memoryDecisions(): DecisionStore {
  const ring = createDecisionRing(decisionsMax, decisionsBytesMax);
  return {
    add(rows) {
      for (const row of rows) ring.add(row);
      return Promise.resolve();
    },
    list: (query) => Promise.resolve(ring.list(query)),
    find: (id) => Promise.resolve(ring.find(id)),
    prune(beforeWall) {
      ring.prune(beforeWall);
      return Promise.resolve(0);
    },
  };
}

/** Policies that many processes change, and none outlives the one that keeps them. */
export function memoryPolicies(): SharedPolicyStore {
  let kept: KeptPolicies | undefined;
  const mark = (): PolicyMark | undefined =>
    kept && { newest: kept.revisions[0]?.number ?? kept.active, active: kept.active, canary: kept.canary };
  const keep = (change: KeptPolicies): void => {
    const known = [...change.revisions, ...(kept?.revisions ?? [])];
    kept = { ...change, revisions: known.filter(({ number }, at) => at < revisionsMax || number === change.active) };
  };
  return {
    load: () => Promise.resolve(kept),
    save(change) {
      keep(change);
      return Promise.resolve();
    },
    mark: () => Promise.resolve(mark()),
    replace(change, basis) {
      const now = mark();
      const isBasis = now?.active === basis?.active && now?.canary === basis?.canary;
      const isTaken = change.revisions.some(({ number }) => number <= (now?.newest ?? 0n));
      if (!isBasis || isTaken) return Promise.resolve(false);
      keep(change);
      return Promise.resolve(true);
    },
  };
}
