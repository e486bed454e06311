import { Code } from "@connectrpc/connect";
import { type PolicyIssue, PolicyIssue_Severity } from "../../core/chat.ts";
import { durationFromMs } from "../../core/clock.ts";
import type { Operations, PolicyDesk, PolicyVerdict, SimulationReport } from "../../core/operations.ts";
import { createRefusal, type FieldProblem } from "../errors.ts";
import type { AdminMethods } from "./admin.ts";
import { authorOf, invalidArgument, originOf, quoted } from "./admin-changes.ts";
import { pageOf } from "./pages.ts";

/** Decisions replayed where the caller does not say, and at most. */
const replayedDefault = 10_000;
const replayedMax = 100_000;
const hourMs = 3_600_000;

/** The life of policies. */
export function policyMethods(operations: Operations): AdminMethods {
  const { policies } = operations;
  return {
    getPolicy({ revision }) {
      const policy = revision === "" ? policies.active() : policies.find(revision);
      if (policy === undefined) throw notFound(`no policy revision ${quoted(revision)}`);
      const canary = revision === "" ? policies.canary() : undefined;
      return canary === undefined ? { policy } : { policy, canary };
    },
    validatePolicy({ policy }) {
      const { issues, revision } = policies.examine(present(policy));
      return { valid: !issues.some(isError), issues: [...issues], revision };
    },
    async simulatePolicy({ policy: given, since, maxDecisions }) {
      const policy = present(given);
      const errors = policies.examine(policy).issues.filter(isError);
      if (errors.length > 0) throw invalidPolicy(errors);
      const sinceWall = since === undefined ? operations.now() - hourMs : Number(since.seconds) * 1000 + since.nanos / 1e6;
      const decisionsMax = Math.min(maxDecisions === 0 ? replayedDefault : maxDecisions, replayedMax);
      return simulationFrom(await operations.simulate({ policy, sinceWall, decisionsMax }));
    },
    async swapPolicy(request, context) {
      const { expectedRevision, comment, dryRun, share } = request;
      const author = authorOf(context);
      const verdict = await policies.swap({ policy: present(request.policy), expectedRevision, author, comment, dryRun, share });
      const { policy, previousRevision, issues } = swapped(verdict);
      if (!dryRun) operations.audit({ action: "SwapPolicy", subject: policy.revision, author, comment, ...originOf(context) });
      const lost = dryRun || (await policies.kept()) ? [] : [notKept];
      return { policy, previousRevision, issues: [...issues, ...lost] };
    },
    async rollbackPolicy({ number, comment }, context) {
      const author = authorOf(context);
      const canary = number === 0n ? policies.canary() : undefined;
      const verdict = await policies.rollback({ number, comment, author });
      if (verdict.kind === "missing") throw noWayBack(policies, number);
      const { policy } = swapped(verdict);
      const subject = canary?.revision ?? policy.revision;
      operations.audit({ action: "RollbackPolicy", subject, author, comment, ...originOf(context) });
      await policies.kept();
      return { policy };
    },
    listPolicyRevisions(request) {
      const page = pageOf({ name: "revisions", items: policies.revisions(), key: ({ number }) => String(number) }, request);
      return { revisions: page.items.map((revision) => ({ ...revision, policy: undefined })), nextPageToken: page.nextPageToken };
    },
  };
}

/** For what is in force already: it would be worse to say that nothing happened. */
const notKept: PolicyIssue = {
  $typeName: "semaroute.v1.PolicyIssue",
  severity: PolicyIssue_Severity.WARNING,
  field: "",
  message: "in force, but the store did not take it: it ends with the process",
};

function swapped(verdict: PolicyVerdict): Extract<PolicyVerdict, { kind: "swapped" }> {
  if (verdict.kind === "conflict") {
    const metadata = { active_revision: verdict.activeRevision };
    const text = `the active revision is ${verdict.activeRevision}, another than expected_revision`;
    throw createRefusal({ code: Code.Aborted, reason: "REVISION_CONFLICT", text, metadata });
  }
  if (verdict.kind === "unavailable") {
    const text = "the store that replicas share the policy by does not answer; look at what is active before you try again";
    throw createRefusal({ code: Code.Unavailable, reason: "STORE_UNAVAILABLE", text });
  }
  if (verdict.kind === "invalid") throw invalidPolicy(verdict.issues.filter(isError));
  return verdict;
}

function noWayBack(policies: PolicyDesk, number: bigint): Error {
  if (number !== 0n) return notFound(`no policy was activated as number ${number}`);
  const text = `revision ${policies.active().revision} is the first one that is known: there is none before it`;
  return createRefusal({ code: Code.FailedPrecondition, reason: "NO_EARLIER_POLICY", text });
}

function notFound(text: string): Error {
  return createRefusal({ code: Code.NotFound, reason: "POLICY_NOT_FOUND", text });
}

function simulationFrom(report: SimulationReport) {
  const { decisions, moved, costBeforeMicroUsd, costAfterMicroUsd, firstTokenP50BeforeMs, firstTokenP50AfterMs } = report;
  return {
    decisions: BigInt(decisions),
    moved: BigInt(moved),
    costBeforeMicroUsd: BigInt(Math.round(costBeforeMicroUsd)),
    costAfterMicroUsd: BigInt(Math.round(costAfterMicroUsd)),
    ...(firstTokenP50BeforeMs !== undefined && { firstTokenP50Before: durationFromMs(firstTokenP50BeforeMs) }),
    ...(firstTokenP50AfterMs !== undefined && { firstTokenP50After: durationFromMs(firstTokenP50AfterMs) }),
    shareBefore: countsFrom(report.shareBefore),
    shareAfter: countsFrom(report.shareAfter),
  };
}

function countsFrom(shares: ReadonlyMap<string, number>): Record<string, bigint> {
  return Object.fromEntries([...shares].map(([target, count]) => [target, BigInt(count)]));
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
  return invalidArgument(`the policy is not valid${first === undefined ? "" : `: ${first.field}: ${first.description}`}`, problems);
}

/** For fields that the .proto says are required; the validation interceptor has the first word. */
function present<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw invalidArgument("policy is required", [{ field: "policy", description: "policy is required" }]);
}
