import { Code, type HandlerContext } from "@connectrpc/connect";
import type { ListDecisionsRequest } from "../../../gen/semaroute/v1/admin_pb.ts";
import type { DecisionRecord } from "../../core/decision.ts";
import { decisionMessage } from "../../core/decision-message.ts";
import type { Operations } from "../../core/operations.ts";
import type { DecisionQuery } from "../../core/store.ts";
import { createRefusal } from "../errors.ts";
import type { AdminMethods } from "./admin.ts";
import { quoted } from "./admin-changes.ts";
import { collectRecent } from "./changes.ts";
import { openedKey } from "./context.ts";
import { abortError } from "./error-details.ts";
import { pageFrom, pageSizeFrom, placeFrom, wallFrom } from "./places.ts";

/** Decisions that wait for one watcher; more, and it loses the oldest. */
const watchedMax = 256;

/** Why calls went where they went. */
export function decisionMethods({ decisions }: Operations): AdminMethods {
  return {
    async listDecisions(request) {
      const size = pageSizeFrom(request.pageSize);
      const found = await decisions.list({ ...queryFrom(request), limit: size + 1 });
      const { shown, nextPageToken } = pageFrom({ name: "decisions", found, place: ({ wall, id }) => ({ wall, id }) }, size);
      return { decisions: shown.map(decisionMessage), nextPageToken };
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
    ...(pageToken !== "" && { after: placeFrom("decisions", pageToken) }),
  };
}
