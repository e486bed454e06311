import type { CacheControl } from "../../core/chat.ts";
import { type Fields, isJsonObject } from "./fields.ts";
import type { Notes } from "../../core/notes.ts";

const breakpointsMax = 4;
const shortSeconds = 300;
const longSeconds = 3600;

/** The breakpoint on the wire. Without a time to live it is Anthropic's own, five minutes. */
export function wireCacheControl(control: CacheControl, path: string, notes: Notes): Fields {
  if (control.ttl === undefined) return { type: "ephemeral" };
  const seconds = Number(control.ttl.seconds) + control.ttl.nanos / 1e9;
  const ttl = seconds * 2 < shortSeconds + longSeconds ? "5m" : "1h";
  if (seconds !== shortSeconds && seconds !== longSeconds)
    notes.approximated(`${path}.cache_control.ttl`, `anthropic caches for 5m or 1h; ${ttl} is used`);
  return { type: "ephemeral", ttl };
}

/**
 * Keeps the last breakpoints of a body, whose prefixes hold the earlier ones', within what Anthropic takes, and no long one
 * after a short one. Changes the blocks in place.
 */
export function limitBreakpoints(body: Fields, notes: Notes): void {
  const marked = [...blocksOf(body["tools"]), ...blocksOf(body["system"]), ...blocksOf(body["messages"])].filter(
    (block) => block["cache_control"] !== undefined,
  );
  // The automatic breakpoint of a caller's own takes one of the places.
  const room = breakpointsMax - (body["cache_control"] === undefined ? 0 : 1);
  const kept = marked.slice(Math.max(0, marked.length - room));
  for (const block of marked.slice(0, marked.length - kept.length)) {
    delete block["cache_control"];
    notes.dropped("messages.content.cache_control", `anthropic takes ${breakpointsMax} cache breakpoints; the last ones are kept`);
  }
  let short = false;
  for (const block of kept) {
    const control = block["cache_control"];
    if (!isJsonObject(control)) continue;
    if (control["ttl"] !== "1h") short = true;
    else if (short) {
      block["cache_control"] = { ...control, ttl: "5m" };
      notes.approximated("messages.content.cache_control.ttl", "anthropic takes no 1h cache breakpoint after a 5m one; 5m is used");
    }
  }
}

/** The blocks of a list in prompt order: a message's own come from within it, a tool result's from before its end. */
function blocksOf(list: unknown): Fields[] {
  if (!Array.isArray(list)) return [];
  return list.filter(isJsonObject).flatMap((block) => [...blocksOf(block["content"]), block]);
}
