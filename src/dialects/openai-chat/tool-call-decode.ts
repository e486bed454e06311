import type { Opaque } from "../../core/chat.ts";
import { type Extensions, keys, shape } from "../../core/extensions.ts";
import { extensionsOf } from "./extensions.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { thoughtSignatures } from "./opaque.ts";
import { hashText } from "../../core/text-hash.ts";

/** One entry of `tool_calls`, or what a stream's delta says of it. */
export interface CallEntry {
  /** Undefined: it names none; hosts repeat ids, send them empty, or never. */
  readonly id: string | undefined;
  readonly index: number | undefined;
  /** Empty where it names none. */
  readonly name: string;
  /** Text of the arguments, or the free text of a custom tool; empty where it has none. */
  readonly argumentsJson: string;
  readonly custom: boolean;
  readonly opaque: Opaque[];
  readonly extensions: Extensions;
}

const entryShape = shape(keys("id", "index", "type"), {
  function: keys("name", "arguments"),
  custom: keys("name", "input"),
  extra_content: { google: keys("thought_signature") },
});

/** Reads an entry; undefined where it is none. */
export function callEntry(value: unknown): CallEntry | undefined {
  if (!isJsonObject(value)) return undefined;
  const { id, index } = value;
  const custom = isJsonObject(value["custom"]);
  const inner = functionOf(value);
  return {
    id: typeof id === "string" && id !== "" ? id : undefined,
    index: typeof index === "number" && Number.isInteger(index) ? index : undefined,
    name: typeof inner["name"] === "string" ? inner["name"] : "",
    argumentsJson: argumentsText(custom ? inner["input"] : inner["arguments"]),
    custom,
    opaque: thoughtSignatures(value),
    extensions: extensionsOf(value, entryShape),
  };
}

/** The deprecated `function_call` as an entry; undefined where it is none. */
export function legacyEntry(value: unknown): CallEntry | undefined {
  return isJsonObject(value) ? callEntry({ index: 0, function: value }) : undefined;
}

function functionOf(value: JsonObject): JsonObject {
  if (isJsonObject(value["custom"])) return value["custom"];
  return isJsonObject(value["function"]) ? value["function"] : {};
}

/** Some hosts send the parsed object, or null. */
function argumentsText(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

/** An id for a call that came without: a pure function of the answer and its place in it. */
export function inventedId(answer: string, choiceIndex: number, ordinal: number): string {
  return `call_${hashText(`${answer}/${choiceIndex}/${ordinal}`)}${ordinal.toString(36)}`;
}

/** Whether the text is a whole JSON object. */
export function isWholeObject(text: string): boolean {
  if (!text.trimEnd().endsWith("}")) return false;
  try {
    return isJsonObject(JSON.parse(text));
  } catch {
    return false;
  }
}
