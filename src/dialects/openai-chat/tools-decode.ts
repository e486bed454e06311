import type { ChatRequest, Tool, ToolChoice } from "../../core/chat.ts";
import { ToolChoice_Mode } from "../../core/chat.ts";
import { decodeCacheControl } from "./cache-control.ts";
import { keys, shape } from "../../core/extensions.ts";
import { extensionIssuer, extensionsOf } from "./extensions.ts";
import {
  at,
  type JsonObject,
  objectAt,
  optionalArray,
  optionalBoolean,
  optionalObject,
  optionalString,
  optionalWord,
  refuse,
  requiredName,
  requiredObject,
} from "../../core/json-fields.ts";

const functionShape = shape(keys("type", "cache_control"), { function: keys("name", "description", "parameters", "strict") });
const customShape = shape(keys("type", "cache_control"), { custom: keys("name", "description", "format") });

/** `tools`, or the deprecated `functions`. */
export function decodeTools(body: JsonObject): Tool[] {
  const tools = optionalArray(body, "tools", "");
  const functions = optionalArray(body, "functions", "");
  if (functions === undefined) return (tools ?? []).map((value, i) => decodeTool(objectAt(value, `tools[${i}]`), `tools[${i}]`));
  if (tools !== undefined) return refuse("functions", "cannot be used with tools");
  return functions.map((value, i) => {
    const object = objectAt(value, `functions[${i}]`);
    const tool = functionTool(object, `functions[${i}]`);
    tool.extensionsJson = extensionsOf({ function: object }, functionShape);
    return tool;
  });
}

function decodeTool(object: JsonObject, path: string): Tool {
  const type = requiredName(object, "type", path);
  const tool = toolOf(type, object, path);
  const control = decodeCacheControl(object, path);
  if (control !== undefined) tool.cacheControl = control;
  if (tool.kind.case !== "native") tool.extensionsJson = extensionsOf(object, type === "custom" ? customShape : functionShape);
  return tool;
}

function toolOf(type: string, object: JsonObject, path: string): Tool {
  if (type === "function") return functionTool(requiredObject(object, "function", path), at(path, "function"));
  if (type === "custom") return customTool(requiredObject(object, "custom", path), at(path, "custom"));
  const value = { $typeName: "semaroute.v1.NativeTool", issuer: extensionIssuer, json: JSON.stringify(object) } as const;
  return { $typeName: "semaroute.v1.Tool", kind: { case: "native", value }, extensionsJson: {} };
}

function functionTool(object: JsonObject, path: string): Tool {
  const parameters = optionalObject(object, "parameters", path);
  const strict = optionalBoolean(object, "strict", path);
  const value: Extract<Tool["kind"], { case: "function" }>["value"] = {
    $typeName: "semaroute.v1.FunctionTool",
    name: toolName(object, path),
    description: optionalString(object, "description", path) ?? "",
    parametersJsonSchema: parameters === undefined ? "" : JSON.stringify(parameters),
  };
  if (strict !== undefined) value.strict = strict;
  return { $typeName: "semaroute.v1.Tool", kind: { case: "function", value }, extensionsJson: {} };
}

function customTool(object: JsonObject, path: string): Tool {
  const format = optionalObject(object, "format", path);
  const where = at(path, "format");
  const type = format === undefined ? "text" : requiredName(format, "type", where);
  if (type !== "text" && type !== "grammar") return refuse(at(where, "type"), "must be text or grammar");
  const grammar = format !== undefined && type === "grammar" ? requiredObject(format, "grammar", where) : undefined;
  const inside = at(where, "grammar");
  const syntax = grammar === undefined ? "" : requiredName(grammar, "syntax", inside);
  if (!["", "lark", "regex"].includes(syntax)) return refuse(at(inside, "syntax"), "must be lark or regex");
  const value = {
    $typeName: "semaroute.v1.CustomTool",
    name: toolName(object, path),
    description: optionalString(object, "description", path) ?? "",
    grammarSyntax: syntax,
    grammar: grammar === undefined ? "" : requiredName(grammar, "definition", inside),
  } as const;
  return { $typeName: "semaroute.v1.Tool", kind: { case: "custom", value }, extensionsJson: {} };
}

function toolName(object: JsonObject, path: string): string {
  const name = requiredName(object, "name", path);
  return /^[a-zA-Z0-9_-]{1,128}$/.test(name) ? name : refuse(at(path, "name"), "must be 1 to 128 letters, digits, _ or -");
}

// `any` is Mistral's word for `required`.
const modes: ReadonlyMap<string, ToolChoice_Mode> = new Map([
  ["none", ToolChoice_Mode.NONE],
  ["auto", ToolChoice_Mode.AUTO],
  ["required", ToolChoice_Mode.REQUIRED],
  ["any", ToolChoice_Mode.REQUIRED],
]);

/** `tool_choice` and `parallel_tool_calls`, or the deprecated `function_call`; undefined where nothing was said. */
export function decodeToolChoice(body: JsonObject, tools: readonly Tool[]): ToolChoice | undefined {
  const isLegacy = body["functions"] !== undefined && body["functions"] !== null;
  const key = isLegacy ? "function_call" : "tool_choice";
  const choice = choiceOf(body, key);
  // The old answer has room for one call.
  const parallel = isLegacy ? false : optionalBoolean(body, "parallel_tool_calls", "");
  if (choice === undefined && parallel === undefined) return undefined;
  const decoded = choice ?? toolChoice(ToolChoice_Mode.UNSPECIFIED, []);
  if (parallel !== undefined) decoded.parallel = parallel;
  if (decoded.mode === ToolChoice_Mode.REQUIRED && tools.length === 0) return refuse(key, "needs tools");
  return decoded;
}

function toolChoice(mode: ToolChoice_Mode, allowedNames: string[]): ToolChoice {
  return { $typeName: "semaroute.v1.ToolChoice", mode, allowedNames };
}

function choiceOf(body: JsonObject, key: string): ToolChoice | undefined {
  if (typeof body[key] === "string") return toolChoice(optionalWord(body, key, "", modes) ?? ToolChoice_Mode.UNSPECIFIED, []);
  const object = optionalObject(body, key, "");
  if (object === undefined) return undefined;
  if (key === "function_call") return toolChoice(ToolChoice_Mode.REQUIRED, [requiredName(object, "name", key)]);
  if (object["type"] !== "allowed_tools") return toolChoice(ToolChoice_Mode.REQUIRED, [namedTool(object, key)]);
  const where = at(key, "allowed_tools");
  const allowed = requiredObject(object, "allowed_tools", key);
  const mode = optionalWord(allowed, "mode", where, modes) ?? refuse(at(where, "mode"), "is missing");
  const names = (optionalArray(allowed, "tools", where) ?? []).map((each, i) =>
    namedTool(objectAt(each, `${where}.tools[${i}]`), `${where}.tools[${i}]`),
  );
  return names.length === 0 ? refuse(at(where, "tools"), "must name a tool") : toolChoice(mode, [...new Set(names)]);
}

function namedTool(object: JsonObject, path: string): string {
  const type = requiredName(object, "type", path);
  if (type !== "function" && type !== "custom") return refuse(at(path, "type"), "must be function, custom or allowed_tools");
  return requiredName(requiredObject(object, type, path), "name", at(path, type));
}

/** `response_format`; undefined for text, and for kinds that the vocabulary has not. */
export function decodeOutputFormat(body: JsonObject): ChatRequest["outputFormat"] {
  const format = optionalObject(body, "response_format", "");
  if (format === undefined) return undefined;
  const type = requiredName(format, "type", "response_format");
  if (type === "json_object")
    return {
      $typeName: "semaroute.v1.OutputFormat",
      format: { case: "jsonObject", value: { $typeName: "semaroute.v1.JsonObjectFormat" } },
    };
  if (type !== "json_schema") return undefined;
  const where = "response_format.json_schema";
  const object = requiredObject(format, "json_schema", "response_format");
  const name = requiredName(object, "name", where);
  if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name)) return refuse(at(where, "name"), "must be 1 to 64 letters, digits, _ or -");
  const strict = optionalBoolean(object, "strict", where);
  const value = {
    $typeName: "semaroute.v1.JsonSchemaFormat",
    name,
    description: optionalString(object, "description", where) ?? "",
    jsonSchema: JSON.stringify(optionalObject(object, "schema", where) ?? {}),
    strict,
  } as const;
  return { $typeName: "semaroute.v1.OutputFormat", format: { case: "jsonSchema", value } };
}
