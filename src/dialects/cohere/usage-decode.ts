import { type Usage, usageOf } from "../../core/chat.ts";
import { extensionsOf, type Fields, fieldsAt, isJsonObject } from "./fields.ts";

const known: ReadonlySet<string> = new Set(["tokens", "cached_tokens"]);
/** Largest count the vocabulary holds. */
const uint32Max = 0xffff_ffff;

/** `tokens` counts everything; `billed_units` leaves out what Cohere adds, and stands in where nothing else is told. Undefined: none is. */
export function usageFrom(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const tokens = fieldsAt(value, "tokens");
  const counted = hasCounts(tokens) ? tokens : fieldsAt(value, "billed_units");
  if (!hasCounts(counted)) return undefined;
  const usage = usageOf(count(counted["input_tokens"]) ?? 0, count(counted["output_tokens"]) ?? 0);
  const cached = count(value["cached_tokens"]);
  if (cached !== undefined) usage.cacheReadTokens = Math.min(cached, usage.inputTokens);
  const reasoning = count(tokens["reasoning_tokens"]);
  if (reasoning !== undefined) usage.reasoningTokens = Math.min(reasoning, usage.outputTokens);
  usage.extensionsJson = extensionsOf(value, known);
  return usage;
}

function hasCounts(tokens: Fields): boolean {
  return count(tokens["input_tokens"]) !== undefined || count(tokens["output_tokens"]) !== undefined;
}

/** A count as a whole number; undefined for what cannot be one. */
export function count(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? Math.min(Math.trunc(value), uint32Max) : undefined;
}
