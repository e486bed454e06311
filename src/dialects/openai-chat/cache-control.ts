import type { CacheControl } from "../../core/chat.ts";
import { at, type JsonObject, optionalObject, optionalString, refuse } from "../../core/json-fields.ts";

/** Reads Anthropic's `cache_control`, which OpenRouter, LiteLLM and their kin take on parts, tools and messages. */
export function decodeCacheControl(object: JsonObject, path: string): CacheControl | undefined {
  const control = optionalObject(object, "cache_control", path);
  if (control === undefined) return undefined;
  const where = at(path, "cache_control");
  const ttl = optionalString(control, "ttl", where);
  if (ttl === undefined) return { $typeName: "semaroute.v1.CacheControl" };
  const found = /^(\d{1,6})([smh])$/.exec(ttl);
  if (found === null) return refuse(at(where, "ttl"), "must be a duration such as 5m or 1h");
  const seconds = BigInt(found[1] ?? "0") * (found[2] === "h" ? 3600n : found[2] === "m" ? 60n : 1n);
  return { $typeName: "semaroute.v1.CacheControl", ttl: { $typeName: "google.protobuf.Duration", seconds, nanos: 0 } };
}

/** Writes it. */
export function encodeCacheControl(control: CacheControl): JsonObject {
  const seconds = control.ttl?.seconds;
  if (seconds === undefined) return { type: "ephemeral" };
  const ttl = seconds % 3600n === 0n ? `${seconds / 3600n}h` : seconds % 60n === 0n ? `${seconds / 60n}m` : `${seconds}s`;
  return { type: "ephemeral", ttl };
}
