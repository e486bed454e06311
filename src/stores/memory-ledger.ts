import {
  type AttemptSums,
  dayMs,
  dayName,
  isCharged,
  type LedgerEntry,
  type LedgerQuery,
  type LedgerRow,
  type LedgerStore,
  noCalls,
  nothingUsed,
  usageGroups,
  type UsageQuery,
} from "../core/ledger.ts";
import type { TryRecord } from "../core/decision.ts";

/** Entries remembered; the oldest are forgotten. */
const entriesMax = 10_000;
/** Days of keys whose spending is remembered; the oldest are forgotten. */
const daysMax = 100_000;

/** A ledger that ends with the process, and reaches back as far as its bound lets it. */
export function createMemoryLedger(max = entriesMax): LedgerStore {
  /** In the order in which they were settled. */
  const entries = new Map<string, LedgerEntry>();
  const spent = new Map<string, { readonly key: string; readonly day: number; pico: bigint }>();
  const add = (entry: LedgerEntry): void => {
    const name = entry.call === undefined ? (entry.attempts[0]?.id ?? "") : entry.id;
    if (entries.has(name)) return;
    entries.set(name, entry);
    const { key, day } = entry;
    const pico = entry.attempts.filter(isCharged).reduce((sum, { usage }) => sum + BigInt(usage?.pico ?? 0), 0n);
    const sum = spent.get(`${day} ${key}`);
    if (sum !== undefined) sum.pico += pico;
    else if (pico > 0n) spent.set(`${day} ${key}`, { key, day, pico });
    forget(entries, max);
    forget(spent, daysMax);
  };
  return {
    add(texts) {
      for (const text of texts) add(JSON.parse(text));
      return Promise.resolve();
    },
    list(query) {
      const rows = [...entries.values()].filter((entry) => isMeant(entry, query)).flatMap(rowsFrom);
      const { after, limit } = query;
      const behind = after === undefined ? rows : rows.filter((row) => newestFirst(row, after) > 0);
      return Promise.resolve(behind.toSorted((one, other) => newestFirst(one, placeOf(other))).slice(0, limit));
    },
    usage(query) {
      const meant = [...entries.values()].filter((entry) => isMeant(entry, query));
      return Promise.resolve(usageGroups(sumsOfCalls(meant, query), sumsOfAttempts(meant, query)));
    },
    spentSince(key, sinceWall) {
      const since = Math.floor(sinceWall / dayMs);
      let sum = 0n;
      for (const each of spent.values()) if (each.key === key && each.day >= since) sum += each.pico;
      return Promise.resolve(sum);
    },
    prune(beforeWall, limit) {
      const old = [...entries].filter(([, { wall }]) => wall < beforeWall).slice(0, limit);
      for (const [name] of old) entries.delete(name);
      return Promise.resolve(old.length);
    },
  };
}

function forget<V>(map: Map<string, V>, max: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}

function isMeant({ id, key, wall }: LedgerEntry, query: Omit<LedgerQuery, "limit">): boolean {
  return (
    (query.key === undefined || key === query.key) &&
    (query.call === undefined || id === query.call) &&
    (query.sinceWall === undefined || wall >= query.sinceWall) &&
    (query.untilWall === undefined || wall < query.untilWall)
  );
}

function rowsFrom({ id, key, wall, prices, attempts }: LedgerEntry): LedgerRow[] {
  return attempts.map((attempt) => ({ call: id, key, wall, prices, attempt }));
}

function placeOf({ wall, attempt: { id } }: LedgerRow): { readonly wall: number; readonly id: string } {
  return { wall, id };
}

function newestFirst({ wall, attempt: { id } }: LedgerRow, other: { readonly wall: number; readonly id: string }): number {
  return other.wall - wall || (id < other.id ? 1 : id > other.id ? -1 : 0);
}

function sumsOfCalls(entries: readonly LedgerEntry[], { groupBy }: UsageQuery) {
  const groups = new Map<string, ReturnType<typeof noCalls>>();
  for (const { key, wall, call } of entries) {
    if (call === undefined) continue;
    const { provider, model, failed, hit } = call;
    const sums = sumsOf(groups, { key, provider, model, day: dayOf(wall) }, groupBy, noCalls);
    sums.calls++;
    if (failed) sums.failedCalls++;
    if (hit) sums.cacheHits++;
  }
  return named(groups);
}

function sumsOfAttempts(entries: readonly LedgerEntry[], { groupBy }: UsageQuery) {
  const groups = new Map<string, AttemptSums>();
  for (const { key, wall, attempts } of entries)
    for (const attempt of attempts) {
      const { provider, model } = attempt;
      addAttempt(sumsOf(groups, { key, provider, model, day: dayOf(wall) }, groupBy, nothingUsed), attempt);
    }
  return named(groups);
}

function addAttempt(sums: AttemptSums, { usage }: TryRecord): void {
  if (usage === undefined) return;
  sums.inputTokens += usage.inputTokens;
  sums.outputTokens += usage.outputTokens;
  sums.cacheReadTokens += usage.cacheReadTokens ?? 0;
  sums.cacheWriteTokens += usage.cacheWriteTokens ?? 0;
  sums.reasoningTokens += usage.reasoningTokens ?? 0;
  if (usage.pico === undefined) sums.unpriced++;
  else sums.pico += BigInt(usage.pico);
  if (usage.estimated) sums.estimated++;
}

function sumsOf<S>(
  groups: Map<string, S>,
  names: Readonly<Record<UsageQuery["groupBy"][number], string>>,
  groupBy: UsageQuery["groupBy"],
  none: () => S,
): S {
  const group = JSON.stringify(groupBy.map((each) => names[each]));
  const sums = groups.get(group) ?? none();
  groups.set(group, sums);
  return sums;
}

function* named<S>(groups: ReadonlyMap<string, S>): Generator<readonly [readonly string[], S]> {
  for (const [name, sums] of groups) {
    const group: readonly string[] = JSON.parse(name);
    yield [group, sums];
  }
}

function dayOf(wall: number): string {
  return dayName(Math.floor(wall / dayMs));
}
