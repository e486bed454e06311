import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createReloader } from "./assembly/reloader.ts";
import { workerJournals } from "./assembly/store.ts";
import { dataFolder } from "./config/data-folder.ts";
import { loadConfiguration } from "./config/load.ts";
import type { Problem } from "./config/problem.ts";
import type { ReloadOutcome } from "./core/operations.ts";
import type { Store, StoreTrouble } from "./core/store.ts";
import { emptyLeft } from "./ledger.ts";
import { openTold, storeCounts, troubleOf } from "./remembering.ts";
import type { ExitCode, Running, Start } from "./serve.ts";
import { createKeyLimits } from "./stores/key-limits.ts";
import { isProcess } from "./stores/left-journals.ts";
import { describeCause } from "./telemetry/cause.ts";
import { createCommonMetrics, type MetricReport } from "./telemetry/common-metrics.ts";
import { startupLine } from "./telemetry/lines.ts";
import type { Log } from "./telemetry/log.ts";
import { version } from "./version.ts";
import { watchConfiguration } from "./watching.ts";
import { createDesks } from "./workers/desks.ts";
import { lentParts } from "./workers/lent-store.ts";
import { askAll } from "./workers/muster.ts";
import type { ConfigurationText } from "./workers/protocol.ts";
import { createSupervisor, type Supervisor, type SupervisorEvents } from "./workers/supervisor.ts";

/** How long a worker's last words may take behind its drain; milliseconds. */
const lastWordsMs = 15_000;
/** How long all workers may take to read the configuration again; milliseconds. */
const reloadMs = 20_000;

/**
 * Starts workers, and keeps for them what there may be but once: the store, the limits of keys, the configuration in force, the page of
 * metrics. It serves no call. An exit code where no worker can start.
 */
export async function lead({ workers, ...start }: Start & { readonly workers: number }): Promise<Running | ExitCode> {
  const { loaded, input, token, clock, random, log } = start;
  const counts = storeCounts();
  const { environment, cwd } = input;
  const opened = await openTold(loaded, { environment, cwd, clock, random, isLent: true }, log, counts);
  if (opened === undefined) {
    log.flush();
    return 1;
  }
  for (const escape of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(escape, (cause: unknown) => log.error({ cause: describeCause(cause) }, "bug"));
  }
  const { supervisor, bringHome, reload } = createCommon(start, {
    workers,
    opened,
    decisionsLost: () => counts.lost,
    store: () => troubleOf(counts),
  });
  // However this process ends: a port that nobody watches over would be worse than none.
  process.once("exit", () => supervisor.kill());

  await bringHome();
  const started = await supervisor.start();
  if (!("length" in started)) {
    await supervisor.stop();
    await opened.store.close();
    log.flush();
    // 0: whoever stops all of us at once stopped it while it started.
    return started.code === 78 || started.code === 0 ? started.code : 1;
  }
  const tokenFile = token.kind === "minted" ? token.path : undefined;
  for (const listening of started) startupLine(log, { ...listening, simulated: loaded.simulated, adminTokenFile: tokenFile, version });
  const unwatch = await watchConfiguration(loaded, start, reload);
  return {
    urls: started.map(({ url }) => url),
    reload,
    async restartWorkers() {
      log.info({ workers }, "workers are replaced, one after another");
      if (await supervisor.replaceAll()) log.info({ workers }, "all workers are replaced");
      else log.warn({}, "not all workers were replaced");
    },
    async stop() {
      await unwatch();
      log.info({ workers: supervisor.members().length }, "workers are told to stop");
      await supervisor.stop();
      await bringHome();
      await opened.store.close();
      log.info({}, "stopped");
      await log.settled();
      log.flush();
    },
  };
}

/** What all workers share, and who watches over them. */
interface Common {
  readonly supervisor: Supervisor;
  /** Whether all that processes which have ended left is in the store now. */
  bringHome(this: void): Promise<boolean>;
  reload(this: void): Promise<ReloadOutcome>;
}

interface CommonParts {
  readonly workers: number;
  readonly opened: { readonly store: Store; readonly path: string | undefined };
  readonly decisionsLost: () => number;
  readonly store: () => StoreTrouble;
}

function createCommon({ loaded, input, clock, log }: Start, { workers, opened, decisionsLost, store }: CommonParts): Common {
  const parts = lentParts(opened.store);
  const journals = workerJournals(opened, dataFolder(loaded.path, input.environment));
  const isLive = (pid: number): boolean => pid !== process.pid && (supervisor.members().some((each) => each.pid === pid) || isProcess(pid));
  const left = { path: journals ?? "", unnumbered: opened.store.kind === "sqlite", store: parts.ledger, isLive };
  const bringHome = inTurn(() => (journals === undefined ? Promise.resolve(true) : emptyLeft(left, log)));
  const limits = createKeyLimits({
    clock,
    async spentSince(key, sinceWall) {
      await desks.settled();
      if (!(await bringHome())) throw new Error("the ledger is behind: the store does not take its rows");
      return parts.ledger.spentSince(key, sinceWall);
    },
  });
  const metrics = createCommonMetrics({
    workers: () => supervisor.members().length,
    restarts: () => supervisor.restarts(),
    limitRefusals: (kind) => limits.refusals(kind),
    decisionsLost,
    store,
    logLinesDropped: () => log.dropped(),
  });
  let file: ConfigurationText = { path: loaded.path, text: loaded.text.reveal() };
  const startWall = clock.wall();
  const desks = createDesks({
    limits,
    parts,
    members: () => supervisor.members(),
    welcome: () => ({ file, storeKind: opened.store.kind, journals, startWall }),
    reload: () => reload(),
    page: (reports) => metrics.page(reports.map((each) => metricsOf(each.metrics))),
    onGone(_member, last) {
      if (last !== undefined) metrics.retire(metricsOf(last.metrics));
      void bringHome();
    },
    turn: () => setImmediate(),
  });
  const reloader = createReloader(loaded, () => loadConfiguration(input), {
    log,
    metrics,
    async apply(next) {
      const before = file;
      // Whoever starts from now on begins with it.
      file = { path: next.path, text: next.text.reveal() };
      const problems = await reloadAll(supervisor, file);
      if (problems.length > 0) file = before;
      return problems;
    },
  });
  const reload = inTurn(() => reloader.reload());
  const supervisor = createSupervisor({
    program: fileURLToPath(new URL(`./main.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)),
    count: workers,
    clock,
    endMs: loaded.settings.server.drain_delay + loaded.settings.server.drain_timeout + lastWordsMs,
    deskOf: desks.deskOf,
    pulse: desks.pulse,
    tell: lifeLines(log),
  });
  return { supervisor, bringHome, reload };
}

async function reloadAll(supervisor: Supervisor, file: ConfigurationText): Promise<readonly Problem[]> {
  const answered = await askAll(supervisor.members(), { name: "reload", ask: file, boundMs: reloadMs });
  return answered.find(({ answer }) => answer.length > 0)?.answer ?? [];
}

/** One at a time; who asks while one is under way gets the next one. */
function inTurn<T>(work: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}

/** As the same program made it. */
function metricsOf(report: unknown): MetricReport {
  return Array.isArray(report) ? report : [];
}

function lifeLines(log: Log): SupervisorEvents {
  return {
    started: ({ number, pid }) => log.info({ worker: number, pid }, "worker serves"),
    left: ({ number, pid }) => log.info({ worker: number, pid }, "worker has left"),
    died: ({ number, pid }, { code, signal }, waitMs) =>
      log.error({ worker: number, pid, code, signal, wait_ms: waitMs }, "worker died, another one starts"),
    hung: ({ number, pid }) => log.error({ worker: number, pid }, "worker does not answer any more, and is killed"),
    unreplaced: ({ number, pid }) => log.error({ worker: number, pid }, "worker did not start, the one that it was to replace stays"),
  };
}
