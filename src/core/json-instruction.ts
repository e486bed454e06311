import type { OutputFormat } from "./chat.ts";

const plain = "Answer with one valid JSON object and nothing else: no other words, no Markdown fences.";

/** What a model is told that cannot be held to JSON in any other way; undefined: the request wants no JSON. */
export function jsonInstruction(format: OutputFormat["format"] | undefined): string | undefined {
  if (format?.case === undefined) return undefined;
  if (format.case === "jsonObject") return plain;
  const { description, jsonSchema } = format.value;
  return `${plain}${description === "" ? "" : ` It is: ${description}`} It must match this JSON Schema:\n${jsonSchema}`;
}
