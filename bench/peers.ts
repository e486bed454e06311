import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const folder = fileURLToPath(new URL("peers/", import.meta.url));
const program = fileURLToPath(new URL("peers/node_modules/@portkey-ai/gateway/build/start-server.js", import.meta.url));

/** Path of Portkey's server, installed first if it is not there yet. Rejects if it cannot be installed. */
export async function portkeyProgram(): Promise<string> {
  if (!existsSync(program)) {
    console.error("installing @portkey-ai/gateway into bench/peers …");
    await promisify(execFile)("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder, timeout: 120_000 });
  }
  return program;
}
