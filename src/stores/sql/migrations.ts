import type { CreateTableBuilder, Kysely } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
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
export async function migrate(db: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...migrations }) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && /previously executed migration/.test(error.message))
    throw new StoreError("it was written by a later version of semaroute", false, error);
  throw error instanceof Error ? error : new Error("the tables cannot be made", { cause: error });
}
