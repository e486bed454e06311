import { Kysely, PostgresDialect, type PostgresPool } from "kysely";
import { within } from "../../core/clock.ts";
import { type DecisionRow, type Store, StoreError } from "../../core/store.ts";
import { createCourier, type CourierOptions } from "./courier.ts";
import { migrateShared } from "./migrations.ts";
import { faultOf, wordsOf } from "./postgres-errors.ts";
import { createPostgresPool, type PostgresPoolOptions } from "./postgres-pool.ts";
import type { Tables } from "./schema.ts";
import { createSqlParts } from "./sql-store.ts";

/** The database, and what stands in for it while it is away. */
export interface PostgresOptions extends PostgresPoolOptions, CourierOptions {}

/** How long connections may take to end. */
const endMs = 2000;

/**
 * A store in a PostgreSQL that others share. One that is away, now or later, is waited for: what is written meanwhile waits in the
 * journal, and what is asked is refused at once. Rejects with a `StoreError` where the database refuses us, or is a later version's.
 */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const { clock, journal } = options;
  const reports = createReports(options);
  const pool = createPostgresPool({ ...options, ...reports });
  const { ready, gated } = migratedFirst(pool, reports);
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: gated }) });
  try {
    await ready();
  } catch (thrown) {
    const fault = thrown instanceof StoreError ? "refusal" : faultOf(thrown);
    if (fault === "refusal" || fault === "input") {
      await Promise.all([pool.end(), journal.close()]);
      throw thrown instanceof StoreError ? thrown : new StoreError(wordsOf(thrown), false);
    }
  }
  const courier = createCourier(options);
  const { decisions, policies, keys, ledger } = createSqlParts(db);
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await courier.close();
    // A database that stands still does not say goodbye.
    await within(clock, endMs, pool.end());
  };
  courier.start();
  return {
    kind: "postgres",
    decisions: { ...decisions, add: courier.carry("decisions", (rows: readonly DecisionRow[]) => decisions.add(rows)) },
    policies,
    keys,
    ledger: { ...ledger, add: courier.carry("ledger", (entries: readonly string[]) => ledger.add(entries)) },
    sharedPolicies: policies,
    close: () => (closed ??= close()),
  };
}

/** Each is told once, until the other. */
interface Reports {
  readonly onAway: (reason: string) => void;
  readonly onBack: () => void;
  /** The tables are up to date: before, a database that answers is not back. */
  readonly onReady: () => void;
}

function createReports({ onAway, onBack }: PostgresPoolOptions): Reports {
  let isAway = false;
  let isReady = false;
  const back = (): void => {
    if (!isAway || !isReady) return;
    isAway = false;
    onBack();
  };
  return {
    onAway(reason) {
      if (!isAway) onAway(reason);
      isAway = true;
    },
    onBack: back,
    onReady() {
      isReady = true;
      back();
    },
  };
}

/** Nobody gets a connection before the tables are up to date, however long the database was away. */
function migratedFirst(
  pool: PostgresPool,
  { onAway, onReady }: Reports,
): { ready(this: void): Promise<void>; readonly gated: PostgresPool } {
  const bare = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  let migration: Promise<void> | undefined;
  const ready = (): Promise<void> => {
    migration ??= migrateShared(bare).then(onReady, (thrown: unknown) => {
      migration = undefined;
      onAway(thrown instanceof StoreError ? thrown.message : wordsOf(thrown));
      throw thrown;
    });
    return migration;
  };
  return {
    ready,
    gated: {
      ...pool,
      async connect() {
        await ready();
        return pool.connect();
      },
    },
  };
}
