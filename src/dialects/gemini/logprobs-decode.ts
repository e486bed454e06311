import type { TokenLogprob } from "../../core/chat.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";

/** Tokens of a `logprobsResult`: the chosen ones, each with those that could have been. Google sends no bytes. */
export function logprobsFrom(result: unknown): TokenLogprob[] {
  if (!isJsonObject(result)) return [];
  const others = listAt(result, "topCandidates");
  return listAt(result, "chosenCandidates").map((chosen, i) => ({
    $typeName: "semaroute.v1.TokenLogprob",
    ...tokenOf(chosen),
    top: listAt(others[i] ?? {}, "candidates").map((each) => ({ $typeName: "semaroute.v1.TopLogprob" as const, ...tokenOf(each) })),
  }));
}

function tokenOf(candidate: Fields): { token: string; logprob: number; bytes: Uint8Array } {
  const logprob = candidate["logProbability"];
  return { token: textAt(candidate, "token"), logprob: typeof logprob === "number" ? logprob : 0, bytes: new Uint8Array() };
}

function listAt(fields: Fields, key: string): readonly Fields[] {
  const value = fields[key];
  return Array.isArray(value) ? value.map((each: unknown) => (isJsonObject(each) ? each : {})) : [];
}
