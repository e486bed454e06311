/**
 * The official packages for Python against every type of provider: makes a virtual environment with the versions of requirements.txt,
 * starts semaroute and the vendors of the matrix, and has clients.py make the calls. MATRIX_REPORT=file writes the cells as JSON.
 * Exits with 3 where there is no Python that can make such an environment.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { CellResult } from "../test/clients/matrix/cells.ts";
import { columns } from "../test/clients/matrix/columns.ts";
import { plainText } from "../test/clients/matrix/report.ts";
import { placeAt, unavailable } from "../test/clients/matrix/rows.ts";
import { answers, called, prompts } from "../test/clients/matrix/script.ts";
import { startUpstreams } from "../test/clients/matrix/upstreams.ts";
import { pythonRows } from "../test/clients/python/rows.ts";
import { startServer } from "../test/support/server.ts";
import { attempt, run } from "./run.ts";

const folder = "test/clients/python";
/** For all calls; usually they take a quarter of a minute. */
const callsMs = 240_000;

const { code } = await attempt("python3", ["-c", "import venv, ensurepip"]);
if (code !== 0) {
  process.stderr.write("the clients for Python were not run: there is no python3 with venv and pip in the PATH\n");
  process.exit(3);
}
const scratch = mkdtempSync(join(tmpdir(), "semaroute-python-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
await run("python3", ["-m", "venv", scratch]);
const python = join(scratch, "bin", "python");
await run(python, [
  "-m",
  "pip",
  "install",
  "--quiet",
  "--disable-pip-version-check",
  "--only-binary",
  ":all:",
  "-r",
  join(folder, "requirements.txt"),
]);

const cells = await play();
process.stdout.write(`${plainText(cells)}\n`);
const { MATRIX_REPORT: report } = process.env;
if (report !== undefined) writeFileSync(report, `${JSON.stringify(cells, undefined, 1)}\n`);
process.exitCode = cells.some(({ result }) => result === "fail") ? 1 : 0;

async function play(): Promise<CellResult[]> {
  await using upstreams = await startUpstreams();
  await using server = await startServer(upstreams.config);
  const planned = pythonRows.flatMap((row) =>
    columns.map((column) => ({
      cell: { client: row.client, call: row.call, column: column.name },
      place: placeAt(server.url, column),
      reason: unavailable(row, column),
    })),
  );
  const told = await ask(planned.flatMap(({ cell, place, reason }) => (reason === undefined ? [{ ...cell, place }] : [])));
  return planned.map(({ cell, reason }) => {
    if (reason !== undefined) return { ...cell, result: "n.a.", note: reason };
    const problem = told.shift();
    return problem === null ? { ...cell, result: "pass", note: "" } : { ...cell, result: "fail", note: problem ?? "it never ended" };
  });
}

/** What went wrong with each cell; null: nothing. */
async function ask(asked: readonly object[]): Promise<(string | null)[]> {
  const child = spawn(python, [join(folder, "clients.py")], { stdio: ["pipe", "pipe", "inherit"], timeout: callsMs });
  child.stdin.end(JSON.stringify({ prompts, answers, called, cells: asked }));
  const lines = (await text(child.stdout)).split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const { problem }: { problem: string | null } = JSON.parse(line);
    return problem === null ? null : (problem.split("\n")[0] ?? "");
  });
}
