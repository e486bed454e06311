import type { Target } from "../../core/catalog.ts";
import { type EmbedRequest, type EmbedResponse, embedResponse } from "../../core/chat.ts";
import type { EmbeddingLanguage, EncodedRequest } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { type Encoding, encodingFor, unsupported } from "./encoding.ts";
import { extensionFields, type Fields, fieldsAt, isJsonObject, issuer, listAt } from "./fields.ts";
import { broken } from "./response-decode.ts";
import { usageFrom } from "./usage-decode.ts";

/** Texts of one request at most. https://docs.cohere.com/reference/embed */
const textsMax = 96;
const inputTypeDefault = "search_document";

/** What a text is embedded for, by Cohere's own words and those of Google. */
const inputTypes: ReadonlyMap<string, string> = new Map([
  ...["search_document", "search_query", "classification", "clustering"].map((word) => [word, word] as const),
  ["retrieval_document", "search_document"],
  ["retrieval_query", "search_query"],
  ["code_retrieval_query", "search_query"],
  ["question_answering", "search_query"],
  ["fact_verification", "search_query"],
]);

/** POST /v2/embed: texts in, floats out. */
export const embeddings: EmbeddingLanguage = {
  encodeRequest: (request, target) => encodeRequest(request, target),
  decodeResponse,
};

function encodeRequest(request: Readonly<EmbedRequest>, target: Target): EncodedRequest {
  const encoding = encodingFor(target);
  if (request.endUserId !== "") encoding.notes.dropped("end_user_id", "cohere is not told of end users");
  for (const by of Object.keys(request.extensionsJson).toSorted())
    if (by !== issuer) encoding.notes.dropped(`extensions_json.${by}`, "fields of another dialect");
  const body: Fields = { model: target.upstreamModel };
  const inputType = inputTypeOf(request.taskType, encoding);
  if (inputType !== undefined) body["input_type"] = inputType;
  body["embedding_types"] = ["float"];
  if (request.dimensions !== undefined) body["output_dimension"] = request.dimensions;
  body["texts"] = textsOf(request);
  return { body: JSON.stringify({ input_type: inputTypeDefault, ...requestExtension(request), ...body }), notes: encoding.notes.list };
}

/** Undefined: not said. */
function inputTypeOf(taskType: string, encoding: Encoding): string | undefined {
  if (taskType === "") return undefined;
  const known = inputTypes.get(taskType.toLowerCase());
  if (known === undefined) encoding.notes.approximated("task_type", `cohere has no such task; ${inputTypeDefault} is used`);
  return known;
}

function textsOf(request: Readonly<EmbedRequest>): readonly string[] {
  if (request.inputs.length > textsMax) throw unsupported("inputs", `embeds at most ${textsMax} texts a call`);
  return request.inputs.map(({ input }, i) => {
    if (input.case !== "text") throw unsupported(`inputs[${i}]`, "embeds texts, not tokens");
    return input.value;
  });
}

/** What a caller cannot say past us. */
const ours: ReadonlySet<string> = new Set("model models texts images inputs embedding_types output_dimension".split(" "));

/** The caller's own fields, such as `input_type` and `truncate`. */
function requestExtension(request: Readonly<EmbedRequest>): Fields | undefined {
  const extension = extensionFields(request.extensionsJson, "");
  for (const key of Object.keys(extension ?? {})) {
    if (!ours.has(key)) continue;
    const field = `extensions_json.${issuer}.${key}`;
    throw new ChatError("INVALID_REQUEST", `${field} cannot be set, because the request has a field for it`, { field });
  }
  return extension;
}

function decodeResponse(body: unknown, request: Readonly<EmbedRequest>): EmbedResponse {
  if (!isJsonObject(body)) throw broken("the answer is not a JSON object");
  const told = body["embeddings"];
  // Without `embedding_types` it is the list itself.
  const list = isJsonObject(told) ? listAt(told, "float") : listAt(body, "embeddings");
  if (list.length !== request.inputs.length) throw broken(`the answer has ${list.length} embeddings for ${request.inputs.length} texts`);
  return embedResponse("", list.map(vectorFrom), usageFrom(fieldsAt(body, "meta")));
}

function vectorFrom(values: unknown, index: number): number[] {
  if (!Array.isArray(values) || values.length === 0 || !values.every((value) => typeof value === "number"))
    throw broken(`embedding ${index} of the answer is not a list of numbers`);
  return values;
}
