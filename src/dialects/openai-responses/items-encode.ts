import { type Message, Role, type ToolResultPart } from "../../core/chat.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { partsOf, type PlacedPart } from "../../core/message-parts.ts";
import { assistantItems, callId } from "./assistant-encode.ts";
import { contentOf, encodeInput, noteCacheControl } from "./content-encode.ts";
import type { EncodeContext } from "./encode-context.ts";
import { language, ownFields } from "./extensions.ts";

/** The conversation in this language. */
export interface Prompt {
  /** Undefined: the instructions, if there are any, are items like all others. */
  readonly instructions: string | undefined;
  readonly input: readonly JsonObject[];
}

/** What a message becomes depends on nothing behind it, so that a longer conversation begins like the shorter one. */
export function encodePrompt(messages: readonly Message[], context: EncodeContext): Prompt {
  const instructions = instructionsOf(messages[0]);
  const customIds = new Set<string>();
  const input = messages.flatMap((message, i) => {
    if (i === 0 && instructions !== undefined) return [];
    const path = `messages[${i}]`;
    const parts = partsOf(message, path);
    if (message.name !== "") context.notes.dropped(`${path}.name`, "this dialect has no participant names");
    if (message.role !== Role.ASSISTANT) return otherItems(message, parts, { customIds, context });
    if (Object.keys(ownFields(message.extensionsJson)).length > 0)
      context.notes.dropped(`${path}.extensions_json.${language}`, "an earlier answer is items, which have fields of their own");
    for (const {
      part: { part },
    } of parts)
      if (part.case === "toolCall" && part.value.custom) customIds.add(part.value.id);
    return assistantItems(parts, context);
  });
  return { instructions, input };
}

/** What a caller of this language gave as instructions goes back to that place. */
function instructionsOf(first: Message | undefined): string | undefined {
  if (first?.role !== Role.SYSTEM || ownFields(first.extensionsJson)["instructions"] !== true) return undefined;
  const [part] = first.content;
  return first.content.length === 1 && part?.part.case === "text" ? part.part.value.text : undefined;
}

interface ItemsContext {
  /** Ids of the calls of custom tools, which are answered in their own way. */
  readonly customIds: ReadonlySet<string>;
  readonly context: EncodeContext;
}

/** Results first, each an item of its own, then what else the message says. */
function otherItems(message: Message, parts: readonly PlacedPart[], { customIds, context }: ItemsContext): JsonObject[] {
  const results = parts.flatMap((each) =>
    each.part.part.case === "toolResult" ? [resultItem(each, each.part.part.value, { customIds, context })] : [],
  );
  const rest = parts.filter(({ part }) => part.part.case !== "toolResult");
  // What a tool that only this language knows has answered is an item already.
  const isTool = message.role === Role.TOOL;
  const natives = isTool ? rest.filter(({ part }) => part.part.case === "native") : [];
  const content = encodeInput(isTool ? rest.filter(({ part }) => part.part.case !== "native") : rest, context);
  const items = [...results, ...encodeInput(natives, context)];
  if (content.length === 0) return items;
  const role = message.role !== Role.SYSTEM ? "user" : message.developer ? "developer" : "system";
  const { instructions: _placed, ...own } = ownFields(message.extensionsJson);
  return [...items, { ...own, role, content: contentOf(content) }];
}

function resultItem({ part, path }: PlacedPart, result: ToolResultPart, { customIds, context }: ItemsContext): JsonObject {
  noteCacheControl({ part, path }, context);
  const inner = result.content.map((each, i) => ({ part: each, path: `${path}.tool_result.content[${i}]` }));
  const output = encodeInput(inner, context);
  if (result.isError) markError(output);
  return {
    ...ownFields(part.extensionsJson),
    type: customIds.has(result.toolCallId) ? "custom_tool_call_output" : "function_call_output",
    call_id: callId(result.toolCallId),
    output: output.length === 0 ? "" : contentOf(output),
  };
}

/** This language has no flag for it. */
function markError(output: JsonObject[]): void {
  const [first] = output;
  const text = first?.["type"] === "input_text" && typeof first["text"] === "string" ? first["text"] : undefined;
  if (text === undefined) output.unshift({ type: "input_text", text: "Error: the tool failed." });
  else output[0] = { ...first, text: `Error: ${text}` };
}
