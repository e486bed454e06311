import type { ContentPart, Message, Opaque } from "../../core/chat.ts";
import { contentPart, message, Role, textPart } from "../../core/chat.ts";
import { decodeCacheControl } from "./cache-control.ts";
import { keys, shape } from "../../core/extensions.ts";
import { extensionsOf } from "./extensions.ts";
import {
  at,
  isJsonObject,
  type JsonObject,
  objectAt,
  optionalArray,
  optionalObject,
  optionalString,
  refuse,
  requiredName,
  requiredObject,
} from "../../core/json-fields.ts";
import { reasoningFromBlock, reasoningPart, thoughtSignatures } from "./opaque.ts";
import { decodePart, refusalPart } from "./parts-decode.ts";

/** A caller's conversation. */
export function decodeMessages(values: readonly unknown[]): Message[] {
  const legacy: LegacyCalls = { last: undefined };
  return values.map((value, i) => decodeMessage(objectAt(value, `messages[${i}]`), `messages[${i}]`, legacy));
}

/** The deprecated `function_call` has no id: the `function` message after it answers the last one. */
interface LegacyCalls {
  last: { readonly id: string; readonly name: string } | undefined;
}

const common = keys("role", "content", "name", "cache_control");
const plainShape = shape(common);
const toolShape = shape(common, keys("tool_call_id"));
const assistantShape = shape(common, keys("refusal", "tool_calls", "function_call", "reasoning_content", "reasoning", "thinking_blocks"), {
  audio: keys("id"),
});
const callShape = shape(keys("id", "type", "index"), {
  function: keys("name", "arguments"),
  custom: keys("name", "input"),
  extra_content: { google: keys("thought_signature") },
});

function decodeMessage(object: JsonObject, path: string, legacy: LegacyCalls): Message {
  const role = requiredName(object, "role", path);
  const decoded = bodyOf(role, object, path, legacy);
  // The name of a `function` message is the function's, and went into the result.
  if (role !== "function" && role !== "tool") decoded.name = optionalString(object, "name", path) ?? "";
  const control = decodeCacheControl(object, path);
  const last = decoded.content.at(-1);
  if (control !== undefined && last !== undefined) last.cacheControl = control;
  decoded.extensionsJson = extensionsOf(object, role === "assistant" ? assistantShape : role === "tool" ? toolShape : plainShape);
  return decoded;
}

function bodyOf(role: string, object: JsonObject, path: string, legacy: LegacyCalls): Message {
  switch (role) {
    case "system":
      return message(Role.SYSTEM, requiredContent(object, path));
    case "developer":
      return { ...message(Role.SYSTEM, requiredContent(object, path)), developer: true };
    case "user":
      return message(Role.USER, requiredContent(object, path));
    case "assistant":
      return message(Role.ASSISTANT, assistantContent(object, path, legacy));
    case "tool": {
      const id = requiredName(object, "tool_call_id", path);
      return message(Role.TOOL, [toolResult(id, optionalString(object, "name", path) ?? "", resultContent(object, path))]);
    }
    case "function": {
      const name = requiredName(object, "name", path);
      if (legacy.last?.name !== name) return refuse(path, "answers no function_call");
      return message(Role.TOOL, [toolResult(legacy.last.id, name, resultContent(object, path))]);
    }
    default:
      return refuse(at(path, "role"), "must be one of developer, system, user, assistant, tool, function");
  }
}

function toolResult(toolCallId: string, name: string, content: ContentPart[]): ContentPart {
  return contentPart({
    case: "toolResult",
    value: { $typeName: "semaroute.v1.ToolResultPart", toolCallId, name, content, isError: false },
  });
}

/** Content as parts; undefined where absent. */
function optionalContent(object: JsonObject, path: string): ContentPart[] | undefined {
  const { content } = object;
  if (content === undefined || content === null) return undefined;
  if (typeof content === "string") return [textPart(content)];
  if (!Array.isArray(content)) return refuse(at(path, "content"), "must be a string or an array of parts");
  return content.map((part, i) => decodePart(part, `${path}.content[${i}]`));
}

function requiredContent(object: JsonObject, path: string): ContentPart[] {
  return optionalContent(object, path) ?? refuse(at(path, "content"), "is missing");
}

/** An empty result has no parts. */
function resultContent(object: JsonObject, path: string): ContentPart[] {
  return object["content"] === "" ? [] : (optionalContent(object, path) ?? []);
}

function assistantContent(object: JsonObject, path: string, legacy: LegacyCalls): ContentPart[] {
  const parts = reasoningParts(object, path);
  const calls = optionalArray(object, "tool_calls", path) ?? [];
  const call = optionalObject(object, "function_call", path);
  const content = optionalContent(object, path);
  // Clients replay the empty text of a pure tool call; it says nothing.
  if (content !== undefined && !(object["content"] === "" && (calls.length > 0 || call !== undefined))) parts.push(...content);
  const refusal = optionalString(object, "refusal", path);
  if (refusal !== undefined && refusal !== "") parts.push(refusalPart(refusal));
  const audio = optionalObject(object, "audio", path);
  if (audio !== undefined) parts.push(audioReplay(requiredName(audio, "id", at(path, "audio"))));
  for (const [i, each] of calls.entries()) parts.push(toolCall(objectAt(each, `${path}.tool_calls[${i}]`), `${path}.tool_calls[${i}]`));
  if (call !== undefined) parts.push(legacyCall(call, path, legacy));
  return parts.length === 0 && content === undefined ? refuse(at(path, "content"), "is missing") : parts;
}

/** `thinking_blocks` say all that the plain texts say, and more. */
function reasoningParts(object: JsonObject, path: string): ContentPart[] {
  const blocks = optionalArray(object, "thinking_blocks", path) ?? [];
  const parts = blocks.flatMap((block) => (isJsonObject(block) ? (reasoningFromBlock(block) ?? []) : []));
  if (parts.length > 0) return parts;
  const text = optionalString(object, "reasoning_content", path) ?? optionalString(object, "reasoning", path) ?? "";
  return text === "" ? [] : [reasoningPart(text, [])];
}

function audioReplay(audioId: string): ContentPart {
  return contentPart({ case: "audio", value: { $typeName: "semaroute.v1.AudioPart", transcript: "", audioId } });
}

function toolCall(call: JsonObject, path: string): ContentPart {
  const id = requiredName(call, "id", path);
  const type = optionalString(call, "type", path) ?? "function";
  if (type !== "function" && type !== "custom") return refuse(at(path, "type"), "must be function or custom");
  const inner = requiredObject(call, type, path);
  const where = at(path, type);
  const argumentsJson = type === "custom" ? (optionalString(inner, "input", where) ?? "") : argumentsText(inner, where);
  const part = callPart(
    { id, name: requiredName(inner, "name", where), argumentsJson, custom: type === "custom" },
    thoughtSignatures(call),
  );
  part.extensionsJson = extensionsOf(call, callShape);
  return part;
}

/** A tool call before it is a message of the vocabulary. */
export interface CallFields {
  readonly id: string;
  readonly name: string;
  /** JSON text of a function's arguments, or a custom tool's free text. */
  readonly argumentsJson: string;
  readonly custom: boolean;
}

/** A part that calls a tool. */
export function callPart(fields: CallFields, tokens: Opaque[]): ContentPart {
  const part = contentPart({ case: "toolCall", value: { $typeName: "semaroute.v1.ToolCallPart", ...fields } });
  part.opaque = tokens;
  return part;
}

/** The model's text as it is; some clients send the parsed object back. */
function argumentsText(inner: JsonObject, path: string): string {
  return isJsonObject(inner["arguments"]) ? JSON.stringify(inner["arguments"]) : (optionalString(inner, "arguments", path) ?? "");
}

function legacyCall(call: JsonObject, path: string, legacy: LegacyCalls): ContentPart {
  const where = at(path, "function_call");
  const name = requiredName(call, "name", where);
  // A pure function of the place, so that later turns say the same.
  const id = `call_${path.replaceAll(/\D/g, "")}_${name}`.slice(0, 40);
  legacy.last = { id, name };
  return callPart({ id, name, argumentsJson: argumentsText(call, where), custom: false }, []);
}
