import type { Key } from "../core/call.ts";
import { ChatError } from "../core/error.ts";
import type { Limits } from "../core/limits.ts";

/** When a place for rows is looked for again. */
const retryAfterMs = 1000;

/** As the limits given, but that nothing is set aside from a budget while nobody can write down what is spent. `takes`: whether somebody can. */
export function withBooks(limits: Pick<Limits, "reserve">, takes: () => boolean): Pick<Limits, "reserve"> {
  return { reserve: (call, most) => (takes() ? undefined : refusal(call.key)) ?? limits.reserve(call, most) };
}

function refusal({ name, limits }: Key): ChatError | undefined {
  if (limits === undefined || limits.budgetMicroUsd === 0) return undefined;
  const text = `what key ${name} spends from its budget cannot be written down now`;
  return new ChatError("STORE_UNAVAILABLE", text, { retryAfterMs });
}
