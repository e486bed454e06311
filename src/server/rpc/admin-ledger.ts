import type { GetUsageRequest, LedgerRow, ListLedgerRequest, UsageRow } from "../../../gen/semaroute/v1/admin_pb.ts";
import { timestampFromMs } from "../../core/clock.ts";
import { attemptMessage } from "../../core/decision-message.ts";
import { ChatError } from "../../core/error.ts";
import type { LedgerQuery, LedgerRow as KeptRow, UsageDimension, UsageGroup, UsageQuery } from "../../core/ledger.ts";
import type { Operations } from "../../core/operations.ts";
import { roundedMicroUsd } from "../../core/price.ts";
import type { AdminMethods } from "./admin.ts";
import { pageFrom, pageSizeFrom, type Place, placeFrom, wallFrom } from "./places.ts";

/** What was used, and what it cost. */
export function ledgerMethods({ ledger }: Operations): AdminMethods {
  return {
    async getUsage(request) {
      const groups = await fromStore(ledger.usage(usageQueryFrom(request)));
      return { rows: groups.map(usageRow) };
    },
    async listLedger(request) {
      const size = pageSizeFrom(request.pageSize);
      const found = await fromStore(ledger.list({ ...ledgerQueryFrom(request), limit: size + 1 }));
      const { shown, nextPageToken } = pageFrom({ name: "ledger", found, place: placeOf }, size);
      return { rows: shown.map(ledgerRow), nextPageToken };
    },
  };
}

/** What a store says when it is away is for the log, not for callers. */
async function fromStore<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (cause) {
    throw new ChatError("STORE_UNAVAILABLE", "the store does not answer", { cause });
  }
}

function placeOf({ wall, attempt: { id } }: KeptRow): Place {
  return { wall, id };
}

function usageQueryFrom({ since, until, groupBy, keyId }: GetUsageRequest): UsageQuery {
  return {
    groupBy: groupBy.filter(isDimension),
    ...(keyId !== "" && { key: keyId }),
    ...(since !== undefined && { sinceWall: wallFrom(since) }),
    ...(until !== undefined && { untilWall: wallFrom(until) }),
  };
}

/** The validation interceptor has let no other word through. */
function isDimension(word: string): word is UsageDimension {
  return word === "key" || word === "model" || word === "provider" || word === "day";
}

function ledgerQueryFrom({ keyId, decisionId, since, until, pageToken }: ListLedgerRequest): Omit<LedgerQuery, "limit"> {
  return {
    ...(keyId !== "" && { key: keyId }),
    ...(decisionId !== "" && { call: decisionId }),
    ...(since !== undefined && { sinceWall: wallFrom(since) }),
    ...(until !== undefined && { untilWall: wallFrom(until) }),
    ...(pageToken !== "" && { after: placeFrom("ledger", pageToken) }),
  };
}

function usageRow({ group, calls, failedCalls, cacheHits, ...used }: UsageGroup): UsageRow {
  return {
    $typeName: "semaroute.v1.UsageRow",
    group: [...group],
    calls: BigInt(calls),
    failedCalls: BigInt(failedCalls),
    cacheHits: BigInt(cacheHits),
    usage: {
      $typeName: "semaroute.v1.UsageTotals",
      inputTokens: BigInt(used.inputTokens),
      outputTokens: BigInt(used.outputTokens),
      cacheReadTokens: BigInt(used.cacheReadTokens),
      cacheWriteTokens: BigInt(used.cacheWriteTokens),
      reasoningTokens: BigInt(used.reasoningTokens),
      costMicroUsd: roundedMicroUsd(used.pico),
      unpricedCalls: BigInt(used.unpriced),
      estimatedCalls: BigInt(used.estimated),
    },
  };
}

function ledgerRow({ call, key, wall, prices, attempt }: KeptRow): LedgerRow {
  return {
    $typeName: "semaroute.v1.LedgerRow",
    decisionId: call,
    keyId: key,
    attempt: attemptMessage(attempt),
    priceVersion: prices,
    settleTime: timestampFromMs(wall),
  };
}
