import type { Message, ReasoningPart, ToolCallPart } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { wrapped } from "../../core/freeform.ts";
import type { PlacedPart } from "../../core/message-parts.ts";
import type { Encoding } from "./encoding.ts";
import { callerObject, extensionFields, type Fields, issuer } from "./fields.ts";
import { argumentsText } from "./tool-arguments.ts";

/** An earlier answer; none where nothing of it can be said here. Beside tool calls, its words are the plan. */
export function assistantMessage(
  message: Message,
  { parts, path }: { readonly parts: readonly PlacedPart[]; readonly path: string },
  encoding: Encoding,
): readonly Fields[] {
  const content: Fields[] = [];
  const texts: string[] = [];
  const calls: Fields[] = [];
  for (const { part, path: at } of parts) {
    const { part: inner } = part;
    switch (inner.case) {
      case "text":
      case "refusal":
        if (inner.value.text !== "") texts.push(inner.value.text);
        break;
      case "reasoning":
        content.push(...thinking(inner.value, `${at}.reasoning`, encoding));
        break;
      case "toolCall":
        calls.push({ ...extensionFields(part.extensionsJson, at), ...callJson(inner.value, encoding) });
        break;
      case "native":
        if (inner.value.issuer === issuer) content.push(callerObject(inner.value.json, `${at}.native.json`));
        else encoding.notes.dropped(`${at}.native`, "parts of another vendor cannot be sent to cohere");
        break;
      case "audio":
        if (inner.value.transcript !== "") texts.push(inner.value.transcript);
        else encoding.notes.dropped(`${at}.audio`, "sound of earlier turns cannot be sent without its transcript");
        break;
      case "serverTool":
        encoding.notes.dropped(`${at}.server_tool`, "tools that ran at another provider have no form at cohere");
        break;
      case "image":
      case "document":
      case "video":
        encoding.notes.dropped(`${at}.${inner.case}`, `cohere takes no ${inner.case} from the assistant`);
        break;
      case "toolResult":
      case undefined:
        throw new ChatError("INVALID_REQUEST", "a part that an assistant's message cannot hold", { field: at });
      default:
        inner satisfies never;
    }
  }
  const known = assistantFields(content, texts, calls);
  return known === undefined ? [] : [{ ...extensionFields(message.extensionsJson, path), ...known }];
}

function assistantFields(content: Fields[], texts: readonly string[], calls: readonly Fields[]): Fields | undefined {
  const known: Fields = { role: "assistant" };
  if (calls.length > 0) {
    if (texts.length > 0) known["tool_plan"] = texts.join("\n");
    known["tool_calls"] = calls;
  } else {
    if (texts.length === 0) return undefined;
    content.push(...texts.map((text) => ({ type: "text", text })));
  }
  if (content.length === 1 && content[0]?.["type"] === "text") known["content"] = content[0]["text"];
  else if (content.length > 0) known["content"] = content;
  return known;
}

/** Cohere's thoughts are plain text without a seal: whatever another vendor sealed is not its own. */
function thinking(reasoning: ReasoningPart, path: string, encoding: Encoding): readonly Fields[] {
  if (reasoning.opaque.length > 0) encoding.notes.dropped(path, "reasoning of another vendor cannot be sent to cohere");
  else if (encoding.target.capabilities.reasoning === false) encoding.notes.dropped(path, "the model does not think");
  else if (reasoning.text !== "") return [{ type: "thinking", thinking: reasoning.text }];
  return [];
}

function callJson(call: ToolCallPart, encoding: Encoding): Fields {
  const name = encoding.names.wire(call.name);
  const text = call.custom ? JSON.stringify(wrapped(call.argumentsJson)) : argumentsText(call.argumentsJson);
  return { id: call.id, type: "function", function: { name, arguments: text } };
}
