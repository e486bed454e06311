import type { RoutingPolicy } from "../core/chat.ts";

/** A policy and all that are nested in it, outermost first. */
export function* withNested(policy: RoutingPolicy | undefined): Generator<RoutingPolicy> {
  if (policy === undefined) return;
  yield policy;
  const { kind } = policy;
  if (kind.case === "experiment") for (const arm of kind.value.arms) yield* withNested(arm.policy);
  if (kind.case !== "rules") return;
  for (const rule of kind.value.rules) yield* withNested(rule.policy);
  yield* withNested(kind.value.otherwise);
}

/** Characters of all conditions of a policy and of those in it: what they cost to compile goes by that. */
export const conditionCharactersMax = 32_768;

/** Of all conditions in a policy. */
export function conditionCharacters(policy: RoutingPolicy): number {
  let sum = 0;
  for (const { kind } of withNested(policy)) if (kind.case === "rules") for (const { when } of kind.value.rules) sum += when.length;
  return sum;
}
