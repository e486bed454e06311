/** The matrix as text: for the end of a test run, and as the tables of docs/compatibility.md. */
import type { CellResult } from "./cells.ts";

/** What a result looks like in a table; a reason has its number beside it. */
const marks = { pass: "✓", "n.a.": "–", fail: "✗" } as const satisfies Record<CellResult["result"], string>;

/** Reasons, numbered in the order in which they are met. */
export class Reasons {
  readonly #numbers = new Map<string, number>();

  /** The mark of a cell, with the number of its reason. */
  mark({ result, note }: CellResult): string {
    if (result === "pass" || note === "") return marks[result];
    const number = this.#numbers.get(note) ?? this.#numbers.size + 1;
    this.#numbers.set(note, number);
    return `${marks[result]}${number}`;
  }

  /** One line for each, as a list. */
  lines(): readonly string[] {
    return [...this.#numbers].map(([reason, number]) => `${number}. ${reason}`);
  }
}

/** A table: the columns' names, and for each row its title and a mark a column. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly title: string; readonly marks: readonly string[] }[];
}

/** The cells as a table, with columns and rows in the order in which they come. */
export function tableOf(cells: readonly CellResult[], reasons: Reasons, titleOf: (cell: CellResult) => string): Table {
  const columns = [...new Set(cells.map(({ column }) => column))];
  const titles = Map.groupBy(cells, titleOf);
  const rows = [...titles].map(([title, row]) => {
    const byColumn = new Map(row.map((cell) => [cell.column, cell]));
    const cellsOfRow = columns.map((column) => byColumn.get(column));
    return { title, marks: cellsOfRow.map((cell) => (cell === undefined ? "" : reasons.mark(cell))) };
  });
  return { columns, rows };
}

/** For a terminal: the columns are numbered, for their names are wider than their marks. */
export function plainText(cells: readonly CellResult[]): string {
  const reasons = new Reasons();
  const { columns, rows } = tableOf(cells, reasons, ({ client, call }) => `${client}: ${call}`);
  const width = Math.max(...rows.map(({ title }) => title.length));
  const line = (title: string, values: readonly string[]): string =>
    `${title.padEnd(width)} ${values.map((value) => value.padStart(4)).join("")}`.trimEnd();
  const letters = columns.map((_, i) => String.fromCharCode("A".charCodeAt(0) + i));
  const count = (result: CellResult["result"]): number => cells.filter((cell) => cell.result === result).length;
  return [
    `clients × providers: ${cells.length} cells, ${count("pass")} pass, ${count("n.a.")} n.a., ${count("fail")} fail`,
    line("", letters),
    ...rows.map(({ title, marks: row }) => line(title, row)),
    ...letters.map((letter, i) => `  ${letter} ${columns[i]}`),
    ...reasons.lines().map((each) => `  ${each}`),
  ].join("\n");
}
