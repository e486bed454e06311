import { type Kysely, type RawBuilder, sql, type Transaction } from "kysely";
import type { UsageRecord } from "../../core/decision.ts";
import {
  type AttemptSums,
  type CallSums,
  dayMs,
  dayName,
  isCharged,
  type LedgerEntry,
  type LedgerQuery,
  type LedgerRow,
  type LedgerStore,
  type UsageDimension,
  usageGroups,
  type UsageQuery,
} from "../../core/ledger.ts";
import type { LedgerAttemptTable, LedgerCallTable, LedgerDayTable, Tables } from "./schema.ts";

/** Rows of one statement: each has up to 25 values, SQLite takes 32,766 of them, PostgreSQL 65,535. */
const rowsMax = 250;
const picoPerMicro = 1_000_000n;

/** A ledger over any database that Kysely speaks. */
export function createSqlLedger(db: Kysely<Tables>): LedgerStore {
  return {
    async add(texts) {
      const entries = texts.map((text): LedgerEntry => JSON.parse(text));
      await db.transaction().execute((change) => addAll(change, entries));
    },
    async list(query) {
      const rows = await rowsOf(db, query).execute();
      return rows.map(rowFrom);
    },
    async usage(query) {
      return usageGroups(await callSums(db, query), await attemptSums(db, query));
    },
    async spentSince(key, sinceWall) {
      const row = await db
        .selectFrom("ledger_days")
        .select([sql`sum(micro_usd)`.as("micro"), sql`sum(pico_usd)`.as("pico")])
        .where("key_id", "=", key)
        .where("day", ">=", Math.floor(sinceWall / dayMs))
        .executeTakeFirst();
      return picoFrom(row?.micro, row?.pico);
    },
    async prune(beforeWall, limit) {
      const attempts = db.selectFrom("ledger_attempts").select("id").where("wall", "<", beforeWall).orderBy("wall").limit(limit);
      const calls = db.selectFrom("ledger_calls").select("id").where("wall", "<", beforeWall).orderBy("wall").limit(limit);
      const goneAttempts = await db.deleteFrom("ledger_attempts").where("id", "in", attempts).executeTakeFirst();
      const goneCalls = await db.deleteFrom("ledger_calls").where("id", "in", calls).executeTakeFirst();
      return Math.max(Number(goneAttempts.numDeletedRows), Number(goneCalls.numDeletedRows));
    },
  };
}

async function addAll(change: Transaction<Tables>, entries: readonly LedgerEntry[]): Promise<void> {
  for (const calls of parts(entries.flatMap(callColumns))) {
    await change
      .insertInto("ledger_calls")
      .values(calls)
      .onConflict((conflict) => conflict.column("id").doNothing())
      .execute();
  }
  const days = new Map(entries.map(({ id, day }) => [id, day]));
  const spent = new Map<string, LedgerDayTable>();
  for (const attempts of parts(entries.flatMap(attemptColumns))) {
    // Only what was not there yet is summed.
    const added = await change
      .insertInto("ledger_attempts")
      .values(attempts)
      .onConflict((conflict) => conflict.column("id").doNothing())
      .returning(["call_id", "key_id", "kind", "micro_usd", "pico_usd"])
      .execute();
    for (const { call_id, key_id, kind, ...money } of added)
      if (isCharged({ kind })) spend(spent, { key_id, day: days.get(call_id) ?? 0, ...money });
  }
  // In one order for all: two that sum for the same keys must not wait for each other.
  const sums = [...spent.values()].toSorted((one, other) => (one.key_id < other.key_id ? -1 : 1) || one.day - other.day);
  for (const row of sums) {
    await change
      .insertInto("ledger_days")
      .values(row)
      .onConflict((conflict) =>
        conflict.columns(["key_id", "day"]).doUpdateSet((eb) => ({
          micro_usd: eb("ledger_days.micro_usd", "+", eb.ref("excluded.micro_usd")),
          pico_usd: eb("ledger_days.pico_usd", "+", eb.ref("excluded.pico_usd")),
        })),
      )
      .execute();
  }
}

function spend(spent: Map<string, LedgerDayTable>, { key_id, day, micro_usd, pico_usd }: LedgerDayTable): void {
  if (micro_usd === 0 && pico_usd === 0) return;
  const name = `${day} ${key_id}`;
  const sum = spent.get(name);
  spent.set(name, { key_id, day, micro_usd: micro_usd + (sum?.micro_usd ?? 0), pico_usd: pico_usd + (sum?.pico_usd ?? 0) });
}

function* parts<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < rows.length; at += rowsMax) yield rows.slice(at, at + rowsMax);
}

function callColumns({ id, wall, key, call }: LedgerEntry): readonly LedgerCallTable[] {
  if (call === undefined) return [];
  const { asked, provider, model, failed, hit } = call;
  const names = { key_id: key, asked: named(asked), provider, model: named(model) };
  return [{ id, wall, ...names, failed: failed ? 1 : 0, cache_hit: hit ? 1 : 0 }];
}

function attemptColumns({ id: call_id, wall, key: key_id, prices, attempts }: LedgerEntry): readonly LedgerAttemptTable[] {
  return attempts.map((attempt) => {
    const { id, provider, model, kind, status, reason, won, usage } = attempt;
    return {
      id,
      call_id,
      wall,
      key_id,
      prices,
      provider,
      model: named(model),
      kind,
      start_wall: attempt.wall,
      ms: attempt.ms,
      status,
      reason,
      upstream_id: named(attempt.upstreamId),
      won: won ? 1 : 0,
      ...usageColumns(usage),
    };
  });
}

function usageColumns(usage: UsageRecord | undefined) {
  return {
    used: usage === undefined ? 0 : 1,
    unpriced: usage !== undefined && usage.pico === undefined ? 1 : 0,
    estimated: usage?.estimated === true ? 1 : 0,
    input_tokens: usage?.inputTokens ?? 0,
    output_tokens: usage?.outputTokens ?? 0,
    cache_read_tokens: usage?.cacheReadTokens ?? 0,
    cache_write_tokens: usage?.cacheWriteTokens ?? 0,
    reasoning_tokens: usage?.reasoningTokens ?? 0,
    ...moneyColumns(usage?.pico ?? "0"),
    usage: usage === undefined ? "" : JSON.stringify(usage),
  };
}

/** Millionths of a US dollar. A vendor may tell more tokens than there are; no attempt costs a million dollars. */
const microMax = 1e12;

function moneyColumns(text: string): { readonly micro_usd: number; readonly pico_usd: number } {
  const pico = BigInt(text);
  return { micro_usd: Math.min(Number(pico / picoPerMicro), microMax), pico_usd: Number(pico % picoPerMicro) };
}

/** Names that callers and upstreams choose; PostgreSQL takes no NUL. */
function named(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", "\ufffd") : text;
}

function rowsOf(db: Kysely<Tables>, { key, call, sinceWall, untilWall, after, limit }: LedgerQuery) {
  let selection = db.selectFrom("ledger_attempts").selectAll();
  if (key !== undefined) selection = selection.where("key_id", "=", key);
  if (call !== undefined) selection = selection.where("call_id", "=", call);
  if (sinceWall !== undefined) selection = selection.where("wall", ">=", sinceWall);
  if (untilWall !== undefined) selection = selection.where("wall", "<", untilWall);
  if (after !== undefined) {
    const { wall, id } = after;
    // The first of them alone lets an index find the place.
    selection = selection
      .where("wall", "<=", wall)
      .where((eb) => eb.or([eb("wall", "<", wall), eb.and([eb("wall", "=", wall), eb("id", "<", id)])]));
  }
  return selection.orderBy("wall", "desc").orderBy("id", "desc").limit(limit);
}

function rowFrom(row: LedgerAttemptTable): LedgerRow {
  const usage: UsageRecord | undefined = row.usage === "" ? undefined : JSON.parse(row.usage);
  return {
    call: row.call_id,
    key: row.key_id,
    wall: row.wall,
    prices: row.prices,
    attempt: {
      id: row.id,
      provider: row.provider,
      model: row.model,
      kind: row.kind,
      wall: row.start_wall,
      ms: row.ms,
      status: row.status,
      reason: row.reason,
      text: "",
      upstreamId: row.upstream_id,
      won: row.won === 1,
      ...(usage !== undefined && { usage }),
    },
  };
}

type Sums = Readonly<Record<string, unknown>>;

async function callSums(db: Kysely<Tables>, query: UsageQuery) {
  const sums = sql`count(*) as calls, sum(failed) as failed, sum(cache_hit) as hits`;
  const rows = await grouped(db, sql`ledger_calls`, sums, query);
  return rows.map((row): readonly [readonly string[], CallSums] => [
    groupFrom(row, query),
    { calls: Number(row["calls"]), failedCalls: Number(row["failed"]), cacheHits: Number(row["hits"]) },
  ]);
}

async function attemptSums(db: Kysely<Tables>, query: UsageQuery) {
  const sums = sql`sum(input_tokens) as input, sum(output_tokens) as output, sum(cache_read_tokens) as cache_read,
    sum(cache_write_tokens) as cache_write, sum(reasoning_tokens) as reasoning, sum(micro_usd) as micro, sum(pico_usd) as pico,
    sum(unpriced) as unpriced, sum(estimated) as estimated`;
  const rows = await grouped(db, sql`ledger_attempts`, sums, query);
  return rows.map((row): readonly [readonly string[], AttemptSums] => [
    groupFrom(row, query),
    {
      inputTokens: Number(row["input"]),
      outputTokens: Number(row["output"]),
      cacheReadTokens: Number(row["cache_read"]),
      cacheWriteTokens: Number(row["cache_write"]),
      reasoningTokens: Number(row["reasoning"]),
      pico: picoFrom(row["micro"], row["pico"]),
      unpriced: Number(row["unpriced"]),
      estimated: Number(row["estimated"]),
    },
  ]);
}

const dimensions: Readonly<Record<UsageDimension, RawBuilder<unknown>>> = {
  key: sql`key_id`,
  model: sql`model`,
  provider: sql`provider`,
  // Whole numbers in both databases, as long as neither is a parameter.
  day: sql`wall / 86400000`,
};

async function grouped(
  db: Kysely<Tables>,
  table: RawBuilder<unknown>,
  sums: RawBuilder<unknown>,
  query: UsageQuery,
): Promise<readonly Sums[]> {
  const { groupBy, key, sinceWall, untilWall } = query;
  const shown = groupBy.map((each, at) => sql`${dimensions[each]} as ${sql.raw(`g${at}`)}`);
  const filters = [
    ...(key === undefined ? [] : [sql`key_id = ${key}`]),
    ...(sinceWall === undefined ? [] : [sql`wall >= ${sinceWall}`]),
    ...(untilWall === undefined ? [] : [sql`wall < ${untilWall}`]),
  ];
  const where = filters.length === 0 ? sql`` : sql`where ${sql.join(filters, sql` and `)}`;
  const groups = groupBy.length === 0 ? sql`` : sql`group by ${sql.join(groupBy.map((each) => dimensions[each]))}`;
  const { rows } = await sql<Sums>`select ${sql.join([...shown, sums])} from ${table} ${where} ${groups}`.execute(db);
  return rows;
}

function groupFrom(row: Sums, { groupBy }: UsageQuery): readonly string[] {
  return groupBy.map((each, at) => (each === "day" ? dayName(Number(row[`g${at}`])) : String(row[`g${at}`])));
}

/** PostgreSQL's sums come as texts. */
function picoFrom(micro: unknown, pico: unknown): bigint {
  return BigInt(Number(micro ?? 0)) * picoPerMicro + BigInt(Number(pico ?? 0));
}
