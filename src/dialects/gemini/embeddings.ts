import type { Target } from "../../core/catalog.ts";
import { type EmbedRequest, type EmbedResponse, usageOf, embedResponse } from "../../core/chat.ts";
import type { EmbeddingLanguage, EncodedRequest } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { type Fields, isJsonObject, mergedFields } from "../../core/json-fields.ts";
import { Notes } from "../../core/notes.ts";
import { broken, failureInside } from "./errors.ts";
import { extensionFields } from "./fields.ts";
import { modelPath } from "./paths.ts";

/** Most inputs of one batch. https://ai.google.dev/api/embeddings#method:-models.batchembedcontents */
const inputsMax = 100;

/** Embeddings, by `:batchEmbedContents` for one input and for many. */
export const embeddings: EmbeddingLanguage = { encodeRequest, decodeResponse };

function encodeRequest(request: Readonly<EmbedRequest>, target: Target): EncodedRequest {
  const notes = new Notes();
  if (request.inputs.length > inputsMax)
    throw new ChatError("UNSUPPORTED_FEATURE", `gemini embeds at most ${inputsMax} inputs a call`, { field: "inputs" });
  if (request.endUserId !== "") notes.dropped("end_user_id", "gemini is not told who asks");
  const shared: Fields = {};
  const taskType = taskTypeOf(request.taskType, notes);
  if (taskType !== undefined) shared["taskType"] = taskType;
  if (request.dimensions !== undefined) shared["outputDimensionality"] = request.dimensions;
  const extension = extensionFields(request.extensionsJson, "");
  const requests = request.inputs.map(({ input }, i) => {
    if (input.case !== "text")
      throw new ChatError("UNSUPPORTED_FEATURE", "gemini embeds text, not tokens", { field: `inputs[${i}].tokens` });
    return mergedFields(extension, { model: modelPath(target.upstreamModel), content: { parts: [{ text: input.value }] }, ...shared });
  });
  return { body: JSON.stringify({ requests }), notes: notes.list };
}

/** Google's tasks, and the words of others for them. */
const taskTypes: ReadonlyMap<string, string> = new Map([
  ...[
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
  ].map((word) => [word, word] as const),
  ["SEARCH_QUERY", "RETRIEVAL_QUERY"],
  ["SEARCH_DOCUMENT", "RETRIEVAL_DOCUMENT"],
]);

function taskTypeOf(word: string, notes: Notes): string | undefined {
  if (word === "") return undefined;
  const known = taskTypes.get(word.toUpperCase());
  if (known === undefined) notes.dropped("task_type", "gemini knows no such task");
  return known;
}

function decodeResponse(body: unknown, request: Readonly<EmbedRequest>): EmbedResponse {
  if (!isJsonObject(body)) throw broken("the answer is not a JSON object");
  if (isJsonObject(body["error"])) throw failureInside(body);
  const { embeddings: list, usageMetadata } = body;
  if (!Array.isArray(list) || list.length !== request.inputs.length) throw broken("there is not one embedding for each input");
  const tokens = isJsonObject(usageMetadata) ? usageMetadata["promptTokenCount"] : undefined;
  const usage = typeof tokens === "number" && tokens >= 0 ? usageOf(Math.trunc(tokens), 0) : undefined;
  return embedResponse("", list.map(valuesOf), usage);
}

function valuesOf(embedding: unknown): number[] {
  const values = isJsonObject(embedding) ? embedding["values"] : undefined;
  if (!Array.isArray(values) || values.length === 0) throw broken("an embedding has no values");
  return values.map((value: unknown) => {
    if (typeof value !== "number") throw broken("an embedding has a value that is no number");
    return value;
  });
}
