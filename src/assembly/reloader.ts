import { type Loaded, type Refused, revisionOf } from "../config/load.ts";
import { formatProblem, formatWarning, type Problem } from "../config/problem.ts";
import type { Settings } from "../config/schema.ts";
import type { ReloadOutcome } from "../core/operations.ts";
import { restartNeeded, sameSettings } from "./options.ts";

/** Reads the configuration again, by whatever it was asked: SIGHUP, a change of the file, an RPC. */
export interface Reloader {
  reload(this: void): Promise<ReloadOutcome>;
  /** The configuration in force. */
  settings(): Settings;
}

/** Who hears of it. */
export interface ReloaderParts {
  readonly log: {
    error(fields: Readonly<Record<string, unknown>>, message: string): void;
    warn(fields: Readonly<Record<string, unknown>>, message: string): void;
    info(fields: Readonly<Record<string, unknown>>, message: string): void;
  };
  readonly metrics: { reloaded(result: "applied" | "unchanged" | "refused"): void };
  /** Takes over the whole configuration at once, or changes nothing and says why. */
  readonly apply: (next: Loaded) => readonly Problem[] | Promise<readonly Problem[]>;
}

/** A bad configuration changes nothing, and says what is wrong with it. */
export function createReloader(initial: Loaded, read: () => Loaded | Refused, { log, metrics, apply }: ReloaderParts): Reloader {
  let running = initial;
  const refused = ({ problems }: Refused): ReloadOutcome => {
    metrics.reloaded("refused");
    for (const problem of problems)
      log.error({ path: problem.path, problem: formatProblem(problem) }, "configuration refused, the old one stays");
    return { kind: "refused", problems: problems.map((problem) => ({ path: problem.path, description: formatProblem(problem) })) };
  };
  return {
    async reload() {
      const next = read();
      if (next.kind === "refused") return refused(next);
      if (isLost(next, running)) return refused({ kind: "refused", problems: [lost] });
      // Beside the text: a variable or a file of a secret may have changed under it.
      const changed = next.revision !== running.revision || !sameSettings(running.settings, next.settings);
      // What the process started with is what it still runs by, however often the file was read since.
      const restart = restartNeeded(initial.settings, next.settings);
      const problems = await apply(next);
      if (problems.length > 0) return refused({ kind: "refused", problems });
      running = next;
      metrics.reloaded(changed ? "applied" : "unchanged");
      if (changed)
        for (const warning of next.warnings) log.warn({ path: warning.path, problem: formatWarning(warning) }, "configuration warning");
      log.info({ revision: next.revision, changed, restart_needed: restart }, "configuration reloaded");
      return { kind: "applied", revision: next.revision, changed, restartNeeded: restart };
    },
    settings: () => running.settings,
  };
}

const nothing = revisionOf("");
const lost: Problem = { path: "", message: "the file is empty or gone; who wants to run without one starts without one" };

/** A full disk and a careless writer empty a file before they write it: that says nothing about what is wanted. */
function isLost(next: Loaded, running: Loaded): boolean {
  return next.revision === nothing && running.revision !== nothing;
}
