import { ProviderState } from "../core/chat.ts";
import type { ReloadOutcome, TargetCounters } from "../core/operations.ts";
import type { ProcessLimits } from "../stores/key-limits.ts";
import type { SqlParts } from "../stores/sql/sql-store.ts";
import { lendLimits } from "./lent-limits.ts";
import { lendStore } from "./lent-store.ts";
import { askAll } from "./muster.ts";
import type { PrimaryTable, ProviderChange, Report, Welcome } from "./protocol.ts";
import { createReports } from "./reports.ts";
import type { Desk, Member } from "./supervisor.ts";
import { sumStats } from "./tally.ts";

/** What the primary keeps for all workers. */
export interface CommonGround {
  readonly limits: ProcessLimits;
  /** Of the store. */
  readonly parts: SqlParts;
  readonly members: () => readonly Member[];
  readonly welcome: () => Omit<Welcome, "providers">;
  readonly reload: () => Promise<ReloadOutcome>;
  /** One page of all reports. */
  readonly page: (reports: readonly Report[]) => Promise<PrimaryTable["page"]["answer"]>;
  /** A worker is gone; `last`: what it had counted, as far as it is known. */
  readonly onGone: (member: Member, last: Report | undefined) => void;
  /** Resolves when all messages that have arrived were heard. */
  readonly turn: () => Promise<unknown>;
}

/** The primary's side of all workers. */
export interface Desks {
  deskOf(this: void, member: Member): Desk;
  /** Asks what a worker has counted, so that it is known when the worker is gone; false: it did not answer in time. */
  pulse(this: void, member: Member, boundMs: number): Promise<boolean>;
  /** Resolves when all that ended until now is in the store, by every worker's word. Rejects where one does not give it. */
  settled(): Promise<void>;
}

/** Answers workers, and passes on from one to the others. */
export function createDesks(ground: CommonGround): Desks {
  const { limits, parts, members, turn } = ground;
  const providers = new Map<string, ProviderChange>();
  const watchers = new Set<number>();
  const reports = createReports(members);
  let retired: readonly TargetCounters[] = [];

  const lent = lendStore({
    parts,
    settled: async (asker) => void (await askAll(members(), { name: "flush", ask: undefined, but: asker })),
    onDecided(by, rows) {
      if (watchers.size === 0) return;
      const texts = rows.map(({ text }) => text);
      for (const { number, link } of members()) if (number !== by && watchers.has(number)) link.tell("decided", texts);
    },
  });
  const changeProvider = async (by: number, change: ProviderChange): Promise<void> => {
    // Who starts later is told of it; a breaker it has not had needs no reset.
    if (change.state !== ProviderState.UNSPECIFIED) providers.set(change.id, { ...change, resetBreaker: false });
    await askAll(members(), { name: "setProvider", ask: change, but: by });
  };
  const purge = async (by: number, tenant: PrimaryTable["purge"]["ask"]): Promise<number> => {
    const purged = await askAll(members(), { name: "purge", ask: tenant, but: by });
    return purged.reduce((sum, { answer }) => sum + answer, 0);
  };
  return {
    deskOf(member) {
      const { number } = member;
      const { handlers, gone } = lendLimits(limits, turn);
      return {
        handlers: {
          ...handlers,
          welcome: () => ({ ...ground.welcome(), providers: [...providers.values()] }),
          store: (call) => lent(number, call),
          spread: async (place) => void (await askAll(members(), { name: "look", ask: place, but: number })),
          setProvider: (change) => changeProvider(number, change),
          purge: (tenant) => purge(number, tenant),
          watchDecisions: (isOn) => void (isOn ? watchers.add(number) : watchers.delete(number)),
          reload: () => ground.reload(),
          stats: async () => sumStats([retired, ...(await reports.collect()).map(({ stats }) => stats)]),
          page: async () => ground.page(await reports.collect()),
          farewell: (last) => reports.keep(number, last),
        },
        gone() {
          gone();
          watchers.delete(number);
          const last = reports.take(number);
          if (last !== undefined) retired = sumStats([retired, last.stats]);
          ground.onGone(member, last);
        },
      };
    },
    pulse: reports.ask,
    async settled() {
      const asked = members().filter((member) => member.isUp());
      const settled = await askAll(asked, { name: "flush", ask: undefined });
      const left = members().filter((member) => asked.includes(member) && !settled.some((each) => each.member === member));
      if (left.length > 0) throw new Error(`worker ${left[0]?.number ?? 0} has not written its ledger rows yet`);
    },
  };
}
