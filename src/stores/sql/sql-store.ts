import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { type Kysely, sql } from "kysely";
import { PolicyRevisionSchema } from "../../core/chat.ts";
import type { DecisionQuery, DecisionRow, DecisionStore, KeptPolicies, PolicyStore } from "../../core/store.ts";
import type { DecisionTable, Tables } from "./schema.ts";

/** Revisions that are kept; the oldest are forgotten. */
const revisionsMax = 1000;

/** Rows of one statement: SQLite takes 32,766 values, PostgreSQL 65,535. */
const rowsMax = 500;

/** Decisions over any database that Kysely speaks. */
export function createSqlDecisions(db: Kysely<Tables>): DecisionStore {
  return {
    async add(rows) {
      await db.transaction().execute(async (change) => {
        for (let at = 0; at < rows.length; at += rowsMax) {
          const values = rows.slice(at, at + rowsMax).map(columnsFrom);
          await change
            .insertInto("decisions")
            .values(values)
            .onConflict((conflict) => conflict.column("id").doNothing())
            .execute();
        }
      });
    },
    async list(query) {
      const rows = await selectionOf(db, query).execute();
      return rows.map(({ text }) => text);
    },
    async find(id) {
      const row = await db.selectFrom("decisions").select("text").where("id", "=", id).executeTakeFirst();
      return row?.text;
    },
    async prune(beforeWall, limit) {
      const oldest = db.selectFrom("decisions").select("id").where("wall", "<", beforeWall).orderBy("wall").limit(limit);
      const { numDeletedRows } = await db.deleteFrom("decisions").where("id", "in", oldest).executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

/** Policies likewise. */
export function createSqlPolicies(db: Kysely<Tables>): PolicyStore {
  return {
    async load() {
      const state = await db.selectFrom("policy_state").selectAll().executeTakeFirst();
      if (state === undefined) return undefined;
      const rows = await db.selectFrom("policy_revisions").select("text").orderBy("number", "desc").limit(revisionsMax).execute();
      return {
        // Fields that a later version wrote do not keep this one from reading what it knows.
        revisions: rows.map(({ text }) => fromJsonString(PolicyRevisionSchema, text, { ignoreUnknownFields: true })),
        active: BigInt(state.active),
        canary: state.canary === null ? undefined : BigInt(state.canary),
        fileText: state.file_text,
      };
    },
    async save({ revisions, active, canary, fileText }: KeptPolicies) {
      await db.transaction().execute(async (change) => {
        for (const each of revisions) {
          const row = { number: Number(each.number), revision: each.revision, text: toJsonString(PolicyRevisionSchema, each) };
          await change
            .insertInto("policy_revisions")
            .values(row)
            .onConflict((conflict) => conflict.column("number").doNothing())
            .execute();
        }
        const state = { active: Number(active), canary: canary === undefined ? null : Number(canary), file_text: fileText };
        await change
          .insertInto("policy_state")
          .values({ id: 1, ...state })
          .onConflict((conflict) => conflict.column("id").doUpdateSet(state))
          .execute();
        // The active one may be older than all that are remembered, where canaries came and went.
        await change
          .deleteFrom("policy_revisions")
          .where("number", "<=", (revisions[0] === undefined ? Number(active) : Number(revisions[0].number)) - revisionsMax)
          .where("number", "<>", Number(active))
          .execute();
      });
    },
  };
}

function selectionOf(db: Kysely<Tables>, query: DecisionQuery) {
  const { key, model, failed, retried, provider, sinceWall, untilWall, requestId, after, limit } = query;
  let selection = db.selectFrom("decisions").select("text");
  if (key !== undefined) selection = selection.where("key_id", "=", key);
  if (model !== undefined) selection = selection.where("model", "=", model);
  if (failed !== undefined) selection = selection.where("failed", "=", 1);
  if (retried !== undefined) selection = selection.where("retried", "=", 1);
  if (provider !== undefined) selection = selection.where(sql<boolean>`providers like ${`%,${literal(provider)},%`} escape '!'`);
  if (sinceWall !== undefined) selection = selection.where("wall", ">=", sinceWall);
  if (untilWall !== undefined) selection = selection.where("wall", "<", untilWall);
  if (requestId !== undefined) selection = selection.where("request_id", "=", requestId);
  if (after !== undefined) {
    const { wall, id } = after;
    // The first of them alone lets an index find the place.
    selection = selection
      .where("wall", "<=", wall)
      .where((eb) => eb.or([eb("wall", "<", wall), eb.and([eb("wall", "=", wall), eb("id", "<", id)])]));
  }
  return selection.orderBy("wall", "desc").orderBy("id", "desc").limit(limit);
}

/** What LIKE would take for more than itself, taken for itself. */
function literal(text: string): string {
  return text.replace(/[!%_]/g, "!$&");
}

function columnsFrom({ id, wall, key, model, providers, failed, retried, requestId, text }: DecisionRow): DecisionTable {
  return { id, wall, key_id: key, model, providers, failed: failed ? 1 : 0, retried: retried ? 1 : 0, request_id: requestId, text };
}
