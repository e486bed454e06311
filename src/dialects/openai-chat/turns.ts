import type { Quirks } from "../../core/dialect.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { textJson } from "./parts-encode.ts";

/** The messages in the order of turns that the host wants. */
export function turnsOf(messages: readonly JsonObject[], quirks: Quirks): JsonObject[] {
  const turns = quirks.alternateRoles === true ? alternating(messages) : [...messages];
  const last = turns.at(-1);
  if (quirks.marksPrefix === true && last?.["role"] === "assistant" && last["tool_calls"] === undefined)
    turns[turns.length - 1] = { ...last, prefix: true };
  return turns;
}

function alternating(messages: readonly JsonObject[]): JsonObject[] {
  const turns: JsonObject[] = [];
  for (const each of messages) {
    const before = turns.at(-1);
    if (before !== undefined && isOneTurn(before, each))
      turns[turns.length - 1] = { ...before, ...each, content: joined(before["content"], each["content"]) };
    else turns.push(each);
  }
  return turns;
}

/** Results of tools stand each for itself, and so does what called them; two speakers are two. */
function isOneTurn(before: JsonObject, each: JsonObject): boolean {
  return (
    before["role"] === each["role"] && each["role"] !== "tool" && before["tool_calls"] === undefined && before["name"] === each["name"]
  );
}

function joined(before: unknown, after: unknown): unknown {
  if (typeof before === "string" && typeof after === "string") return `${before}\n\n${after}`;
  return [...partsOf(before), ...partsOf(after)];
}

function partsOf(content: unknown): readonly unknown[] {
  if (Array.isArray(content)) return content;
  return typeof content === "string" && content !== "" ? [textJson(content)] : [];
}
