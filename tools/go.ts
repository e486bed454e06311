/** Test suites that others keep, and that come as Go modules. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attempt, run } from "./run.ts";

/** Ends this process with 3 where there is no Go; a folder that is gone when it ends. */
export async function goScratch(suite: string): Promise<string> {
  const { code } = await attempt("go", ["version"]);
  if (code !== 0) {
    process.stderr.write(`${suite} was not run: it is built with Go (1.26 or later), and there is no go in the PATH\n`);
    process.exit(3);
  }
  const scratch = mkdtempSync(join(tmpdir(), "semaroute-go-"));
  process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
  return scratch;
}

/** Builds a program, `path@version`, into the folder; Go keeps what it needed in its own caches. */
export async function goInstall(program: string, folder: string): Promise<void> {
  process.env["GOBIN"] = folder;
  await run("go", ["install", program]);
}
