import { type Loaded, type LoadInput, loadConfiguration } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { ChatError } from "../core/error.ts";
import type { Explanation } from "../core/router.ts";
import { nearest } from "../core/suggest.ts";

/** What the command works with. */
export interface ExplainInput extends LoadInput {
  readonly model: string;
  /** As if a stream was asked for. */
  readonly streamed: boolean;
  /** The plan of a call that is not made. */
  readonly explain: (loaded: Loaded, model: string, streamed: boolean) => Promise<Explanation>;
  /** Takes one line, without its end. */
  readonly write: (line: string) => void;
}

/** Tells where a configuration would send a call for a model, as long as everybody is well. Exit codes: 0, 1: nowhere, 78. */
export async function explain({ model, streamed, explain: plan, write, ...input }: ExplainInput): Promise<0 | 1 | 78> {
  const loaded = loadConfiguration(input);
  if (loaded.kind === "refused") {
    for (const problem of loaded.problems) write(formatProblem(problem));
    return 78;
  }
  try {
    const explanation = await plan(loaded, model, streamed);
    for (const line of explanationLines(explanation)) write(line);
    return explanation.candidates.some(({ rank }) => rank > 0) ? 0 : 1;
  } catch (thrown) {
    if (!(thrown instanceof ChatError)) throw thrown;
    const suggestion = thrown.failure === "MODEL_NOT_FOUND" ? nearest(model, namesOf(loaded, input)) : undefined;
    write(suggestion === undefined ? thrown.message : `${thrown.message}; did you mean ${suggestion}?`);
    return 1;
  }
}

/** Names that callers can ask for, as far as the configuration and we know them. */
function namesOf({ settings }: Loaded, { modelsOf }: LoadInput): readonly string[] {
  const enabled = Object.values(settings.providers).filter((provider) => provider.enabled);
  const offered = enabled.flatMap(({ type, models }) => models?.map(({ id }) => id) ?? modelsOf?.(type) ?? []);
  return ["auto", ...Object.keys(settings.models), ...offered];
}

function explanationLines({ candidates, policyRevision, rule, estimatedInputTokens }: Explanation): string[] {
  const lines = candidates.map(({ rank, provider, upstreamModel, score, estimatedCostMicroUsd, terms, excludedBy }) => {
    const target = `${provider}/${upstreamModel}`;
    if (rank === 0) return `   -  ${target}: ${excludedBy}`;
    const cost = estimatedCostMicroUsd === undefined ? "unpriced" : `$${(Number(estimatedCostMicroUsd) / 1e6).toFixed(6)}`;
    const why = terms.map(({ name, ratio, weight }) => (weight === 0 && ratio === 0 ? name : `${name} ${ratio.toFixed(3)} × ${weight}`));
    return `${String(rank).padStart(4)}  ${target}  score ${score.toFixed(3)}  ${cost}${why.length === 0 ? "" : `  (${why.join(", ")})`}`;
  });
  const matched = rule === "" ? "" : `, rule ${rule}`;
  return [`policy ${policyRevision}${matched}, ${estimatedInputTokens} input tokens`, ...lines];
}
