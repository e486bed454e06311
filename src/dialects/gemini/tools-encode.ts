import { type ChatRequest, type FunctionTool, type Tool, type ToolChoice, ToolChoice_Mode } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { freeformFunction } from "../../core/freeform.ts";
import { callerObject, type Fields, mergedFields } from "../../core/json-fields.ts";
import { ownTools } from "../../core/own-tools.ts";
import { declaredName } from "../../core/tool-names.ts";
import type { Encoding } from "./encoding.ts";
import { extensionFields, issuer } from "./fields.ts";

/** Tools and the choice among them; undefined where there are none. */
export interface Toolbox {
  readonly tools: readonly Fields[] | undefined;
  readonly toolConfig: Fields | undefined;
  /** Whether functions of the caller's are declared. */
  readonly callsFunctions: boolean;
}

/** A function of the caller's. */
interface Declared {
  /** The caller's own name. */
  readonly name: string;
  readonly wire: Fields;
  /** Where it stands in the request. */
  readonly path: string;
  readonly strict: boolean;
}

export function encodeTools(request: Readonly<ChatRequest>, encoding: Encoding): Toolbox {
  const declared: Declared[] = [];
  const native: Fields[] = [];
  for (const { tool, path } of ownTools(request, issuer, encoding.notes)) addTool(tool, path, declared, native, encoding);
  if (declared.length > 0 && native.length > 0 && !encoding.rules.generation3)
    throw new ChatError("UNSUPPORTED_FEATURE", "the model takes functions or tools of google's own, not both", { field: "tools" });
  const { toolChoice: choice } = request;
  if (declared.length === 0) return { tools: native.length === 0 ? undefined : native, toolConfig: undefined, callsFunctions: false };

  if (choice?.parallel === false) encoding.notes.dropped("tool_choice.parallel", "gemini may call several tools at once");
  const chosen = chosenOf(choice, declared);
  // Only where the model must call can the choice be narrowed; else what is not allowed is not declared.
  const isForced = choice?.mode === ToolChoice_Mode.REQUIRED;
  const sent = isForced || choice?.mode === ToolChoice_Mode.NONE ? declared : chosen;
  const narrowed = isForced && choice.allowedNames.length > 0 ? chosen.map(({ wire }) => wire["name"]) : undefined;
  const mode = modeOf(choice, sent, encoding);
  const toolConfig: Fields = {};
  if (mode !== undefined) toolConfig["functionCallingConfig"] = { mode, ...(narrowed !== undefined && { allowedFunctionNames: narrowed }) };
  // Without it the two kinds are refused together. https://ai.google.dev/gemini-api/docs/tool-combination
  if (native.length > 0) toolConfig["includeServerSideToolInvocations"] = true;
  return {
    tools: [{ functionDeclarations: sent.map(({ wire }) => wire) }, ...native],
    toolConfig: Object.keys(toolConfig).length === 0 ? undefined : toolConfig,
    callsFunctions: true,
  };
}

function chosenOf(choice: ToolChoice | undefined, declared: readonly Declared[]): readonly Declared[] {
  const names = new Set(choice?.allowedNames ?? []);
  if (names.size === 0) return declared;
  const chosen = declared.filter(({ name }) => names.has(name));
  if (chosen.length === 0)
    throw new ChatError("INVALID_REQUEST", "none of the allowed tools is among the tools", { field: "tool_choice.allowed_names" });
  return chosen;
}

/** Google checks schemas where it is told to; undefined: the caller leaves it to the model, whose default is AUTO. */
function modeOf(choice: ToolChoice | undefined, sent: readonly Declared[], { rules, notes }: Encoding): string | undefined {
  if (choice?.mode === ToolChoice_Mode.NONE) return "NONE";
  // Only calls of the schemas are made then.
  if (choice?.mode === ToolChoice_Mode.REQUIRED) return "ANY";
  const strict = sent.filter((each) => each.strict);
  if (strict.length > 0 && rules.generation3) return "VALIDATED";
  for (const { path } of strict) notes.dropped(`${path}.strict`, "the model does not enforce schemas of functions");
  return choice?.mode === ToolChoice_Mode.AUTO ? "AUTO" : undefined;
}

function addTool(tool: Tool, path: string, declared: Declared[], native: Fields[], encoding: Encoding): void {
  const { kind } = tool;
  const { notes } = encoding;
  if (tool.cacheControl !== undefined) notes.dropped(`${path}.cache_control`, "gemini caches by itself");
  const extension = extensionFields(tool.extensionsJson, path);
  switch (kind.case) {
    case "function": {
      const wire = mergedFields(extension, functionDeclaration(kind.value, `${path}.function`, encoding));
      declared.push({ name: kind.value.name, wire, path: `${path}.function`, strict: kind.value.strict === true });
      return;
    }
    case "custom": {
      notes.emulated(`${path}.custom`, "gemini has no free-form tools; it is a function of one string");
      const { description, schema } = freeformFunction(kind.value);
      const wire: Fields = { name: declaredName(kind.value.name, { path: `${path}.custom`, freeform: true }, encoding) };
      if (description !== "") wire["description"] = description;
      wire["parametersJsonSchema"] = schema;
      declared.push({ name: kind.value.name, wire: mergedFields(extension, wire), path: `${path}.custom`, strict: false });
      return;
    }
    case "native":
      native.push(mergedFields(extension, callerObject(kind.value.json, `${path}.native.json`)));
      return;
    case undefined:
      throw new ChatError("INVALID_REQUEST", "a tool has no kind", { field: path });
    default:
      kind satisfies never;
  }
}

function functionDeclaration(tool: FunctionTool, path: string, encoding: Encoding): Fields {
  const wire: Fields = { name: declaredName(tool.name, { path, freeform: false }, encoding) };
  if (tool.description !== "") wire["description"] = tool.description;
  const text = tool.parametersJsonSchema;
  const schema = text === "" ? {} : plainSchema(callerObject(text, `${path}.parameters_json_schema`));
  // No parameters are told by silence.
  if (!isEmptyObject(schema)) wire["parametersJsonSchema"] = "type" in schema ? schema : { type: "object", ...schema };
  return wire;
}

/** A JSON Schema as Google takes it: which draft it is of is not asked for. Everything else is Google's to understand. */
export function plainSchema(schema: Fields): Fields {
  if (!("$schema" in schema)) return schema;
  const { $schema: _draft, ...rest } = schema;
  return rest;
}

function isEmptyObject(schema: Fields): boolean {
  return Object.entries(schema).every(([key, value]) => {
    switch (key) {
      case "type":
        return value === "object";
      case "properties":
        return typeof value === "object" && value !== null && Object.keys(value).length === 0;
      case "required":
        return Array.isArray(value) && value.length === 0;
      default:
        return key === "additionalProperties" && value === false;
    }
  });
}
