import { type ChatRequest, type FunctionTool, type Tool, type ToolChoice, ToolChoice_Mode } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { freeformFunction } from "../../core/freeform.ts";
import { declaredName, type ToolNames } from "../../core/tool-names.ts";
import { wireCacheControl } from "./cache-control.ts";
import { callerObject, extensionFields, type Fields, issuer, mergedBlock, textAt } from "./fields.ts";
import type { Notes } from "../../core/notes.ts";
import { ownTools, toolName } from "../../core/own-tools.ts";
import { subsetSchema } from "../../core/schema-subset.ts";

/** Tools and the choice among them; both undefined where there are none. */
export interface Toolbox {
  readonly tools: readonly Fields[] | undefined;
  readonly choice: Fields | undefined;
  /** The model must call one. */
  readonly forced: boolean;
}

/** Tools and the choice among them, as Anthropic takes them. */
export function encodeTools(request: Readonly<ChatRequest>, context: ToolContext): Toolbox {
  const all = ownTools(request, issuer, context.notes).map(({ tool, path }) => {
    const wire = encodeTool(tool, path, context);
    return { name: toolName(tool) || textAt(wire, "name"), wire };
  });
  const { toolChoice } = request;
  if (all.length === 0) return { tools: undefined, choice: undefined, forced: false };
  if (toolChoice === undefined) return { tools: all.map((each) => each.wire), choice: undefined, forced: false };
  const names = new Set(toolChoice.allowedNames);
  const listed = names.size === 0 ? all : all.filter((each) => names.has(each.name));
  if (listed.length === 0)
    throw new ChatError("INVALID_REQUEST", "none of the allowed tools is among the tools", { field: "tool_choice.allowed_names" });
  const forced = toolChoice.mode === ToolChoice_Mode.REQUIRED;
  const [first] = listed;
  const one = forced && names.size === 1 && first !== undefined ? textAt(first.wire, "name") : undefined;
  // One forced tool can be named, which leaves the list, and with it the cached prefix, as it was.
  const sent = one === undefined && toolChoice.mode !== ToolChoice_Mode.NONE ? listed : all;
  return { tools: sent.map((each) => each.wire), choice: encodeChoice(toolChoice, one), forced };
}

function encodeChoice(choice: ToolChoice, one: string | undefined): Fields | undefined {
  const serial = choice.parallel === false ? { disable_parallel_tool_use: true } : {};
  switch (choice.mode) {
    case ToolChoice_Mode.NONE:
      return { type: "none" };
    case ToolChoice_Mode.REQUIRED:
      return one === undefined ? { type: "any", ...serial } : { type: "tool", name: one, ...serial };
    case ToolChoice_Mode.AUTO:
      return { type: "auto", ...serial };
    default:
      return choice.parallel === false ? { type: "auto", ...serial } : undefined;
  }
}

/** What decides about tools besides the request. */
export interface ToolContext {
  /** Whether the model compiles schemas of tools. */
  readonly strict: boolean;
  readonly names: ToolNames;
  readonly notes: Notes;
}

function encodeTool(tool: Tool, path: string, context: ToolContext): Fields {
  const own = { ...ownTool(tool, path, context) };
  if (tool.cacheControl !== undefined) own["cache_control"] = wireCacheControl(tool.cacheControl, path, context.notes);
  return mergedBlock(extensionFields(tool.extensionsJson, path), own);
}

function ownTool(tool: Tool, path: string, context: ToolContext): Fields {
  const { kind } = tool;
  switch (kind.case) {
    case "function":
      return functionTool(kind.value, `${path}.function`, context);
    case "custom": {
      const { description, schema } = freeformFunction(kind.value);
      context.notes.emulated(`${path}.custom`, "anthropic has no free-form tools; it is a function of one string");
      const name = declaredName(kind.value.name, { path: `${path}.custom`, freeform: true }, context);
      return description === "" ? { name, input_schema: schema } : { name, description, input_schema: schema };
    }
    case "native":
      return callerObject(kind.value.json, `${path}.native.json`);
    case undefined:
      throw new ChatError("INVALID_REQUEST", "a tool has no kind", { field: path });
    default:
      return kind satisfies never;
  }
}

function functionTool(tool: FunctionTool, path: string, context: ToolContext): Fields {
  const wire: Fields = { name: declaredName(tool.name, { path, freeform: false }, context) };
  if (tool.description !== "") wire["description"] = tool.description;
  const schema = parameters(tool.parametersJsonSchema, `${path}.parameters_json_schema`);
  wire["input_schema"] = schema;
  if (tool.strict !== true) return wire;
  const subset = context.strict ? subsetSchema(schema) : undefined;
  if (subset === undefined) {
    context.notes.dropped(`${path}.strict`, "the model cannot enforce this schema");
    return wire;
  }
  if (subset.changed)
    context.notes.approximated(`${path}.parameters_json_schema`, "keywords that anthropic cannot enforce moved into descriptions");
  return { ...wire, input_schema: subset.schema, strict: true };
}

/** Anthropic requires the root's type, even where nothing else is said. */
function parameters(text: string, path: string): Fields {
  const schema = text === "" ? {} : callerObject(text, path);
  if (Object.keys(schema).length === 0) return { type: "object", properties: {} };
  return "type" in schema ? schema : { type: "object", ...schema };
}
