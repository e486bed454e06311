/** What a request itself decides, and what the dialects call it; in snake_case. Extra fields of these names are never passed on. */
const reservedBy = {
  model: ["model", "models"],
  routing: ["route", "routing", "provider", "fallbacks"],
  messages: ["messages", "message", "input", "prompt", "contents", "chat_history"],
  instructions: ["system", "system_instruction", "instructions", "preamble"],
  tools: ["tools", "tool_choice", "tool_config", "functions", "function_call", "parallel_tool_calls"],
  streaming: ["stream", "stream_options"],
  choices: ["n", "candidate_count", "num_generations"],
  tokenLimits: ["max_tokens", "max_completion_tokens", "max_output_tokens"],
  storing: ["store", "background", "previous_response_id", "conversation"],
  endUser: ["user", "end_user_id", "safety_identifier"],
} as const;

/**
 * Names of fields that no extension may set: they would change the model, the routing, the messages, the tools, streaming,
 * the number of choices, the token limits, storing or the end user.
 */
export const reservedFields: ReadonlySet<string> = new Set(Object.values(reservedBy).flat());
