import { type Usage, usageOf } from "../../core/chat.ts";
import { extensionsOf, isJsonObject } from "./fields.ts";

const known: ReadonlySet<string> = new Set([
  "input_tokens",
  "cache_creation_input_tokens",
  "cache_read_input_tokens",
  "output_tokens",
  "output_tokens_details",
  "service_tier",
]);

/** Anthropic counts cached input apart from the rest; here the input is all of it. Undefined where no usage was told. */
export function usageFrom(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const read = count(value["cache_read_input_tokens"]);
  const written = count(value["cache_creation_input_tokens"]);
  const input = (count(value["input_tokens"]) ?? 0) + (read ?? 0) + (written ?? 0);
  const usage = usageOf(input, count(value["output_tokens"]) ?? 0);
  if (read !== undefined) usage.cacheReadTokens = read;
  if (written !== undefined) usage.cacheWriteTokens = written;
  const kept = value["cache_creation"];
  const hour = isJsonObject(kept) ? count(kept["ephemeral_1h_input_tokens"]) : undefined;
  if (hour !== undefined) usage.cacheWriteHourTokens = Math.min(hour, written ?? 0);
  const served = value["server_tool_use"];
  const searches = isJsonObject(served) ? count(served["web_search_requests"]) : undefined;
  if (searches !== undefined) usage.webSearches = searches;
  const details = value["output_tokens_details"];
  const thinking = isJsonObject(details) ? count(details["thinking_tokens"]) : undefined;
  if (thinking !== undefined) usage.reasoningTokens = thinking;
  usage.extensionsJson = extensionsOf(value, known);
  return usage;
}

/** Largest count the vocabulary holds. */
const uint32Max = 0xffff_ffff;

function count(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? Math.min(Math.trunc(value), uint32Max) : undefined;
}
