/** What ValidatePolicy would say, at the file's own paths and places. */
import { describe, expect, test } from "vitest";
import { formatProblem } from "../../src/config/problem.ts";
import { loaded, problemsOf } from "./workspace.ts";

const two = "providers: {openai: {api_key: k}, anthropic: {api_key: k}}\n";
const warnings = (text: string): string[] => loaded(text).warnings.map(formatProblem);

describe("a policy is refused for", () => {
  test.for<[string, string]>([
    [
      "{type: weighted, config: {weights: {opnai: 1, anthropic: 1}}}",
      'routing_policy.config.weights.opnai: there is no provider "opnai"; did you mean openai?',
    ],
    ["{type: weighted, config: {weights: {openai: 0}}}", "routing_policy.config.weights: all weights are 0, so nobody has a share"],
    ["{type: latency, config: {decay: 0s}}", "routing_policy.config.decay: is longer than 0"],
    ["{shadow: {target: gpt, share: 0.1}}", 'routing_policy.shadow.target: expected provider/model, got "gpt"'],
    [
      "{shadow: {target: antropic/x, share: 0.1}}",
      'routing_policy.shadow.target: there is no provider "antropic"; did you mean anthropic?',
    ],
    [
      "{type: rules, config: {rules: [{name: r, when: modle == 'x'}], otherwise: {type: least_busy}}}",
      "routing_policy.config.rules[0].when: line 1, column 1: there is no variable modle",
    ],
    [
      "{type: rules, config: {rules: [{name: r, when: has_tools, model: gpt-4o-mimi}], otherwise: {type: least_busy}}}",
      'routing_policy.config.rules[0].model: there is no model "gpt-4o-mimi"; did you mean gpt-4o-mini?',
    ],
    [
      "{type: rules, config: {rules: [{name: r, when: has_tools, policy: {type: weighted, config: {weights: {nobody: 1}}}}], otherwise: {type: least_busy}}}",
      'routing_policy.config.rules[0].policy.config.weights.nobody: there is no provider "nobody"',
    ],
    [
      "{type: experiment, config: {experiment: e, arms: [{name: a, weight: 1, policy: {type: least_busy}}, {name: a, weight: 1, policy: {type: least_busy}}]}}",
      'routing_policy.config.arms[1].name: there is another arm called "a"',
    ],
  ])("%s", ([policy, told]) => {
    const [line = "", ...others] = problemsOf(`${two}routing_policy: ${policy}\n`);
    expect(line).toContain(` ${told}`);
    expect(line).toMatch(/^config\.yaml:2:\d+ /);
    expect(others).toEqual([]);
  });

  test("nesting too deep", () => {
    const deep = (levels: number): string =>
      levels === 1 ? "{type: least_busy}" : `{type: rules, config: {otherwise: ${deep(levels - 1)}}}`;
    expect(problemsOf(`${two}routing_policy: ${deep(4)}\n`)).toEqual([]);
    expect(problemsOf(`${two}routing_policy: ${deep(5)}\n`)).toEqual([expect.stringContaining("policies nest at most 4 deep")]);
  });
});

describe("a warning is given", () => {
  test("for a rule that never applies", () => {
    const rules = "[{name: all, when: 'true'}, {name: late, when: has_tools}]";
    expect(warnings(`${two}routing_policy: {type: rules, config: {rules: ${rules}, otherwise: {type: least_busy}}}\n`)).toEqual([
      expect.stringContaining('routing_policy.config.rules[1].when: this rule never applies: rule "all" before it always does'),
    ]);
  });

  test("for targets without a price, where a policy that goes by cost was asked for", () => {
    const own =
      "providers: {own: {type: openai_compatible, base_url: 'http://x', models: [m, {id: n, input_price: 1, output_price: 1}]}}\n";
    const unpriced = (text: string) => warnings(text).filter((line) => line.includes("without a price"));
    expect(unpriced(`${own}routing_policy: {type: cost_based}\n`)).toEqual([
      expect.stringContaining("routing_policy.config: targets without a price come last: own/m"),
    ]);
    expect(unpriced(own)).toEqual([]);
    expect(unpriced(`${own}routing_policy: {type: least_busy}\n`)).toEqual([]);
  });
});
