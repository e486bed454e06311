import type { Operations, ReloadOutcome } from "./core/operations.ts";
import type { Gateway } from "./gateway.ts";
import type { Remembering } from "./remembering.ts";
import type { Stats } from "./stores/stats.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { commonOperations } from "./workers/common-operations.ts";
import type { Crew } from "./workers/crew.ts";
import type { ConfigurationProblem, ConfigurationText, Listening, Report } from "./workers/protocol.ts";

/** What a worker does its primary's bidding with. */
export interface WorkParts {
  readonly gateway: Gateway;
  readonly memory: Remembering;
  readonly metrics: Metrics;
  readonly stats: Stats;
  /** Takes over what the primary has read. */
  readonly reload: (file: ConfigurationText) => Promise<ReloadOutcome>;
}

/** A worker's part in the work of all. */
export interface Work {
  /** Of all workers. */
  readonly operations: Operations;
  /** The metrics of all workers. */
  page(this: void): ReturnType<Metrics["render"]>;
  onOpen(this: void, listening: Listening): void;
  /** All listeners are open. */
  ready(): void;
  /** Nothing is counted any more. Settles once the primary knows all that was. */
  farewell(): Promise<void>;
}

/** Who hears nothing of a worker's reloads: the primary tells of them, once for all. */
export const unheard = {
  log: { error() {}, warn() {}, info() {} },
  metrics: { reloaded() {} },
} as const;

/** Makes a process one of several: it does what the primary asks, and asks the primary for what is common to all. */
export function beginWork({ link, welcome, leaving }: Crew, own: Operations, { gateway, memory, metrics, stats, reload }: WorkParts): Work {
  const operations = commonOperations(own, link, welcome.startWall);
  const { providers } = gateway;
  const report = async (): Promise<Report> => ({ metrics: await metrics.report(), stats: stats.targets() });
  const listening: Listening[] = [];
  for (const { id, state } of welcome.providers) void providers.set(id, state, false);
  link.serve({
    look: (place) => (place === "keys" ? memory.keys.renew() : gateway.renewPolicies()),
    setProvider: ({ id, state, resetBreaker }) => void providers.set(id, state, resetBreaker),
    purge: (tenant) => own.cache.purge(tenant),
    flush: () => memory.settled(),
    report,
    decided: operations.decided,
    reload: async (file) => problemsOf(await reload(file)),
    stop: leaving.resolve,
  });
  return {
    operations,
    page: () => link.ask("page", undefined),
    onOpen: (each) => void listening.push(each),
    ready: () => link.tell("ready", listening),
    async farewell() {
      // A primary that is gone needs none.
      await link.ask("farewell", await report()).catch(() => undefined);
    },
  };
}

/** Without their places, which the primary puts in front again. */
function problemsOf(outcome: ReloadOutcome): readonly ConfigurationProblem[] {
  if (outcome.kind === "applied") return [];
  return outcome.problems.map(({ path, description }) => {
    const place = `${path}: `;
    return { path, message: description.startsWith(place) ? description.slice(place.length) : description };
  });
}
