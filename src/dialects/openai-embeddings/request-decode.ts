import type { EmbedInput, EmbedRequest } from "../../core/chat.ts";
import { extensionsOf, isJsonObject, type JsonObject, refuse, stringAt } from "./fields.ts";

/** How the caller wants its vectors. */
export type EncodingFormat = "float" | "base64";

/** What the body of POST /v1/embeddings says. */
export interface DecodedBody {
  readonly request: EmbedRequest;
  readonly format: EncodingFormat;
}

const known: ReadonlySet<string> = new Set(["model", "input", "dimensions", "encoding_format", "user"]);
const inputsMax = 2048;
const uint32Max = 0xffff_ffff;

/** Reads the body of POST /v1/embeddings. Throws INVALID_REQUEST with the path of the field at fault. */
export function decodeRequest(body: unknown): DecodedBody {
  if (!isJsonObject(body)) return refuse("body", "must be a JSON object");
  if (body["model"] === undefined || body["model"] === null) return refuse("model", "is missing");
  const model = stringAt(body, "model", 256);
  if (model === "") return refuse("model", "must not be empty");
  const request: EmbedRequest = {
    $typeName: "semaroute.v1.EmbedRequest",
    model,
    inputs: inputsFrom(body["input"]),
    dimensions: dimensionsFrom(body),
    taskType: "",
    endUserId: stringAt(body, "user", 512),
    extensionsJson: extensionsOf(body, known),
  };
  return { request, format: formatFrom(body) };
}

function dimensionsFrom(body: JsonObject): number | undefined {
  const value = body["dimensions"] ?? undefined;
  if (value === undefined) return undefined;
  return isWhole(value) && value > 0 ? value : refuse("dimensions", "must be a whole number above 0");
}

function formatFrom(body: JsonObject): EncodingFormat {
  const value = body["encoding_format"] ?? "float";
  return value === "float" || value === "base64" ? value : refuse("encoding_format", "must be float or base64");
}

/** A text, a list of texts, a list of tokens, or a list of those. */
function inputsFrom(input: unknown): EmbedInput[] {
  if (typeof input === "string") return [textInput(input, "input")];
  if (!Array.isArray(input)) return refuse("input", input === undefined || input === null ? "is missing" : "must be text or tokens");
  if (input.length === 0) return refuse("input", "must not be empty");
  if (typeof input[0] === "number") return [tokenInput(input, "input")];
  if (input.length > inputsMax) return refuse("input", `must have at most ${inputsMax} elements`);
  const isText = typeof input[0] === "string";
  return input.map((each: unknown, i) => {
    if (isText) return textInput(each, `input[${i}]`);
    return Array.isArray(each) ? tokenInput(each, `input[${i}]`) : refuse(`input[${i}]`, "must be an array of tokens");
  });
}

function textInput(value: unknown, path: string): EmbedInput {
  if (typeof value !== "string") return refuse(path, "must be a string");
  if (value === "") return refuse(path, "must not be empty");
  return { $typeName: "semaroute.v1.EmbedInput", input: { case: "text", value } };
}

function tokenInput(list: readonly unknown[], path: string): EmbedInput {
  if (list.length === 0) return refuse(path, "must not be empty");
  const ids = list.map((each, i) => (isWhole(each) ? each : refuse(`${path}[${i}]`, "must be a token")));
  return { $typeName: "semaroute.v1.EmbedInput", input: { case: "tokens", value: { $typeName: "semaroute.v1.TokenIds", ids } } };
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= uint32Max;
}
