import { spawn } from "node:child_process";

/** What a finished command left behind. */
export interface Finished {
  readonly code: number;
  readonly output: string;
}

/** Runs a command of node_modules/.bin or the PATH and collects what it prints; one that takes longer than the limit is ended, and has failed. */
export function attempt(command: string, args: readonly string[], limitMs?: number): Promise<Finished> {
  return new Promise((resolve) => {
    let output = "";
    const child = spawn(command, args, {
      env: { ...process.env, PATH: `${process.cwd()}/node_modules/.bin:${process.env["PATH"] ?? ""}` },
      timeout: limitMs,
    });
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Runs a command; prints what it said and ends this process where it failed. */
export async function run(command: string, args: readonly string[]): Promise<void> {
  const { code, output } = await attempt(command, args);
  if (output !== "") process.stdout.write(output);
  if (code === 0) return;
  process.stderr.write(`${command} ${args.join(" ")} failed with ${code}\n`);
  process.exit(1);
}
