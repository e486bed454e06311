import { type LoadInput, loadConfiguration } from "../config/load.ts";
import { formatProblem, formatWarning } from "../config/problem.ts";

/** Where the configuration is, and who reads what was found. */
export interface CheckInput extends LoadInput {
  /** Warnings fail too. */
  readonly strict: boolean;
  /** Takes one line, without its end. */
  readonly write: (line: string) => void;
}

/** Tells all that is wrong with the configuration, or that it is good; answers the exit code: 0 or 78. */
export function check({ strict, write, ...input }: CheckInput): 0 | 78 {
  const result = loadConfiguration(input);
  if (result.kind === "refused") {
    for (const problem of result.problems) write(formatProblem(problem));
    write(`configuration is bad: ${counted(result.problems.length, "problem")}`);
    return 78;
  }
  for (const warning of result.warnings) write(formatWarning(warning));
  const source = result.path ?? "no file, built from the environment";
  const warned = result.warnings.length === 0 ? "" : `, ${counted(result.warnings.length, "warning")}`;
  write(`configuration is good: ${source}${warned}`);
  return strict && result.warnings.length > 0 ? 78 : 0;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
