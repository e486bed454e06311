import { type ChatRequest, type Tool, ToolChoice_Mode } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { freeformFunction } from "../../core/freeform.ts";
import { ownTools, type PlacedTool, toolName } from "../../core/own-tools.ts";
import { declaredName } from "../../core/tool-names.ts";
import type { Encoding } from "./encoding.ts";
import { callerObject, extensionFields, type Fields, isJsonObject, issuer, listAt } from "./fields.ts";

/** Puts `tools`, `tool_choice` and `strict_tools` into the body. */
export function encodeTools(request: Readonly<ChatRequest>, body: Fields, encoding: Encoding): void {
  const { toolChoice } = request;
  const mode = toolChoice?.mode;
  const names = toolChoice?.allowedNames ?? [];
  // Cohere can name no tool in its choice: what is not shown is not allowed.
  const allowed = (tool: Tool): boolean => names.length === 0 || mode === ToolChoice_Mode.NONE || names.includes(toolName(tool));
  const own = ownTools(request, issuer, encoding.notes);
  const shown = own.filter(({ tool }) => allowed(tool));
  if (own.length > 0 && shown.length === 0)
    throw new ChatError("INVALID_REQUEST", "none of the allowed tools is among the tools", { field: "tool_choice.allowed_names" });
  if (shown.length === 0) return;
  body["tools"] = shown.map(({ tool, path }) => encodeTool(tool, path, encoding));
  if (mode === ToolChoice_Mode.REQUIRED) body["tool_choice"] = "REQUIRED";
  if (mode === ToolChoice_Mode.NONE) body["tool_choice"] = "NONE";
  if (toolChoice?.parallel === false && encoding.target.capabilities.parallelTools !== false)
    encoding.notes.dropped("tool_choice.parallel", "cohere cannot be held to one call a turn");
  if (isStrict(shown, listAt(body, "tools"), encoding)) body["strict_tools"] = true;
}

function encodeTool(tool: Tool, path: string, encoding: Encoding): Fields {
  if (tool.cacheControl !== undefined) encoding.notes.dropped(`${path}.cache_control`, "cohere caches prompts by itself");
  const own = ownTool(tool, path, encoding);
  return { ...extensionFields(tool.extensionsJson, path), ...own };
}

function ownTool({ kind }: Tool, path: string, encoding: Encoding): Fields {
  switch (kind.case) {
    case "function": {
      const { name, description, parametersJsonSchema } = kind.value;
      const wire: Fields = { name: declaredName(name, { path: `${path}.function`, freeform: false }, encoding) };
      if (description !== "") wire["description"] = description;
      wire["parameters"] = parameters(parametersJsonSchema, `${path}.function.parameters_json_schema`);
      return { type: "function", function: wire };
    }
    case "custom": {
      const { description, schema } = freeformFunction(kind.value);
      encoding.notes.emulated(`${path}.custom`, "cohere has no free-form tools; it is a function of one string");
      const name = declaredName(kind.value.name, { path: `${path}.custom`, freeform: true }, encoding);
      return { type: "function", function: { name, ...(description !== "" && { description }), parameters: schema } };
    }
    case "native":
      return callerObject(kind.value.json, `${path}.native.json`);
    case undefined:
      throw new ChatError("INVALID_REQUEST", "a tool has no kind", { field: path });
    default:
      return kind satisfies never;
  }
}

/** The root's type is required, even where nothing else is said. */
function parameters(text: string, path: string): Fields {
  const schema = text === "" ? {} : callerObject(text, path);
  if (Object.keys(schema).length === 0) return { type: "object", properties: {} };
  return "type" in schema ? schema : { type: "object", ...schema };
}

/** One switch for all tools, each of which must then require a parameter (https://docs.cohere.com/docs/structured-outputs). */
function isStrict(tools: readonly PlacedTool[], wire: readonly unknown[], encoding: Encoding): boolean {
  const wanted = tools.filter(({ tool: { kind } }) => kind.case === "function" && kind.value.strict === true);
  if (wanted.length === 0) return false;
  if (wanted.length === tools.length && wire.every(requiresSomething)) return true;
  for (const { path } of wanted)
    encoding.notes.dropped(`${path}.function.strict`, "cohere enforces the schemas of all tools, each with a required parameter, or none");
  return false;
}

function requiresSomething(tool: unknown): boolean {
  const inner = isJsonObject(tool) ? tool["function"] : undefined;
  const schema = isJsonObject(inner) ? inner["parameters"] : undefined;
  return isJsonObject(schema) && listAt(schema, "required").length > 0;
}
