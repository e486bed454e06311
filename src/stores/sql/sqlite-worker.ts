/** The thread that waits for the disk, so that no call has to. */
import { workerData } from "node:worker_threads";
import type { Kysely } from "kysely";
import { answerCall } from "./answer-call.ts";
import { openSqlite, type SqliteOptions } from "./node-sqlite.ts";
import type { Tables } from "./schema.ts";
import { createSqlParts } from "./sql-store.ts";
import type { StoreCall } from "./store-calls.ts";
import { serveThread } from "./thread-port.ts";

const options: SqliteOptions = workerData;
await serveThread({
  open: () => openSqlite(options),
  answer: (db: Kysely<Tables>, call: StoreCall) => (call.kind === "close" ? db.destroy() : answerCall(createSqlParts(db), call)),
});
