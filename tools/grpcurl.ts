/**
 * The session of docs/grpcurl.md, typed anew: builds grpcurl, starts the program as its README does, runs every command of
 * the page in one shell, and compares what comes with what the page shows. Exits with 3 where there is no Go.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandsOf, missingLines, type SessionCommand, shownCode } from "../test/clients/grpcurl/session.ts";
import { startServer } from "../test/support/server.ts";
import { goInstall, goScratch } from "./go.ts";
import { attempt } from "./run.ts";

const program = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4";
const page = "docs/grpcurl.md";
/** A run takes about 10 s. */
const limitMs = 120_000;

const scratch = await goScratch("the grpcurl session");
await goInstall(program, scratch);
process.env["PATH"] = `${scratch}:${process.env["PATH"] ?? ""}`;

await using server = await startServer();
const commands = commandsOf(readFileSync(page, "utf8"));
const setting = `at=127.0.0.1:${server.port}\nadmin='authorization: Bearer ${server.adminToken ?? ""}'\n`;
const steps = commands.map(({ text }, i) => `{ ${text}\n} >${scratch}/${i} 2>&1\n`);
writeFileSync(join(scratch, "session.sh"), `${setting}${steps.join("")}wait\n`);
const session = await attempt("bash", [join(scratch, "session.sh")], limitMs);

const faults = commands.flatMap((command, i) => faultsOf(command, join(scratch, String(i))));
if (faults.length > 0) process.stdout.write(`${faults.join("\n")}\n${session.output}`);
const failed = new Set(faults.map((fault) => fault.split(": ", 1)[0])).size;
process.stdout.write(`${commands.length} commands of ${page}, ${failed} of them with another answer than it shows\n`);
process.exitCode = failed === 0 && session.code === 0 ? 0 : 1;

function faultsOf(command: SessionCommand, file: string): string[] {
  const at = `${page}:${command.line}`;
  if (!existsSync(file)) return [`${at}: was not run`];
  const output = readFileSync(file, "utf8");
  const came = /^ {2}Code: (\w+)$/m.exec(output)?.[1];
  const shown = shownCode(command);
  const otherCode = came === shown ? [] : [`${at}: ended with ${came ?? "OK"}, and the page shows ${shown ?? "OK"}:\n${output}`];
  return [...otherCode, ...missingLines(command, output).map((line) => `${at}: the page shows, and it did not answer: ${line}`)];
}
