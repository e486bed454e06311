import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { pythonRows } from "../python/rows.ts";
import type { CellResult } from "./cells.ts";
import { columns } from "./columns.ts";
import { expected, pageOf } from "./page.ts";
import { plainText } from "./report.ts";
import { unavailable } from "./rows.ts";
import { rows } from "./table.ts";
import { shown } from "./versions.ts";

const cellsOf = (all: typeof pythonRows): CellResult[] => expected(all, (row, column) => unavailable(all[row] ?? {}, column));

test("docs/compatibility.md is what npm run compatibility writes where nothing fails", () => {
  const page = readFileSync(new URL("../../../docs/compatibility.md", import.meta.url), "utf8");
  expect(page).toBe(pageOf(shown(cellsOf(rows), cellsOf(pythonRows))));
});

test("a cell that fails is shown as such, with what went wrong", () => {
  const cell = { client: "openai", call: "a call" };
  const cells: CellResult[] = [
    { ...cell, column: "one", result: "pass", note: "" },
    { ...cell, column: "two", result: "fail", note: "no answer" },
    { ...cell, column: "three", result: "n.a.", note: "it has none" },
  ];
  expect(plainText(cells)).toBe(
    [
      "clients × providers: 3 cells, 1 pass, 1 n.a., 1 fail",
      "                  A   B   C",
      "openai: a call    ✓  ✗1  –2",
      "  A one",
      "  B two",
      "  C three",
      "  1. no answer",
      "  2. it has none",
    ].join("\n"),
  );
  expect(pageOf([{ title: "openai", cells }])).toContain("1 fail.");
});

test("no two rows, and no two columns, have the same name", () => {
  for (const names of [
    [...rows, ...pythonRows.map(({ client, call }) => ({ client: `${client} (Python)`, call }))].map(
      ({ client, call }) => `${client}: ${call}`,
    ),
    columns.map(({ name }) => name),
  ])
    expect(names).toEqual([...new Set(names)]);
});
