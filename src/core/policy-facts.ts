import type { PolicyIssue, RoutingPolicy } from "./chat.ts";

/** A configuration, as far as a policy can be wrong about it. */
export interface PolicyFacts {
  /** Names of all providers that may be named, those that are not enabled among them. */
  readonly providers: readonly string[];
  isEnabled(this: void, provider: string): boolean;
  /** `provider/model` of the targets without a price. */
  readonly unpricedTargets: readonly string[];
  /** Whether some name callers may ask for is served by both providers, so that one can stand in for the other. */
  servesTogether(this: void, one: string, other: string): boolean;
  /** Names of models and aliases, as callers ask for them; undefined: some hosts alone know what they offer. */
  readonly models: readonly string[] | undefined;
}

/** Everything wrong with a policy, field by field; no errors: it can be compiled. */
export type ExaminePolicy = (policy: RoutingPolicy, facts: PolicyFacts) => PolicyIssue[];
