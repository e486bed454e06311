import { type ContentPart, contentPart, message, type Message, Role, textPart } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { keys, shape, unknownOf } from "../../core/extensions.ts";
import { at, type JsonObject, objectAt, optionalString, refuse, requiredName, requiredString } from "../../core/json-fields.ts";
import { opaqueFromText } from "../../core/opaque-tag.ts";
import { decodeContent } from "./content-decode.ts";
import { Conversation } from "./conversation.ts";
import { extensionsOf, filed, ownToken } from "./extensions.ts";
import { callPart, nativePart, reasoningPart } from "./parts.ts";
import { reasoningParts } from "./reasoning-decode.ts";

/** Most items of a request. */
const itemsMax = 10_000;

/** `instructions` and `input` as messages. */
export function decodeInput(body: JsonObject): Message[] {
  const conversation = new Conversation();
  const instructions = optionalString(body, "instructions", "");
  if (instructions !== undefined && instructions !== "")
    conversation.add({ ...message(Role.SYSTEM, [textPart(instructions)]), extensionsJson: filed({ instructions: true }) });
  const { input } = body;
  if (input === undefined || input === null) return refuse("input", "is missing");
  if (typeof input === "string") conversation.add(message(Role.USER, [textPart(input)]));
  else if (!Array.isArray(input)) return refuse("input", "must be a string or an array of items");
  else if (input.length === 0) return refuse("input", "must not be empty");
  else if (input.length > itemsMax) return refuse("input", `must have at most ${itemsMax} elements`);
  else for (const [i, item] of input.entries()) decodeItem(objectAt(item, `input[${i}]`), `input[${i}]`, conversation);
  return conversation.end();
}

/** Ids and states are the vendor's memory of an item, which a request that is not stored does not have. */
const forgotten = keys("type", "id", "status");
const messageShape = shape(forgotten, keys("role", "content"));
const callShape = shape(forgotten, keys("call_id", "name", "arguments", "input"));
const outputShape = shape(forgotten, keys("call_id", "output"));

function decodeItem(item: JsonObject, path: string, conversation: Conversation): void {
  const type = optionalString(item, "type", path) ?? typeWithout(item, path);
  switch (type) {
    case "message":
      return decodeMessage(item, path, conversation);
    case "function_call":
    case "custom_tool_call": {
      const custom = type === "custom_tool_call";
      const argumentsJson = requiredString(item, custom ? "input" : "arguments", path);
      const part = callPart({ id: requiredName(item, "call_id", path), name: requiredName(item, "name", path), argumentsJson, custom });
      return conversation.call({ ...part, extensionsJson: extensionsOf(item, callShape) });
    }
    case "function_call_output":
    case "custom_tool_call_output":
      return conversation.add(message(Role.TOOL, [toolResult(item, path)]));
    case "reasoning":
      return conversation.reasoning(reasoningParts(withoutId(item), (text) => opaqueFromText(text, ownToken)));
    case "item_reference":
      return conversation.reasoning([forgottenThought(item, path)]);
    default:
      // What a caller's own tool answered comes from the caller, all the rest from the model.
      if (/_(?:output|response)$/.test(type)) conversation.add(message(Role.TOOL, [nativePart(item)]));
      else conversation.native(nativePart(item));
  }
}

/**
 * A reference to an item, which clients send that take answers to be stored. Where it was a thought, what is missing is its seal, and
 * the conversation goes on as it does at a vendor that did not seal it: with a note. Without anything else it would be another one.
 */
function forgottenThought(item: JsonObject, path: string): ContentPart {
  const id = requiredString(item, "id", path);
  if (!/^rs[_-]/.test(id)) {
    const text = `${path} refers to a stored item, and nothing is stored here: send the item itself, as clients do with store false`;
    throw new ChatError("UNSUPPORTED_FEATURE", text, { field: path });
  }
  return reasoningPart("", true, [{ $typeName: "semaroute.v1.Opaque", issuer: "stored", kind: "item_reference", value: id }]);
}

function typeWithout(item: JsonObject, path: string): string {
  if (item["role"] !== undefined) return "message";
  return typeof item["id"] === "string" ? "item_reference" : refuse(at(path, "type"), "is missing");
}

function withoutId({ id: _forgotten, ...rest }: JsonObject): JsonObject {
  return rest;
}

const roles: ReadonlyMap<string, Role> = new Map([
  ["system", Role.SYSTEM],
  ["developer", Role.SYSTEM],
  ["user", Role.USER],
  ["assistant", Role.ASSISTANT],
]);

function decodeMessage(item: JsonObject, path: string, conversation: Conversation): void {
  const word = requiredName(item, "role", path);
  const role = roles.get(word) ?? refuse(at(path, "role"), `must be one of ${[...roles.keys()].join(", ")}`);
  const content = decodeContent(item, "content", path);
  const own = unknownOf(item, messageShape);
  if (role === Role.ASSISTANT) return conversation.message(content, own);
  conversation.add({ ...message(role, content), developer: word === "developer", extensionsJson: filed(own) });
}

function toolResult(item: JsonObject, path: string): ContentPart {
  const toolCallId = requiredName(item, "call_id", path);
  const content = decodeContent(item, "output", path);
  const value = { $typeName: "semaroute.v1.ToolResultPart", toolCallId, name: "", content, isError: false } as const;
  return { ...contentPart({ case: "toolResult", value }), extensionsJson: extensionsOf(item, outputShape) };
}
