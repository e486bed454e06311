import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { type ExpressionBuilder, type Kysely, sql } from "kysely";
import { PolicyRevisionSchema } from "../../core/chat.ts";
import type { KeyStore } from "../../core/keys.ts";
import type { LedgerStore } from "../../core/ledger.ts";
import type { DecisionQuery, DecisionRow, DecisionStore, KeptPolicies, PolicyMark, SharedPolicyStore } from "../../core/store.ts";
import type { DecisionTable, PolicyStateTable, Tables } from "./schema.ts";
import { createSqlKeys } from "./sql-keys.ts";
import { createSqlLedger } from "./sql-ledger.ts";

/** Revisions that are kept; the oldest are forgotten. */
const revisionsMax = 1000;

/** Rows of one statement: SQLite takes 32,766 values, PostgreSQL 65,535. */
const rowsMax = 500;

/** What a store is made of, over any database that Kysely speaks. */
export interface SqlParts {
  readonly decisions: DecisionStore;
  readonly policies: SharedPolicyStore;
  readonly keys: KeyStore;
  readonly ledger: LedgerStore;
}

/** All parts. */
export function createSqlParts(db: Kysely<Tables>): SqlParts {
  return {
    decisions: createSqlDecisions(db),
    policies: createSqlPolicies(db),
    keys: createSqlKeys(db),
    ledger: createSqlLedger(db),
  };
}

function createSqlDecisions(db: Kysely<Tables>): DecisionStore {
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
      const oldest = db.selectFrom("decisions").select("id").where("wall", "<", Math.ceil(beforeWall)).orderBy("wall").limit(limit);
      const { numDeletedRows } = await db.deleteFrom("decisions").where("id", "in", oldest).executeTakeFirst();
      return Number(numDeletedRows);
    },
  };
}

function createSqlPolicies(db: Kysely<Tables>): SharedPolicyStore {
  return {
    async load() {
      const state = await db.selectFrom("policy_state").selectAll().executeTakeFirst();
      if (state === undefined) return undefined;
      const newest = db.selectFrom("policy_revisions").select("number").orderBy("number", "desc").limit(revisionsMax);
      const rows = await db
        .selectFrom("policy_revisions")
        .select("text")
        .where((eb) => eb.or([eb("number", "in", newest), eb("number", "=", state.active)]))
        .orderBy("number", "desc")
        .execute();
      return {
        // Fields that a later version wrote do not keep this one from reading what it knows.
        revisions: rows.map(({ text }) => fromJsonString(PolicyRevisionSchema, text, { ignoreUnknownFields: true })),
        active: BigInt(state.active),
        canary: state.canary === null ? undefined : BigInt(state.canary),
        fileText: state.file_text,
      };
    },
    async save(kept) {
      await db.transaction().execute(async (change) => {
        await addRevisions(change, kept.revisions);
        const state = stateFrom(kept);
        await change
          .insertInto("policy_state")
          .values({ id: 1, ...state })
          .onConflict((conflict) => conflict.column("id").doUpdateSet(state))
          .execute();
        await forgetRevisions(change, kept);
      });
    },
    async mark() {
      const found = await db
        .selectFrom("policy_state")
        .select((each) => ["active", "canary", newestIn(each).as("newest")])
        .executeTakeFirst();
      if (found === undefined) return undefined;
      const { active, canary } = found;
      return { newest: BigInt(found.newest ?? active), active: BigInt(active), canary: canary === null ? undefined : BigInt(canary) };
    },
    async replace(kept, basis) {
      try {
        await db.transaction().execute(async (change) => {
          // First the one row that all replacements meet at: who comes second waits here, and then finds another basis.
          if (!(await replaceState(change, kept, basis))) throw new Overtaken();
          const added = await addRevisions(change, kept.revisions);
          if (added !== kept.revisions.length) throw new Overtaken();
          await forgetRevisions(change, kept);
        });
        return true;
      } catch (thrown) {
        if (thrown instanceof Overtaken) return false;
        throw thrown;
      }
    },
  };
}

function newestIn(each: ExpressionBuilder<Tables, "policy_state">) {
  return each.selectFrom("policy_revisions").select(({ fn }) => fn.max("number").as("newest"));
}

/** Undoes a transaction whose basis is no more. */
class Overtaken extends Error {}

/** Answers how many there were not before. */
async function addRevisions(change: Kysely<Tables>, revisions: KeptPolicies["revisions"]): Promise<number> {
  let added = 0;
  for (const each of revisions) {
    const row = { number: Number(each.number), revision: each.revision, text: toJsonString(PolicyRevisionSchema, each) };
    const { numInsertedOrUpdatedRows = 0n } = await change
      .insertInto("policy_revisions")
      .values(row)
      .onConflict((conflict) => conflict.column("number").doNothing())
      .executeTakeFirst();
    added += Number(numInsertedOrUpdatedRows);
  }
  return added;
}

async function replaceState(change: Kysely<Tables>, kept: KeptPolicies, basis: PolicyMark | undefined): Promise<boolean> {
  const state = stateFrom(kept);
  if (basis === undefined) {
    const { numInsertedOrUpdatedRows } = await change
      .insertInto("policy_state")
      .values({ id: 1, ...state })
      .onConflict((conflict) => conflict.column("id").doNothing())
      .executeTakeFirst();
    return numInsertedOrUpdatedRows === 1n;
  }
  const update = change.updateTable("policy_state").set(state).where("active", "=", Number(basis.active));
  const { numUpdatedRows } = await (
    basis.canary === undefined ? update.where("canary", "is", null) : update.where("canary", "=", Number(basis.canary))
  ).executeTakeFirst();
  return numUpdatedRows === 1n;
}

function stateFrom({ active, canary, fileText }: KeptPolicies): Omit<PolicyStateTable, "id"> {
  return { active: Number(active), canary: canary === undefined ? null : Number(canary), file_text: fileText };
}

/** The active one may be older than all that are remembered, where canaries came and went. */
async function forgetRevisions(change: Kysely<Tables>, { revisions, active }: KeptPolicies): Promise<void> {
  await change
    .deleteFrom("policy_revisions")
    .where("number", "<=", Number(revisions[0]?.number ?? active) - revisionsMax)
    .where("number", "<>", Number(active))
    .execute();
}

function selectionOf(db: Kysely<Tables>, query: DecisionQuery) {
  const { key, model, failed, retried, provider, sinceWall, untilWall, requestId, after, limit } = query;
  // Walls in the table are whole numbers, and PostgreSQL does not compare them with others.
  let selection = db.selectFrom("decisions").select("text");
  if (key !== undefined) selection = selection.where("key_id", "=", key);
  if (model !== undefined) selection = selection.where("model", "=", model);
  if (failed !== undefined) selection = selection.where("failed", "=", 1);
  if (retried !== undefined) selection = selection.where("retried", "=", 1);
  if (provider !== undefined) selection = selection.where(sql<boolean>`replace(providers, ${`,${provider},`}, '') <> providers`);
  if (sinceWall !== undefined) selection = selection.where("wall", ">=", Math.ceil(sinceWall));
  if (untilWall !== undefined) selection = selection.where("wall", "<", Math.ceil(untilWall));
  if (requestId !== undefined) selection = selection.where("request_id", "=", requestId);
  if (after !== undefined) {
    const { wall, id } = after;
    // One comparison of pairs, by which the index leads straight to the place; of an "or" all rows before it are looked at.
    selection = selection.where((eb) => eb(eb.refTuple("wall", "id"), "<", eb.tuple(wall, id)));
  }
  return selection.orderBy("wall", "desc").orderBy("id", "desc").limit(limit);
}

function columnsFrom({ id, wall, key, model, providers, failed, retried, requestId, text }: DecisionRow): DecisionTable {
  return { id, wall, key_id: key, model, providers, failed: failed ? 1 : 0, retried: retried ? 1 : 0, request_id: requestId, text };
}
