import type { Path } from "./problem.ts";
import type { Report } from "./report.ts";
import type { Settings } from "./schema.ts";

/** A setting whose part this build has not, unless it has a value that asks for nothing. */
interface Part {
  /** `*` stands for every name or item. */
  readonly path: string;
  /** Whether the value asks for nothing that is missing. */
  readonly accepts: (value: unknown) => boolean;
  /** What is missing. */
  readonly what: string;
}

const isFalse = (value: unknown): boolean => value === false;

/** A part that comes to life loses its line here. */
const parts: readonly Part[] = [{ path: "cache.semantic.enabled", accepts: isFalse, what: "the semantic cache" }];

/** Refuses settings that this build would otherwise ignore. */
export function refuseMissingParts(settings: Settings, report: Report): void {
  for (const { path, accepts, what } of parts) {
    for (const [at, value] of valuesAt(settings, path.split("."), [])) if (!accepts(value)) report.error(at, notYet(what));
  }
}

/** The one wording. */
export function notYet(what: string): string {
  return `${what} is not part of this build yet`;
}

function valuesAt(value: unknown, pattern: readonly string[], path: Path): [Path, unknown][] {
  const [step, ...rest] = pattern;
  if (step === undefined) return [[path, value]];
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item: unknown, index) => valuesAt(item, rest, [...path, index]));
  const entries: [string, unknown][] = Object.entries(value);
  if (step === "*") return entries.flatMap(([name, inner]) => valuesAt(inner, rest, [...path, name]));
  return valuesAt(entries.find(([name]) => name === step)?.[1], rest, [...path, step]);
}
