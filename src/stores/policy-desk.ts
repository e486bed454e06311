import { createHash } from "node:crypto";

import { toBinary } from "@bufbuild/protobuf";

import { type PolicyIssue, PolicyIssue_Severity, type PolicyRevision, type RoutingPolicy, RoutingPolicySchema } from "../core/chat.ts";
import { type Clock, timestampFromMs } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { NoRevision, PolicyChange, PolicyDesk, PolicyReturn, PolicyVerdict } from "../core/operations.ts";
import type { Policy } from "../core/policy.ts";
import type { KeptPolicies } from "../core/store.ts";
import { createPolicyRegister, type PolicyRegisterOptions } from "./policy-register.ts";

/** Revisions remembered, where nobody says otherwise; the oldest are forgotten. */
const revisionsMaxDefault = 1000;

/** A desk that also takes policies from the configuration file, and answers at once. */
export interface FilePolicyDesk extends PolicyDesk {
  swap(change: PolicyChange): PolicyVerdict;
  rollback(way: PolicyReturn): PolicyVerdict | NoRevision;
  /**
   * The file's policy after a reload. It is activated only where it differs from what the file said when it was last
   * applied; else the active revision stays, whoever installed it. Undefined: it stays.
   */
  install(policy: RoutingPolicy, author: string, comment: string): PolicyVerdict | undefined;
  /** Hash of the file's policy, as it was last installed. */
  fileText(): string;
  /** Takes over what is in force elsewhere. False: it does not fit this configuration, and what was in force here stays. */
  adopt(kept: KeptPolicies): boolean;
}

/** What it needs; rooms do not know each other, so the policies' own functions come as arguments. */
export interface PolicyDeskOptions {
  readonly clock: Clock;
  /**
   * The file's policy at the start; activated at once, unless it is what was last applied and a later revision is kept. Refused
   * with INVALID_REQUEST where it has an error.
   */
  readonly initial: RoutingPolicy;
  /** Author of the file's revisions. */
  readonly author: string;
  /** Problems of a policy against the running configuration. */
  readonly examine: (policy: RoutingPolicy) => readonly PolicyIssue[];
  /** Writes every default out. */
  readonly withDefaults: (policy: RoutingPolicy) => RoutingPolicy;
  /** Compiles. */
  readonly createPolicy: (policy: RoutingPolicy) => Policy;
  /** Default 1000. */
  readonly revisionsMax?: number;
  /** Told of each change of what is in force, the first included, before `swap` returns. What it throws leaves everything as it was. */
  readonly onActive: PolicyRegisterOptions["onActive"];
  /** What an earlier process kept; undefined: nothing. */
  readonly kept?: KeptPolicies | undefined;
  /** Keeps changes; undefined: they end with the process. */
  readonly keep?: ((change: KeptPolicies) => Promise<void>) | undefined;
}

/** Policies in memory. Changes are synchronous, and therefore atomic; they are kept afterwards. */
export function createPolicyDesk(options: PolicyDeskOptions): FilePolicyDesk {
  const { clock, examine, withDefaults, revisionsMax = revisionsMaxDefault } = options;
  const register = createPolicyRegister({ ...options, revisionsMax });
  let fileText = textOf(options.initial);
  const change = ({ policy: given, expectedRevision, author, comment, dryRun, share = 1 }: PolicyChange): PolicyVerdict => {
    const issues = examine(given);
    if (issues.some(isError)) return { kind: "invalid", issues };
    const previousRevision = register.active()?.revision ?? "";
    if (expectedRevision !== "" && expectedRevision !== previousRevision) return { kind: "conflict", activeRevision: previousRevision };
    const policy = withDefaults(given);
    const planned = {
      $typeName: "semaroute.v1.PolicyRevision",
      revision: revisionOf(policy),
      activateTime: dryRun ? undefined : timestampFromMs(clock.wall()),
      author,
      comment,
      policy,
      share,
      number: (register.revisions()[0]?.number ?? 0n) + 1n,
    } as const satisfies PolicyRevision;
    if (!dryRun) register.activate(planned, policy);
    return { kind: "swapped", policy: planned, previousRevision, issues };
  };
  const changeAndKeep = (wanted: PolicyChange): PolicyVerdict => {
    const verdict = change(wanted);
    if (verdict.kind === "swapped" && !wanted.dryRun) register.keep([verdict.policy], fileText);
    return verdict;
  };
  const isGood = (policy: RoutingPolicy): boolean => !examine(policy).some(isError);
  if (!register.resume(fileText, isGood)) {
    const first = changeAndKeep({ policy: options.initial, expectedRevision: "", author: options.author, comment: "", dryRun: false });
    if (first.kind !== "swapped") throw refusal(first);
  }
  return {
    active: () => present(register.active()),
    canary: () => register.canary(),
    find: (revision) => register.revisions().find((each) => each.revision === revision),
    examine: (policy) => ({ issues: examine(policy), revision: revisionOf(withDefaults(policy)) }),
    swap: changeAndKeep,
    rollback({ number, author, comment }) {
      const active = present(register.active());
      const canary = register.canary();
      if (number === 0n && canary !== undefined) {
        register.dropCanary();
        register.keep([], fileText);
        return { kind: "swapped", policy: active, previousRevision: canary.revision, issues: [] };
      }
      const wanted = changeBack({ number, author, comment }, active, register.revisions());
      return wanted === undefined ? { kind: "missing" } : changeAndKeep(wanted);
    },
    install(policy, author, comment) {
      const text = textOf(policy);
      if (text === fileText) return undefined;
      const verdict = change({ policy, expectedRevision: "", author, comment, dryRun: false });
      if (verdict.kind !== "swapped") return verdict;
      fileText = text;
      register.keep([verdict.policy], fileText);
      return verdict;
    },
    fileText: () => fileText,
    adopt: (kept) => register.adopt(kept, isGood),
    revisions: () => register.revisions(),
    kept: () => register.kept(),
  };
}

/** What a way back is, said as a change; undefined: there is nothing to go back to. */
export function changeBack(
  { number, author, comment }: PolicyReturn,
  active: PolicyRevision,
  revisions: readonly PolicyRevision[],
): PolicyChange | undefined {
  const wanted = revisions.find(number === 0n ? isBefore(active) : (each) => each.number === number);
  if (wanted?.policy === undefined) return undefined;
  const said = comment === "" ? `back to number ${wanted.number}` : comment;
  return { policy: wanted.policy, expectedRevision: "", author, comment: said, dryRun: false };
}

/** What all callers had before; canaries that nobody promoted never were that. */
function isBefore(active: PolicyRevision): (revision: PolicyRevision) => boolean {
  return ({ number, share }) => number < active.number && share === 1;
}

function present(revision: PolicyRevision | undefined): PolicyRevision {
  if (revision === undefined) throw new Error("no policy is in force");
  return revision;
}

/** What a policy is known by: the first 12 hexadecimal digits of SHA-256 over its message. Give it the defaults first. */
export function revisionOf(policy: RoutingPolicy): string {
  return textOf(policy).slice(0, 12);
}

/** Fields in the order of their numbers; fields we do not know do nothing, so they make no difference. */
function textOf(policy: RoutingPolicy): string {
  const bytes = toBinary(RoutingPolicySchema, policy, { writeUnknownFields: false });
  return createHash("sha256").update(bytes).digest("hex");
}

function isError(issue: PolicyIssue): boolean {
  return issue.severity === PolicyIssue_Severity.ERROR;
}

function refusal(verdict: PolicyVerdict): ChatError {
  const issue = verdict.kind === "invalid" ? verdict.issues.find(isError) : undefined;
  return new ChatError("INVALID_REQUEST", `the routing policy is refused: ${issue?.field ?? ""} ${issue?.message ?? ""}`);
}
