import { createHash } from "node:crypto";

import { toBinary } from "@bufbuild/protobuf";

import type { ActivePolicy } from "../core/call.ts";
import { type PolicyIssue, PolicyIssue_Severity, type PolicyRevision, type RoutingPolicy, RoutingPolicySchema } from "../core/chat.ts";
import { type Clock, timestampFromMs } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { PolicyChange, PolicyDesk, PolicyVerdict } from "../core/operations.ts";
import type { Policy } from "../core/policy.ts";

/** Revisions remembered, where nobody says otherwise; the oldest are forgotten. */
const revisionsMaxDefault = 1000;

/** A desk that also takes policies from the configuration file. */
export interface FilePolicyDesk extends PolicyDesk {
  /**
   * The file's policy after a reload. It is activated only where it differs from what the file said when it was last
   * applied; else the active revision stays, whoever installed it. Undefined: it stays.
   */
  install(policy: RoutingPolicy, author: string, comment: string): PolicyVerdict | undefined;
}

/** What it needs; rooms do not know each other, so the policies' own functions come as arguments. */
export interface PolicyDeskOptions {
  readonly clock: Clock;
  /** The file's policy at the start; activated at once as number 1. Refused with INVALID_REQUEST where it has an error. */
  readonly initial: RoutingPolicy;
  /** Author of the initial revision. */
  readonly author: string;
  /** Problems of a policy against the running configuration. */
  readonly examine: (policy: RoutingPolicy) => readonly PolicyIssue[];
  /** Writes every default out. */
  readonly withDefaults: (policy: RoutingPolicy) => RoutingPolicy;
  /** Compiles. */
  readonly createPolicy: (policy: RoutingPolicy) => Policy;
  /** Default 1000. */
  readonly revisionsMax?: number;
  /** Told of each activation, the initial one included, before `swap` returns. What it throws leaves everything as it was. */
  readonly onActive: (policy: ActivePolicy) => void;
}

/** Policies in memory. Changes are synchronous, and therefore atomic. */
export function createPolicyDesk(options: PolicyDeskOptions): FilePolicyDesk {
  const { clock, examine, withDefaults, createPolicy, onActive, revisionsMax = revisionsMaxDefault } = options;
  /** Newest first. */
  let revisions: readonly PolicyRevision[] = [];
  let fileText = textOf(options.initial);

  const activate = (planned: PolicyRevision, policy: RoutingPolicy): void => {
    onActive({ revision: planned.revision, name: policy.name, rank: createPolicy(policy) });
    revisions = [planned, ...revisions.slice(0, revisionsMax - 1)];
  };
  const change = ({ policy: given, expectedRevision, author, comment, dryRun }: PolicyChange): PolicyVerdict => {
    const issues = examine(given);
    if (issues.some(isError)) return { kind: "invalid", issues };
    const active = revisions[0];
    const previousRevision = active?.revision ?? "";
    if (expectedRevision !== "" && expectedRevision !== previousRevision) return { kind: "conflict", activeRevision: previousRevision };
    const policy = withDefaults(given);
    const planned = {
      $typeName: "semaroute.v1.PolicyRevision",
      revision: revisionOf(policy),
      activateTime: dryRun ? undefined : timestampFromMs(clock.wall()),
      author,
      comment,
      policy,
      share: 1,
      number: (active?.number ?? 0n) + 1n,
    } as const satisfies PolicyRevision;
    if (!dryRun) activate(planned, policy);
    return { kind: "swapped", policy: planned, previousRevision, issues };
  };

  const first = change({ policy: options.initial, expectedRevision: "", author: options.author, comment: "", dryRun: false });
  if (first.kind !== "swapped") throw refusal(first);

  return {
    active: () => revisions[0] ?? first.policy,
    find: (revision) => revisions.find((each) => each.revision === revision),
    examine: (policy) => ({ issues: examine(policy), revision: revisionOf(withDefaults(policy)) }),
    swap: change,
    install(policy, author, comment) {
      const text = textOf(policy);
      if (text === fileText) return undefined;
      const verdict = change({ policy, expectedRevision: "", author, comment, dryRun: false });
      if (verdict.kind === "swapped") fileText = text;
      return verdict;
    },
    revisions: () => revisions,
  };
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

function refusal(verdict: Exclude<PolicyVerdict, { kind: "swapped" }>): ChatError {
  const issue = verdict.kind === "invalid" ? verdict.issues.find(isError) : undefined;
  return new ChatError("INVALID_REQUEST", `the routing policy is refused: ${issue?.field ?? ""} ${issue?.message ?? ""}`);
}
