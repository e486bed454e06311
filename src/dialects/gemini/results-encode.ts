import type { ContentPart, ToolResultPart } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { type Fields, mergedFields } from "../../core/json-fields.ts";
import type { Encoding } from "./encoding.ts";
import { issuer } from "./fields.ts";
import { encodePart } from "./parts-encode.ts";

/** A call that waits for its result. */
export interface WaitingCall {
  readonly id: string;
  /** On the wire. */
  readonly name: string;
  /** Where it stands in the request. */
  readonly path: string;
  /** Its part; a signature may be added to it. */
  readonly fields: Fields;
}

/** A result that waits for the name of its call. */
export interface PendingResult {
  readonly result: ToolResultPart;
  /** What only Google knows of it. */
  readonly extension: Fields | undefined;
  readonly path: string;
}

/**
 * Results in the order of the calls in the turn before, one for each, as Google insists; their names are those of the calls. Media
 * that a result cannot hold follow behind all of them.
 */
export function resultParts(results: readonly PendingResult[], calls: readonly WaitingCall[], encoding: Encoding): readonly Fields[] {
  const left = [...results];
  const parts: Fields[] = [];
  const behind: Fields[] = [];
  for (const call of calls) {
    const at = left.findIndex(({ result }) => result.toolCallId === call.id);
    const [found] = at < 0 ? [] : left.splice(at, 1);
    if (found === undefined) throw new ChatError("INVALID_REQUEST", "a tool call has no result in the turn after it", { field: call.path });
    const { response, media } = responseOf(found, encoding);
    const own = encoding.rules.generation3 ? { id: call.id, name: call.name, response } : { name: call.name, response };
    const inside = encoding.rules.generation3 && media.length > 0;
    if (!inside) behind.push(...media);
    parts.push(mergedFields(found.extension, { functionResponse: inside ? { ...own, parts: media } : own }));
  }
  const [orphan] = left;
  // Sent all the same, it would make the model answer with nothing.
  if (orphan !== undefined)
    throw new ChatError("INVALID_REQUEST", "a tool result has no call in the turn before it", {
      field: `${orphan.path}.tool_result.tool_call_id`,
    });
  return [...parts, ...behind];
}

/** Text stays text: an object would have its `$ref`s looked up. https://github.com/vercel/ai/issues/14369 */
function responseOf({ result, path }: PendingResult, encoding: Encoding): { response: Fields; media: readonly Fields[] } {
  const texts: string[] = [];
  const media: Fields[] = [];
  for (const [i, part] of result.content.entries()) {
    const at = `${path}.tool_result.content[${i}]`;
    for (const fields of nested(part, at, encoding)) {
      if (typeof fields["text"] !== "string") media.push(fields);
      else {
        texts.push(fields["text"]);
        if (Object.keys(fields).length > 1) encoding.notes.dropped(`${at}.extensions_json.${issuer}`, "gemini's results are plain text");
      }
    }
  }
  if (media.length > 0 && !encoding.rules.generation3)
    encoding.notes.approximated(`${path}.tool_result.content`, "media of tool results are sent behind them");
  const text = texts.join("\n");
  return { response: result.isError ? { error: text } : { output: text }, media };
}

function nested(part: ContentPart, path: string, encoding: Encoding): readonly Fields[] {
  const { part: inner } = part;
  if (inner.case === "toolCall" || inner.case === "toolResult")
    throw new ChatError("INVALID_REQUEST", "a tool part cannot stand in a tool result", { field: path });
  return encodePart(part, inner, "result", path, encoding);
}
