import type { RulesPolicy } from "../core/chat.ts";
import { ChatError } from "../core/error.ts";
import { type Decided, decidedBy, decidingPolicy, type Policy } from "../core/policy.ts";
import { type Bindings, bindingsOf, compileCondition, type Condition } from "./conditions.ts";

/** The compiled policies of a `RulesPolicy`. */
export interface RulesPolicies {
  /** Of each rule, in order; undefined: it has none of its own, and `otherwise` stands in. */
  readonly rules: readonly (Policy | undefined)[];
  readonly otherwise: Policy;
}

/**
 * The first rule whose condition holds decides, else `otherwise`. A condition that cannot be evaluated does not hold: a call is better
 * served by the next rule than not at all, and the rule is named among those that failed.
 */
export function createRules(config: RulesPolicy, { rules: policies, otherwise }: RulesPolicies): Policy {
  const rules = config.rules.map(({ name, when, model }, index): CompiledRule => {
    const condition = compileCondition(when);
    if (condition.kind === "fault") throw new ChatError("INVALID_REQUEST", condition.message, { field: `rules.rules[${index}].when` });
    return { name, condition, model, policy: policies[index] ?? otherwise };
  });
  return decidingPolicy((call): Decided => {
    let bindings: Bindings | undefined;
    let failed: readonly string[] = [];
    for (const { name, condition, model, policy } of rules) {
      const holds = condition.holds((bindings ??= bindingsOf(call)));
      if (holds === undefined) failed = [...failed, name];
      if (holds !== true) continue;
      const inner = decidedBy(policy, call);
      const rule = inner.rule === "" ? name : `${name}/${inner.rule}`;
      // The innermost word on the model is the most exact one.
      return { ...inner, rule, model: inner.model === "" ? model : inner.model, failedRules: [...failed, ...inner.failedRules] };
    }
    const inner = decidedBy(otherwise, call);
    return failed.length === 0 ? inner : { ...inner, failedRules: [...failed, ...inner.failedRules] };
  });
}

interface CompiledRule {
  readonly name: string;
  readonly condition: Condition;
  readonly model: string;
  readonly policy: Policy;
}
