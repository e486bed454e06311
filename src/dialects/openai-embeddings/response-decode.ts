import { embedResponse, type EmbedRequest, type EmbedResponse, type Usage, usageOf } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { extensionsOf, isJsonObject, type JsonObject } from "./fields.ts";
import { vectorFromBase64 } from "./vector.ts";

const known: ReadonlySet<string> = new Set(["id", "object", "created", "model", "data", "usage"]);
const knownUsage: ReadonlySet<string> = new Set(["prompt_tokens", "total_tokens", "completion_tokens"]);
const tokensMax = 0xffff_ffff;

/** An upstream's answer: one vector for each input, in their order. Throws UPSTREAM_PROTOCOL for what is none. */
export function decodeResponse(body: unknown, { inputs }: Readonly<EmbedRequest>): EmbedResponse {
  if (!isJsonObject(body)) throw broken("is not a JSON object");
  const { data, model } = body;
  if (!Array.isArray(data)) throw broken("has no data");
  if (data.length !== inputs.length) throw broken(`has ${data.length} embeddings for ${inputs.length} inputs`);
  const vectors: number[][] = [];
  for (const [position, each] of data.entries()) {
    if (!isJsonObject(each)) throw broken("has an embedding that is no object");
    const index = each["index"] ?? position;
    if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= data.length || vectors[index] !== undefined)
      throw broken("has embeddings whose indices are wrong");
    vectors[index] = vectorOf(each["embedding"]);
  }
  const length = vectors[0]?.length;
  if (vectors.some((vector) => vector.length !== length)) throw broken("has embeddings of several lengths");
  const response = embedResponse(typeof model === "string" ? model : "", vectors, usageFrom(body["usage"]));
  response.extensionsJson = extensionsOf(body, known);
  return response;
}

/** Numbers or base64, whatever was asked for. */
function vectorOf(value: unknown): number[] {
  const vector = typeof value === "string" ? vectorFromBase64(value) : isVector(value) ? value : undefined;
  if (vector === undefined) throw broken("has an embedding that is no vector");
  return vector;
}

function isVector(value: unknown): value is number[] {
  // JSON has no number that is not finite but by overflow.
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "number" && Number.isFinite(each));
}

function usageFrom(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const tokens = count(value, "prompt_tokens") ?? count(value, "total_tokens");
  if (tokens === undefined) return undefined;
  const usage = usageOf(tokens, 0);
  usage.extensionsJson = extensionsOf(value, knownUsage);
  return usage;
}

function count(usage: JsonObject, key: string): number | undefined {
  const value = usage[key];
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.min(Math.floor(value), tokensMax) : undefined;
}

function broken(what: string): ChatError {
  return new ChatError("UPSTREAM_PROTOCOL", `the upstream's answer ${what}`);
}
