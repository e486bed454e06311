import { type HandlerContext, Code, type ConnectRouterOptions, type ServiceImpl } from "@connectrpc/connect";

import type { AdminService, Provider, TargetStats } from "../../../gen/semaroute/v1/admin_pb.ts";
import { type PolicyIssue, PolicyIssue_Severity, type ProviderHealth, ProviderState } from "../../core/chat.ts";
import { timestampFromMs } from "../../core/clock.ts";
import type { Operations, ProviderView, TargetCounters } from "../../core/operations.ts";
import { createRefusal, type FieldProblem } from "../errors.ts";
import { collectChanges } from "./changes.ts";
import { abortError, refuseUnimplemented } from "./error-details.ts";
import { pageOf } from "./pages.ts";

/** The methods that exist; Connect answers UNIMPLEMENTED for the others. */
export type AdminMethods = Partial<ServiceImpl<typeof AdminService>>;

/** The control plane over the operations given. */
export function adminService(operations: Operations): AdminMethods {
  return { ...providerMethods(operations), ...policyMethods(operations), ...processMethods(operations) };
}

/** Options of the service: unknown JSON fields are refused, and nobody may keep the answers, refusals included. */
export function adminOptions(methods: AdminMethods, options: ConnectRouterOptions): ConnectRouterOptions {
  const refuseMissing = refuseUnimplemented(methods);
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
    if (provider === undefined)
      throw createRefusal({ code: Code.NotFound, reason: "PROVIDER_NOT_FOUND", text: `no provider ${quoted(id)}` });
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
        yield { health: healthOf(names), snapshot: true };
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
        operations.audit({ action: "SetProviderState", subject: id, author: authorOf(context), comment: changes.join(", ") });
      return { provider: providerFrom(find(id)), health: providers.health(id) };
    },
  };
}

function policyMethods(operations: Operations): AdminMethods {
  const { policies } = operations;
  return {
    getPolicy({ revision }) {
      const policy = revision === "" ? policies.active() : policies.find(revision);
      if (policy === undefined)
        throw createRefusal({ code: Code.NotFound, reason: "POLICY_NOT_FOUND", text: `no policy revision ${quoted(revision)}` });
      return { policy };
    },
    validatePolicy({ policy }) {
      const { issues, revision } = policies.examine(present(policy));
      return { valid: !issues.some(isError), issues: [...issues], revision };
    },
    swapPolicy(request, context) {
      const { expectedRevision, comment, dryRun } = request;
      if (request.share !== undefined && request.share < 1)
        throw createRefusal({
          code: Code.Unimplemented,
          reason: "UNIMPLEMENTED",
          text: "a policy for a share of the calls is not implemented",
        });
      const author = authorOf(context);
      const verdict = policies.swap({ policy: present(request.policy), expectedRevision, author, comment, dryRun });
      if (verdict.kind === "conflict") {
        const metadata = { active_revision: verdict.activeRevision };
        const text = `the active revision is ${verdict.activeRevision}, another than expected_revision`;
        throw createRefusal({ code: Code.Aborted, reason: "REVISION_CONFLICT", text, metadata });
      }
      if (verdict.kind === "invalid") throw invalidPolicy(verdict.issues.filter(isError));
      if (!dryRun) operations.audit({ action: "SwapPolicy", subject: verdict.policy.revision, author, comment });
      return { policy: verdict.policy, previousRevision: verdict.previousRevision, issues: [...verdict.issues] };
    },
    listPolicyRevisions(request) {
      const page = pageOf({ name: "revisions", items: policies.revisions(), key: ({ number }) => String(number) }, request);
      return { revisions: page.items.map((revision) => ({ ...revision, policy: undefined })), nextPageToken: page.nextPageToken };
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
      if (changed) operations.audit({ action: "ReloadConfig", subject: revision, author: authorOf(context), comment: "" });
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

function isError(issue: PolicyIssue): boolean {
  return issue.severity === PolicyIssue_Severity.ERROR;
}

function invalidPolicy(errors: readonly PolicyIssue[]): Error {
  const problems = errors.map(({ field, message }): FieldProblem => ({
    field: field === "" ? "policy" : `policy.${field}`,
    description: message,
  }));
  const [first] = problems;
  const text = `the policy is not valid${first === undefined ? "" : `: ${first.field}: ${first.description}`}`;
  return createRefusal({ code: Code.InvalidArgument, reason: "INVALID_REQUEST", text, problems });
}

/** For fields that the .proto says are required; the validation interceptor has the first word. */
function present<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  const text = "policy is required";
  throw createRefusal({ code: Code.InvalidArgument, reason: "INVALID_REQUEST", text, problems: [{ field: "policy", description: text }] });
}

const stateWords: ReadonlyMap<ProviderState, string> = new Map([
  [ProviderState.ENABLED, "enabled"],
  [ProviderState.DRAINING, "draining"],
  [ProviderState.DISABLED, "disabled"],
]);

/** Who changes something, by the caller's own word: it has shown the admin token, and that has no name in it. */
function authorOf(context: HandlerContext): string {
  const author = context.requestHeader.get("x-semaroute-author")?.trim().slice(0, 128);
  return author === undefined || author === "" ? "admin" : author;
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 128));
}
