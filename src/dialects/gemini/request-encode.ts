import type { Target } from "../../core/catalog.ts";
import type { ChatRequest } from "../../core/chat.ts";
import type { EncodedRequest } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { noteForeign } from "../../core/foreign.ts";
import { type Fields, isJsonObject, mergedFields } from "../../core/json-fields.ts";
import { Notes } from "../../core/notes.ts";
import { reservedFields } from "../../core/reserved.ts";
import { encodePrompt } from "./contents-encode.ts";
import { type Encoding, functionNames } from "./encoding.ts";
import { extensionFields, issuer } from "./fields.ts";
import { encodeGeneration } from "./generation-encode.ts";
import { modelRules } from "./model-rules.ts";
import { isSignature } from "./signatures.ts";
import { encodeTools } from "./tools-encode.ts";

/** A request in Gemini's words: pure, and the same bytes for the same history. Model and streaming are told by the path. */
export function encodeRequest(request: Readonly<ChatRequest>, target: Target): EncodedRequest {
  const encoding: Encoding = { rules: modelRules(target.upstreamModel.toLowerCase()), notes: new Notes(), names: functionNames() };
  const { notes } = encoding;
  dropUnsupported(request, notes);
  noteForeign(request, { issuer, token: isSignature }, notes);
  const extension = requestExtension(request, notes);
  const { tools, toolConfig, callsFunctions } = encodeTools(request, encoding);
  const { systemInstruction, contents } = encodePrompt(request.messages, encoding);
  endsWell(contents, encoding);
  const generationConfig = encodeGeneration(request, target, callsFunctions, encoding);
  const body: Fields = {};
  // The order is the prompt's own, in which caches read it.
  if (tools !== undefined) body["tools"] = tools;
  if (toolConfig !== undefined) body["toolConfig"] = toolConfig;
  if (systemInstruction !== undefined) body["systemInstruction"] = systemInstruction;
  body["contents"] = contents;
  if (Object.keys(generationConfig).length > 0) body["generationConfig"] = generationConfig;
  const tier = tiers.get(request.serviceTier);
  if (tier !== undefined) body["serviceTier"] = tier;
  if (request.store !== undefined) body["store"] = request.store;
  return { body: JSON.stringify(withExtension(extension, body)), notes: notes.list, answering: encoding.names.context() };
}

/** Google's word for each of ours; what is not here asks for nothing, or is not known. */
const tiers: ReadonlyMap<string, string> = new Map([
  ["flex", "flex"],
  ["priority", "priority"],
  ["standard", "standard"],
  ["default", "standard"],
  ["standard_only", "standard"],
]);

function dropUnsupported(request: Readonly<ChatRequest>, notes: Notes): void {
  const { serviceTier } = request;
  if (request.verbosity !== "") notes.dropped("verbosity", "gemini has no verbosity");
  if (serviceTier !== "" && serviceTier !== "auto" && !tiers.has(serviceTier))
    notes.dropped("service_tier", "gemini's tiers are flex, standard and priority");
  if (request.endUserId !== "") notes.dropped("end_user_id", "gemini is not told who asks");
  if (request.promptCacheKey !== "") notes.dropped("prompt_cache_key", "gemini's cache has no key");
  if (Object.keys(request.metadata).length > 0) notes.dropped("metadata", "gemini stores no metadata");
}

/** The caller's own fields, in Google's spelling; it understands snake_case as well, but not both of one field. */
function requestExtension(request: Readonly<ChatRequest>, notes: Notes): Fields | undefined {
  const extension = extensionFields(request.extensionsJson, "");
  if (extension === undefined) return undefined;
  const path = `extensions_json.${issuer}`;
  const fields = respelled(extension, path, notes);
  const generation = fields["generationConfig"];
  if (isJsonObject(generation)) fields["generationConfig"] = respelled(generation, `${path}.generationConfig`, notes);
  return fields;
}

function respelled(extension: Fields, path: string, notes: Notes): Fields {
  const fields: Fields = {};
  for (const [key, value] of Object.entries(extension)) {
    if (reservedFields.has(key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)))
      notes.dropped(`${path}.${key}`, "decided by the request itself");
    else fields[key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())] = value;
  }
  return fields;
}

/** The caller's fields below ours; objects on both sides, such as `generationConfig`, are joined. */
function withExtension(extension: Fields | undefined, body: Fields): Fields {
  const whole = mergedFields(extension, body);
  if (extension === undefined) return whole;
  for (const [key, value] of Object.entries(body)) {
    const below = extension[key];
    if (isJsonObject(value) && isJsonObject(below)) whole[key] = mergedFields(below, value);
  }
  return whole;
}

/** A conversation that ends with the model's text asks to be continued (prefill), which Gemini does not do; new models refuse it. */
function endsWell(contents: readonly Fields[], { rules, notes }: Encoding): void {
  if (contents.at(-1)?.["role"] !== "model") return;
  if (!rules.modelLast)
    throw new ChatError("UNSUPPORTED_FEATURE", "the model cannot go on with a message of the assistant", { field: "messages" });
  notes.approximated("messages", "gemini begins a new answer instead of going on with the last");
}
