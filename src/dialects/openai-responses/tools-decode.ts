import { type ChatRequest, type Tool, type ToolChoice, ToolChoice_Mode } from "../../core/chat.ts";
import { keys, shape } from "../../core/extensions.ts";
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
} from "../../core/json-fields.ts";
import { extensionsOf, filed, language, ownFields } from "./extensions.ts";
import { isStrictSchema } from "./strict-schema.ts";

const functionShape = shape(keys("type", "name", "description", "parameters", "strict"));
const customShape = shape(keys("type", "name", "description", "format"));

/** `tools`; those that are neither functions nor custom run elsewhere, or have a form that only this language knows. */
export function decodeTools(body: JsonObject): Tool[] {
  return (optionalArray(body, "tools", "") ?? []).map((value, i) => decodeTool(objectAt(value, `tools[${i}]`), `tools[${i}]`));
}

function decodeTool(object: JsonObject, path: string): Tool {
  switch (requiredName(object, "type", path)) {
    case "function":
      return functionTool(object, path);
    case "custom":
      return customTool(object, path);
    default: {
      const value = { $typeName: "semaroute.v1.NativeTool", issuer: language, json: JSON.stringify(object) } as const;
      return { $typeName: "semaroute.v1.Tool", kind: { case: "native", value }, extensionsJson: {} };
    }
  }
}

/**
 * Unlike in chat completions a function is strict where nothing is said: its schema is then changed until it can be enforced. Only
 * a schema that needs no change is the same in all languages; of others the vendor alone knows what it makes of them, so that they
 * go there as they are and stay best effort elsewhere.
 */
function functionTool(object: JsonObject, path: string): Tool {
  const parameters = optionalObject(object, "parameters", path);
  const said = optionalBoolean(object, "strict", path);
  const strict = said ?? (isStrictSchema(parameters) ? true : undefined);
  const value: Extract<Tool["kind"], { case: "function" }>["value"] = {
    $typeName: "semaroute.v1.FunctionTool",
    name: toolName(object, path),
    description: optionalString(object, "description", path) ?? "",
    parametersJsonSchema: parameters === undefined ? "" : JSON.stringify(parameters),
  };
  if (strict !== undefined) value.strict = strict;
  const own = ownFields(extensionsOf(object, functionShape));
  return {
    $typeName: "semaroute.v1.Tool",
    kind: { case: "function", value },
    extensionsJson: filed(strict === undefined ? { ...own, strict: null } : own),
  };
}

function customTool(object: JsonObject, path: string): Tool {
  const format = optionalObject(object, "format", path);
  const where = at(path, "format");
  const type = format === undefined ? "text" : requiredName(format, "type", where);
  if (type !== "text" && type !== "grammar") return refuse(at(where, "type"), "must be text or grammar");
  const hasGrammar = format !== undefined && type === "grammar";
  const syntax = hasGrammar ? requiredName(format, "syntax", where) : "";
  if (!["", "lark", "regex"].includes(syntax)) return refuse(at(where, "syntax"), "must be lark or regex");
  const value = {
    $typeName: "semaroute.v1.CustomTool",
    name: toolName(object, path),
    description: optionalString(object, "description", path) ?? "",
    grammarSyntax: syntax,
    grammar: hasGrammar ? requiredName(format, "definition", where) : "",
  } as const;
  return { $typeName: "semaroute.v1.Tool", kind: { case: "custom", value }, extensionsJson: extensionsOf(object, customShape) };
}

function toolName(object: JsonObject, path: string): string {
  const name = requiredName(object, "name", path);
  return /^[a-zA-Z0-9_-]{1,128}$/.test(name) ? name : refuse(at(path, "name"), "must be 1 to 128 letters, digits, _ or -");
}

const modes: ReadonlyMap<string, ToolChoice_Mode> = new Map([
  ["none", ToolChoice_Mode.NONE],
  ["auto", ToolChoice_Mode.AUTO],
  ["required", ToolChoice_Mode.REQUIRED],
]);

/** `tool_choice` and `parallel_tool_calls`; undefined where nothing was said. */
export function decodeToolChoice(body: JsonObject, tools: readonly Tool[]): ToolChoice | undefined {
  const choice = choiceOf(body);
  const parallel = optionalBoolean(body, "parallel_tool_calls", "");
  if (choice === undefined && parallel === undefined) return undefined;
  const decoded = choice ?? toolChoice(ToolChoice_Mode.UNSPECIFIED, []);
  if (parallel !== undefined) decoded.parallel = parallel;
  if (decoded.mode === ToolChoice_Mode.REQUIRED && tools.length === 0) return refuse("tool_choice", "needs tools");
  return decoded;
}

function toolChoice(mode: ToolChoice_Mode, allowedNames: string[]): ToolChoice {
  return { $typeName: "semaroute.v1.ToolChoice", mode, allowedNames };
}

function choiceOf(body: JsonObject): ToolChoice | undefined {
  const key = "tool_choice";
  if (typeof body[key] === "string") return toolChoice(optionalWord(body, key, "", modes) ?? ToolChoice_Mode.UNSPECIFIED, []);
  const object = optionalObject(body, key, "");
  if (object === undefined) return undefined;
  if (object["type"] !== "allowed_tools") return toolChoice(ToolChoice_Mode.REQUIRED, [chosenName(object, key)]);
  const mode = optionalWord(object, "mode", key, modes) ?? refuse(at(key, "mode"), "is missing");
  const names = (optionalArray(object, "tools", key) ?? []).map((each, i) =>
    chosenName(objectAt(each, `${key}.tools[${i}]`), `${key}.tools[${i}]`),
  );
  return names.length === 0 ? refuse(at(key, "tools"), "must name a tool") : toolChoice(mode, [...new Set(names)]);
}

/** What a choice calls a tool: its name; of those without one their server's, or their kind. */
function chosenName(object: JsonObject, path: string): string {
  const type = requiredName(object, "type", path);
  if (type === "function" || type === "custom") return requiredName(object, "name", path);
  if (type !== "mcp") return type;
  const name = optionalString(object, "name", path);
  const server = requiredName(object, "server_label", path);
  return name === undefined ? server : `${server}/${name}`;
}

/** `text.format`; undefined for text. */
export function decodeOutputFormat(text: JsonObject | undefined): ChatRequest["outputFormat"] {
  const format = text && optionalObject(text, "format", "text");
  if (format === undefined) return undefined;
  const where = "text.format";
  switch (requiredName(format, "type", where)) {
    case "text":
      return undefined;
    case "json_object":
      return {
        $typeName: "semaroute.v1.OutputFormat",
        format: { case: "jsonObject", value: { $typeName: "semaroute.v1.JsonObjectFormat" } },
      };
    case "json_schema": {
      const name = requiredName(format, "name", where);
      if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name)) return refuse(at(where, "name"), "must be 1 to 64 letters, digits, _ or -");
      const value = {
        $typeName: "semaroute.v1.JsonSchemaFormat",
        name,
        description: optionalString(format, "description", where) ?? "",
        jsonSchema: JSON.stringify(optionalObject(format, "schema", where) ?? refuse(at(where, "schema"), "is missing")),
        strict: optionalBoolean(format, "strict", where),
      } as const;
      return { $typeName: "semaroute.v1.OutputFormat", format: { case: "jsonSchema", value } };
    }
    default:
      return refuse(at(where, "type"), "must be text, json_object or json_schema");
  }
}
