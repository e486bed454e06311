import type { ErrorShape } from "../core/dialect.ts";
import type { Allowance, Allowances } from "../core/limits.ts";

/** Names and values. */
type HeaderList = [name: string, value: string][];

/** How the limits of a key stand, in the words of OpenAI's API, which others took over; nothing where there are none. */
export function limitHeaders(allowances: Allowances | undefined): HeaderList {
  if (allowances === undefined) return [];
  const { requests, tokens } = allowances;
  return [...headersOf("requests", requests), ...headersOf("tokens", tokens)];
}

/** The same, and beside them what a door's own language calls them. */
export function doorLimitHeaders({ limitHeaders: own }: Pick<ErrorShape, "limitHeaders">, allowances: Allowances | undefined): HeaderList {
  if (allowances === undefined) return [];
  const more = own?.(allowances) ?? [];
  return [...limitHeaders(allowances), ...more.map(([name, value]): [string, string] => [name, value])];
}

function headersOf(what: "requests" | "tokens", allowance: Allowance | undefined): HeaderList {
  if (allowance === undefined) return [];
  return [
    [`x-ratelimit-limit-${what}`, String(allowance.limit)],
    [`x-ratelimit-remaining-${what}`, String(allowance.remaining)],
    [`x-ratelimit-reset-${what}`, spanText(allowance.resetMs)],
  ];
}

/** A span as Go writes it, and OpenAI with it: `0s`, `250ms`, `12.5s`, `1m0s`. */
function spanText(ms: number): string {
  if (ms > 0 && ms < 1000) return `${ms}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = `${(ms - minutes * 60_000) / 1000}s`;
  return minutes === 0 ? seconds : `${minutes}m${seconds}`;
}
