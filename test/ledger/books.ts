import { setTimeout as pause } from "node:timers/promises";
import type { Meter, Told } from "./meter.ts";

/** A row of the ledger, as its table tells it. */
export interface BookRow {
  readonly attempt: string;
  readonly provider: string;
  readonly kind: string;
  readonly reason: string;
  /** Undefined: it used nothing that is known. */
  readonly used: Told | undefined;
  readonly estimated: boolean;
  /** Undefined: unpriced, or nothing used. */
  readonly pico: bigint | undefined;
  readonly upstreamId: string;
}

/** All rows, by `GET /admin/ledger?format=csv`. */
export async function readRows(url: string, token: string): Promise<readonly BookRow[]> {
  const response = await fetch(`${url}/admin/ledger?format=csv`, { headers: { authorization: `Bearer ${token}` } });
  if (response.status !== 200) throw new Error(`the ledger answered ${response.status}`);
  const [head = "", ...lines] = (await response.text()).trimEnd().split("\r\n");
  const names = head.split(",");
  // None of the names in this house has a comma in it.
  return lines.map((line) => rowFrom(new Map(line.split(",").map((value, at) => [names[at] ?? "", value]))));
}

/** Waits until nothing is under way: copies are nobody's business, and may outlast all calls. */
export async function quiet(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const gauges = text.matchAll(/^semaroute_(?:calls_in_flight|provider_in_flight)\{.*\} (\d+)$/gm);
    if ([...gauges].every(([, value]) => value === "0")) return;
    await pause(50);
  }
  throw new Error("something is still under way");
}

function rowFrom(row: ReadonlyMap<string, string>): BookRow {
  const text = (name: string): string => row.get(name) ?? "";
  const cost = text("cost_usd");
  const used = { input: Number(text("input_tokens")), output: Number(text("output_tokens")), cached: Number(text("cache_read_tokens")) };
  return {
    attempt: text("attempt_id"),
    provider: text("provider"),
    kind: text("kind"),
    reason: text("error_reason"),
    used: text("input_tokens") === "" ? undefined : used,
    estimated: text("estimated") === "true",
    pico: cost === "" ? undefined : BigInt(cost.replace(".", "")),
    upstreamId: text("upstream_request_id"),
  };
}

/** What a comparison of the vendors' books with the ledger has found. */
export interface Comparison {
  /** Requests that vendors got, and rows there are. */
  readonly requests: number;
  readonly rows: number;
  /** Of requests whose use was told: by the vendors, and in the ledger. */
  readonly told: Told & { readonly pico: bigint };
  readonly booked: Told & { readonly pico: bigint };
  /** Rows that are estimates, because nothing was told. */
  readonly estimated: number;
  /** Requests that were answered in the moment in which they were given up: what was told was heard by nobody, and is estimated. */
  readonly crossed: number;
  /** Rows of attempts that were given up before the vendor had heard of them. */
  readonly unsent: number;
  /** Rows of each kind. */
  readonly kinds: ReadonlyMap<string, number>;
  /** Everything that is not as it should be. */
  readonly faults: readonly string[];
}

/** What a token costs by the configuration that both sides know, in 10^-12 US dollars. */
export const picoPerToken = { input: 2_000_000n, output: 8_000_000n, cached: 500_000n };

/** Each request has one row, with what was told of it, and nothing is booked that was not asked for. */
export function compare(meters: readonly Meter[], rows: readonly BookRow[]): Comparison {
  const faults: string[] = [];
  const told = { input: 0, output: 0, cached: 0, pico: 0n };
  const booked = { input: 0, output: 0, cached: 0, pico: 0n };
  const kinds = new Map<string, number>();
  const byId = Map.groupBy(
    rows.filter(({ upstreamId }) => upstreamId !== ""),
    ({ upstreamId }) => upstreamId,
  );
  if (new Set(rows.map(({ attempt }) => attempt)).size !== rows.length) faults.push("an attempt has two rows");
  for (const { kind } of rows) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  for (const row of rows) if (row.used !== undefined && !row.estimated) add(booked, row.used, row.pico ?? 0n);
  let requests = 0;
  let unsent = 0;
  let crossed = 0;
  for (const meter of meters) {
    const own = rows.filter(({ provider }) => provider === meter.name);
    const anonymous = own.filter(({ upstreamId }) => upstreamId === "");
    let unseen = 0;
    for (const { id, script, told: use } of meter.requests.values()) {
      requests++;
      const found = byId.get(id) ?? [];
      if (found.length > 1) faults.push(`${id} has ${found.length} rows`);
      const [row] = found;
      if (row === undefined) unseen++;
      if (use === undefined) {
        if (row?.used !== undefined && !row.estimated) faults.push(`${id} (${script}) told nothing and is no estimate`);
        continue;
      }
      if (row === undefined || (row.estimated && row.reason === "CANCELLED")) {
        crossed++;
        continue;
      }
      add(told, use, costOf(use));
      if (!isSame(row, use)) faults.push(`${id} (${script}) told ${JSON.stringify(use)}, booked is ${shown(row)}`);
    }
    // Whose head never came is not known by name; there are as many of them on either side, but for those that were never sent.
    const extra = anonymous.length - unseen;
    unsent += Math.max(0, extra);
    if (extra < 0 || extra > anonymous.filter(({ reason }) => reason === "CANCELLED").length)
      faults.push(`${meter.name}: ${unseen} requests without a row of their name, ${anonymous.length} rows without a name`);
  }
  const estimated = rows.filter((row) => row.estimated).length;
  return { requests, rows: rows.length, told, booked, estimated, crossed, unsent, kinds, faults };
}

function isSame({ used, estimated, pico }: BookRow, { input, output, cached }: Told): boolean {
  return (
    used !== undefined &&
    !estimated &&
    used.input === input &&
    used.output === output &&
    used.cached === cached &&
    pico === costOf({ input, output, cached })
  );
}

function costOf({ input, output, cached }: Told): bigint {
  return BigInt(input - cached) * picoPerToken.input + BigInt(cached) * picoPerToken.cached + BigInt(output) * picoPerToken.output;
}

function add(sum: { input: number; output: number; cached: number; pico: bigint }, { input, output, cached }: Told, pico: bigint): void {
  sum.input += input;
  sum.output += output;
  sum.cached += cached;
  sum.pico += pico;
}

function shown({ attempt, used, estimated, pico, reason }: BookRow): string {
  return JSON.stringify({ attempt, used, estimated, reason, pico: String(pico) });
}
