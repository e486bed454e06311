/** Where something was set. */
export type Origin =
  | { readonly kind: "file"; readonly line: number; readonly column: number }
  | { readonly kind: "environment"; readonly name: string };

/** Something wrong with the configuration, or worth a warning. Never holds a secret. */
export interface Problem {
  /** Path of the setting, such as `auth.keys[0].name`; empty: the file as a whole. */
  readonly path: string;
  /** Lower case, no full stop. */
  readonly message: string;
  /** The file as the operator named it, or `env:NAME`; undefined: neither. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  /** What was probably meant. */
  readonly suggestion?: string;
}

/** One line: `file:line:column path: what is wrong; did you mean …?`, without the parts that are not known. */
export function formatProblem(problem: Problem): string {
  const { file, line, column, path, message, suggestion } = problem;
  const place = [file, line, column].filter((part) => part !== undefined).join(":");
  const head = [place, path].filter((part) => part !== "").join(" ");
  const text = head === "" ? message : `${head}: ${message}`;
  return suggestion === undefined ? text : `${text}; did you mean ${suggestion}?`;
}

/** As a problem is told, marked as a warning. */
export function formatWarning(warning: Problem): string {
  return formatProblem({ ...warning, message: `warning: ${warning.message}` });
}

/** Steps from the top of the file: names of settings, numbers of list items. */
export type Path = readonly (string | number)[];

/** `auth.keys[0].name`. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** The file's problems from its top to its end, then those of the environment by name. */
export function comparePlaces(a: Problem, b: Problem): number {
  if (a.line === undefined || b.line === undefined) {
    if (a.line !== b.line) return a.line === undefined ? 1 : -1;
    return (a.file ?? "").localeCompare(b.file ?? "");
  }
  return a.line - b.line || (a.column ?? 0) - (b.column ?? 0);
}
