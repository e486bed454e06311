import type { Failure } from "../../core/error.ts";
import { failureByGoogleReason } from "../../core/google-errors.ts";

/** What vendors' codes and types mean, in lower case. Words that only repeat the status are not here. */
export const failureByWord: ReadonlyMap<string, Failure> = new Map<string, Failure>([
  // OpenAI. https://platform.openai.com/docs/guides/error-codes
  ["insufficient_quota", "QUOTA_EXHAUSTED"],
  ["credit_balance_exhausted", "QUOTA_EXHAUSTED"],
  ["organization_spend_limit_exceeded", "QUOTA_EXHAUSTED"],
  ["organization_usage_limit_exceeded", "QUOTA_EXHAUSTED"],
  ["project_spend_limit_exceeded", "QUOTA_EXHAUSTED"],
  ["billing_hard_limit_reached", "QUOTA_EXHAUSTED"],
  ["billing_not_active", "QUOTA_EXHAUSTED"],
  ["context_length_exceeded", "CONTEXT_LENGTH_EXCEEDED"],
  ["content_policy_violation", "CONTENT_POLICY"],
  ["invalid_prompt", "CONTENT_POLICY"],
  ["unsupported_parameter", "UNSUPPORTED_FEATURE"],
  ["unsupported_value", "UNSUPPORTED_FEATURE"],
  ["invalid_api_key", "UPSTREAM_AUTH"],
  ["unsupported_country_region_territory", "UPSTREAM_AUTH"],
  ["model_not_found", "MODEL_NOT_FOUND"],
  ["rate_limit_exceeded", "RATE_LIMITED"],
  ["slow_down", "RATE_LIMITED"],
  ["tokens", "RATE_LIMITED"],
  ["requests", "RATE_LIMITED"],
  ["server_is_overloaded", "OVERLOADED"],
  ["service_unavailable_error", "OVERLOADED"],
  ["server_error", "UPSTREAM_UNAVAILABLE"],
  // The Responses API's own. https://platform.openai.com/docs/api-reference/responses-streaming
  ["image_content_policy_violation", "CONTENT_POLICY"],
  ["bio_policy", "CONTENT_POLICY"],
  ["misalignment_policy_violation", "CONTENT_POLICY"],
  // Azure. https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter
  ["content_filter", "CONTENT_POLICY"],
  ["responsibleaipolicyviolation", "CONTENT_POLICY"],
  ["deploymentnotfound", "MODEL_NOT_FOUND"],
  ["operationnotsupported", "UNSUPPORTED_FEATURE"],
  // Anthropic's own types, which its compatible endpoint and gateways in front of it pass on.
  ["authentication_error", "UPSTREAM_AUTH"],
  ["permission_error", "UPSTREAM_AUTH"],
  ["billing_error", "QUOTA_EXHAUSTED"],
  ["rate_limit_error", "RATE_LIMITED"],
  ["overloaded_error", "OVERLOADED"],
  ["request_too_large", "REQUEST_TOO_LARGE"],
  // Groq. https://console.groq.com/docs/errors. What its model wrote nobody can read: another try may fare better.
  ["tool_use_failed", "UPSTREAM_PROTOCOL"],
  ["json_validate_failed", "UPSTREAM_PROTOCOL"],
  ["capacity_exceeded", "OVERLOADED"],
  ["model_decommissioned", "MODEL_NOT_FOUND"],
  // Together, Mistral, llama.cpp.
  ["model_not_available", "MODEL_NOT_FOUND"],
  ["dedicated_endpoint_not_running", "MODEL_NOT_FOUND"],
  ["invalid_model", "MODEL_NOT_FOUND"],
  ["exceed_context_size_error", "CONTEXT_LENGTH_EXCEEDED"],
  // OpenRouter.
  ["in_flight_budget_exhausted", "RATE_LIMITED"],
  ...failureByGoogleReason,
]);

/** Of these, what one answer's text came to: they tell nothing of the state of who serves the model. */
export const wordsOfTheModel: ReadonlySet<string> = new Set(["tool_use_failed", "json_validate_failed"]);

/** Sealed reasoning of another organization or key. https://github.com/openai/codex/issues/8145 */
export const wordsOfStaleState: ReadonlySet<string> = new Set(["invalid_encrypted_content"]);

/** OpenRouter's own words, in `metadata`; some differ from OpenAI's words of the same name. */
export const failureByOpenRouter: ReadonlyMap<string, Failure | undefined> = new Map<string, Failure | undefined>([
  // error_type. https://openrouter.ai/docs/client-sdks/python/components/apierrortype
  ["context_length_exceeded", "CONTEXT_LENGTH_EXCEEDED"],
  ["max_tokens_exceeded", "CONTEXT_LENGTH_EXCEEDED"],
  ["token_limit_exceeded", "QUOTA_EXHAUSTED"],
  ["string_too_long", "REQUEST_TOO_LARGE"],
  ["payload_too_large", "REQUEST_TOO_LARGE"],
  ["payment_required", "QUOTA_EXHAUSTED"],
  ["rate_limit_exceeded", "RATE_LIMITED"],
  ["provider_overloaded", "OVERLOADED"],
  ["provider_unavailable", "UPSTREAM_UNAVAILABLE"],
  ["content_policy_violation", "CONTENT_POLICY"],
  ["refusal", "CONTENT_POLICY"],
  // The request's own fault there, where OpenAI's code of this name is a matter of policy.
  ["invalid_prompt", undefined],
  // limit_source. https://openrouter.ai/docs/use-cases/limits
  ["openrouter_in_flight_budget", "RATE_LIMITED"],
  ["openrouter_credits", "QUOTA_EXHAUSTED"],
  ["openrouter_key_limit", "QUOTA_EXHAUSTED"],
  ["openrouter_guardrail_budget", "QUOTA_EXHAUSTED"],
  ["openrouter_workspace_budget", "QUOTA_EXHAUSTED"],
  ["upstream_provider_shared_pool", "RATE_LIMITED"],
  // reason
  ["in_flight_budget_exhausted", "RATE_LIMITED"],
  ["weight_exceeds_budget", "QUOTA_EXHAUSTED"],
]);

/** The status behind an error's type, where it comes inside an answer that has none. */
export const statusByType: ReadonlyMap<string, number> = new Map([
  ["invalid_request_error", 400],
  // The Responses API's, which come without a type.
  ["invalid_image", 400],
  ["invalid_image_format", 400],
  ["invalid_base64_image", 400],
  ["invalid_image_url", 400],
  ["image_too_large", 400],
  ["image_too_small", 400],
  ["image_parse_error", 400],
  ["invalid_image_mode", 400],
  ["image_file_too_large", 400],
  ["unsupported_image_media_type", 400],
  ["empty_image_file", 400],
  ["failed_to_download_image", 400],
  ["image_file_not_found", 400],
  ["invalid_encrypted_content", 400],
  ["badrequesterror", 400],
  ["authentication_error", 401],
  ["billing_error", 402],
  ["permission_error", 403],
  ["not_found_error", 404],
  ["notfounderror", 404],
  ["rate_limit_error", 429],
  ["insufficient_quota", 429],
  ["tokens", 429],
  ["requests", 429],
  ["service_unavailable_error", 503],
  ["overloaded_error", 529],
]);
