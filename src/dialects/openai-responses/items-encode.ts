import { type ContentPart, type Message, Role, textPart, type ToolResultPart } from "../../core/chat.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { assistantItems, callId } from "./assistant-encode.ts";
import { contentOf, encodeInput } from "./content-encode.ts";
import { drop, type EncodeContext } from "./encode-context.ts";
import { ownFields } from "./extensions.ts";

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
  const input = (instructions === undefined ? messages : messages.slice(1)).flatMap((message) => {
    const parts = partsOf(message);
    if (message.name !== "") drop(context, "messages.name", "this dialect has no participant names");
    if (message.role !== Role.ASSISTANT) return otherItems(message, parts, { customIds, context });
    for (const { part } of parts) if (part.case === "toolCall" && part.value.custom) customIds.add(part.value.id);
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

/** The shorthand `text` stands in front; in an answer that is sent back as history it only repeats the content. */
function partsOf(message: Message): readonly ContentPart[] {
  if (message.text === "" || (message.role === Role.ASSISTANT && message.content.length > 0)) return message.content;
  return [textPart(message.text), ...message.content];
}

interface ItemsContext {
  /** Ids of the calls of custom tools, which are answered in their own way. */
  readonly customIds: ReadonlySet<string>;
  readonly context: EncodeContext;
}

/** Results first, each an item of its own, then what else the message says. */
function otherItems(message: Message, parts: readonly ContentPart[], { customIds, context }: ItemsContext): JsonObject[] {
  const results = parts.flatMap((part) =>
    part.part.case === "toolResult" ? [resultItem(part, part.part.value, { customIds, context })] : [],
  );
  const rest = parts.filter((part) => part.part.case !== "toolResult");
  // What a tool that only this language knows has answered is an item already.
  const isTool = message.role === Role.TOOL;
  const natives = isTool ? rest.filter((part) => part.part.case === "native") : [];
  const content = encodeInput(isTool ? rest.filter((part) => part.part.case !== "native") : rest, context);
  const items = [...results, ...encodeInput(natives, context)];
  if (content.length === 0) return items;
  const role = message.role !== Role.SYSTEM ? "user" : message.developer ? "developer" : "system";
  const { instructions: _placed, ...own } = ownFields(message.extensionsJson);
  return [...items, { ...own, role, content: contentOf(content) }];
}

function resultItem(part: ContentPart, result: ToolResultPart, { customIds, context }: ItemsContext): JsonObject {
  const output = encodeInput(result.content, context);
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
