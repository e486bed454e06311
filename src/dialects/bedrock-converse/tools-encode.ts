import { type ChatRequest, type FunctionTool, type Tool, type ToolChoice, ToolChoice_Mode } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { freeformFunction } from "../../core/freeform.ts";
import { callerObject, type Fields, isJsonObject, mergedFields, textAt } from "../../core/json-fields.ts";
import { ownTools, type PlacedTool } from "../../core/own-tools.ts";
import { subsetSchema } from "../../core/schema-subset.ts";
import { declaredName } from "../../core/tool-names.ts";
import { cachePoint } from "./cache-points.ts";
import { extensionFields, issuer } from "./fields.ts";
import type { Turn } from "./messages-encode.ts";
import type { Encoding } from "./parts-encode.ts";

/** Tools and the choice among them. */
export interface Toolbox {
  /** Tools with their cache points; empty: no `toolConfig` at all. */
  readonly tools: Fields[];
  readonly choice: Fields | undefined;
  /** The model must call one. */
  readonly forced: boolean;
}

/** `history`: the messages as they will be sent; tools that were called in them must be shown, wanted or not. */
export function encodeTools(request: Readonly<ChatRequest>, history: readonly Turn[], encoding: Encoding): Toolbox {
  const { toolChoice } = request;
  const none: Toolbox = { tools: [], choice: undefined, forced: false };
  const all = ownTools(request, issuer, encoding.notes).map((each) => encodeTool(each, encoding));
  if (all.length === 0) return { ...none, tools: toolsOfHistory(history, encoding) };
  if (toolChoice === undefined) return { ...none, tools: all.flatMap((each) => each.blocks) };
  if (toolChoice.parallel === false) encoding.notes.dropped("tool_choice.parallel", "bedrock cannot forbid parallel calls");
  if (toolChoice.mode === ToolChoice_Mode.NONE) {
    // There is no choice `none`; without tools none can be called.
    if (!history.some(({ content }) => content.some(isOfTool))) return none;
    encoding.notes.approximated("tool_choice.mode", "tools are shown, because the history has calls; bedrock cannot forbid further ones");
    return { ...none, tools: all.flatMap((each) => each.blocks) };
  }
  const names = new Set(toolChoice.allowedNames);
  const listed = names.size === 0 ? all : all.filter((each) => names.has(each.name));
  if (listed.length === 0)
    throw new ChatError("INVALID_REQUEST", "none of the allowed tools is among the tools", { field: "tool_choice.allowed_names" });
  const forced = toolChoice.mode === ToolChoice_Mode.REQUIRED;
  const [first] = listed;
  const one = forced && names.size === 1 && first !== undefined ? first.wireName : undefined;
  // One forced tool can be named, which leaves the list, and with it the cached prefix, as it was.
  const tools = (one === undefined ? listed : all).flatMap((each) => each.blocks);
  return { tools, choice: encodeChoice(toolChoice, one, encoding.rules.saysAuto), forced };
}

function encodeChoice({ mode }: ToolChoice, one: string | undefined, saysAuto: boolean): Fields | undefined {
  if (mode === ToolChoice_Mode.REQUIRED) return one === undefined ? { any: {} } : { tool: { name: one } };
  return mode === ToolChoice_Mode.AUTO && saysAuto ? { auto: {} } : undefined;
}

/** A tool, by the caller's name and the wire's. */
interface WireTool {
  readonly name: string;
  readonly wireName: string;
  readonly blocks: readonly Fields[];
}

function encodeTool({ tool, path }: PlacedTool, encoding: Encoding): WireTool {
  const { kind } = tool;
  if (kind.case === "native") {
    const wire = callerObject(kind.value.json, `${path}.native.json`);
    const inner = Object.values(wire).find(isJsonObject);
    const name = inner === undefined ? "" : textAt(inner, "name");
    return { name, wireName: name, blocks: withCachePoint(wire, tool, path, encoding) };
  }
  if (kind.case === undefined) throw new ChatError("INVALID_REQUEST", "a tool has no kind", { field: path });
  const spec = kind.case === "function" ? functionTool(kind.value, `${path}.function`, encoding) : customTool(kind.value, path, encoding);
  const toolSpec = mergedFields(extensionFields(tool.extensionsJson, path), spec);
  return { name: kind.value.name, wireName: textAt(spec, "name"), blocks: withCachePoint({ toolSpec }, tool, path, encoding) };
}

function withCachePoint(wire: Fields, tool: Tool, path: string, encoding: Encoding): readonly Fields[] {
  const point = tool.cacheControl === undefined ? undefined : cachePoint(tool.cacheControl, "tools", path, encoding);
  return point === undefined ? [wire] : [wire, point];
}

function customTool(
  custom: { readonly name: string; readonly description: string; readonly grammarSyntax: string; readonly grammar: string },
  path: string,
  encoding: Encoding,
): Fields {
  encoding.notes.emulated(`${path}.custom`, "bedrock has no free-form tools; it is a function of one string");
  const name = declaredName(custom.name, { path: `${path}.custom`, freeform: true }, encoding);
  const { description, schema } = freeformFunction(custom);
  return { name, ...(description !== "" && { description }), inputSchema: { json: schema } };
}

function functionTool(tool: FunctionTool, path: string, encoding: Encoding): Fields {
  const { rules, notes } = encoding;
  const spec: Fields = { name: declaredName(tool.name, { path, freeform: false }, encoding) };
  if (tool.description !== "") spec["description"] = tool.description;
  const schema = parameters(tool.parametersJsonSchema, `${path}.parameters_json_schema`);
  spec["inputSchema"] = { json: schema };
  if (tool.strict !== true) return spec;
  const subset = rules.structuredOutputs ? subsetSchema(schema) : undefined;
  if (subset === undefined) {
    notes.dropped(`${path}.strict`, "the model cannot enforce this schema");
    return spec;
  }
  if (subset.changed) notes.approximated(`${path}.parameters_json_schema`, "keywords that bedrock cannot enforce moved into descriptions");
  return { ...spec, inputSchema: { json: subset.schema }, strict: true };
}

/** Converse requires the root's type, even where nothing else is said. */
function parameters(text: string, path: string): Fields {
  const schema = text === "" ? {} : callerObject(text, path);
  if (Object.keys(schema).length === 0) return { type: "object", properties: {} };
  return "type" in schema ? schema : { type: "object", ...schema };
}

function isOfTool(block: Fields): boolean {
  return "toolUse" in block || "toolResult" in block;
}

/** Calls and results are refused without a `toolConfig`: the tools that were called stand in it, by name. */
function toolsOfHistory(history: readonly Turn[], { notes }: Encoding): Fields[] {
  const blocks = history.flatMap(({ content }) => content.filter(isOfTool));
  if (blocks.length === 0) return [];
  const names = new Set(blocks.flatMap(({ toolUse }) => (isJsonObject(toolUse) ? [textAt(toolUse, "name")] : [])));
  notes.emulated("tools", "the history has calls of tools that the request does not list; their names are shown");
  // Results alone need one, too.
  if (names.size === 0) names.add("unlisted");
  return [...names].map((name) => ({ toolSpec: { name, inputSchema: { json: { type: "object" } } } }));
}
