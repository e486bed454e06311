import type { ChatRequest, CustomTool, Tool, ToolChoice } from "../../core/chat.ts";
import { ToolChoice_Mode } from "../../core/chat.ts";
import { freeformFunction } from "../../core/freeform.ts";
import { declaredName } from "../../core/tool-names.ts";
import { encodeCacheControl } from "./cache-control.ts";
import { type EncodeContext, extended, unsupported } from "./encode-context.ts";
import { extensionIssuer } from "./extensions.ts";
import { type JsonObject, callerObject } from "../../core/json-fields.ts";
import { ownTools, type PlacedTool, toolName } from "../../core/own-tools.ts";

/** Puts `tools`, `tool_choice` and `parallel_tool_calls` into the body. */
export function encodeTools(request: Readonly<ChatRequest>, body: Record<string, unknown>, context: EncodeContext): void {
  const { toolChoice } = request;
  // Only OpenAI knows `allowed_tools`; to others the rest of the tools is not shown, which allows the same.
  const names = toolChoice?.allowedNames ?? [];
  const hears = context.quirks.toolChoice !== false;
  // What is not shown is not called.
  if (!hears && toolChoice?.mode === ToolChoice_Mode.NONE) return;
  const filtered = names.length > 1 || (names.length === 1 && (!hears || toolChoice?.mode !== ToolChoice_Mode.REQUIRED));
  const isFiltered = filtered && context.target.issuer !== "openai";
  const own = ownTools(request, extensionIssuer, context.notes);
  const shown = isFiltered ? own.filter(({ tool }) => names.includes(toolName(tool))) : own;
  const tools = shown.flatMap((each) => encodeTool(each, context));
  if (toolChoice?.mode === ToolChoice_Mode.REQUIRED && names.length > 0 && !own.some(({ tool }) => names.includes(toolName(tool))))
    unsupported(context, "tool_choice", "has none of the tools of which one must be called");
  // Hosts refuse an empty list, and a choice without a list.
  if (tools.length === 0) return;
  body["tools"] = tools;
  if (toolChoice === undefined) return;
  const choice = hears ? encodeChoice(toolChoice, isFiltered ? [] : names, request.tools, context) : undefined;
  if (choice !== undefined) body["tool_choice"] = choice;
  if (!hears && toolChoice.mode === ToolChoice_Mode.REQUIRED)
    context.notes.approximated("tool_choice.mode", "the host cannot be made to call a tool");
  // A model that makes one call at a time already does what false asks for.
  if (toolChoice.parallel !== undefined && context.target.capabilities.parallelTools !== false)
    body["parallel_tool_calls"] = toolChoice.parallel;
}

function encodeTool({ tool, path }: PlacedTool, context: EncodeContext): JsonObject[] {
  const known = bareTool(tool, path, context);
  if (known === undefined) return [];
  const whole = extended(context, tool.extensionsJson, known, path);
  if (tool.cacheControl === undefined) return [whole];
  if (context.quirks.cacheControl === true) return [{ ...whole, cache_control: encodeCacheControl(tool.cacheControl) }];
  context.notes.dropped(`${path}.cache_control`, "this dialect caches prompts by itself");
  return [whole];
}

function bareTool({ kind }: Tool, path: string, context: EncodeContext): JsonObject | undefined {
  switch (kind.case) {
    case "function": {
      const { description, parametersJsonSchema, strict } = kind.value;
      const known: Record<string, unknown> = {
        name: declaredName(kind.value.name, { path: `${path}.function`, freeform: false }, context),
      };
      if (description !== "") known["description"] = description;
      if (parametersJsonSchema !== "") known["parameters"] = callerObject(parametersJsonSchema, `${path}.function.parameters_json_schema`);
      if (strict !== undefined) known["strict"] = strict;
      return { type: "function", function: known };
    }
    case "custom": {
      if (context.quirks.customTools === false) return freeformTool(kind.value, `${path}.custom`, context);
      const name = declaredName(kind.value.name, { path: `${path}.custom`, freeform: false }, context);
      const { description, grammar, grammarSyntax } = kind.value;
      const known: Record<string, unknown> = { name };
      if (description !== "") known["description"] = description;
      if (grammarSyntax !== "") known["format"] = { type: "grammar", grammar: { definition: grammar, syntax: grammarSyntax } };
      return { type: "custom", custom: known };
    }
    case "native":
      return callerObject(kind.value.json, `${path}.native.json`);
    case undefined:
      return undefined;
    default:
      return kind satisfies never;
  }
}

function freeformTool(tool: CustomTool, path: string, context: EncodeContext): JsonObject {
  const { description, schema } = freeformFunction(tool);
  context.notes.emulated(path, "the host has no free-form tools; it is a function of one string");
  const known = { name: declaredName(tool.name, { path, freeform: true }, context), parameters: schema };
  return { type: "function", function: description === "" ? known : { ...known, description } };
}

function encodeChoice(choice: ToolChoice, names: readonly string[], tools: readonly Tool[], context: EncodeContext): unknown {
  const reference = (callerName: string): JsonObject => {
    const name = context.names.wire(callerName);
    const custom =
      context.quirks.customTools !== false && tools.some(({ kind }) => kind.case === "custom" && kind.value.name === callerName);
    return custom ? { type: "custom", custom: { name } } : { type: "function", function: { name } };
  };
  const [only] = names;
  if (choice.mode === ToolChoice_Mode.NONE) return "none";
  if (only === undefined) {
    if (choice.mode === ToolChoice_Mode.REQUIRED) return context.quirks.toolChoiceRequired ?? "required";
    return choice.mode === ToolChoice_Mode.AUTO ? "auto" : undefined;
  }
  if (choice.mode === ToolChoice_Mode.REQUIRED && names.length === 1) return reference(only);
  const mode = choice.mode === ToolChoice_Mode.REQUIRED ? "required" : "auto";
  return { type: "allowed_tools", allowed_tools: { mode, tools: names.map(reference) } };
}

/** `response_format`; undefined for plain text. */
export function encodeOutputFormat(request: Readonly<ChatRequest>): JsonObject | undefined {
  const format = request.outputFormat?.format;
  if (format?.case === "jsonObject") return { type: "json_object" };
  if (format?.case !== "jsonSchema") return undefined;
  const { name, description, jsonSchema, strict } = format.value;
  const known: Record<string, unknown> = { name: name === "" ? "response" : name };
  if (description !== "") known["description"] = description;
  known["schema"] = callerObject(jsonSchema, "output_format.json_schema.json_schema");
  if (strict !== undefined) known["strict"] = strict;
  return { type: "json_schema", json_schema: known };
}
