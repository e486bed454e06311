import { create } from "@bufbuild/protobuf";

import {
  BreakerState,
  HealthStatus,
  type PolicyIssue,
  type PolicyRevision,
  PolicyRevisionSchema,
  ProviderDialect,
  type ProviderHealth,
  ProviderHealthSchema,
  ProviderState,
} from "../../src/core/chat.ts";
import { UsageTotalsSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import { RedisError } from "../../src/core/redis.ts";
import { createDirectory } from "../support/issued-keys.ts";
import type { Key, KeyId } from "../../src/core/call.ts";
import type { LedgerStore } from "../../src/core/ledger.ts";
import type { Operations, PolicyVerdict, ProviderDesk, ProviderView, ReloadOutcome } from "../../src/core/operations.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";

/** A desk whose providers and their health are plain data, and whose changes are announced by hand. */
export interface FakeDesk extends ProviderDesk {
  /** Puts the health of a provider and tells the watchers. */
  put(id: string, health: Partial<Omit<ProviderHealth, "$typeName">>): void;
  readonly listeners: Set<(id: string) => void>;
}

export function fakeDesk(...ids: string[]): FakeDesk {
  const views = new Map<string, ProviderView>(
    ids.map((id) => [
      id,
      {
        id,
        dialect: ProviderDialect.OPENAI_CHAT,
        issuer: "openai",
        baseUrl: `https://${id}.example`,
        credentialSource: "env:KEY",
        state: ProviderState.ENABLED,
        models: [`${id}-model`],
      },
    ]),
  );
  const healths = new Map<string, ProviderHealth>(
    ids.map((id) => [
      id,
      create(ProviderHealthSchema, { provider: id, status: HealthStatus.UNKNOWN, breaker: BreakerState.CLOSED, successRatio: 1 }),
    ]),
  );
  const known = (id: string): ProviderHealth => healths.get(id) ?? create(ProviderHealthSchema, { provider: id });
  const listeners = new Set<(id: string) => void>();
  const tell = (id: string): void => listeners.forEach((listener) => listener(id));
  return {
    listeners,
    list: () => [...views.values()],
    find: (id) => views.get(id),
    health: known,
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(id, state, resetBreaker) {
      const view = views.get(id);
      if (view === undefined) return false;
      if (state !== ProviderState.UNSPECIFIED) views.set(id, { ...view, state });
      if (resetBreaker) healths.set(id, { ...known(id), breaker: BreakerState.CLOSED });
      tell(id);
      return true;
    },
    put(id, health) {
      healths.set(id, { ...known(id), ...health });
      tell(id);
    },
  };
}

/** What `Operations.audit` is told. */
export type AuditEntry = Parameters<Operations["audit"]>[0];

/** Operations over plain data. */
export interface FakeOperations extends Operations {
  readonly providers: FakeDesk;
  readonly audits: AuditEntry[];
  /** What the next calls answer. */
  readonly next: { issues: PolicyIssue[]; verdict?: PolicyVerdict; reload: ReloadOutcome; kept: boolean; cacheAway: boolean };
  /** Whose answers were purged; undefined: everybody's. */
  readonly purges: (string | undefined)[];
  /** Empty until something is settled in it. */
  readonly ledger: LedgerStore;
  readonly history: PolicyRevision[];
}

const configured: readonly Key[] = [{ id: "cfg_file" as KeyId, name: "file", models: new Set(["m"]), priority: 2 }];

export function fakeOperations(...ids: string[]): FakeOperations {
  const audits: AuditEntry[] = [];
  const purges: (string | undefined)[] = [];
  const history = [revisionOf(1)];
  const next: FakeOperations["next"] = {
    kept: true,
    cacheAway: false,
    issues: [],
    reload: { kind: "applied", revision: "cfg-1", changed: true, restartNeeded: ["server.port"] },
  };
  return {
    providers: fakeDesk(...ids),
    audits,
    purges,
    next,
    history,
    version: "1.2.3",
    startWall: 1_700_000_000_000,
    policies: {
      active: () => history[0] ?? revisionOf(0),
      canary: () => undefined,
      rollback: () => ({ kind: "missing" }),
      kept: () => Promise.resolve(next.kept),
      find: (revision) => history.find((each) => each.revision === revision),
      examine: () => ({ issues: next.issues, revision: "examined" }),
      swap(change) {
        if (next.verdict !== undefined) return next.verdict;
        const active = history[0]?.revision ?? "";
        if (change.expectedRevision !== "" && change.expectedRevision !== active) return { kind: "conflict", activeRevision: active };
        const policy = create(PolicyRevisionSchema, {
          ...revisionOf(history.length + 1),
          author: change.author,
          comment: change.comment,
          policy: change.policy,
        });
        if (!change.dryRun) history.unshift(policy);
        return { kind: "swapped", policy, previousRevision: active, issues: next.issues };
      },
      revisions: () => history,
    },
    cache: {
      purge(tenant) {
        if (next.cacheAway) return Promise.reject(new RedisError("away", "redis is not connected"));
        purges.push(tenant);
        return Promise.resolve(2);
      },
    },
    shared: () => undefined,
    decisions: { list: () => Promise.resolve([]), find: () => Promise.resolve(undefined), watch: () => () => {} },
    keys: createDirectory({ clock: { now: () => 0, wall: () => 0, after: () => () => {} } }),
    configuredKeys: () => configured,
    spending: () => Promise.resolve({ spentMicroUsd: 12n, reservedMicroUsd: 3n }),
    isModel: (name) => name === "m",
    ledger: createMemoryLedger(),
    simulate: () => Promise.reject(new Error("nobody simulates")),
    now: () => 0,
    stats: () => [
      {
        provider: "a",
        model: "m",
        requests: 3n,
        successes: 2n,
        failures: 1n,
        fallbacksFrom: 1n,
        shadowRequests: 0n,
        shadowUsage: create(UsageTotalsSchema),
        usage: {
          $typeName: "semaroute.v1.UsageTotals",
          inputTokens: 10n,
          outputTokens: 0n,
          cacheReadTokens: 0n,
          cacheWriteTokens: 0n,
          reasoningTokens: 0n,
          costMicroUsd: 0n,
          unpricedCalls: 0n,
          estimatedCalls: 0n,
        },
      },
    ],
    reload: () => Promise.resolve(next.reload),
    audit: (entry) => void audits.push(entry),
  };
}

export function revisionOf(number: number): PolicyRevision {
  return create(PolicyRevisionSchema, {
    revision: `rev-${number}`,
    number: BigInt(number),
    share: 1,
    author: "file",
    policy: { name: "p", kind: { case: "leastBusy", value: {} } },
  });
}
