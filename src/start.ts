import { availableParallelism } from "node:os";
import { adminToken, dataFolder } from "./config/data-folder.ts";
import { loadConfiguration, type LoadInput } from "./config/load.ts";
import { formatProblem, formatWarning, type Problem } from "./config/problem.ts";
import type { ExitCode, Running, ServeStart } from "./serve.ts";
import { systemClock } from "./stores/system-clock.ts";
import { createLog } from "./telemetry/log.ts";

/** Where the configuration comes from, and who starts. */
export type StartInput = LoadInput & Pick<ServeStart, "tell" | "crew"> & Pick<ServeStart, "random">;

/** Reads the configuration, and starts what it asks for: one process that serves, or several and who watches over them. */
export async function start({ tell, crew, random, ...input }: StartInput): Promise<Running | ExitCode> {
  const loaded = loadConfiguration({ ...input, found: crew?.welcome.file });
  if (loaded.kind === "refused") return refuse(loaded.problems, tell);
  const { settings, path } = loaded;
  const token = adminToken(settings.admin.token, dataFolder(path, input.environment));
  if (token.kind === "refused") return refuse([token.problem], tell);
  const { server, observability } = settings;
  const clock = systemClock;
  const log = createLog({ ...observability.logging, clock, worker: crew?.number, isShared: server.workers !== 1 });
  const workers = server.workers === "auto" ? availableParallelism() : server.workers;
  const common = { loaded, input, token, clock, random, log };
  // The primary of a crew has told of them.
  if (crew === undefined)
    for (const warning of loaded.warnings) log.warn({ path: warning.path, problem: formatWarning(warning) }, "configuration warning");
  // Each loads but what it is going to need.
  if (crew === undefined && workers > 1) {
    const { lead } = await import("./primary.ts");
    return lead({ ...common, workers });
  }
  const { serve } = await import("./serve.ts");
  return serve({ ...common, tell, crew });
}

/** Tells what is wrong with a configuration. */
export function refuse(problems: readonly Problem[], tell: (line: string) => void): 78 {
  for (const problem of problems) tell(formatProblem(problem));
  return 78;
}
