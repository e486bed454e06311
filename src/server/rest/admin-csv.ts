import { type DescMethod, fromJsonString } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { readAllBytes, type UniversalServerResponse } from "@connectrpc/connect/protocol";
import { AdminService, GetUsageResponseSchema, type LedgerRow, ListLedgerResponseSchema } from "../../../gen/semaroute/v1/admin_pb.ts";
import { AttemptKind, ErrorReason } from "../../core/chat.ts";
import { msFromDuration } from "../../core/clock.ts";
import { csvLine } from "./csv.ts";

/** Methods whose answers are tables. */
export const csvMethods: ReadonlySet<DescMethod> = new Set([AdminService.method.getUsage, AdminService.method.listLedger]);

/** Bytes of one page of JSON: a thousand rows are about one million. */
const pageBytesMax = 64 * 2 ** 20;

/** Whether a table is wanted: `?format=csv`, else `accept: text/csv`. Takes the word out of the query; another word stays and is refused. */
function wantsCsv(query: URLSearchParams, accept: string | null): boolean {
  const format = query.get("format");
  if (format === "csv" || format === "json") query.delete("format");
  return format === null ? accept !== null && /^\s*text\/csv\b/i.test(accept) : format === "csv";
}

/** A question to one of them. */
export interface TableQuestion {
  readonly method: DescMethod;
  readonly query: URLSearchParams;
  readonly accept: string | null;
}

/** Answers with JSON, or with the pages of it as one table; refusals stay as they are. `ask` asks for one page. */
export async function answerTable(
  { method, query, accept }: TableQuestion,
  ask: (query: URLSearchParams) => Promise<UniversalServerResponse>,
): Promise<UniversalServerResponse> {
  if (!wantsCsv(query, accept)) return ask(query);
  const first = await ask(query);
  if (first.status !== 200) return first;
  const header = new Headers(first.header);
  header.set("content-type", "text/csv; charset=utf-8; header=present");
  header.delete("content-length");
  const table = method === AdminService.method.getUsage ? usageTable(query) : ledgerTable;
  const begun = table.part(await jsonOf(first));
  // Whoever says how many rows a page has gets one page, and is told where it goes on.
  const isOnePage = query.has("pageSize") || query.has("page_size");
  if (isOnePage && begun.nextPageToken !== "") header.set("x-next-page-token", begun.nextPageToken);
  const more = async (token: string): Promise<Part> => {
    const next = new URLSearchParams(query);
    next.delete("page_token");
    next.set("pageToken", token);
    next.set("pageSize", "1000");
    return table.part(await jsonOf(await ask(next)));
  };
  return { ...first, header, body: bytesOf(table.head, begun, isOnePage ? undefined : more) };
}

interface Part {
  readonly lines: string;
  /** Empty: that was all. */
  readonly nextPageToken: string;
}

interface Table {
  readonly head: string;
  readonly part: (json: string) => Part;
}

/** A page at a time, when the last one has left. */
async function* bytesOf(head: string, begun: Part, more: ((token: string) => Promise<Part>) | undefined): AsyncGenerator<Uint8Array> {
  yield Buffer.from(head + begun.lines);
  if (more === undefined) return;
  for (let token = begun.nextPageToken; token !== "";) {
    const part = await more(token);
    yield Buffer.from(part.lines);
    token = part.nextPageToken;
  }
}

async function jsonOf({ status, body }: UniversalServerResponse): Promise<string> {
  // The table has begun: all that can be said is that it is not whole.
  if (status !== 200 || body === undefined) throw new Error(`a page of the table was answered ${status}`);
  return Buffer.from(await readAllBytes(body, pageBytesMax)).toString();
}

function usageTable(query: URLSearchParams): Table {
  const groupBy = [...query.getAll("groupBy"), ...query.getAll("group_by")];
  return { head: csvLine([...groupBy, ...usageColumns]), part: usagePart };
}

function usagePart(json: string): Part {
  const { rows } = fromJsonString(GetUsageResponseSchema, json);
  const lines = rows.map(({ group, calls, failedCalls, cacheHits, usage }) =>
    csvLine([
      ...group,
      calls,
      failedCalls,
      cacheHits,
      usage?.inputTokens ?? 0n,
      usage?.outputTokens ?? 0n,
      usage?.cacheReadTokens ?? 0n,
      usage?.cacheWriteTokens ?? 0n,
      usage?.reasoningTokens ?? 0n,
      decimal(usage?.costMicroUsd ?? 0n, 6),
      usage?.unpricedCalls ?? 0n,
      usage?.estimatedCalls ?? 0n,
    ]),
  );
  return { lines: lines.join(""), nextPageToken: "" };
}

const usageColumns = [
  "calls",
  "failed_calls",
  "cache_hits",
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "reasoning_tokens",
  "cost_usd",
  "unpriced_calls",
  "estimated_calls",
];

const ledgerColumns: readonly (readonly [name: string, value: (row: LedgerRow) => string | number | bigint | boolean])[] = [
  ["settle_time", ({ settleTime }) => timeFrom(settleTime)],
  ["decision_id", ({ decisionId }) => decisionId],
  ["key_id", ({ keyId }) => keyId],
  ["attempt_id", ({ attempt }) => attempt?.id ?? ""],
  ["kind", ({ attempt }) => wordOf(AttemptKind, attempt?.kind)],
  ["provider", ({ attempt }) => attempt?.provider ?? ""],
  ["model", ({ attempt }) => attempt?.model ?? ""],
  ["won", ({ attempt }) => attempt?.won ?? false],
  ["http_status", ({ attempt }) => attempt?.httpStatus ?? 0],
  ["error_reason", ({ attempt }) => wordOf(ErrorReason, attempt?.errorReason)],
  ["start_time", ({ attempt }) => timeFrom(attempt?.startTime)],
  ["latency_ms", ({ attempt }) => (attempt?.latency === undefined ? "" : msFromDuration(attempt.latency))],
  ["input_tokens", ({ attempt }) => attempt?.usage?.inputTokens ?? ""],
  ["output_tokens", ({ attempt }) => attempt?.usage?.outputTokens ?? ""],
  ["cache_read_tokens", ({ attempt }) => attempt?.usage?.cacheReadTokens ?? ""],
  ["cache_write_tokens", ({ attempt }) => attempt?.usage?.cacheWriteTokens ?? ""],
  ["reasoning_tokens", ({ attempt }) => attempt?.usage?.reasoningTokens ?? ""],
  ["estimated", ({ attempt }) => attempt?.usage?.estimated ?? ""],
  // Empty: it used nothing that is known, or no price is known for it, which is not free.
  ["cost_usd", ({ attempt }) => (attempt?.usage?.costPicoUsd === undefined ? "" : decimal(attempt.usage.costPicoUsd, 12))],
  ["price_version", ({ priceVersion }) => priceVersion],
  ["upstream_request_id", ({ attempt }) => attempt?.upstreamRequestId ?? ""],
];

const ledgerTable: Table = {
  head: csvLine(ledgerColumns.map(([name]) => name)),
  part(json) {
    const { rows, nextPageToken } = fromJsonString(ListLedgerResponseSchema, json);
    return { lines: rows.map((row) => csvLine(ledgerColumns.map(([, value]) => value(row)))).join(""), nextPageToken };
  },
};

/** Empty: none. */
function wordOf(words: Readonly<Record<string, number>>, value = 0): string {
  return value === 0 ? "" : (Object.keys(words).find((word) => words[word] === value) ?? "");
}

function timeFrom(time: Timestamp | undefined): string {
  return time === undefined ? "" : new Date(Number(time.seconds) * 1000 + time.nanos / 1e6).toISOString();
}

/** A whole number of 10^-places as a decimal number. */
function decimal(value: bigint, places: number): string {
  const digits = String(value).padStart(places + 1, "0");
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`;
}
