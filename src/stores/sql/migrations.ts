import { type CreateTableBuilder, type Kysely, sql } from "kysely";
import { type Migration, Migrator, type MigratorProps } from "kysely/migration";
import { StoreError } from "../../core/store.ts";
import type { Tables } from "./schema.ts";

/** In the order of their names; one that was released never changes. */
const migrations: Readonly<Record<string, Migration>> = {
  "0001-decisions-and-policies": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("decisions")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("wall", "bigint", (column) => column.notNull())
        .addColumn("key_id", "text", (column) => column.notNull())
        .addColumn("model", "text", (column) => column.notNull())
        .addColumn("providers", "text", (column) => column.notNull())
        .addColumn("failed", "integer", (column) => column.notNull())
        .addColumn("retried", "integer", (column) => column.notNull())
        .addColumn("request_id", "text", (column) => column.notNull())
        .addColumn("text", "text", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("decisions_by_time").on("decisions").columns(["wall", "id"]).execute();
      await db.schema.createIndex("decisions_by_request").on("decisions").column("request_id").execute();
      await db.schema
        .createTable("policy_revisions")
        .addColumn("number", "bigint", (column) => column.primaryKey())
        .addColumn("revision", "text", (column) => column.notNull())
        .addColumn("text", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("policy_state")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("active", "bigint", (column) => column.notNull())
        .addColumn("canary", "bigint")
        .addColumn("file_text", "text", (column) => column.notNull())
        .execute();
    },
  },
  "0002-ledger": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("ledger_calls")
        .addColumn<string>("id", "text", (column) => column.primaryKey())
        .$call(columns(["wall"], "bigint"))
        .$call(columns(["key_id", "asked", "provider", "model"], "text"))
        .$call(columns(["failed", "cache_hit"], "integer"))
        .execute();
      await db.schema.createIndex("ledger_calls_by_time").on("ledger_calls").column("wall").execute();
      await db.schema
        .createTable("ledger_attempts")
        .addColumn<string>("id", "text", (column) => column.primaryKey())
        .$call(columns(["call_id", "key_id", "prices", "provider", "model", "upstream_id", "usage"], "text"))
        .$call(columns(["wall", "start_wall"], "bigint"))
        .$call(columns(["ms"], "double precision"))
        .$call(columns(["kind", "status", "reason", "won", "used", "unpriced", "estimated"], "integer"))
        .$call(columns(["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"], "bigint"))
        .$call(columns(["micro_usd", "pico_usd"], "bigint"))
        .execute();
      await db.schema.createIndex("ledger_attempts_by_time").on("ledger_attempts").columns(["wall", "id"]).execute();
      await db.schema.createIndex("ledger_attempts_by_call").on("ledger_attempts").column("call_id").execute();
      await db.schema
        .createTable("ledger_days")
        .$call(columns(["key_id"], "text"))
        .$call(columns(["day", "micro_usd", "pico_usd"], "bigint"))
        .addPrimaryKeyConstraint("ledger_days_of_key", ["key_id", "day"])
        .execute();
    },
  },
  "0003-keys": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("issued_keys")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("digest", "text", (column) => column.notNull().unique())
        .addColumn("prefix", "text", (column) => column.notNull())
        .addColumn("name", "text", (column) => column.notNull())
        .addColumn("create_wall", "bigint", (column) => column.notNull())
        .addColumn("expire_wall", "bigint")
        .addColumn("revoke_wall", "bigint")
        .addColumn("models", "text", (column) => column.notNull())
        .addColumn("priority", "integer", (column) => column.notNull())
        .addColumn("limits", "text")
        .addColumn("labels", "text", (column) => column.notNull())
        .addColumn("request_id", "text", (column) => column.notNull())
        .addColumn("version", "bigint", (column) => column.notNull())
        .execute();
      await db.schema.createIndex("issued_keys_by_version").on("issued_keys").column("version").execute();
      await db.schema.createIndex("issued_keys_by_request").on("issued_keys").column("request_id").execute();
      await db.schema
        .createTable("key_state")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("version", "bigint", (column) => column.notNull())
        .addColumn("configured", "integer", (column) => column.notNull())
        .execute();
      await sql`insert into key_state (id, version, configured) values (1, 0, 0)`.execute(db);
    },
  },
};

/** Columns that always have a value. */
function columns(names: readonly string[], type: "text" | "bigint" | "integer" | "double precision") {
  return <T extends string>(table: CreateTableBuilder<T, string>): CreateTableBuilder<T, string> => {
    let made = table;
    for (const name of names) made = made.addColumn(name, type, (column) => column.notNull());
    return made;
  };
}

/** Brings the tables up to date; refuses a database that a later version has written. */
export function migrate(db: Kysely<Tables>): Promise<void> {
  return migrateWith(db, {});
}

/** Any number; no other program may take this lock of the same database. */
const lockId = 5_368_709_531;

/** As `migrate`, for a database that several processes may want to bring up to date at once, and that other programs use. */
export async function migrateShared(db: Kysely<Tables>): Promise<void> {
  await db.transaction().execute(async (change) => {
    // Held until the end of the transaction, whatever connection a pooler gives us for the next one. Kysely's own lock is a session's.
    await sql`select pg_advisory_xact_lock(${sql.lit(lockId)})`.execute(change);
    await migrateWith(change, { migrationTableName: "semaroute_migrations", migrationLockTableName: "semaroute_migration_lock" });
  });
}

async function migrateWith(db: Kysely<Tables>, names: Partial<MigratorProps>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) }, ...names });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && /previously executed migration/.test(error.message))
    throw new StoreError("it was written by a later version of semaroute", false, error);
  throw error instanceof Error ? error : new Error("the tables cannot be made", { cause: error });
}
