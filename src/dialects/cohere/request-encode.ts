import type { Target } from "../../core/catalog.ts";
import type { ChatRequest, ContentPart } from "../../core/chat.ts";
import type { AnswerContext, EncodedRequest } from "../../core/dialect.ts";
import { noteForeign } from "../../core/foreign.ts";
import { jsonInstruction } from "../../core/json-instruction.ts";
import { reservedFields } from "../../core/reserved.ts";
import { describedSchema } from "../../core/schema-subset.ts";
import { type Encoding, encodingFor, unsupported } from "./encoding.ts";
import { callerObject, extensionFields, type Fields, isJsonObject, issuer, listAt } from "./fields.ts";
import { encodePrompt, type PromptOptions } from "./messages-encode.ts";
import { encodeSampling } from "./sampling-encode.ts";
import { encodeThinking } from "./thinking-encode.ts";
import { encodeTools } from "./tools-encode.ts";

/** The body of POST /v2/chat for one target: pure, and the same bytes for the same history. */
export function encodeRequest(request: Readonly<ChatRequest>, target: Target, streamed: boolean): EncodedRequest {
  const encoding = encodingFor(target);
  refuseUnsupported(request);
  dropUnsupported(request, encoding);
  noteForeign(request, { issuer }, encoding.notes);
  const extension = requestExtension(request, encoding);
  const body: Fields = { model: target.upstreamModel, stream: streamed };
  encodeTools(request, body, encoding);
  const instruction = encodeOutputFormat(request, body, encoding);
  encodeSampling(request, body, encoding);
  encodeThinking(request, body, encoding);
  const options: PromptOptions = { instruction, documents: body["response_format"] === undefined };
  const { messages, documents } = encodePrompt(request.messages, options, encoding);
  if (documents.length > 0) {
    body["documents"] = [...listAt(extension ?? {}, "documents"), ...documents];
    if (!wantsCitations(request))
      body["citation_options"] = { mode: "OFF", ...(isJsonObject(extension?.["citation_options"]) && extension["citation_options"]) };
  }
  const whole = withExtension(extension, body);
  // Last, so that the bodies of two turns begin alike.
  whole["messages"] = messages;
  const answering: AnswerContext = { ...encoding.names.context(), ...(instruction !== undefined && { fencedJson: true }) };
  return { body: JSON.stringify(whole), notes: encoding.notes.list, answering };
}

/** What would change the answer's meaning is not dropped: another target may have it. */
function refuseUnsupported(request: Readonly<ChatRequest>): void {
  if (request.n !== undefined && request.n > 1) throw unsupported("n", "gives one choice a call");
  if (request.modalities.some((modality) => modality !== "text")) throw unsupported("modalities", "answers in text only");
}

function dropUnsupported(request: Readonly<ChatRequest>, encoding: Encoding): void {
  if (request.audio !== undefined) encoding.notes.dropped("audio", "cohere has no audio output");
  if (request.verbosity !== "") encoding.notes.dropped("verbosity", "cohere has no verbosity");
  if (!["", "auto", "default", "standard_only"].includes(request.serviceTier))
    encoding.notes.dropped("service_tier", "cohere has no tiers; its own field priority is a number");
  if (request.endUserId !== "") encoding.notes.dropped("end_user_id", "cohere is not told of end users");
  if (request.promptCacheKey !== "") encoding.notes.dropped("prompt_cache_key", "cohere's cache has no key");
  if (Object.keys(request.metadata).length > 0) encoding.notes.dropped("metadata", "cohere stores no metadata");
  if (request.store === true) encoding.notes.dropped("store", "cohere stores no answers");
}

/** The caller's own fields, such as `safety_mode`, `priority` and `citation_options`. */
function requestExtension(request: Readonly<ChatRequest>, { notes }: Encoding): Fields | undefined {
  const extension = extensionFields(request.extensionsJson, "");
  if (extension === undefined) return undefined;
  const rest = { ...extension };
  for (const key of Object.keys(rest)) {
    if (!reservedFields.has(key)) continue;
    notes.dropped(`extensions_json.${issuer}.${key}`, "decided by the request itself");
    delete rest[key];
  }
  return rest;
}

/** The caller's fields below ours; objects on both sides, such as `thinking`, are joined. */
function withExtension(extension: Fields | undefined, body: Fields): Fields {
  const whole: Fields = { ...extension, ...body };
  for (const [key, value] of Object.entries(body)) {
    const below = extension?.[key];
    if (isJsonObject(value) && isJsonObject(below)) whole[key] = { ...below, ...value };
  }
  return whole;
}

/** Puts `response_format` into the body. Where it cannot stand, beside tools, the words that ask for it instead. */
function encodeOutputFormat(request: Readonly<ChatRequest>, body: Fields, encoding: Encoding): string | undefined {
  const format = request.outputFormat?.format;
  if (format?.case === undefined) return undefined;
  const beside = body["tools"] !== undefined;
  const field = `output_format.${format.case === "jsonObject" ? "json_object" : "json_schema"}`;
  if (beside) encoding.notes.emulated(field, "cohere takes no format beside tools; the model is told to write JSON");
  if (format.case === "jsonObject") {
    if (!beside) body["response_format"] = { type: "json_object" };
    return beside ? jsonInstruction(format) : undefined;
  }
  const { description, jsonSchema } = format.value;
  const schema = callerObject(jsonSchema, "output_format.json_schema.json_schema");
  if (beside) return jsonInstruction(format);
  body["response_format"] = { type: "json_object", json_schema: describedSchema(schema, description) };
  return undefined;
}

/** Cohere cites documents unless told not to, which costs time. */
function wantsCitations(request: Readonly<ChatRequest>): boolean {
  return request.messages.some(({ content }) => content.some(asksForCitations));
}

function asksForCitations({ part }: ContentPart): boolean {
  if (part.case === "toolResult") return part.value.content.some(asksForCitations);
  return part.case === "document" && part.value.citations;
}
