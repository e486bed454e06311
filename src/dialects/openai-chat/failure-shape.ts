import { isJsonObject, type JsonObject } from "./json-fields.ts";

/** What an error answer says, whatever its shape. */
export interface ErrorFacts {
  /** The upstream's own words, unchanged: to be searched, and sanitized before anybody sees them. */
  readonly message: string;
  /** Lower case; empty where it says none. */
  readonly type: string;
  /** Lower case; empty where it says none, or a number. */
  readonly code: string;
  /** A numeric code, which some hosts use for the status they meant. */
  readonly status: number | undefined;
  /** Path of the field at fault, in OpenAI's words. */
  readonly param: string | undefined;
}

const nothing: ErrorFacts = { message: "", type: "", code: "", status: undefined, param: undefined };

/** Facts in an error body's text: JSON of any shape we know of, HTML, plain text, nothing. */
export function factsFromText(text: string): ErrorFacts {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.startsWith("<")) return nothing;
  try {
    return factsFrom(JSON.parse(trimmed));
  } catch {
    return { ...nothing, message: trimmed };
  }
}

/**
 * Facts in parsed JSON: `{error:{…}}` of OpenAI, `{error:"text"}`, the flat objects of Mistral and old vLLM, `{detail}` of
 * FastAPI, and the arrays of Google's compatible endpoint.
 */
export function factsFrom(value: unknown): ErrorFacts {
  if (typeof value === "string") return { ...nothing, message: value };
  if (Array.isArray(value)) return factsFrom(value[0]);
  if (!isJsonObject(value)) return nothing;
  const { error } = value;
  if (typeof error === "string") return { ...factsOf(value), message: error };
  return factsOf(isJsonObject(error) ? error : value);
}

function factsOf(object: JsonObject): ErrorFacts {
  const { code, type, param, status, innererror, metadata } = object;
  const inner = isJsonObject(innererror) ? innererror["code"] : undefined;
  const numeric = Number(code ?? Number.NaN);
  const details = [messageOf(object["message"] ?? object["detail"])];
  // OpenRouter wraps what the vendor behind it said.
  if (isJsonObject(metadata) && typeof metadata["raw"] === "string") details.push(metadata["raw"]);
  return {
    message: details.filter((text) => text !== "").join(": "),
    type: word(type),
    code: word(inner) || (Number.isNaN(numeric) ? word(code) : "") || (Number.isNaN(Number(status)) ? word(status) : ""),
    status: Number.isInteger(numeric) && numeric >= 400 && numeric <= 599 ? numeric : undefined,
    param: typeof param === "string" && param !== "" ? param.slice(0, 256) : locationOf(object),
  };
}

function word(value: unknown): string {
  return typeof value === "string" ? value.toLowerCase() : "";
}

/** A text, or the list of complaints that pydantic writes: `{detail:[{loc,msg}]}`. */
function messageOf(value: unknown): string {
  if (typeof value === "string") return value;
  const list = complaints(value);
  return list
    .map((each) =>
      [Array.isArray(each["loc"]) ? each["loc"].join(".") : "", each["msg"]]
        .filter((text) => typeof text === "string" && text !== "")
        .join(": "),
    )
    .join("; ");
}

function complaints(value: unknown): readonly JsonObject[] {
  if (Array.isArray(value)) return value.filter(isJsonObject);
  return isJsonObject(value) && Array.isArray(value["detail"]) ? value["detail"].filter(isJsonObject) : [];
}

function locationOf(object: JsonObject): string | undefined {
  const [first] = complaints(object["message"] ?? object["detail"]);
  const path = Array.isArray(first?.["loc"]) ? first["loc"].filter((step) => step !== "body") : [];
  return path.length === 0 ? undefined : path.join(".").slice(0, 256);
}
