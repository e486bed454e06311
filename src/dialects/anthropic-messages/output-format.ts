import type { ChatRequest, OutputFormat } from "../../core/chat.ts";
import { jsonInstruction } from "../../core/json-instruction.ts";
import { legalToolName } from "../../core/tool-names.ts";
import { callerObject, type Fields } from "./fields.ts";
import type { Notes } from "../../core/notes.ts";
import { describedSchema, subsetSchema } from "../../core/schema-subset.ts";

/** How the answer's shape is asked for; at most one of the three. */
export interface OutputShape {
  /** The body's `output_config.format`. */
  readonly format?: Fields;
  /** Words for the end of `system`, where the model cannot be made to. */
  readonly instruction?: string;
  /** A tool whose arguments have the shape: it is the only one, and the model must call it. */
  readonly tool?: Fields & { readonly name: string };
}

/** What the model can be held to. */
export interface OutputMeans {
  /** It compiles schemas. */
  readonly structured: boolean;
  /** A tool of ours can be forced: the model takes it, does not think, and the caller has none of its own. */
  readonly forcible: boolean;
}

/** The strictest means there is for what the caller wants. */
export function encodeOutputFormat(request: Readonly<ChatRequest>, means: OutputMeans, notes: Notes): OutputShape {
  const format = request.outputFormat?.format;
  if (format?.case === "jsonObject") {
    notes.emulated("output_format.json_object", "anthropic has no free JSON mode; the model is told to write JSON");
    return told(format);
  }
  if (format?.case !== "jsonSchema") return {};
  const path = "output_format.json_schema.json_schema";
  const schema = describedSchema(callerObject(format.value.jsonSchema, path), format.value.description);
  const subset = means.structured ? subsetSchema(schema) : undefined;
  if (subset !== undefined) {
    if (subset.changed) notes.approximated(path, "keywords that anthropic cannot enforce moved into descriptions");
    return { format: { type: "json_schema", schema: subset.schema } };
  }
  if (means.forcible && schema["type"] === "object") {
    notes.emulated("output_format.json_schema", "the model has no structured output; it is made to call a tool of that schema");
    const { name, description } = format.value;
    const tool = { name: legalToolName(name === "" ? "response" : name, 64), input_schema: schema };
    return { tool: description === "" ? tool : { ...tool, description } };
  }
  notes.emulated("output_format.json_schema", "the schema cannot be enforced; the model is told to follow it");
  return told(format);
}

function told(format: OutputFormat["format"]): OutputShape {
  const instruction = jsonInstruction(format);
  return instruction === undefined ? {} : { instruction };
}
