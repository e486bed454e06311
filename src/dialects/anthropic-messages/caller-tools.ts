import { type ChatRequest, type Tool, type ToolChoice, ToolChoice_Mode } from "../../core/chat.ts";
import {
  at,
  fieldsAt,
  optionalBoolean,
  optionalFields,
  optionalList,
  optionalText,
  refuse,
  requiredFields,
  requiredName,
} from "./caller-fields.ts";
import { beside, cacheControlFrom } from "./caller-cache-control.ts";
import { extensionsFrom, type Fields, issuer } from "./fields.ts";

const toolKnown: ReadonlySet<string> = new Set(["name", "description", "input_schema", "strict"]);

/** The body's `tools`. */
export function toolsFrom(body: Fields): Tool[] {
  return (optionalList(body, "tools", "") ?? []).map((value, i) => toolFrom(fieldsAt(value, `tools.${i}`), `tools.${i}`));
}

function toolFrom(object: Fields, path: string): Tool {
  const type = optionalText(object, "type", path);
  // Anthropic's own carry a dated type; what they are is known there alone.
  if (type !== undefined && type !== "custom") {
    const value = { $typeName: "semaroute.v1.NativeTool", issuer, json: JSON.stringify(object) } as const;
    return { $typeName: "semaroute.v1.Tool", kind: { case: "native", value }, extensionsJson: {} };
  }
  const name = requiredName(object, "name", path);
  if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name)) return refuse(at(path, "name"), "must be 1 to 128 letters, digits, _ or -");
  const strict = optionalBoolean(object, "strict", path);
  const value: Extract<Tool["kind"], { case: "function" }>["value"] = {
    $typeName: "semaroute.v1.FunctionTool",
    name,
    description: optionalText(object, "description", path) ?? "",
    parametersJsonSchema: JSON.stringify(requiredFields(object, "input_schema", path)),
  };
  if (strict !== undefined) value.strict = strict;
  const extensionsJson = extensionsFrom(beside(object, toolKnown));
  const tool: Tool = { $typeName: "semaroute.v1.Tool", kind: { case: "function", value }, extensionsJson };
  const control = cacheControlFrom(object, path);
  if (control !== undefined) tool.cacheControl = control;
  return tool;
}

const modes: ReadonlyMap<string, ToolChoice_Mode> = new Map([
  ["auto", ToolChoice_Mode.AUTO],
  ["any", ToolChoice_Mode.REQUIRED],
  ["tool", ToolChoice_Mode.REQUIRED],
  ["none", ToolChoice_Mode.NONE],
]);

/** Fields of `tool_choice` that the vocabulary has. */
export const choiceKnown: ReadonlySet<string> = new Set(["type", "name", "disable_parallel_tool_use"]);

/** The body's `tool_choice`; undefined where nothing was said. */
export function toolChoiceFrom(body: Fields, tools: readonly Tool[]): ToolChoice | undefined {
  const object = optionalFields(body, "tool_choice", "");
  if (object === undefined) return undefined;
  const type = requiredName(object, "type", "tool_choice");
  const mode = modes.get(type);
  if (mode === undefined) return refuse("tool_choice.type", "must be auto, any, tool or none");
  if (mode === ToolChoice_Mode.REQUIRED && tools.length === 0) return refuse("tool_choice", "needs tools");
  const allowedNames = type === "tool" ? [requiredName(object, "name", "tool_choice")] : [];
  const choice: ToolChoice = { $typeName: "semaroute.v1.ToolChoice", mode, allowedNames };
  const serial = optionalBoolean(object, "disable_parallel_tool_use", "tool_choice");
  if (serial !== undefined) choice.parallel = !serial;
  return choice;
}

/** `output_config.format`, or the field that was its name in a beta; undefined for text, and for kinds that the vocabulary has not. */
export function outputFormatFrom(body: Fields): ChatRequest["outputFormat"] {
  const config = optionalFields(body, "output_config", "");
  const own = config === undefined ? undefined : optionalFields(config, "format", "output_config");
  const format = own ?? optionalFields(body, "output_format", "");
  if (format === undefined) return undefined;
  const path = own === undefined ? "output_format" : "output_config.format";
  if (requiredName(format, "type", path) !== "json_schema") return undefined;
  const jsonSchema = JSON.stringify(requiredFields(format, "schema", path));
  const value = { $typeName: "semaroute.v1.JsonSchemaFormat", name: "", description: "", jsonSchema, strict: true } as const;
  return { $typeName: "semaroute.v1.OutputFormat", format: { case: "jsonSchema", value } };
}
