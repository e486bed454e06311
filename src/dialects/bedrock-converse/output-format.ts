import type { ChatRequest } from "../../core/chat.ts";
import { callerObject, type Fields } from "../../core/json-fields.ts";
import { jsonInstruction } from "../../core/json-instruction.ts";
import type { Notes } from "../../core/notes.ts";
import { subsetSchema } from "../../core/schema-subset.ts";

/** How the answer's shape is asked for. */
export interface OutputShape {
  /** `outputConfig.textFormat`. */
  readonly textFormat: Fields | undefined;
  /** Words for the end of `system`, where the model cannot be made to. */
  readonly instruction: string | undefined;
}

/** `structured` says whether the model compiles schemas. */
export function encodeOutputFormat(request: Readonly<ChatRequest>, structured: boolean, notes: Notes): OutputShape {
  const format = request.outputFormat?.format;
  if (format?.case === "jsonObject") {
    notes.emulated("output_format.json_object", "bedrock has no free JSON mode; the model is told to write JSON");
    return { textFormat: undefined, instruction: jsonInstruction(format) };
  }
  if (format?.case !== "jsonSchema") return { textFormat: undefined, instruction: undefined };
  const path = "output_format.json_schema.json_schema";
  const { name, description, jsonSchema } = format.value;
  const schema = callerObject(jsonSchema, path);
  const subset = structured ? subsetSchema(schema) : undefined;
  if (subset === undefined) {
    notes.emulated("output_format.json_schema", "the schema cannot be enforced; the model is told to follow it");
    return { textFormat: undefined, instruction: jsonInstruction(format) };
  }
  if (subset.changed) notes.approximated(path, "keywords that bedrock cannot enforce moved into descriptions");
  const wire: Fields = { schema: JSON.stringify(subset.schema), name: name === "" ? "response" : name };
  if (description !== "") wire["description"] = description;
  return { textFormat: { type: "json_schema", structure: { jsonSchema: wire } }, instruction: undefined };
}
