import type { ChatRequest } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { type Fields, isFields, mergedFields } from "../../core/json-object.ts";
import type { Notes } from "../../core/notes.ts";
import { reservedFields } from "../../core/reserved.ts";
import { extensionFields, issuer } from "./fields.ts";

/** What a caller cannot say past us (the .proto's ChatRequest.extensions_json). */
const ours: ReadonlySet<string> = new Set(["modelId", "messages", "system", "toolConfig", "inferenceConfig"]);

/** The caller's own fields: `guardrailConfig`, `performanceConfig`, `additionalModelRequestFields` and so on. */
export function requestExtension(request: Readonly<ChatRequest>): Fields | undefined {
  const extension = extensionFields(request.extensionsJson, "");
  if (extension === undefined) return undefined;
  for (const key of Object.keys(extension)) if (ours.has(key)) throw settled(key);
  const additional = extension["additionalModelRequestFields"];
  if (isFields(additional))
    for (const key of Object.keys(additional)) if (reservedFields.has(key)) throw settled(`additionalModelRequestFields.${key}`);
  return extension;
}

function settled(key: string): ChatError {
  const field = `extensions_json.${issuer}.${key}`;
  return new ChatError("INVALID_REQUEST", `${field} cannot be set, because the request has a field for it`, { field });
}

/** The caller's fields below ours; objects on both sides are joined, level by level. */
export function joined(under: Fields | undefined, over: Fields): Fields {
  const whole = mergedFields(under, over);
  if (under === undefined) return whole;
  for (const [key, value] of Object.entries(over)) {
    const below = under[key];
    if (isFields(value) && isFields(below)) whole[key] = joined(below, value);
  }
  return whole;
}

/** What would change the answer's meaning is not dropped: another target may have it. */
export function refuseUnsupported(request: Readonly<ChatRequest>): void {
  if (request.n !== undefined && request.n > 1)
    throw new ChatError("UNSUPPORTED_FEATURE", "bedrock gives one choice a call", { field: "n" });
  if (request.modalities.some((modality) => modality !== "text"))
    throw new ChatError("UNSUPPORTED_FEATURE", "bedrock answers in text only", { field: "modalities" });
}

/** Notes what has no place in Converse. */
export function dropUnsupported(request: Readonly<ChatRequest>, notes: Notes): void {
  if (request.audio !== undefined) notes.dropped("audio", "bedrock has no audio output");
  if (request.verbosity !== "") notes.dropped("verbosity", "bedrock has no verbosity");
  if (request.promptCacheKey !== "") notes.dropped("prompt_cache_key", "bedrock's cache has no key");
  if (request.store === true) notes.dropped("store", "bedrock stores no answers");
  for (const [by, text] of Object.entries(request.extensionsJson).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    if (by !== issuer) for (const key of keysOf(text)) notes.dropped(`extensions_json.${by}.${key}`, `this field is ${by}'s own`);
}

/** Keys of an object of another vendor; it is not ours to complain about. */
function keysOf(text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? Object.keys(value) : [];
  } catch {
    return [];
  }
}

const tiers: ReadonlySet<string> = new Set(["default", "flex", "priority", "reserved"]);

/** `serviceTier`; undefined: the account's own. */
export function encodeServiceTier(tier: string, notes: Notes): Fields | undefined {
  if (tiers.has(tier)) return { type: tier };
  if (tier !== "" && tier !== "auto") notes.dropped("service_tier", `bedrock's tiers are ${[...tiers].join(", ")}`);
  return undefined;
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, requestMetadata. */
const pairsMax = 16;
const legal = /^[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}$/;

/** `requestMetadata`: the request's metadata, and its end user; what cannot stand there is dropped with a note. */
export function encodeMetadata(request: Readonly<ChatRequest>, notes: Notes): Fields | undefined {
  const pairs: [string, string][] = [];
  const add = (key: string, value: string, field: string): void => {
    if (pairs.length < pairsMax && key !== "" && legal.test(key) && legal.test(value)) pairs.push([key, value]);
    else notes.dropped(field, `bedrock takes ${pairsMax} pairs of at most 256 plain characters`);
  };
  if (request.endUserId !== "") add("end_user_id", request.endUserId, "end_user_id");
  for (const [key, value] of Object.entries(request.metadata)) add(key, value, "metadata");
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}
