/**
 * Names of span attributes. `gen_ai.*` as in open-telemetry/semantic-conventions-genai of September 2026: still in
 * development there, so written down here rather than taken from a package that may rename them in a patch.
 */
export const spanNames = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  requestStream: "gen_ai.request.stream",
  responseModel: "gen_ai.response.model",
  firstChunkSeconds: "gen_ai.response.time_to_first_chunk",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cacheReadTokens: "gen_ai.usage.cache_read.input_tokens",
  cacheWriteTokens: "gen_ai.usage.cache_creation.input_tokens",
  reasoningTokens: "gen_ai.usage.reasoning.output_tokens",
  errorType: "error.type",
  httpStatus: "http.response.status_code",
  decision: "semaroute.decision.id",
  door: "semaroute.door",
  key: "semaroute.key.id",
  policy: "semaroute.policy.revision",
  rule: "semaroute.policy.rule",
  cache: "semaroute.cache",
  similarity: "semaroute.cache.similarity",
  attempts: "semaroute.attempts",
  attemptId: "semaroute.attempt.id",
  attemptKind: "semaroute.attempt.kind",
  attemptWon: "semaroute.attempt.won",
} as const;
