import type { Allowance, Allowances } from "../../core/limits.ts";

/** Headers of Anthropic's own names for how a key's limits stand. https://docs.claude.com/en/api/rate-limits */
export function limitHeaders({ requests, tokens, wallMs }: Allowances): readonly (readonly [name: string, value: string])[] {
  return [...headersOf("requests", requests, wallMs), ...headersOf("tokens", tokens, wallMs)];
}

function headersOf(
  what: "requests" | "tokens",
  allowance: Allowance | undefined,
  wallMs: number,
): readonly (readonly [name: string, value: string])[] {
  if (allowance === undefined) return [];
  // To the second, as the vendor tells it, and never too early.
  const reset = new Date(Math.ceil((wallMs + allowance.resetMs) / 1000) * 1000);
  return [
    [`anthropic-ratelimit-${what}-limit`, String(allowance.limit)],
    [`anthropic-ratelimit-${what}-remaining`, String(allowance.remaining)],
    [`anthropic-ratelimit-${what}-reset`, reset.toISOString().replace(".000Z", "Z")],
  ];
}
