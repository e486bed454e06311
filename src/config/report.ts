import { comparePlaces, type Origin, type Path, pathText, type Problem } from "./problem.ts";
import { type MapNode, originAt } from "./tree.ts";

/** How a problem is told. */
export interface ProblemOptions {
  /** What was probably meant. */
  readonly suggestion?: string | undefined;
  /** Whether the key's place is meant rather than the value's. Default: the value's. */
  readonly at?: "key" | "value";
}

/** Collects what is wrong. Once a path is known to be wrong, what follows from it is not told as well. */
export interface Report {
  /** From here on, paths lead into this tree; without it they have no place. */
  lookIn(tree: MapNode): void;
  /** At a known place. */
  errorAt(origin: Origin, path: Path, message: string): void;
  /** Refuses the configuration. */
  error(path: Path, message: string, options?: ProblemOptions): void;
  /** The path is wrong, which was told of another path: what follows from it is not told either. */
  hide(path: Path): void;
  /** Is told, and does not refuse. */
  warn(path: Path, message: string, options?: ProblemOptions): void;
  /** As `warn`, of a variable of the environment. */
  warnOfVariable(name: string, message: string, suggestion?: string): void;
  /** From here on, errors hide those of a path above or below that was wrong before. */
  nextStage(): void;
  /** In the order of their places. */
  errors(): readonly Problem[];
  /** In the order of their places. */
  warnings(): readonly Problem[];
}

/** A report on the file as the operator named it; undefined: there is none. */
export function createReport(file: string | undefined): Report {
  const errors: Problem[] = [];
  const warnings: Problem[] = [];
  const wrong: string[][] = [];
  let earlier = 0;
  let root: MapNode | undefined;

  const problem = (origin: Origin | undefined, path: Path, message: string, suggestion?: string): Problem => {
    const told = { path: pathText(path), message, ...(suggestion !== undefined && { suggestion }) };
    if (origin?.kind === "environment") return { ...told, file: `env:${origin.name}` };
    if (file === undefined) return told;
    return origin === undefined ? { ...told, file } : { ...told, file, line: origin.line, column: origin.column };
  };
  const place = (path: Path, options: ProblemOptions): Origin | undefined => root && originAt(root, path, options.at ?? "value");
  const follows = (path: Path): boolean =>
    wrong.slice(0, earlier).some((known) => known.every((step, index) => index >= path.length || step === String(path[index])));
  const fail = (found: Problem, path: Path): void => {
    errors.push(found);
    if (path.length > 0) wrong.push(path.map(String));
  };

  return {
    lookIn(tree) {
      root = tree;
    },
    errorAt: (origin, path, message) => fail(problem(origin, path, message), path),
    error(path, message, options = {}) {
      if (!follows(path)) fail(problem(place(path, options), path, message, options.suggestion), path);
    },
    hide(path) {
      wrong.push(path.map(String));
    },
    warn(path, message, options = {}) {
      if (!follows(path)) warnings.push(problem(place(path, options), path, message, options.suggestion));
    },
    warnOfVariable(name, message, suggestion) {
      warnings.push(problem({ kind: "environment", name }, [], message, suggestion));
    },
    nextStage() {
      earlier = wrong.length;
    },
    errors: () => errors.toSorted(comparePlaces),
    warnings: () => warnings.toSorted(comparePlaces),
  };
}
