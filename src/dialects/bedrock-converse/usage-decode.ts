import { type Usage, usageOf } from "../../core/chat.ts";
import { isJsonObject } from "../../core/json-fields.ts";
import { extensionsOf } from "./fields.ts";

const known: ReadonlySet<string> = new Set([
  "inputTokens",
  "outputTokens",
  "totalTokens",
  "cacheReadInputTokens",
  "cacheWriteInputTokens",
  // The same two by their older names, which some models send beside them.
  "cacheReadInputTokenCount",
  "cacheWriteInputTokenCount",
]);

/** Converse counts cached input apart from the rest; here the input is all of it. Undefined where no usage was told. */
export function usageFrom(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const read = count(value["cacheReadInputTokens"]) ?? count(value["cacheReadInputTokenCount"]);
  const written = count(value["cacheWriteInputTokens"]) ?? count(value["cacheWriteInputTokenCount"]);
  const input = Math.min((count(value["inputTokens"]) ?? 0) + (read ?? 0) + (written ?? 0), uint32Max);
  const usage = usageOf(input, count(value["outputTokens"]) ?? 0);
  if (read !== undefined) usage.cacheReadTokens = read;
  if (written !== undefined) usage.cacheWriteTokens = written;
  const hour = hourTokens(value["cacheDetails"]);
  if (hour !== undefined) usage.cacheWriteHourTokens = Math.min(hour, written ?? 0);
  usage.extensionsJson = extensionsOf(value, known);
  return usage;
}

/** Of what was written, by how long it is kept. */
function hourTokens(details: unknown): number | undefined {
  if (!Array.isArray(details)) return undefined;
  const found: unknown = details.find((each: unknown) => isJsonObject(each) && each["ttl"] === "1h");
  return isJsonObject(found) ? count(found["inputTokens"]) : undefined;
}

/** Largest count the vocabulary holds. */
const uint32Max = 0xffff_ffff;

function count(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? Math.min(Math.trunc(value), uint32Max) : undefined;
}
