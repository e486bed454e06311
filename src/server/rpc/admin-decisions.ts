import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, type HandlerContext } from "@connectrpc/connect";
import type { ListDecisionsRequest } from "../../../gen/semaroute/v1/admin_pb.ts";
import type { DecisionRecord } from "../../core/decision.ts";
import { decisionMessage } from "../../core/decision-message.ts";
import type { Operations } from "../../core/operations.ts";
import type { DecisionQuery } from "../../core/store.ts";
import { createRefusal } from "../errors.ts";
import type { AdminMethods } from "./admin.ts";
import { invalidArgument, quoted } from "./admin-changes.ts";
import { collectRecent } from "./changes.ts";
import { openedKey } from "./context.ts";
import { abortError } from "./error-details.ts";

const pageDefault = 100;
const pageMax = 1000;
/** Decisions that wait for one watcher; more, and it loses the oldest. */
const watchedMax = 256;

/** Why calls went where they went. */
export function decisionMethods({ decisions }: Operations): AdminMethods {
  return {
    async listDecisions(request) {
      const size = Math.min(request.pageSize === 0 ? pageDefault : request.pageSize, pageMax);
      // One more than is shown tells whether there is another page.
      const found = await decisions.list({ ...queryFrom(request), limit: size + 1 });
      const shown = found.slice(0, size);
      const last = shown.at(-1);
      return { decisions: shown.map(decisionMessage), nextPageToken: found.length > size && last !== undefined ? tokenOf(last) : "" };
    },
    async getDecision({ id }) {
      const record = await decisions.find(id);
      if (record === undefined)
        throw createRefusal({ code: Code.NotFound, reason: "DECISION_NOT_FOUND", text: `no decision ${quoted(id)}` });
      return { decision: decisionMessage(record) };
    },
    async *watchDecisions({ keyId, model }, context: HandlerContext) {
      const wanted = (record: DecisionRecord): boolean =>
        (keyId === "" || record.key === keyId) && (model === "" || record.model === model);
      const recent = collectRecent<DecisionRecord>(
        (listener) => decisions.watch((record) => (wanted(record) ? listener(record) : undefined)),
        { signal: context.signal, max: watchedMax },
      );
      try {
        context.values.set(openedKey, true);
        for (let next = await recent.next(); next !== undefined; next = await recent.next())
          yield { decision: decisionMessage(next.item), dropped: BigInt(next.dropped) };
        throw abortError(context);
      } finally {
        recent.close();
      }
    },
  };
}

function queryFrom(request: ListDecisionsRequest): Omit<DecisionQuery, "limit"> {
  const { keyId, model, failed, retried, provider, since, until, requestId, pageToken } = request;
  return {
    ...(keyId !== "" && { key: keyId }),
    ...(model !== "" && { model }),
    ...(failed && { failed }),
    ...(retried && { retried }),
    ...(provider !== "" && { provider }),
    ...(since !== undefined && { sinceWall: wallFrom(since) }),
    ...(until !== undefined && { untilWall: wallFrom(until) }),
    ...(requestId !== "" && { requestId }),
    ...(pageToken !== "" && { after: placeFrom(pageToken) }),
  };
}

function wallFrom({ seconds, nanos }: Timestamp): number {
  return Math.ceil(Number(seconds) * 1000 + nanos / 1e6);
}

/** The last one shown: a list that grows at its head neither repeats nor skips. */
function tokenOf({ wall, id }: DecisionRecord): string {
  return Buffer.from(JSON.stringify(["decisions", wall, id])).toString("base64url");
}

function placeFrom(token: string): { readonly wall: number; readonly id: string } {
  try {
    const place: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (Array.isArray(place) && place[0] === "decisions" && typeof place[1] === "number" && typeof place[2] === "string")
      return { wall: place[1], id: place[2] };
  } catch {
    // Falls through.
  }
  const text = "page_token is not one that this list gave";
  throw invalidArgument(text, [{ field: "page_token", description: text }]);
}
