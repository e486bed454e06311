import type { Failure } from "../../../src/core/error.ts";

/** An error answer that a vendor really sent, trimmed of ids and of what nobody reads. */
export interface RealBody {
  readonly vendor: string;
  /** Where it was seen, or documented. */
  readonly source: string;
  readonly status: number;
  /** Text, or JSON. */
  readonly body: unknown;
  readonly failure: Failure;
  /** The field at fault; absent: none is told. */
  readonly field?: string;
  /** Milliseconds to wait; absent: none is told. */
  readonly waitMs?: number;
}

const google = "type.googleapis.com/google.rpc";
const oai = (message: string, type: string | null, code: string | null = null, param: string | null = null): unknown => ({
  error: { message, type, param, code },
});
const router = (code: number, message: string, metadata?: Record<string, unknown>): unknown => ({ error: { message, code, metadata } });
const tooLong =
  "This model's maximum context length is 4097 tokens. However, your messages resulted in 6988 tokens. Please reduce the length.";

const openai: readonly Omit<RealBody, "vendor">[] = [
  {
    source: "https://github.com/rahul2002m/ChatPDF/issues/6",
    status: 400,
    body: oai(tooLong, "invalid_request_error", "context_length_exceeded", "messages"),
    failure: "CONTEXT_LENGTH_EXCEEDED",
    field: "messages",
  },
  {
    source: "https://github.com/OpenRouterTeam/openrouter-examples/issues/10",
    status: 400,
    body: oai("This model's maximum context length is 8192 tokens, however you requested 8977 tokens.", "invalid_request_error"),
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: "https://github.com/diffbot/code-gpt-docs/issues/284",
    status: 400,
    body: oai(
      "max_tokens is too large: 6000. This model supports at most 4096 completion tokens, whereas you provided 6000.",
      "invalid_request_error",
      "invalid_value",
      "max_tokens",
    ),
    failure: "CONTEXT_LENGTH_EXCEEDED",
    field: "max_tokens",
  },
  {
    source: "https://github.com/sipeed/picoclaw/issues/16",
    status: 400,
    body: oai(
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      "invalid_request_error",
      "unsupported_parameter",
      "max_tokens",
    ),
    failure: "UNSUPPORTED_FEATURE",
    field: "max_tokens",
  },
  {
    source: "https://github.com/Shopify/roast/issues/52",
    status: 400,
    body: oai("Invalid 'messages[5].content': string too long.", "invalid_request_error", "string_above_max_length", "messages[5].content"),
    failure: "INVALID_REQUEST",
    field: "messages[5].content",
  },
  {
    source: "https://platform.openai.com/docs/guides/error-codes",
    status: 401,
    body: oai("Incorrect API key provided: sk-ab**********cdef.", "invalid_request_error", "invalid_api_key"),
    failure: "UPSTREAM_AUTH",
  },
  {
    source: "https://platform.openai.com/docs/guides/error-codes",
    status: 403,
    body: oai("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory"),
    failure: "UPSTREAM_AUTH",
  },
  {
    source: "https://platform.openai.com/docs/guides/error-codes",
    status: 403,
    body: oai("Project `proj_x` does not have access to model `gpt-x`", "invalid_request_error", "model_not_found"),
    failure: "MODEL_NOT_FOUND",
  },
  {
    source: "https://github.com/ChatGPTNextWeb/NextChat/issues/3664",
    status: 429,
    body: oai("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"),
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://github.com/waylaidwanderer/node-chatgpt-api/issues/167",
    status: 429,
    body: oai("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota"),
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://help.openai.com/en/articles/5955604-troubleshooting-api-rate-limits-and-429-errors",
    status: 429,
    body: oai("You exceeded your current quota.", "insufficient_quota", "project_spend_limit_exceeded"),
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://github.com/TomFrankly/pipedream-notion-voice-notes/issues/21",
    status: 429,
    body: oai(
      "Rate limit reached for gpt-x in organization org-x on requests per min. Limit: 3 / min. Please try again in 20s.",
      "requests",
      "rate_limit_exceeded",
    ),
    failure: "RATE_LIMITED",
    waitMs: 20_000,
  },
  {
    source: "https://github.com/vanna-ai/vanna-flask/issues/11",
    status: 429,
    body: oai("Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 342389.", "tokens", "rate_limit_exceeded"),
    failure: "REQUEST_TOO_LARGE",
  },
  {
    source: "https://developers.openai.com/api/docs/guides/error-codes",
    status: 503,
    body: oai("Our servers are currently overloaded.", "service_unavailable_error", "server_is_overloaded"),
    failure: "OVERLOADED",
  },
];

const azure: readonly Omit<RealBody, "vendor">[] = [
  {
    source: "https://github.com/compl-ai/compl-ai/issues/20",
    status: 400,
    body: {
      error: {
        message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        type: null,
        param: "prompt",
        code: "content_filter",
        status: 400,
        innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: { violence: { filtered: true, severity: "medium" } } },
      },
    },
    failure: "CONTENT_POLICY",
    field: "prompt",
  },
  {
    source: "https://github.com/chatboxai/chatbox/issues/861",
    status: 404,
    body: { error: { code: "DeploymentNotFound", message: "The API deployment for this resource does not exist." } },
    failure: "MODEL_NOT_FOUND",
  },
  {
    source: "https://learn.microsoft.com/azure/ai-services/openai/quotas-limits",
    status: 429,
    body: {
      error: {
        code: "429",
        message: "Requests to the ChatCompletions_Create Operation have exceeded the rate limit. Please retry after 6 seconds.",
      },
    },
    failure: "RATE_LIMITED",
  },
  {
    source: "https://learn.microsoft.com/azure/ai-services/openai/reference",
    status: 401,
    body: { error: { code: "401", message: "Access denied due to invalid subscription key or wrong API endpoint." } },
    failure: "UPSTREAM_AUTH",
  },
];

const googles: readonly Omit<RealBody, "vendor">[] = [
  {
    source: "https://github.com/cequence-io/openai-scala-client/issues/109",
    status: 400,
    body: [
      {
        error: {
          code: 400,
          message: "API key not valid. Please pass a valid API key.",
          status: "INVALID_ARGUMENT",
          details: [{ "@type": `${google}.ErrorInfo`, reason: "API_KEY_INVALID", domain: "googleapis.com" }],
        },
      },
    ],
    failure: "UPSTREAM_AUTH",
  },
  {
    source: "https://github.com/continuedev/continue/issues/10290",
    status: 400,
    body: {
      error: {
        message:
          '{\n  "error": {\n    "code": 400,\n    "message": "API key expired. Please renew the API key.",\n    "status": "INVALID_ARGUMENT"\n  }\n}\n',
        code: 400,
        status: "Bad Request",
      },
    },
    failure: "UPSTREAM_AUTH",
  },
  {
    source: "https://ai.google.dev/gemini-api/docs/troubleshooting",
    status: 400,
    body: [{ error: { code: 400, message: "User location is not supported for the API use.", status: "FAILED_PRECONDITION" } }],
    failure: "UPSTREAM_AUTH",
  },
  {
    source: "https://github.com/dyad-sh/dyad/issues/717",
    status: 400,
    body: [
      {
        error: {
          code: 400,
          message: "The input token count (1435506) exceeds the maximum number of tokens allowed (1048576).",
          status: "INVALID_ARGUMENT",
        },
      },
    ],
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: "https://discuss.ai.google.dev/t/api-update-depleted-prepay-credits-now-return-http-402-instead-of-429/183654",
    status: 402,
    body: { error: { code: 402, message: "Your prepayment credits are depleted.", status: "RESOURCE_EXHAUSTED" } },
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://discuss.ai.google.dev/t/429-resource-exhausted-prepayment-credits-are-depleted/170005",
    status: 429,
    body: [
      { error: { code: 429, message: "Your prepayment credits are depleted. Please go to AI Studio.", status: "RESOURCE_EXHAUSTED" } },
    ],
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://github.com/n4ze3m/page-assist/issues/406",
    status: 429,
    body: [{ error: { code: 429, message: "Resource has been exhausted (e.g. check quota).", status: "RESOURCE_EXHAUSTED" } }],
    failure: "RATE_LIMITED",
  },
  {
    source: "https://github.com/llmsresearch/paperbanana/issues/10",
    status: 429,
    body: [
      {
        error: {
          code: 429,
          // OpenAI's words for spent money: here they are a limit per minute.
          message: "You exceeded your current quota, please check your plan and billing details.",
          status: "RESOURCE_EXHAUSTED",
          details: [
            { "@type": `${google}.QuotaFailure`, violations: [{ quotaId: "GenerateContentInputTokensPerModelPerMinute-FreeTier" }] },
            { "@type": `${google}.RetryInfo`, retryDelay: "59s" },
          ],
        },
      },
    ],
    failure: "RATE_LIMITED",
    waitMs: 59_000,
  },
  {
    source: "https://ai.google.dev/gemini-api/docs/rate-limits",
    status: 429,
    body: [
      {
        error: {
          code: 429,
          message: "You exceeded your current quota, please check your plan and billing details.",
          status: "RESOURCE_EXHAUSTED",
          details: [
            { "@type": `${google}.QuotaFailure`, violations: [{ quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier" }] },
            { "@type": `${google}.RetryInfo`, retryDelay: "17.2s" },
          ],
        },
      },
    ],
    failure: "RATE_LIMITED",
    waitMs: 300_000,
  },
  {
    source: "https://github.com/decolua/9router/issues/1106",
    status: 429,
    body: {
      error: {
        code: 429,
        message: "No capacity available for model gemini-x on the server",
        status: "RESOURCE_EXHAUSTED",
        details: [{ "@type": `${google}.ErrorInfo`, reason: "MODEL_CAPACITY_EXHAUSTED" }],
      },
    },
    failure: "OVERLOADED",
  },
  {
    source: "https://github.com/google-gemini/gemini-cli/issues/25760",
    status: 403,
    body: [{ error: { code: 403, message: "The caller does not have permission", status: "PERMISSION_DENIED" } }],
    failure: "UPSTREAM_AUTH",
  },
  {
    source: "https://github.com/continuedev/continue/issues/9939",
    status: 404,
    body: [
      {
        error: {
          code: 404,
          message: "models/gemini-pro is not found for API version v1beta, or is not supported for generateContent.",
          status: "NOT_FOUND",
        },
      },
    ],
    failure: "MODEL_NOT_FOUND",
  },
];

const openrouter: readonly Omit<RealBody, "vendor">[] = [
  {
    source: "https://github.com/open-webui/computer/issues/293",
    status: 429,
    body: router(429, "Provider returned error", {
      raw: "z-ai/glm-x is temporarily rate-limited upstream. Please retry shortly.",
      provider_name: "BaseTen",
      limit_source: "upstream_provider_shared_pool",
    }),
    failure: "RATE_LIMITED",
  },
  {
    source: "https://github.com/digiogithub/pando/issues/8",
    status: 400,
    body: router(400, "Provider returned error", { error_type: "rate_limit_exceeded" }),
    failure: "RATE_LIMITED",
  },
  {
    source: "https://openrouter.ai/docs/api/reference/errors-and-debugging",
    status: 400,
    body: router(400, "Provider returned error", {
      raw: '{"error":{"message":"prompt is quoted here","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}',
      provider_name: "OpenAI",
    }),
    failure: "CONTEXT_LENGTH_EXCEEDED",
    field: "messages",
  },
  {
    source: "https://openrouter.ai/docs/api/reference/errors-and-debugging",
    status: 400,
    body: router(400, "This endpoint's maximum context length is 131072 tokens. However, you requested about 200000 tokens."),
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: "https://openrouter.ai/docs/client-sdks/python/components/apierrortype",
    status: 400,
    body: router(400, "messages.0.role is not supported", { error_type: "invalid_prompt" }),
    failure: "INVALID_REQUEST",
  },
  {
    source: "https://github.com/newo-ether/Agora/issues/8",
    status: 402,
    body: router(
      402,
      "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 3395.",
      {
        provider_name: null,
      },
    ),
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://www.developersdigest.tech/errors/api/openrouter/402-in-flight-budget-exhausted",
    status: 402,
    body: router(402, "In-flight budget exhausted", { limit_source: "openrouter_in_flight_budget", reason: "in_flight_budget_exhausted" }),
    failure: "RATE_LIMITED",
  },
  {
    source: "https://www.developersdigest.tech/errors/api/openrouter/402-weight-exceeds-budget",
    status: 402,
    body: router(402, "Too dear", { limit_source: "openrouter_credits", reason: "weight_exceeds_budget" }),
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://github.com/RooCodeInc/Roo-Code/issues/515",
    status: 403,
    body: router(403, "Key limit exceeded. Manage it using https://openrouter.ai/keys"),
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://www.developersdigest.tech/errors/api/openrouter/403-budget-limit-exceeded",
    status: 403,
    body: router(403, "Budget limit exceeded", { limit_source: "openrouter_guardrail_budget", limit_usd: 5, spend_usd: 5 }),
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://openrouter.ai/docs/api/reference/errors-and-debugging#moderation-errors",
    status: 403,
    body: router(403, "openai/gpt-x requires moderation. Your input was flagged.", { reasons: ["violence"], flagged_input: "a prompt" }),
    failure: "CONTENT_POLICY",
  },
  {
    source: "https://github.com/evalstate/fast-agent/issues/122",
    status: 404,
    body: router(404, "No endpoints found that support tool use. To learn more about provider routing, visit: https://openrouter.ai/docs"),
    failure: "UNSUPPORTED_FEATURE",
    field: "tools",
  },
  {
    source: "https://github.com/zed-industries/zed/issues/36094",
    status: 404,
    body: router(404, "No endpoints found that support the provided 'tool_choice' value. To learn more, visit: https://openrouter.ai/docs"),
    failure: "UNSUPPORTED_FEATURE",
    field: "tool_choice",
  },
  {
    source: "https://openrouter.ai/docs/api/reference/errors-and-debugging",
    status: 404,
    body: router(404, "No endpoints found that support image input"),
    failure: "UNSUPPORTED_FEATURE",
    field: "image",
  },
  {
    source: "https://github.com/vyancharuk/nodejs-api-boilerplate/issues/16",
    status: 404,
    body: router(404, "No endpoints found for nousresearch/hermes-x:free."),
    failure: "MODEL_NOT_FOUND",
  },
  {
    source: "https://openrouter.ai/docs/api/reference/errors-and-debugging",
    status: 400,
    body: router(400, "openai/nothing is not a valid model ID"),
    failure: "MODEL_NOT_FOUND",
  },
  {
    source: "https://github.com/Gitlawb/openclaude/issues/936",
    status: 429,
    body: router(429, "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day", {
      headers: { "X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1777420800000" },
    }),
    failure: "RATE_LIMITED",
    waitMs: 300_000,
  },
  {
    source: "https://openrouter.ai/docs/api/reference/errors-and-debugging",
    status: 502,
    body: router(502, "Provider returned error", { raw: "upstream connect error", provider_name: "X" }),
    failure: "UPSTREAM_UNAVAILABLE",
  },
];

const xai: readonly Omit<RealBody, "vendor">[] = [
  {
    source: "https://github.com/continuedev/continue/issues/10778",
    status: 400,
    body: {
      code: "Client specified an invalid argument",
      error: "Incorrect API key provided: na***ys. You can obtain an API key from https://console.x.ai.",
    },
    failure: "UPSTREAM_AUTH",
  },
  {
    source: "https://github.com/nocmt/LLMSearchPlus/issues/2",
    status: 400,
    body: { code: "Client specified an invalid argument", error: "The model expects a single `text` element per message." },
    failure: "INVALID_REQUEST",
  },
  {
    source: "https://github.com/cline/cline/issues/3120",
    status: 400,
    body: { code: "invalid-argument", error: "This model's maximum prompt length is 131072 but the request contains 136973 tokens." },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    source: "https://github.com/charmbracelet/crush/issues/386",
    status: 400,
    body: { code: "Client specified an invalid argument", error: "Argument not supported on this model: reasoningEffort" },
    failure: "UNSUPPORTED_FEATURE",
    field: "reasoningEffort",
  },
  {
    source: "https://github.com/UKGovernmentBEIS/inspect_ai/pull/2267",
    status: 403,
    body: {
      code: "The caller does not have permission to execute the specified operation",
      error: "Content violates usage guidelines. Team: x, API key ID: y, Model: grok-4-0709, Failed check: SAFETY_CHECK_TYPE_BIO",
    },
    failure: "CONTENT_POLICY",
  },
  {
    source: "https://github.com/Wei-Shaw/sub2api/pull/5359",
    status: 403,
    body: { code: "permission-denied", error: "Access to the chat endpoint is denied" },
    failure: "UPSTREAM_AUTH",
  },
  {
    source: "https://github.com/continuedev/continue/issues/10373",
    status: 429,
    body: {
      code: "Some resource has been exhausted",
      error:
        "Your team 16f2151a has either used all available credits or reached its monthly spending limit. To continue, purchase more credits.",
    },
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://github.com/warpdotdev/warp/issues/14867",
    status: 403,
    body: { code: "permission-denied", error: "Your team x has either used all available credits or reached its monthly spending limit." },
    failure: "QUOTA_EXHAUSTED",
  },
  {
    source: "https://docs.x.ai/developers/debugging",
    status: 404,
    body: { code: "not-found", error: "The model grok-x does not exist or your team 76d413d5 does not have access to it." },
    failure: "MODEL_NOT_FOUND",
  },
  {
    source: "https://github.com/iniwap/AIWriteX/issues/26",
    status: 404,
    body: { code: "Some requested entity was not found", error: "No handler found on route. Please double check your URL." },
    failure: "UPSTREAM_UNAVAILABLE",
  },
];

const groq: readonly Omit<RealBody, "vendor">[] = [
  {
    source: "https://github.com/assafelovic/gpt-researcher/issues/985",
    status: 413,
    body: oai(
      "Request too large for model `llama-x` in organization `org_x` on tokens per minute (TPM): Limit 6000, Requested 14368.",
      "tokens",
      "rate_limit_exceeded",
    ),
    failure: "REQUEST_TOO_LARGE",
  },
  {
    source: "https://github.com/openinterpreter/openinterpreter/issues/408",
    status: 429,
    body: oai(
      "Rate limit reached for model `llama-x` on tokens per minute (TPM): Used 3513. Please try again in 6.780999999s. Visit x.",
      "tokens",
      "rate_limit_exceeded",
    ),
    failure: "RATE_LIMITED",
    waitMs: 6781,
  },
  {
    source: "https://github.com/microsoft/graphrag/issues/757",
    status: 429,
    body: oai(
      "Rate limit reached for model `llama-x`: Limit 30000, Used 73124. Please try again in 1m30.002s.",
      "tokens",
      "rate_limit_exceeded",
    ),
    failure: "RATE_LIMITED",
    waitMs: 90_002,
  },
  {
    source: "https://github.com/thepersonalaicompany/amurex-backend/issues/51",
    status: 400,
    body: oai("Please reduce the length of the messages or completion.", "invalid_request_error", "context_length_exceeded", "messages"),
    failure: "CONTEXT_LENGTH_EXCEEDED",
    field: "messages",
  },
  {
    source: "https://github.com/skapadia3214/groq-moa/issues/8",
    status: 400,
    body: { error: { message: "max_tokens for `llama-x` must be less than or equal to 8000", type: "invalid_request_error" } },
    failure: "CONTEXT_LENGTH_EXCEEDED",
    field: "max_tokens",
  },
  {
    source: "https://github.com/groq/groq-typescript/issues/28",
    status: 400,
    body: {
      error: {
        message: "Failed to call a function. Please adjust your prompt.",
        type: "invalid_request_error",
        code: "tool_use_failed",
        failed_generation: "{",
      },
    },
    failure: "UPSTREAM_PROTOCOL",
  },
  {
    source: "https://console.groq.com/docs/deprecations",
    status: 400,
    body: oai("The model `llama-x` has been decommissioned and is no longer supported.", "invalid_request_error", "model_decommissioned"),
    failure: "MODEL_NOT_FOUND",
  },
  {
    source: "https://github.com/continuedev/continue/issues/11567",
    status: 404,
    body: oai("The model `llama3.1-405b` does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"),
    failure: "MODEL_NOT_FOUND",
  },
  { source: "https://console.groq.com/docs/flex-processing", status: 498, body: oai("m", "x", "capacity_exceeded"), failure: "OVERLOADED" },
];

const others: readonly RealBody[] = [
  {
    vendor: "DeepSeek",
    source: "https://github.com/evalstate/fast-agent/issues/621",
    status: 400,
    body: oai(
      "This model's maximum context length is 131072 tokens. However, you requested 131134 tokens.",
      "invalid_request_error",
      "invalid_request_error",
    ),
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "DeepSeek",
    source: "https://github.com/HELPMEEADICE/doge-code/issues/5",
    status: 400,
    body: oai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", "invalid_request_error", "invalid_request_error"),
    failure: "CONTEXT_LENGTH_EXCEEDED",
    field: "max_tokens",
  },
  {
    vendor: "DeepSeek",
    source: "https://api-docs.deepseek.com/quick_start/error_codes",
    status: 402,
    body: oai("Insufficient Balance", "unknown_error", "invalid_request_error"),
    failure: "QUOTA_EXHAUSTED",
  },
  {
    vendor: "DeepSeek",
    source: "https://github.com/666ghj/BettaFish/issues/108",
    status: 400,
    body: oai("Content Exists Risk", "invalid_request_error", "invalid_request_error"),
    failure: "CONTENT_POLICY",
  },
  {
    vendor: "DeepSeek",
    source: "https://github.com/deepseek-ai/DeepSeek-V2/issues/30",
    status: 400,
    body: { detail: "Content Exists Risk" },
    failure: "CONTENT_POLICY",
  },
  {
    vendor: "DeepSeek",
    source: "https://github.com/ConardLi/easy-dataset/issues/9",
    status: 400,
    body: oai("Model Not Exist", "invalid_request_error", "invalid_request_error"),
    failure: "MODEL_NOT_FOUND",
  },
  {
    vendor: "Mistral",
    source: "https://github.com/tmc/langchaingo/issues/1233",
    status: 400,
    body: { object: "error", message: "Invalid model: ", type: "invalid_model", param: null, code: "1500" },
    failure: "MODEL_NOT_FOUND",
  },
  {
    vendor: "Mistral",
    source: "https://github.com/Gitlawb/openclaude/issues/739",
    status: 422,
    body: { detail: [{ type: "extra_forbidden", loc: ["body", "store"], msg: "Extra inputs are not permitted", input: false }] },
    failure: "INVALID_REQUEST",
    field: "store",
  },
  {
    vendor: "Mistral",
    source: "https://discuss.google.dev/t/mistral-large-2407-inference-context-length-error/165446",
    status: 400,
    body: {
      object: "Error",
      message: "Prompt contains 65673 tokens, too large for model with 32768 maximum context length",
      type: "invalid_request_error",
      code: 3051,
    },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "Mistral",
    source: "https://docs.mistral.ai/resources/known-limitations",
    status: 400,
    body: {
      message: "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
      type: "invalid_request_error",
    },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "Mistral",
    source: "https://github.com/cline/cline/issues/1734",
    status: 401,
    body: { message: "Unauthorized", request_id: "x" },
    failure: "UPSTREAM_AUTH",
  },
  {
    vendor: "Mistral",
    source: "https://github.com/dnakov/anon-kode/issues/53",
    status: 429,
    body: { message: "Requests rate limit exceeded" },
    failure: "RATE_LIMITED",
  },
  {
    vendor: "Together",
    source: "https://github.com/expectedparrot/edsl/issues/2098",
    status: 402,
    body: { id: "x", error: { message: "Credit limit exceeded. Please navigate to x.", type: "credit_limit", param: null, code: null } },
    failure: "QUOTA_EXHAUSTED",
  },
  {
    vendor: "Together",
    source: "https://github.com/togethercomputer/MoA/issues/27",
    status: 429,
    // The type of spent credit, for a limit per minute.
    body: oai("You have been rate limited. Your rate limit is 60 queries per minute.", "credit_limit"),
    failure: "RATE_LIMITED",
  },
  {
    vendor: "Together",
    source: "https://github.com/HeyPuter/puter/issues/3168",
    status: 400,
    body: oai("Unable to access non-serverless model mistralai/X.", "invalid_request_error", "model_not_available"),
    failure: "MODEL_NOT_FOUND",
  },
  {
    vendor: "Together",
    source: "https://github.com/huggingface/chat-ui/issues/327",
    status: 422,
    body: {
      error: "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 603 `inputs` tokens",
      error_type: "validation",
    },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "vLLM",
    source: "https://github.com/vllm-project/vllm/pull/33425",
    status: 400,
    body: {
      error: {
        message: "This model's maximum context length is 2048 tokens. However, your request has 8 input tokens plus 2045 'max_tokens'.",
        type: "BadRequestError",
        param: "input_tokens, max_tokens",
        code: 400,
      },
    },
    failure: "CONTEXT_LENGTH_EXCEEDED",
    field: "input_tokens, max_tokens",
  },
  {
    vendor: "vLLM",
    source: "https://github.com/vllm-project/vllm/issues/4667",
    status: 400,
    body: { object: "error", message: "max_tokens must be at least 1, got -186.", type: "BadRequestError", param: null, code: 400 },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "vLLM",
    source: "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    status: 400,
    body: {
      object: "error",
      message: "'max_tokens' or 'max_completion_tokens' is too large: 1000. This model's maximum context length is 512 tokens.",
      type: "BadRequestError",
      param: null,
      code: 400,
    },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "vLLM",
    source: "https://github.com/vllm-project/vllm/issues/3485",
    status: 404,
    body: { object: "error", message: "The model `Qwen-x` does not exist.", type: "NotFoundError", param: null, code: 404 },
    failure: "MODEL_NOT_FOUND",
  },
  {
    vendor: "llama.cpp",
    source: "https://github.com/ggml-org/llama.cpp/pull/15780",
    status: 400,
    body: {
      error: {
        code: 400,
        message: "the request exceeds the available context size",
        type: "exceed_context_size_error",
        n_prompt_tokens: 1407,
        n_ctx: 256,
      },
    },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "llama.cpp",
    source: "https://github.com/continuedev/continue/issues/9797",
    status: 500,
    body: { error: { code: 500, message: "the request exceeds the available context size, try increasing it", type: "server_error" } },
    failure: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "Ollama",
    source: "https://github.com/netease-youdao/QAnything/issues/555",
    status: 404,
    body: oai('model "ollama" not found, try pulling it first', "api_error"),
    failure: "MODEL_NOT_FOUND",
  },
  {
    vendor: "Ollama",
    source: "https://github.com/TheBlewish/Automated-AI-Web-Researcher-Ollama/issues/42",
    status: 404,
    body: { error: "model 'custom-phi3' not found" },
    failure: "MODEL_NOT_FOUND",
  },
  {
    vendor: "Ollama",
    source: "https://github.com/ollama/ollama/issues/3050",
    status: 404,
    body: "404 page not found",
    failure: "UPSTREAM_UNAVAILABLE",
  },
  {
    vendor: "Ollama",
    source: "https://github.com/DaviRain-Su/hyper-grok-build/issues/44",
    status: 400,
    body: oai("max_tokens (384000) exceeds model's maximum output tokens (65536) for model deepseek-x", "invalid_request_error"),
    failure: "CONTEXT_LENGTH_EXCEEDED",
    field: "max_tokens",
  },
  {
    vendor: "Anthropic, compatible endpoint",
    source: "https://github.com/FoundationAgents/OpenManus/issues/746",
    status: 429,
    body: oai(
      "This request would exceed the rate limit for your organization of 20,000 input tokens per minute.",
      "invalid_request_error",
      "rate_limit_error",
    ),
    failure: "RATE_LIMITED",
  },
  {
    vendor: "a proxy",
    source: "https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/",
    status: 522,
    body: "<html>timed out</html>",
    failure: "UPSTREAM_UNAVAILABLE",
  },
];

const of = (vendor: string, rows: readonly Omit<RealBody, "vendor">[]): RealBody[] => rows.map((row) => ({ vendor, ...row }));

/** One of each kind, by vendor. */
export const realBodies: readonly RealBody[] = [
  ...of("OpenAI", openai),
  ...of("Azure", azure),
  ...of("Google", googles),
  ...of("OpenRouter", openrouter),
  ...of("xAI", xai),
  ...of("Groq", groq),
  ...others,
];
