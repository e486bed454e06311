/** docs/compatibility.md, made of cells. */
import type { CellResult } from "./cells.ts";
import { type Column, columns } from "./columns.ts";
import { Reasons, tableOf } from "./report.ts";

/** A client as the page shows it. */
export interface ShownClient {
  readonly title: string;
  readonly cells: readonly CellResult[];
}

/** Languages of vendors' own in one table, those who imitate OpenAI's in another: a page is not wider than that. */
const imitating = new Set(
  columns
    .slice(
      columns.findIndex(({ name }) => name === "mistral"),
      -1,
    )
    .map(({ name }) => name),
);

/** The whole page, without a date, so that it changes when what it says changes. */
export function pageOf(clients: readonly ShownClient[]): string {
  const reasons = new Reasons();
  const cells = clients.flatMap((client) => client.cells);
  const count = (result: CellResult["result"]): number => cells.filter((cell) => cell.result === result).length;
  const sections = clients.flatMap(({ title, cells: own }) => [
    `### ${title}`,
    ...halves(own).flatMap((half) => [markdown(half, reasons)]),
  ]);
  return `${[
    "# Compatibility",
    intro,
    `${cells.length} cells: ${count("pass")} pass, ${count("n.a.")} are not available, ${count("fail")} fail.`,
    "## Providers",
    providers(),
    "## Clients",
    ...sections,
    "## Why not",
    "A dash is a call that is not available there:",
    reasons.lines().join("\n"),
  ].join("\n\n")}\n`;
}

const intro = `Official clients, unchanged but for URL and key, against every type of provider, all through one running server. \`npm test\` makes
those of npm's packages, \`npm run clients:python\` the others. This page is written by \`npm run compatibility\`; a test fails where it is
not what they say.

The vendors are imitated, on real sockets: by [@copilotkit/aimock](https://aimock.copilotkit.dev) in their own languages, and by scripts
of ours where that does not speak one (tokens counted, Gemini's batched embeddings, thoughts in Cohere's and Mistral's words). Each
imitation must be asked at its own vendor's paths, and nowhere else. What a real vendor refuses beyond that, this page cannot tell.`;

function providers(): string {
  const rows = columns.map(({ name, type, language, models }) => {
    const ids = [...new Set(Object.values(models))].map((id) => `\`${id}\``).join(", ");
    return `| ${name} | \`${type}\` | ${language} | ${ids} |`;
  });
  return ["| column | type | asked in | models |", "|---|---|---|---|", ...rows].join("\n");
}

function halves(cells: readonly CellResult[]): readonly (readonly CellResult[])[] {
  return [false, true].map((half) => cells.filter(({ column }) => imitating.has(column) === half));
}

function markdown(cells: readonly CellResult[], reasons: Reasons): string {
  const { columns: names, rows } = tableOf(cells, reasons, ({ call }) => call);
  return [
    `| | ${names.join(" | ")} |`,
    `|---|${"---|".repeat(names.length)}`,
    ...rows.map(({ title, marks }) => `| ${title} | ${marks.join(" | ")} |`),
  ].join("\n");
}

/** What every cell must come to where nothing fails; see the drift test. */
export function expected(
  rows: readonly { readonly client: string; readonly call: string }[],
  reasonFor: (row: number, column: Column) => string | undefined,
): CellResult[] {
  return rows.flatMap(({ client, call }, row) =>
    columns.map((column): CellResult => {
      const reason = reasonFor(row, column);
      const cell = { client, call, column: column.name };
      return reason === undefined ? { ...cell, result: "pass", note: "" } : { ...cell, result: "n.a.", note: reason };
    }),
  );
}
