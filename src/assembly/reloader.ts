import type { Loaded, Refused } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import type { Settings } from "../config/schema.ts";
import type { ReloadOutcome } from "../core/operations.ts";
import { restartNeeded } from "./options.ts";

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
    info(fields: Readonly<Record<string, unknown>>, message: string): void;
  };
  readonly metrics: { reloaded(result: "applied" | "unchanged" | "refused"): void };
  /** Takes over the whole configuration at once. */
  readonly apply: (next: Loaded) => void;
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
    reload() {
      const next = read();
      if (next.kind === "refused") return Promise.resolve(refused(next));
      // Beside the text: a variable or a file of a secret may have changed under it.
      const changed = next.revision !== running.revision || JSON.stringify(next.settings) !== JSON.stringify(running.settings);
      const restart = restartNeeded(running.settings, next.settings);
      apply(next);
      running = next;
      metrics.reloaded(changed ? "applied" : "unchanged");
      log.info({ revision: next.revision, changed, restart_needed: restart }, "configuration reloaded");
      return Promise.resolve({ kind: "applied", revision: next.revision, changed, restartNeeded: restart });
    },
    settings: () => running.settings,
  };
}
