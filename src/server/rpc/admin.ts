import { Code, type ConnectRouterOptions, type ServiceImpl } from "@connectrpc/connect";

import type { AdminService, Provider, TargetStats } from "../../../gen/semaroute/v1/admin_pb.ts";
import type { KeyId } from "../../core/call.ts";
import { type ProviderHealth, ProviderState } from "../../core/chat.ts";
import { timestampFromMs } from "../../core/clock.ts";
import type { Operations, ProviderView, TargetCounters } from "../../core/operations.ts";
import { RedisError } from "../../core/redis.ts";
import { createRefusal, type FieldProblem } from "../errors.ts";
import { authorOf, invalidArgument, originOf, quoted } from "./admin-changes.ts";
import { decisionMethods } from "./admin-decisions.ts";
import { keyMethods } from "./admin-keys.ts";
import { ledgerMethods } from "./admin-ledger.ts";
import { policyMethods } from "./admin-policies.ts";
import { collectChanges } from "./changes.ts";
import { openedKey } from "./context.ts";
import { abortError } from "./error-details.ts";
import { pageOf } from "./pages.ts";

/** Some of the methods, or all. */
export type AdminMethods = Partial<ServiceImpl<typeof AdminService>>;

/** Providers named in an error. */
const namesMax = 20;

/** The control plane over the operations given. */
export function adminService(operations: Operations): AdminMethods {
  return {
    ...providerMethods(operations),
    ...policyMethods(operations),
    ...decisionMethods(operations),
    ...keyMethods(operations),
    ...ledgerMethods(operations),
    ...processMethods(operations),
  };
}

/** Options of the service: unknown JSON fields are refused, and nobody may keep the answers, refusals included. */
export function adminOptions(options: ConnectRouterOptions): ConnectRouterOptions {
  return {
    ...options,
    jsonOptions: { ...options.jsonOptions, ignoreUnknownFields: false },
    async requestGate(context) {
      context.responseHeader.set("cache-control", "no-store");
      await options.requestGate?.(context);
    },
  };
}

function providerMethods(operations: Operations): AdminMethods {
  const { providers } = operations;
  const find = (id: string): ProviderView => {
    const provider = providers.find(id);
    if (provider === undefined) {
      const text = `no provider ${quoted(id)}; there are ${providers
        .list()
        .slice(0, namesMax)
        .map((each) => each.id)
        .join(", ")}`;
      throw createRefusal({ code: Code.NotFound, reason: "PROVIDER_NOT_FOUND", text });
    }
    return provider;
  };
  /** Of those named, or of all. */
  const healthOf = (names: readonly string[]): ProviderHealth[] => {
    const chosen = names.length === 0 ? providers.list() : names.map(find);
    return chosen.map(({ id }) => providers.health(id));
  };
  return {
    listProviders(request) {
      const page = pageOf({ name: "providers", items: providers.list(), key: ({ id }) => id }, request);
      return { providers: page.items.map(providerFrom), nextPageToken: page.nextPageToken };
    },
    getProvider({ id }) {
      return { provider: providerFrom(find(id)) };
    },
    getProviderHealth({ providers: names }) {
      return { health: healthOf(names) };
    },
    async *watchProviderHealth({ providers: names }, context) {
      const watched = new Set(names);
      const changes = collectChanges(providers.watch.bind(providers), context.signal);
      try {
        const health = healthOf(names);
        context.values.set(openedKey, true);
        yield { health, snapshot: true };
        for (let changed = await changes.next(); changed !== undefined; changed = await changes.next()) {
          for (const id of changed) {
            // A reload may have taken the provider away since it changed.
            if ((watched.size > 0 && !watched.has(id)) || providers.find(id) === undefined) continue;
            yield { health: [providers.health(id)], snapshot: false };
          }
        }
        throw abortError(context);
      } finally {
        changes.close();
      }
    },
    async setProviderState({ id, state, resetBreaker }, context) {
      find(id);
      await providers.set(id, state, resetBreaker);
      const changes = [
        ...(state === ProviderState.UNSPECIFIED ? [] : [`state ${stateWords.get(state) ?? state}`]),
        ...(resetBreaker ? ["breaker reset"] : []),
      ];
      if (changes.length > 0)
        operations.audit({
          action: "SetProviderState",
          subject: id,
          author: authorOf(context),
          comment: changes.join(", "),
          ...originOf(context),
        });
      return { provider: providerFrom(find(id)), health: providers.health(id) };
    },
  };
}

function processMethods(operations: Operations): AdminMethods {
  return {
    async getStats() {
      const { startWall, version } = operations;
      return { startTime: timestampFromMs(startWall), version, targets: (await operations.stats()).map(statsFrom) };
    },
    async purgeCache({ keyId, all }, context) {
      if (all === (keyId !== "")) {
        const problems = ["key_id", "all"].map((field): FieldProblem => ({
          field,
          description: "exactly one of key_id and all is required",
        }));
        throw invalidArgument("exactly one of key_id and all is required", problems);
      }
      const entries = await purged(operations, keyId);
      const comment = `${entries} ${entries === 1 ? "answer" : "answers"}`;
      operations.audit({ action: "PurgeCache", subject: all ? "all" : keyId, author: authorOf(context), comment, ...originOf(context) });
      return { entries: BigInt(entries) };
    },
    async reloadConfig(_request, context) {
      const outcome = await operations.reload();
      if (outcome.kind === "refused") {
        const problems = outcome.problems.map(({ path, description }): FieldProblem => ({ field: path, description }));
        const text = `the configuration has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}; the old one stays`;
        throw createRefusal({ code: Code.FailedPrecondition, reason: "INVALID_CONFIGURATION", text, problems });
      }
      const { revision, changed, restartNeeded } = outcome;
      const author = authorOf(context);
      if (changed) operations.audit({ action: "ReloadConfig", subject: revision, author, comment: "", ...originOf(context) });
      return { revision, changed, restartNeeded: [...restartNeeded] };
    },
  };
}

/** `keyId` empty: everybody's. */
async function purged({ cache }: Operations, keyId: string): Promise<number> {
  try {
    return await cache.purge(keyId === "" ? undefined : (keyId as KeyId));
  } catch (cause) {
    if (!(cause instanceof RedisError)) throw cause;
    const text = "this replica's memory is purged, but Redis cannot be reached now: what it holds is dropped after cache.ttl; try again";
    throw createRefusal({ code: Code.Unavailable, reason: "STORE_UNAVAILABLE", text, cause });
  }
}

function providerFrom(view: ProviderView): Provider {
  const { id, dialect, issuer, baseUrl, state, models, credentialSource } = view;
  return { $typeName: "semaroute.v1.Provider", id, dialect, issuer, baseUrl, state, models: [...models], credentialSource, labels: {} };
}

function statsFrom(counters: TargetCounters): TargetStats {
  return { $typeName: "semaroute.v1.TargetStats", ...counters };
}

const stateWords: ReadonlyMap<ProviderState, string> = new Map([
  [ProviderState.ENABLED, "enabled"],
  [ProviderState.DRAINING, "draining"],
  [ProviderState.DISABLED, "disabled"],
]);
