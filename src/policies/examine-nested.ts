import type { ExperimentPolicy, RoutingPolicy, RulesPolicy } from "../core/chat.ts";
import { compileCondition, type Condition } from "./conditions.ts";
import type { Place } from "./examine.ts";
import { isUnit } from "./experiment.ts";
import { didYouMean } from "./issues.ts";

type ExamineAt = (policy: RoutingPolicy, place: Place) => void;

/** An experiment, and the policies of its arms. */
export function examineExperiment({ experiment, unit, arms }: ExperimentPolicy, place: Place, examineAt: ExamineAt): void {
  const { issues } = place;
  const field = `${place.path}experiment`;
  if (experiment === "") issues.error(`${field}.experiment`, "is required");
  if (!isUnit(unit)) issues.error(`${field}.unit`, `expected affinity_key, end_user_id, key or tag:NAME, got ${JSON.stringify(unit)}`);
  if (arms.length < 2) issues.error(`${field}.arms`, "expected at least two arms");
  const names = new Set<string>();
  for (const [index, { name, weight, policy }] of arms.entries()) {
    const at = `${field}.arms[${index}]`;
    if (name === "") issues.error(`${at}.name`, "is required");
    else if (names.has(name)) issues.error(`${at}.name`, `there is another arm called ${JSON.stringify(name)}`);
    names.add(name);
    if (weight === 0) issues.error(`${at}.weight`, "is at least 1");
    examineNested(policy, `${at}.policy`, place, examineAt);
  }
}

/** Rules: their conditions, where they lead, and whether they can be reached. */
export function examineRules({ rules, otherwise }: RulesPolicy, place: Place, examineAt: ExamineAt): void {
  const { issues } = place;
  const field = `${place.path}rules`;
  const names = new Set<string>();
  const earlier = new Map<string, string>();
  let always: string | undefined;
  for (const [index, { name, when, policy, model }] of rules.entries()) {
    const at = `${field}.rules[${index}]`;
    if (name === "") issues.error(`${at}.name`, "is required");
    else if (names.has(name)) issues.error(`${at}.name`, `there is another rule called ${JSON.stringify(name)}`);
    names.add(name);
    const condition = compileCondition(when);
    if (condition.kind === "fault") issues.error(`${at}.when`, condition.message);
    else {
      const why = whyNever(condition, always, earlier.get(condition.text));
      if (why !== undefined) issues.warning(`${at}.when`, `this rule never applies: ${why}`);
      earlier.set(condition.text, earlier.get(condition.text) ?? name);
      if (condition.constant === true) always ??= name;
    }
    if (model !== "") examineModel(model, `${at}.model`, place);
    if (policy !== undefined) examineNested(policy, `${at}.policy`, place, examineAt);
  }
  examineNested(otherwise, `${field}.otherwise`, place, examineAt);
}

/** Undefined: it may apply. */
function whyNever({ constant }: Condition, always: string | undefined, same: string | undefined): string | undefined {
  if (always !== undefined) return `rule ${JSON.stringify(always)} before it always does`;
  if (same !== undefined) return `rule ${JSON.stringify(same)} before it has the same condition`;
  return constant === false ? "its condition never holds" : undefined;
}

function examineModel(model: string, field: string, { facts, issues }: Place): void {
  const { models, providers } = facts;
  const slash = model.indexOf("/");
  if (model === "auto" || models === undefined || models.includes(model)) return;
  if (slash > 0 && slash < model.length - 1 && providers.includes(model.slice(0, slash))) return;
  issues.error(field, `there is no model ${JSON.stringify(model)}${didYouMean(model, models)}`);
}

function examineNested(policy: RoutingPolicy | undefined, at: string, place: Place, examineAt: ExamineAt): void {
  if (policy === undefined) place.issues.error(at, "is required");
  else examineAt(policy, { ...place, path: `${at}.`, depth: place.depth + 1 });
}
