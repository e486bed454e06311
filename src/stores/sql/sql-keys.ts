import type { Kysely, Transaction } from "kysely";
import type { KeyId, KeyLimits } from "../../core/call.ts";
import type { IssuedKey, KeyChange, KeyStore } from "../../core/keys.ts";
import type { IssuedKeyTable, Tables } from "./schema.ts";

/** Issued keys over any database that Kysely speaks. */
export function createSqlKeys(db: Kysely<Tables>): KeyStore {
  return {
    async changes(afterVersion, limit) {
      const rows = await db
        .selectFrom("issued_keys")
        .selectAll()
        .where("version", ">", afterVersion)
        .orderBy("version")
        .limit(limit)
        .execute();
      const state = await db.selectFrom("key_state").select("configured").executeTakeFirst();
      return { keys: rows.map(keyFrom), configuredEver: state?.configured === 1 };
    },
    async noteConfigured() {
      await db.updateTable("key_state").set({ configured: 1 }).where("configured", "=", 0).execute();
    },
    add: (key, sinceWall) =>
      db.transaction().execute(async (change) => {
        const version = await nextVersion(change);
        const known = key.requestId === "" ? undefined : await madeBy(change, key.requestId, sinceWall);
        if (known !== undefined) return known;
        const kept = { ...key, version };
        await change.insertInto("issued_keys").values(rowFrom(kept)).execute();
        return kept;
      }),
    update: (id, wanted) =>
      db.transaction().execute(async (change) => {
        const version = await nextVersion(change);
        await change
          .updateTable("issued_keys")
          .set({ ...columnsFrom(wanted), version })
          .where("id", "=", id)
          .execute();
        return keyOf(change, id);
      }),
    revoke: (id, wall) =>
      db.transaction().execute(async (change) => {
        const version = await nextVersion(change);
        await change
          .updateTable("issued_keys")
          .set({ revoke_wall: wall, version })
          .where("id", "=", id)
          .where("revoke_wall", "is", null)
          .execute();
        return keyOf(change, id);
      }),
  };
}

/**
 * The next number. Its row is locked until the change is kept, by whichever process: numbers become visible in their order, so
 * that who asks for what is behind one misses nothing.
 */
async function nextVersion(change: Transaction<Tables>): Promise<number> {
  const { version } = await change
    .updateTable("key_state")
    .set((eb) => ({ version: eb("version", "+", 1) }))
    .returning("version")
    .executeTakeFirstOrThrow();
  return version;
}

async function keyOf(change: Transaction<Tables>, id: string): Promise<IssuedKey | undefined> {
  const row = await change.selectFrom("issued_keys").selectAll().where("id", "=", id).executeTakeFirst();
  return row && keyFrom(row);
}

async function madeBy(change: Transaction<Tables>, requestId: string, sinceWall: number): Promise<IssuedKey | undefined> {
  const row = await change
    .selectFrom("issued_keys")
    .selectAll()
    .where("request_id", "=", requestId)
    .where("create_wall", ">", sinceWall)
    .executeTakeFirst();
  return row && keyFrom(row);
}

/** Written by a process of the same product, and read by nobody else. */
function keyFrom(row: IssuedKeyTable): IssuedKey {
  const models: readonly string[] = JSON.parse(row.models);
  const labels: Readonly<Record<string, string>> = JSON.parse(row.labels);
  const limits: KeyLimits | undefined = row.limits === null ? undefined : JSON.parse(row.limits);
  return {
    // A database knows no brands.
    id: row.id as KeyId,
    digest: row.digest,
    prefix: row.prefix,
    name: row.name,
    createWall: row.create_wall,
    expireWall: row.expire_wall ?? undefined,
    revokeWall: row.revoke_wall ?? undefined,
    models,
    priority: row.priority,
    limits,
    labels,
    requestId: row.request_id,
    version: row.version,
  };
}

function rowFrom(key: IssuedKey): IssuedKeyTable {
  const { name, expireWall, models, priority, limits, labels } = key;
  return {
    id: key.id,
    digest: key.digest,
    prefix: key.prefix,
    name,
    create_wall: key.createWall,
    expire_wall: expireWall ?? null,
    revoke_wall: key.revokeWall ?? null,
    models: JSON.stringify(models),
    priority,
    limits: limits === undefined ? null : JSON.stringify(limits),
    labels: JSON.stringify(labels),
    request_id: key.requestId,
    version: key.version,
  };
}

function columnsFrom(change: KeyChange): Partial<IssuedKeyTable> {
  const { name, models, priority, labels } = change;
  return {
    ...(name !== undefined && { name }),
    ...(models !== undefined && { models: JSON.stringify(models) }),
    ...(priority !== undefined && { priority }),
    ...(labels !== undefined && { labels: JSON.stringify(labels) }),
    ...("expireWall" in change && { expire_wall: change.expireWall ?? null }),
    ...("limits" in change && { limits: change.limits === undefined ? null : JSON.stringify(change.limits) }),
  };
}
