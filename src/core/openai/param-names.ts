/** What a door calls the fields of the vocabulary, where it calls them otherwise. */
export type ParamNames = ReadonlyMap<string, string>;

/** As chat completions call them. */
export const chatParams: ParamNames = new Map([
  ["max_output_tokens", "max_completion_tokens"],
  ["output_format", "response_format"],
  ["reasoning", "reasoning_effort"],
  ["tool_choice.parallel", "parallel_tool_calls"],
  ["end_user_id", "safety_identifier"],
]);

/** As the Responses API calls them. */
export const responsesParams: ParamNames = new Map([
  ["messages", "input"],
  ["output_format", "text.format"],
  ["verbosity", "text.verbosity"],
  ["tool_choice.parallel", "parallel_tool_calls"],
  ["end_user_id", "safety_identifier"],
]);

/** A field of a request, by its path in the vocabulary, as the caller calls it; what has no other name stays. */
export function paramOf(field: string, names: ParamNames): string {
  const plain = field.replace(/^sampling\./, "").replace(/^extensions_json\.openai(?:_responses)?\./, "");
  const found = names.get(plain) ?? names.get(plain.split(/[.[]/, 1)[0] ?? "");
  return found ?? plain;
}
