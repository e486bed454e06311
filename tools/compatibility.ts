/** Makes all calls of all clients to all types of provider, and writes what came of them to docs/compatibility.md. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CellResult } from "../test/clients/matrix/cells.ts";
import { pageOf } from "../test/clients/matrix/page.ts";
import { shown } from "../test/clients/matrix/versions.ts";
import { attempt } from "./run.ts";

const page = "docs/compatibility.md";
const scratch = mkdtempSync(join(tmpdir(), "semaroute-matrix-"));
try {
  const npm = await cellsOf("vitest", ["run", "test/clients/matrix/matrix.test.ts"]);
  const python = await cellsOf("node", ["tools/python-clients.ts"]);
  writeFileSync(page, pageOf(shown(npm, python)));
  const failed = [...npm, ...python].filter(({ result }) => result === "fail").length;
  process.stdout.write(`${npm.length + python.length} cells, ${failed} fail: ${page}\n`);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** What a command reports; without a report there is no page. */
async function cellsOf(command: string, args: readonly string[]): Promise<readonly CellResult[]> {
  process.env["MATRIX_REPORT"] = join(scratch, `${command}.json`);
  const { output } = await attempt(command, args);
  process.stdout.write(output);
  return JSON.parse(readFileSync(process.env["MATRIX_REPORT"], "utf8"));
}
