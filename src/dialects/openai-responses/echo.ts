import { merged } from "../../core/extensions.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";

/** What a response says of the request that it answers. */
export interface Echo {
  /** As the API has it where the caller said nothing; an upstream of the same language may know better. */
  readonly assumed: JsonObject;
  /** What the caller said, and what this door decided. */
  readonly said: JsonObject;
}

/** Fields that are answered as they were asked, and not at all where they were not. */
const plain = ["prompt_cache_key", "safety_identifier", "user", "prompt_cache_retention", "prompt_cache_options"] as const;
/** Fields that are always there. */
const always = {
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  parallel_tool_calls: true,
  temperature: 1,
  tool_choice: "auto",
  top_logprobs: 0,
  top_p: 1,
  truncation: "disabled",
} as const;

/** Of a body that has been checked. */
export function echoOf(body: JsonObject): Echo {
  const said: Record<string, unknown> = { background: false, previous_response_id: null, store: false };
  for (const key of [...Object.keys(always), ...plain]) if (isSaid(body[key])) said[key] = body[key];
  said["tools"] = Array.isArray(body["tools"]) ? body["tools"].map(shownTool) : [];
  said["metadata"] = isJsonObject(body["metadata"]) ? body["metadata"] : {};
  for (const key of ["reasoning", "text"]) if (isJsonObject(body[key])) said[key] = withoutNulls(body[key]);
  return { assumed: { ...always, reasoning: { effort: null, summary: null }, text: { format: { type: "text" } } }, said };
}

/** The fields of an answer: what the caller said over what the upstream tells over what is assumed. */
export function echoed({ assumed, said }: Echo, told: JsonObject): JsonObject {
  return merged(merged(assumed, told), said);
}

/** The API's default is shown as if it had been asked for. */
function shownTool(tool: unknown): unknown {
  return isJsonObject(tool) && tool["type"] === "function" && !isSaid(tool["strict"]) ? { ...tool, strict: true } : tool;
}

function isSaid(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function withoutNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}
