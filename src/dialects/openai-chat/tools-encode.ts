import type { ChatRequest, CustomTool, Tool, ToolChoice } from "../../core/chat.ts";
import { note, ToolChoice_Mode, TranslationAction } from "../../core/chat.ts";
import { freeformFunction } from "../../core/freeform.ts";
import { encodeCacheControl } from "./cache-control.ts";
import { drop, type EncodeContext, extended, unsupported } from "./encode-context.ts";
import { extensionIssuer } from "./extensions.ts";
import { type JsonObject, objectFromText } from "../../core/json-fields.ts";

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
  const shown = isFiltered ? request.tools.filter((tool) => names.includes(nameOf(tool))) : request.tools;
  const tools = shown.flatMap((tool, i) => encodeTool(tool, i, context));
  if (toolChoice?.mode === ToolChoice_Mode.REQUIRED && !canBeForced(request.tools, names, tools.length))
    unsupported(context, "tool_choice", "has none of the tools of which one must be called");
  // Hosts refuse an empty list, and a choice without a list.
  if (tools.length === 0) return;
  body["tools"] = tools;
  if (toolChoice === undefined) return;
  const choice = hears ? encodeChoice(toolChoice, isFiltered ? [] : names, request.tools, context) : undefined;
  if (choice !== undefined) body["tool_choice"] = choice;
  if (!hears && toolChoice.mode === ToolChoice_Mode.REQUIRED)
    context.notes.push(note("tool_choice.mode", TranslationAction.APPROXIMATED, "the host cannot be made to call a tool"));
  // A model that makes one call at a time already does what false asks for.
  if (toolChoice.parallel !== undefined && context.target.capabilities.parallelTools !== false)
    body["parallel_tool_calls"] = toolChoice.parallel;
}

/** Whether a tool that has to be called is among those that have a form here. */
function canBeForced(tools: readonly Tool[], names: readonly string[], encoded: number): boolean {
  if (names.length > 0) return tools.some((tool) => names.includes(nameOf(tool)));
  return encoded > 0 || tools.length === 0;
}

function nameOf(tool: Tool): string {
  return tool.kind.case === "function" || tool.kind.case === "custom" ? tool.kind.value.name : "";
}

function encodeTool(tool: Tool, index: number, context: EncodeContext): JsonObject[] {
  const known = bareTool(tool, index, context);
  if (known === undefined) return [];
  const whole = extended(context, tool.extensionsJson, known, "tools.extensions_json");
  if (tool.cacheControl === undefined) return [whole];
  if (context.quirks.cacheControl === true) return [{ ...whole, cache_control: encodeCacheControl(tool.cacheControl) }];
  drop(context, "tools.cache_control", "this dialect caches prompts by itself");
  return [whole];
}

function bareTool({ kind }: Tool, index: number, context: EncodeContext): JsonObject | undefined {
  switch (kind.case) {
    case "function": {
      const { description, parametersJsonSchema, strict } = kind.value;
      const known: Record<string, unknown> = { name: wireName(kind.value.name, `tools[${index}].function`, context) };
      if (description !== "") known["description"] = description;
      if (parametersJsonSchema !== "")
        known["parameters"] = objectFromText(parametersJsonSchema, `tools[${index}].function.parameters_json_schema`);
      if (strict !== undefined) known["strict"] = strict;
      return { type: "function", function: known };
    }
    case "custom": {
      const name = wireName(kind.value.name, `tools[${index}].custom`, context);
      if (context.quirks.customTools === false) return freeformTool(kind.value, index, context);
      const { description, grammar, grammarSyntax } = kind.value;
      const known: Record<string, unknown> = { name };
      if (description !== "") known["description"] = description;
      if (grammarSyntax !== "") known["format"] = { type: "grammar", grammar: { definition: grammar, syntax: grammarSyntax } };
      return { type: "custom", custom: known };
    }
    case "native":
      if (kind.value.issuer === extensionIssuer) return objectFromText(kind.value.json, `tools[${index}].native.json`);
      drop(context, `tools[${index}].native`, `a tool of ${kind.value.issuer} does not run here`);
      return undefined;
    case undefined:
      return undefined;
    default:
      return kind satisfies never;
  }
}

function wireName(name: string, path: string, { names, notes }: EncodeContext): string {
  const wire = names.wire(name);
  if (wire !== name) {
    const text = "the name is shortened on its way, and has its full length in the answer";
    notes.push(note(`${path}.name`, TranslationAction.APPROXIMATED, text));
  }
  return wire;
}

function freeformTool(tool: CustomTool, index: number, { names, notes }: EncodeContext): JsonObject {
  const { description, schema } = freeformFunction(tool);
  notes.push(note(`tools[${index}].custom`, TranslationAction.EMULATED, "the host has no free-form tools; it is a function of one string"));
  const known = { name: names.freeform(tool.name), parameters: schema };
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
  known["schema"] = objectFromText(jsonSchema, "output_format.json_schema.json_schema");
  if (strict !== undefined) known["strict"] = strict;
  return { type: "json_schema", json_schema: known };
}
