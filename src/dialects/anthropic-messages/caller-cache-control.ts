import type { CacheControl } from "../../core/chat.ts";
import { at, optionalFields, optionalText, refuse } from "./caller-fields.ts";
import { type Fields, isJsonObject, restOf } from "./fields.ts";

const controlKnown: ReadonlySet<string> = new Set(["type", "ttl"]);

/** The breakpoint that a block or a tool carries; undefined: none. */
export function cacheControlFrom(object: Fields, path: string): CacheControl | undefined {
  const control = optionalFields(object, "cache_control", path);
  if (control === undefined) return undefined;
  const where = at(path, "cache_control");
  const ttl = optionalText(control, "ttl", where);
  if (ttl === undefined) return { $typeName: "semaroute.v1.CacheControl" };
  const found = /^(\d{1,6})([smh])$/.exec(ttl);
  if (found === null) return refuse(at(where, "ttl"), "must be 5m or 1h");
  const seconds = BigInt(found[1] ?? "0") * (found[2] === "h" ? 3600n : found[2] === "m" ? 60n : 1n);
  return { $typeName: "semaroute.v1.CacheControl", ttl: { $typeName: "google.protobuf.Duration", seconds, nanos: 0 } };
}

/**
 * What a block or a tool says besides its known fields, within `inside` objects too; undefined: nothing. Of its breakpoint,
 * which is one of them, the vocabulary has the time to live.
 */
export function beside(
  object: Fields,
  known: ReadonlySet<string>,
  inside: Readonly<Record<string, ReadonlySet<string>>> = {},
): Fields | undefined {
  const rest: Fields = { ...restOf(object, new Set([...known, "cache_control"])) };
  for (const [key, names] of Object.entries({ ...inside, cache_control: controlKnown })) {
    const inner = object[key];
    const left = isJsonObject(inner) ? restOf(inner, names) : undefined;
    if (left !== undefined) rest[key] = left;
  }
  return Object.keys(rest).length === 0 ? undefined : rest;
}
