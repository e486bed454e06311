/** Prints the matrix of clients and providers at the end of a run; MATRIX_REPORT=file writes its cells as JSON. */
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";
import type { CellResult } from "./cells.ts";
import { plainText } from "./report.ts";

/** The reporter; without a cell in the run it says nothing. */
export function matrixReporter(reportFile: string | undefined): Reporter {
  return {
    onTestRunEnd(modules) {
      const cells = modules.flatMap((module) => cellsOf(module));
      if (cells.length === 0) return;
      console.log(plainText(cells));
      if (reportFile !== undefined) writeFileSync(reportFile, `${JSON.stringify(cells, undefined, 1)}\n`);
    },
  };
}

function cellsOf(module: TestModule): CellResult[] {
  return [...module.children.allTests()].flatMap((test): CellResult[] => {
    const { matrix } = test.meta();
    if (matrix === undefined) return [];
    const result = test.result();
    if (result.state === "passed") return [{ ...matrix, result: "pass", note: "" }];
    // A test that a name filtered out has no reason, and is no cell of this run.
    if (result.state === "skipped") return result.note === undefined ? [] : [{ ...matrix, result: "n.a.", note: result.note }];
    return [{ ...matrix, result: "fail", note: result.errors?.[0]?.message.split("\n")[0] ?? "it never ended" }];
  });
}
