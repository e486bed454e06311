import { type ChatRequest, type Tool, ToolChoice_Mode } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { freeformFunction } from "../../core/freeform.ts";
import { type Encoding, unsupported, wireToolName } from "./encoding.ts";
import { callerFields, extensionFields, type Fields, isFields, issuer, listAt } from "./fields.ts";

/** Puts `tools`, `tool_choice` and `strict_tools` into the body. */
export function encodeTools(request: Readonly<ChatRequest>, body: Fields, encoding: Encoding): void {
  const { toolChoice } = request;
  const mode = toolChoice?.mode;
  const names = toolChoice?.allowedNames ?? [];
  // Cohere can name no tool in its choice: what is not shown is not allowed.
  const allowed = (tool: Tool): boolean => names.length === 0 || mode === ToolChoice_Mode.NONE || names.includes(nameOf(tool));
  const shown = [...request.tools.entries()].filter(([, tool]) => allowed(tool));
  if (request.tools.length > 0 && shown.length === 0)
    throw new ChatError("INVALID_REQUEST", "none of the allowed tools is among the tools", { field: "tool_choice.allowed_names" });
  if (shown.length === 0) return;
  body["tools"] = shown.map(([i, tool]) => encodeTool(tool, `tools[${i}]`, encoding));
  if (mode === ToolChoice_Mode.REQUIRED) body["tool_choice"] = "REQUIRED";
  if (mode === ToolChoice_Mode.NONE) body["tool_choice"] = "NONE";
  if (toolChoice?.parallel === false && encoding.target.capabilities.parallelTools !== false)
    encoding.notes.dropped("tool_choice.parallel", "cohere cannot be held to one call a turn");
  if (
    isStrict(
      shown.map(([, tool]) => tool),
      listAt(body, "tools"),
      encoding,
    )
  )
    body["strict_tools"] = true;
}

function nameOf({ kind }: Tool): string {
  return kind.case === "function" || kind.case === "custom" ? kind.value.name : "";
}

function encodeTool(tool: Tool, path: string, encoding: Encoding): Fields {
  if (tool.cacheControl !== undefined) encoding.notes.dropped("tools.cache_control", "cohere caches prompts by itself");
  const own = ownTool(tool, path, encoding);
  return { ...extensionFields(tool.extensionsJson, path), ...own };
}

function ownTool({ kind }: Tool, path: string, encoding: Encoding): Fields {
  switch (kind.case) {
    case "function": {
      const { name, description, parametersJsonSchema } = kind.value;
      const wire: Fields = { name: wireToolName(name, false, `${path}.function`, encoding) };
      if (description !== "") wire["description"] = description;
      wire["parameters"] = parameters(parametersJsonSchema, `${path}.function.parameters_json_schema`);
      return { type: "function", function: wire };
    }
    case "custom": {
      const { description, schema } = freeformFunction(kind.value);
      encoding.notes.emulated(`${path}.custom`, "cohere has no free-form tools; it is a function of one string");
      const name = wireToolName(kind.value.name, true, `${path}.custom`, encoding);
      return { type: "function", function: { name, ...(description !== "" && { description }), parameters: schema } };
    }
    case "native":
      if (kind.value.issuer === issuer) return callerFields(kind.value.json, `${path}.native.json`);
      throw unsupported(`${path}.native`, `cannot run a tool of ${kind.value.issuer}`);
    case undefined:
      throw new ChatError("INVALID_REQUEST", "a tool has no kind", { field: path });
    default:
      return kind satisfies never;
  }
}

/** The root's type is required, even where nothing else is said. */
function parameters(text: string, path: string): Fields {
  const schema = text === "" ? {} : callerFields(text, path);
  if (Object.keys(schema).length === 0) return { type: "object", properties: {} };
  return "type" in schema ? schema : { type: "object", ...schema };
}

/** One switch for all tools, each of which must then require a parameter (https://docs.cohere.com/docs/structured-outputs). */
function isStrict(tools: readonly Tool[], wire: readonly unknown[], encoding: Encoding): boolean {
  const wanted = tools.filter(({ kind }) => kind.case === "function" && kind.value.strict === true);
  if (wanted.length === 0) return false;
  if (wanted.length === tools.length && wire.every(requiresSomething)) return true;
  encoding.notes.dropped("tools.function.strict", "cohere enforces the schemas of all tools, each with a required parameter, or none");
  return false;
}

function requiresSomething(tool: unknown): boolean {
  const inner = isFields(tool) ? tool["function"] : undefined;
  const schema = isFields(inner) ? inner["parameters"] : undefined;
  return isFields(schema) && listAt(schema, "required").length > 0;
}
