import { describe, expect, test } from "vitest";
import { loadConfiguration } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";
import { describeModel, tellsKind } from "../../src/providers/known-models.ts";
import { build, folderWith } from "./workspace.ts";

const providers = `
providers:
  up: {type: openai_compatible, base_url: "http://127.0.0.1:1/v1", models: [gpt-4o-mini, text-embedding-3-small, {id: odd, kind: embedding}, mystery]}
  gone: {type: simulated, enabled: false}
models: {talk: {targets: [up/gpt-4o-mini]}, mixed: {targets: [up/gpt-4o-mini, up/odd]}}
`;

function problemsOf(semantic: string): string[] {
  const cwd = folderWith({ "config.yaml": `${providers}cache: {semantic: ${semantic}}\n` });
  const kindOf = (type: string, model: string) => (tellsKind(type, model) ? describeModel(type, model).kind : undefined);
  const loaded = loadConfiguration({ ...build, kindOf, explicitPath: undefined, environment: {}, cwd });
  return loaded.kind === "loaded" ? [] : loaded.problems.map(formatProblem);
}

describe("a model that embeds may be named:", () => {
  test.for(["up/text-embedding-3-small", "up/odd", "mixed", "up/not-in-the-list"])("%s", (model) => {
    expect(problemsOf(`{enabled: true, model: ${model}}`)).toEqual([]);
  });
});

describe("is refused, with its place:", () => {
  test.for<[semantic: string, said: string]>([
    ["{enabled: true}", "cache.semantic.model: is required where cache.semantic.enabled is set"],
    ["{enabled: true, model: up/gpt-4o-mini}", '"up/gpt-4o-mini" is a chat model and cannot embed'],
    ["{enabled: true, model: up/mystery}", '"up/mystery" is a chat model and cannot embed'],
    ["{enabled: true, model: talk}", '"talk" is a chat model and cannot embed'],
    ["{enabled: true, model: odd}", 'expected provider/model or a name of models, got "odd"'],
    ["{enabled: true, model: upp/odd}", 'there is no provider "upp"; did you mean up/odd?'],
    ["{enabled: true, model: gone/sim-embed}", 'provider "gone" is not enabled'],
    ["{enabled: true, model: up/odd, threshold: 1.5}", "cache.semantic.threshold"],
  ])("%s", ([semantic, said]) => {
    const problems = problemsOf(semantic);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(said);
  });
});

test("nobody looks at the model where the semantic cache is off", () => {
  expect(problemsOf("{model: nowhere}")).toEqual([]);
});
