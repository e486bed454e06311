const names: ReadonlyMap<string, string> = new Map([
  ["max_output_tokens", "max_completion_tokens"],
  ["output_format", "response_format"],
  ["reasoning", "reasoning_effort"],
  ["tool_choice.parallel", "parallel_tool_calls"],
  ["end_user_id", "safety_identifier"],
]);

/** A field of a request, by its path in the vocabulary, as a caller of this dialect calls it; what has no other name stays. */
export function paramOf(field: string): string {
  const plain = field.replace(/^sampling\./, "").replace(/^extensions_json\.openai\./, "");
  const found = names.get(plain) ?? names.get(plain.split(".", 1)[0] ?? "");
  return found ?? plain;
}
