/** Prints how many cells of the fault table there are, and why some were not played; FAULT_REPORT=file writes them as JSON. */
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";
import type { Cell } from "./cells.ts";

/** A cell and what came of it. */
export interface CellResult extends Cell {
  readonly result: "passed" | "failed" | "skipped";
  /** Why it was skipped, or the first line of what went wrong; empty: it passed. */
  readonly note: string;
  readonly durationMs: number;
}

/** The reporter; without a cell in the run it says nothing. */
export function faultReporter(reportFile: string | undefined): Reporter {
  return {
    onTestRunEnd(modules) {
      const cells = modules.flatMap((module) => cellsOf(module));
      if (cells.length === 0) return;
      console.log(summaryOf(cells));
      if (reportFile !== undefined) writeFileSync(reportFile, `${JSON.stringify(cells, undefined, 1)}\n`);
    },
  };
}

/** One line of totals, and one for each reason to skip. */
export function summaryOf(cells: readonly CellResult[]): string {
  const count = (result: CellResult["result"]): number => cells.filter((cell) => cell.result === result).length;
  const reasons = new Map<string, CellResult[]>();
  for (const cell of cells) if (cell.result === "skipped") reasons.set(cell.note, [...(reasons.get(cell.note) ?? []), cell]);
  const lines = [...reasons].map(([reason, those]) => `  ${String(those.length).padStart(4)} skipped: ${reason} (${idsOf(those)})`);
  const failures = count("failed") > 0 ? `, ${count("failed")} failed` : "";
  return [`fault cells: ${cells.length} total, ${count("passed")} passed, ${count("skipped")} skipped${failures}`, ...lines].join("\n");
}

function idsOf(cells: readonly CellResult[]): string {
  const ids = [...new Set(cells.map(({ id }) => id.split("/")[0] ?? id))];
  return ids.length > 8 ? `${ids.slice(0, 8).join(", ")} and ${ids.length - 8} more` : ids.join(", ");
}

function cellsOf(module: TestModule): CellResult[] {
  return [...module.children.allTests()].flatMap((test) => {
    const { cell } = test.meta();
    if (cell === undefined) return [];
    const result = test.result();
    const state = result.state === "pending" ? "failed" : result.state;
    const note = result.state === "skipped" ? (result.note ?? "not run") : (result.errors?.[0]?.message.split("\n")[0] ?? "");
    return [{ ...cell, result: state, note, durationMs: Math.round(test.diagnostic()?.duration ?? 0) }];
  });
}
