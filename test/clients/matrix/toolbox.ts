/** The tools of the comparison: they remember what they were called with. */
import { city } from "./rows.ts";
import { results } from "./script.ts";

/** One conversation's tools. */
export interface Toolbox {
  /** Inputs so far, in order. */
  readonly seen: readonly unknown[];
  celsius(input: unknown): string;
  difference(input: unknown): string;
  /** Where a client tells a call by name. */
  byName(name: string, input: unknown): string;
}

/** A fresh one. */
export function createToolbox(): Toolbox {
  const seen: unknown[] = [];
  const toolbox: Toolbox = {
    seen,
    celsius(input) {
      seen.push(input);
      return city.parse(input).city === "Rome" ? results.Rome : results.Paris;
    },
    difference(input) {
      seen.push(input);
      return results.difference;
    },
    byName(name, input) {
      if (name === "celsius") return toolbox.celsius(input);
      if (name === "difference") return toolbox.difference(input);
      throw new Error(`there is no tool ${name}`);
    },
  };
  return toolbox;
}
