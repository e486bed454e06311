import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

import { type Loaded, type LoadInput, loadConfiguration } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";
import type { Settings } from "../../src/config/schema.ts";
import { examinePolicy } from "../../src/policies/examine.ts";

/** A folder with these files, gone when the test ends. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** A build with a few types and kinds. */
export const build: Pick<LoadInput, "providerTypes" | "examinePolicy" | "isPriced" | "modelsOf"> = {
  providerTypes: [
    "openai",
    "anthropic",
    "gemini",
    "cohere",
    "bedrock",
    "azure_openai",
    "openai_compatible",
    "mistral",
    "ollama",
    "vllm",
    "simulated",
  ],
  examinePolicy,
  isPriced: (type) => type !== "openai_compatible",
  modelsOf: (type) => ({ openai: ["gpt-4o-mini"], anthropic: ["claude-haiku-4-5"], simulated: ["sim-chat", "sim-embed"] })[type],
};

/** Loads `config.yaml` with this text, or no file, from a folder of its own. */
export function load(
  text: string | undefined,
  environment: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
) {
  const cwd = folderWith(text === undefined ? files : { ...files, "config.yaml": text });
  return loadConfiguration({ ...build, explicitPath: undefined, environment, cwd });
}

/** As `load`, of what must be good. */
export function loaded(...input: Parameters<typeof load>): Loaded {
  const result = load(...input);
  if (result.kind === "refused") throw new Error(result.problems.map(formatProblem).join("\n"));
  return result;
}

/** As `load`: the settings of what must be good. */
export function settingsOf(...input: Parameters<typeof load>): Settings {
  return loaded(...input).settings;
}

/** As `load`: the lines that refuse it; none where it is good. */
export function problemsOf(...input: Parameters<typeof load>): readonly string[] {
  const result = load(...input);
  return result.kind === "refused" ? result.problems.map(formatProblem) : [];
}

/** As `load`: the warnings of what must be good. */
export function warningsOf(...input: Parameters<typeof load>): readonly string[] {
  return loaded(...input).warnings.map(formatProblem);
}

/** The example file with everything that it shows in comments, and one of its policies. */
export function exampleWith(policyType: string): string {
  const text = readFileSync(join(import.meta.dirname, "../../config.example.yaml"), "utf8");
  return (
    text
      .replaceAll(/^#(?= {2})/gm, "")
      .replaceAll(/^( *(?:providers|models|keys):) (?:\{\}|\[\])$/gm, "$1")
      // One of the policies, with the shadow behind all of them.
      .replaceAll(/^ {2}type: (\w+)(?:.*)\n(?:(?: {2}config:| {4}).*\n)*/gm, (policy, name) => (name === policyType ? policy : ""))
      // A part that this build has not.
      .replace(/^ {2}retention:.*\n/m, "")
  );
}
