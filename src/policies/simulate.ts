import type { Target, TargetId } from "../core/catalog.ts";
import type { CandidateRecord, DecisionRecord } from "../core/decision.ts";
import { untouched } from "../core/decision.ts";
import type { SimulationReport } from "../core/operations.ts";
import { type Candidate, decidedBy, type Policy, type Ranked, withHolder } from "../core/policy.ts";

/** Adds up calls one by one, so that whoever replays many can pause in between. */
export interface Simulator {
  /** Passes over calls for which no target was ranked. */
  replay(this: void, record: DecisionRecord): void;
  sum(this: void): SimulationReport;
}

/**
 * Ranks again what was ranked, by another policy and from what was known then. Money and time of the target that answered are
 * what the call really took; those of another are what was expected of it then, the money in the proportion in which the call
 * itself differed from what was expected.
 */
export function createSimulator(policy: Policy, find: (id: string) => Target | undefined): Simulator {
  const choices: Choice[] = [];
  const shareBefore = new Map<string, number>();
  const shareAfter = new Map<string, number>();
  /** What targets were seen to take, for where nothing was expected of them yet. */
  const seen = new Map<string, Taken>();
  let costBefore = 0;
  let costAfter = 0;
  let moved = 0;
  return {
    replay(record) {
      const before = record.candidates.find(({ excluded }) => excluded === undefined);
      const after = firstOf(record, policy, find);
      if (before === undefined || after === undefined) return;
      if (before.target !== after.target) moved++;
      costBefore += costOf(record, before);
      costAfter += costOf(record, after);
      count(shareBefore, before.target);
      count(shareAfter, after.target);
      choices.push({ before: timed(record, before), after: timed(record, after) });
      if (record.firstMs === undefined || record.target === undefined) return;
      const taken = seen.get(record.target) ?? { sum: 0, count: 0 };
      taken.sum += record.firstMs;
      taken.count++;
      seen.set(record.target, taken);
    },
    sum() {
      return {
        decisions: choices.length,
        moved,
        costBeforeMicroUsd: costBefore,
        costAfterMicroUsd: costAfter,
        firstTokenP50BeforeMs: median(choices.map(({ before }) => msOf(before, seen))),
        firstTokenP50AfterMs: median(choices.map(({ after }) => msOf(after, seen))),
        shareBefore,
        shareAfter,
      };
    },
  };
}

interface Timed {
  readonly target: string;
  /** Milliseconds to the first content; undefined: nothing was expected. */
  readonly ms: number | undefined;
}

/** Milliseconds to the first content, over some calls. */
interface Taken {
  sum: number;
  count: number;
}

interface Choice {
  readonly before: Timed;
  readonly after: Timed;
}

/** The first of the first group that has anybody in it. */
function firstOf(record: DecisionRecord, policy: Policy, find: (id: string) => Target | undefined): CandidateRecord | undefined {
  const group = record.groups.findIndex((size) => size > 0);
  const [first] = group < 0 ? [] : rankAgain(record, group, { policy, find });
  return first && record.candidates.find(({ target }) => target === first.candidate.target.id);
}

/** Who ranks, and who knows the targets of now. */
export interface Ranker {
  readonly policy: Policy;
  readonly find: (id: string) => Target | undefined;
}

/**
 * What a policy makes of one of a decision's groups: from the facts, the candidates in their old places, and the seed of then. By the
 * policy that made the decision it is the same ranking again.
 */
export function rankAgain(record: DecisionRecord, group: number, { policy, find }: Ranker): readonly Ranked[] {
  const { facts, candidates, groups, resorts = 0 } = record;
  if (facts === undefined) return [];
  const start = groups.slice(0, group).reduce((sum, size) => sum + size, 0);
  const members = candidates.slice(start, start + (groups[group] ?? 0)).map((each, index) => ({ each, place: each.place ?? index }));
  members.sort((one, other) => one.place - other.place);
  const ranking = decidedBy(policy, facts).rank(
    facts,
    members.map(({ each }) => candidateFrom(each, find)),
  );
  const isUsable = group < groups.length - resorts;
  return facts.holder === undefined || !isUsable ? ranking.order : withHolder(ranking, facts.holder);
}

function candidateFrom(record: CandidateRecord, find: (id: string) => Target | undefined): Candidate {
  return {
    target: find(record.target) ?? goneTarget(record),
    health: { ...untouched, ...record.health, ...(record.means !== undefined && { otherMeans: new Map(record.means) }) },
    costMicroUsd: record.cost,
    load: record.load ?? 0,
  };
}

/** One that is no longer configured, as far as a policy asks. */
function goneTarget({ target, provider, upstream }: CandidateRecord): Target {
  return {
    // A brand: the text was a target's id when it was written.
    id: target as TargetId,
    provider,
    model: target.slice(provider.length + 1),
    upstreamModel: upstream,
    kind: "chat",
    issuer: provider,
    capabilities: { $typeName: "semaroute.v1.ModelCapabilities" },
    price: undefined,
    timeoutMs: undefined,
  };
}

/** Millionths of a US dollar; an unpriced target adds nothing. */
function costOf({ target, usage, candidates }: DecisionRecord, candidate: CandidateRecord): number {
  const real = usage?.pico === undefined ? undefined : Number(usage.pico) / 1e6;
  if (real !== undefined && candidate.target === target) return real;
  const expected = candidates.find((each) => each.target === target)?.cost ?? 0;
  const cost = candidate.cost ?? 0;
  return real === undefined || expected === 0 ? cost : (cost * real) / expected;
}

function timed({ target, streamed, firstMs }: DecisionRecord, candidate: CandidateRecord): Timed {
  const { health } = candidate;
  const ms = candidate.target === target ? firstMs : streamed ? health.firstTokenMs : health.unaryMs;
  return { target: candidate.target, ms };
}

/** Where nothing was expected of a target, what it was seen to take. */
function msOf({ target, ms }: Timed, seen: ReadonlyMap<string, Taken>): number | undefined {
  const known = seen.get(target);
  return ms ?? (known && known.sum / known.count);
}

function median(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined).toSorted((a, b) => a - b);
  return known[Math.floor((known.length - 1) / 2)];
}

function count(shares: Map<string, number>, target: string): void {
  shares.set(target, (shares.get(target) ?? 0) + 1);
}
