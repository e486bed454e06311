import type { CacheControl } from "../../core/chat.ts";
import { type Fields, isJsonObject } from "../../core/json-fields.ts";
import type { Notes } from "../../core/notes.ts";
import type { ModelRules } from "./model-rules.ts";

const pointsMax = 4;
const shortSeconds = 300;
const longSeconds = 3600;

/** What decides about a breakpoint. */
export interface CacheContext {
  readonly rules: ModelRules;
  readonly notes: Notes;
}

/** The block that stands for a breakpoint; undefined, with a note, where the model refuses one. */
export function cachePoint(control: CacheControl, place: "tools" | "prompt", path: string, context: CacheContext): Fields | undefined {
  const { rules, notes } = context;
  if (rules.cachePoints === "nowhere" || (place === "tools" && rules.cachePoints === "prompt")) {
    notes.dropped(`${path}.cache_control`, "the model takes no cache points here");
    return undefined;
  }
  if (control.ttl === undefined) return { cachePoint: { type: "default" } };
  const seconds = Number(control.ttl.seconds) + control.ttl.nanos / 1e9;
  // Only Claude keeps longer than the default.
  const ttl = seconds * 2 < shortSeconds + longSeconds || rules.claude === undefined ? "5m" : "1h";
  if (seconds !== (ttl === "5m" ? shortSeconds : longSeconds))
    notes.approximated(`${path}.cache_control.ttl`, `bedrock caches for 5m or 1h; ${ttl} is used`);
  return { cachePoint: { type: "default", ttl } };
}

/** Keeps the last breakpoints of a body, whose prefixes hold the earlier ones', and no long one after a short one. Changes the lists in place. */
export function limitCachePoints(lists: readonly Fields[][], notes: Notes): void {
  const points = lists.flatMap((list) => list.filter((block) => isJsonObject(block["cachePoint"])));
  const excess = new Set(points.slice(0, Math.max(0, points.length - pointsMax)));
  if (excess.size > 0) {
    notes.dropped("messages.content.cache_control", `bedrock takes ${pointsMax} cache points; the last ones are kept`);
    for (const list of lists) list.splice(0, list.length, ...list.filter((block) => !excess.has(block)));
  }
  let short = false;
  for (const point of points) {
    const inner = point["cachePoint"];
    if (excess.has(point) || !isJsonObject(inner)) continue;
    if (inner["ttl"] !== "1h") short = true;
    else if (short) {
      point["cachePoint"] = { ...inner, ttl: "5m" };
      notes.approximated("messages.content.cache_control.ttl", "bedrock takes no 1h cache point after a 5m one; 5m is used");
    }
  }
}
