import { Code, type ConnectRouterOptions, type ServiceImpl } from "@connectrpc/connect";

import type { AdminService, Provider, TargetStats } from "../../../gen/semaroute/v1/admin_pb.ts";
import { type ProviderHealth, ProviderState } from "../../core/chat.ts";
import { timestampFromMs } from "../../core/clock.ts";
import type { Operations, ProviderView, TargetCounters } from "../../core/operations.ts";
import { createRefusal, type FieldProblem } from "../errors.ts";
import { authorOf, originOf, quoted } from "./admin-changes.ts";
import { decisionMethods } from "./admin-decisions.ts";
import { keyMethods } from "./admin-keys.ts";
import { ledgerMethods } from "./admin-ledger.ts";
import { policyMethods } from "./admin-policies.ts";
import { collectChanges } from "./changes.ts";
import { openedKey } from "./context.ts";
import { abortError, refuseUnimplemented } from "./error-details.ts";
import { pageOf } from "./pages.ts";

/** The methods that exist; Connect answers UNIMPLEMENTED for the others. */
export type AdminMethods = Partial<ServiceImpl<typeof AdminService>>;

/** Providers named in an error. */
const namesMax = 20;

/** What to do where a method does not exist yet. */
const instead: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["createKey", "listKeys", "updateKey", "revokeKey"].map((name) => [name, "keys are those of auth.keys in the configuration"]),
  ),
  getUsage: "GetStats counts since the start, /metrics counts over time, and ListDecisions tells usage and cost of each call",
  listLedger: "ListDecisions tells the attempts of each call, with usage and cost",
  purgeCache: "answers are dropped after cache.ttl, and all of them by a restart",
};

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
export function adminOptions(methods: AdminMethods, options: ConnectRouterOptions): ConnectRouterOptions {
  const refuseMissing = refuseUnimplemented(methods, instead);
  return {
    ...options,
    jsonOptions: { ...options.jsonOptions, ignoreUnknownFields: false },
    async requestGate(context) {
      context.responseHeader.set("cache-control", "no-store");
      await options.requestGate?.(context);
      await refuseMissing(context);
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
    setProviderState({ id, state, resetBreaker }, context) {
      find(id);
      providers.set(id, state, resetBreaker);
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
    getStats() {
      const { startWall, version } = operations;
      return { startTime: timestampFromMs(startWall), version, targets: operations.stats().map(statsFrom) };
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
