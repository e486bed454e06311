import type { ChatRequest } from "../../core/chat.ts";
import { callerFields, type Fields } from "./fields.ts";
import type { Notes } from "../../core/notes.ts";
import { subsetSchema } from "../../core/schema-subset.ts";

/** How the answer's shape is asked for. */
export interface OutputShape {
  /** The body's `output_config.format`. */
  readonly format: Fields | undefined;
  /** Words for the end of `system`, where the model cannot be made to. */
  readonly instruction: string | undefined;
}

const plain = "Answer with one valid JSON object and nothing else: no other words, no Markdown fences.";

/** `structured` says whether the model compiles schemas. A forced tool is no way out: it excludes thinking. */
export function encodeOutputFormat(request: Readonly<ChatRequest>, structured: boolean, notes: Notes): OutputShape {
  const format = request.outputFormat?.format;
  if (format?.case === "jsonObject") {
    notes.emulated("output_format.json_object", "anthropic has no free JSON mode; the model is told to write JSON");
    return { format: undefined, instruction: plain };
  }
  if (format?.case !== "jsonSchema") return { format: undefined, instruction: undefined };
  const path = "output_format.json_schema.json_schema";
  const schema = callerFields(format.value.jsonSchema, path);
  const subset = structured ? subsetSchema(schema) : undefined;
  if (subset === undefined) {
    notes.emulated("output_format.json_schema", "the schema cannot be enforced; the model is told to follow it");
    return { format: undefined, instruction: `${plain} It must match this JSON Schema:\n${format.value.jsonSchema}` };
  }
  if (subset.changed) notes.approximated(path, "keywords that anthropic cannot enforce moved into descriptions");
  return { format: { type: "json_schema", schema: subset.schema }, instruction: undefined };
}
