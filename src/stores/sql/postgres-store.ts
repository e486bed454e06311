import { Kysely, PostgresDialect, type PostgresPool } from "kysely";
import { type Clock, sleep, within } from "../../core/clock.ts";
import type { LedgerStore } from "../../core/ledger.ts";
import { type DecisionRow, type Store, StoreError } from "../../core/store.ts";
import { type Courier, createCourier, type CourierOptions } from "./courier.ts";
import { migrateShared } from "./migrations.ts";
import { faultOf, wordsOf } from "./postgres-errors.ts";
import { refuseBadTls } from "./postgres-tls.ts";
import { createPostgresPool, type PostgresPoolOptions } from "./postgres-pool.ts";
import type { Tables } from "./schema.ts";
import { createSqlParts } from "./sql-store.ts";

/** The database, and what stands in for it while it is away. */
export interface PostgresOptions extends PostgresPoolOptions, CourierOptions {}

/** How long connections may take to end. */
const endMs = 2000;
/** How long a sum waits for the journal, and how often it looks. */
const followMs = 3000;
const lookMs = 50;
const never = new AbortController().signal;

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
    refuseBadTls(options.url);
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
    ledger: {
      ...ledger,
      add: courier.carry("ledger", (entries: readonly string[]) => ledger.add(entries)),
      spentSince: spentWithAll(ledger, courier, clock),
    },
    sharedPolicies: policies,
    close: () => (closed ??= close()),
  };
}

/** A budget must not forget what waits in the journal: until that is in the database, nobody is told a sum. */
function spentWithAll(ledger: LedgerStore, courier: Courier, clock: Clock): LedgerStore["spentSince"] {
  return async (key, sinceWall) => {
    const untilMs = clock.now() + followMs;
    for (;;) {
      // In this order: what does not wait now is in the sum. And a database that is away says so at once.
      const waits = await courier.waits("ledger");
      const spent = await ledger.spentSince(key, sinceWall);
      if (!waits) return spent;
      if (clock.now() >= untilMs) throw new Error("the ledger is behind: its rows wait in the journal");
      await sleep(clock, lookMs, never);
    }
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
