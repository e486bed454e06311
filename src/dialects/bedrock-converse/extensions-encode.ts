import type { ChatRequest } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { type Fields, isJsonObject, mergedFields } from "../../core/json-fields.ts";
import type { Notes } from "../../core/notes.ts";
import { reservedFields } from "../../core/reserved.ts";
import { extensionFields, issuer } from "./fields.ts";

/** What Converse calls what the request itself decides, besides the names that models have for it. */
const ours: ReadonlySet<string> = new Set(["modelId", "messages", "system", "toolConfig", "inferenceConfig"]);

/** The caller's own fields: `guardrailConfig`, `performanceConfig`, `additionalModelRequestFields` and so on. */
export function requestExtension(request: Readonly<ChatRequest>, notes: Notes): Fields | undefined {
  const extension = extensionFields(request.extensionsJson, "");
  if (extension === undefined) return undefined;
  const path = `extensions_json.${issuer}`;
  const rest = without(extension, (key) => ours.has(key) || reservedFields.has(key), path, notes);
  const additional = rest["additionalModelRequestFields"];
  if (!isJsonObject(additional)) return rest;
  const inner = without(additional, (key) => reservedFields.has(key), `${path}.additionalModelRequestFields`, notes);
  return { ...rest, additionalModelRequestFields: inner };
}

function without(fields: Fields, decided: (key: string) => boolean, path: string, notes: Notes): Fields {
  const rest = { ...fields };
  for (const key of Object.keys(rest)) {
    if (!decided(key)) continue;
    notes.dropped(`${path}.${key}`, "decided by the request itself");
    delete rest[key];
  }
  return rest;
}

/** The caller's fields below ours; objects on both sides are joined, level by level. */
export function joined(under: Fields | undefined, over: Fields): Fields {
  const whole = mergedFields(under, over);
  if (under === undefined) return whole;
  for (const [key, value] of Object.entries(over)) {
    const below = under[key];
    if (isJsonObject(value) && isJsonObject(below)) whole[key] = joined(below, value);
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
