import type { KnownBody } from "../../core/known-bodies.ts";

/** What Cohere says in words alone. Each row was seen in the wild, or is documented; the tests hold the bodies. */
export const knownBodies: readonly KnownBody[] = [
  {
    vendor: "Cohere",
    source: "https://docs.cohere.com/reference/errors",
    status: [400, 422],
    says: /^too many tokens: (?<field>max tokens) must be less than or equal to \d+/,
    means: "CONTEXT_LENGTH_EXCEEDED",
    field: "max_tokens",
  },
  {
    vendor: "Cohere",
    source: "https://docs.cohere.com/reference/errors",
    status: [400, 422],
    says: /^too many tokens: /,
    means: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "Cohere",
    source: "https://docs.cohere.com/reference/errors",
    status: [400, 422],
    says: /^invalid request: (?:RAG is not supported for this model\b|finetuned model is not compatible with RAG functionality\b)/,
    means: "UNSUPPORTED_FEATURE",
    field: "document",
  },
  {
    vendor: "Cohere",
    source: "https://docs.cohere.com/reference/errors",
    status: [400, 422],
    says: /^invalid request: multi step is not supported by the provided model\b/,
    means: "UNSUPPORTED_FEATURE",
    field: "tools",
  },
  // Of the month: no wait that a caller would sit out. Those of the minute are ordinary limits.
  {
    vendor: "Cohere",
    source: "https://docs.cohere.com/docs/rate-limits",
    status: [429],
    says: /^You are using a Trial key, which is limited to \d+ API calls \/ month\b/,
    means: "QUOTA_EXHAUSTED",
  },
  {
    vendor: "Cohere",
    source: "https://docs.cohere.com/reference/errors",
    status: [404],
    says: /^(?:model '[^']{1,256}' not found\b|finetuned model \S{1,256} not found\b)/,
    means: "MODEL_NOT_FOUND",
  },
];
