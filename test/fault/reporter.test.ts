import { expect, test } from "vitest";
import { type CellResult, summaryOf } from "./reporter.ts";

const cell = { fault: "a fault", protocol: "REST", layout: "lone", durationMs: 1 } as const;

test("cells are counted by what came of them, and each reason to skip is told once with its faults", () => {
  const cells: readonly CellResult[] = [
    { ...cell, id: "U01", result: "passed", note: "" },
    { ...cell, id: "U02", result: "failed", note: "expected 502" },
    { ...cell, id: "U03/gone", result: "skipped", note: "no WebSocket" },
    { ...cell, id: "U03/silent", result: "skipped", note: "no WebSocket" },
    { ...cell, id: "U55", result: "skipped", note: "no HTTP/2" },
  ];
  expect(summaryOf(cells)).toBe(
    ["fault cells: 5 total, 1 passed, 3 skipped, 1 failed", "     2 skipped: no WebSocket (U03)", "     1 skipped: no HTTP/2 (U55)"].join(
      "\n",
    ),
  );
});

test("of many faults with one reason the first are named", () => {
  const cells = Array.from({ length: 10 }, (_, i): CellResult => ({ ...cell, id: `U${i}`, result: "skipped", note: "no door" }));
  expect(summaryOf(cells)).toContain("  10 skipped: no door (U0, U1, U2, U3, U4, U5, U6, U7 and 2 more)");
});
