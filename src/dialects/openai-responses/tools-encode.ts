import { type ChatRequest, type Tool, type ToolChoice, ToolChoice_Mode } from "../../core/chat.ts";
import { type JsonObject, callerObject } from "../../core/json-fields.ts";
import { ownTools, type PlacedTool } from "../../core/own-tools.ts";
import { declaredName } from "../../core/tool-names.ts";
import { type EncodeContext, unsupported } from "./encode-context.ts";
import { language, ownFields } from "./extensions.ts";

/** Puts `tools`, `tool_choice` and `parallel_tool_calls` into the body. */
export function encodeTools(request: Readonly<ChatRequest>, body: Record<string, unknown>, context: EncodeContext): void {
  const { toolChoice } = request;
  const tools = ownTools(request, language, context.notes).flatMap((each) => encodeTool(each, context));
  if (tools.length === 0) return;
  body["tools"] = tools;
  if (toolChoice === undefined) return;
  const choice = encodeChoice(toolChoice, tools, context);
  if (choice !== undefined) body["tool_choice"] = choice;
  if (toolChoice.parallel !== undefined) body["parallel_tool_calls"] = toolChoice.parallel;
}

function encodeTool({ tool, path }: PlacedTool, context: EncodeContext): JsonObject[] {
  if (tool.cacheControl !== undefined) context.notes.dropped(`${path}.cache_control`, "this dialect caches prompts by itself");
  const known = bareTool(tool, path, context);
  if (known === undefined) return [];
  const { strict: said, ...own } = ownFields(tool.extensionsJson);
  // Null: the caller left it to this language's own default, which is another one than false.
  const isLeft = said === null && known["strict"] === false;
  const { strict, ...rest } = known;
  return [{ ...own, ...rest, ...(strict !== undefined && !isLeft && { strict }) }];
}

function bareTool({ kind }: Tool, path: string, context: EncodeContext): JsonObject | undefined {
  switch (kind.case) {
    case "function": {
      const { description, parametersJsonSchema: schema, strict = false } = kind.value;
      const name = declaredName(kind.value.name, { path: `${path}.function`, freeform: false }, context);
      const parameters =
        schema === "" ? { type: "object", properties: {} } : callerObject(schema, `${path}.function.parameters_json_schema`);
      return { type: "function", name, ...(description !== "" && { description }), parameters, strict };
    }
    case "custom": {
      const { description, grammar: definition, grammarSyntax: syntax } = kind.value;
      const name = declaredName(kind.value.name, { path: `${path}.custom`, freeform: false }, context);
      const format = syntax === "" ? undefined : { type: "grammar", syntax, definition };
      return { type: "custom", name, ...(description !== "" && { description }), ...(format !== undefined && { format }) };
    }
    case "native":
      return callerObject(kind.value.json, `${path}.native.json`);
    case undefined:
      return undefined;
    default:
      return kind satisfies never;
  }
}

function encodeChoice({ mode, allowedNames }: ToolChoice, tools: readonly JsonObject[], context: EncodeContext): unknown {
  if (mode === ToolChoice_Mode.NONE) return "none";
  const isForced = mode === ToolChoice_Mode.REQUIRED;
  if (allowedNames.length === 0) return isForced ? "required" : mode === ToolChoice_Mode.AUTO ? "auto" : undefined;
  const chosen = allowedNames.flatMap((name) => reference(name, tools) ?? reference(context.names.wire(name), tools) ?? []);
  const [only] = chosen;
  if (only === undefined) return unsupported(context, "tool_choice", "has none of the allowed tools");
  return isForced && allowedNames.length === 1 ? only : { type: "allowed_tools", mode: isForced ? "required" : "auto", tools: chosen };
}

/** A tool by its name; one without by its server's, or by its kind. */
function reference(name: string, tools: readonly JsonObject[]): JsonObject | undefined {
  for (const { type, name: own, server_label: server } of tools) {
    if (type === "function" || type === "custom") {
      if (own === name) return { type, name };
    } else if (typeof server === "string") {
      if (server === name) return { type, server_label: server };
      if (name.startsWith(`${server}/`)) return { type, server_label: server, name: name.slice(server.length + 1) };
    } else if (type === name) return { type };
  }
  return undefined;
}

/** `text.format`; undefined for plain text. */
export function encodeOutputFormat(request: Readonly<ChatRequest>): JsonObject | undefined {
  const format = request.outputFormat?.format;
  if (format?.case === "jsonObject") return { type: "json_object" };
  if (format?.case !== "jsonSchema") return undefined;
  const { name, description, jsonSchema, strict } = format.value;
  return {
    type: "json_schema",
    name: name === "" ? "response" : name,
    ...(description !== "" && { description }),
    schema: callerObject(jsonSchema, "output_format.json_schema.json_schema"),
    ...(strict !== undefined && { strict }),
  };
}
