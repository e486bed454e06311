import type { KnownBody } from "../../core/known-bodies.ts";

/** What Anthropic says in words under a type that says less. Each row was seen in the wild; the tests hold the bodies. */
export const knownBodies: readonly KnownBody[] = [
  {
    // Another account's, another model's, or bound to another conversation.
    vendor: "Anthropic",
    source: "https://github.com/anthropics/claude-code/issues/10627",
    status: [400],
    says: /^messages\.\d+\.content\.\d+: Invalid `(?:signature|data)` in `(?:redacted_)?thinking` block\b/,
    means: "INVALID_REQUEST",
    stale: true,
  },
  {
    vendor: "Anthropic",
    source: "https://github.com/anthropics/claude-code/issues/25361",
    status: [400],
    says: /^messages\.\d+\.content\.\d+: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified\b/,
    means: "INVALID_REQUEST",
    stale: true,
  },
  {
    vendor: "Anthropic",
    source: "https://github.com/anthropics/claude-code/issues/66314",
    status: [400],
    says: /^Your credit balance is too low\b/,
    means: "QUOTA_EXHAUSTED",
  },
  {
    vendor: "Anthropic",
    source: "https://github.com/anthropics/claude-code/issues/38035",
    status: [400],
    says: /^You have reached your specified (?:workspace )?API usage limits\b/,
    means: "QUOTA_EXHAUSTED",
  },
  {
    vendor: "Anthropic",
    source: "https://github.com/anthropics/claude-code/issues/19028",
    status: [400],
    says: /^This organization has been disabled\b/,
    means: "UPSTREAM_AUTH",
  },
  {
    vendor: "Anthropic",
    source: "https://github.com/anthropics/claude-code/issues/12186",
    status: [400],
    says: /^[Pp]rompt is too long\b/,
    means: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "Anthropic",
    source: "https://github.com/docker/docker-agent/issues/569",
    status: [400],
    says: /^input length and `max_tokens` exceed context limit: \d+ \+ \d+ > \d+/,
    means: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    // More output than the model has: another one may have it.
    vendor: "Anthropic",
    source: "https://portkey.ai/error-library/input-limit-exceeded-error-10156",
    status: [400],
    says: /^max_tokens: \d+ > \d+, which is the maximum allowed number of output tokens\b/,
    means: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    // The account may not send prompts that long; waiting would not change it.
    vendor: "Anthropic",
    source: "https://github.com/anthropics/claude-code/issues/29584",
    status: [429],
    says: /^(?:Extra usage is|Usage credits are) required for long context requests\b/,
    means: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "Anthropic",
    source: "https://github.com/anthropics/claude-code/issues/62817",
    status: [400],
    says: /^Output blocked by content filtering policy\b/,
    means: "CONTENT_POLICY",
  },
  {
    vendor: "Anthropic",
    source: "https://docs.claude.com/en/api/errors",
    status: [404],
    says: /^model: \S/,
    means: "MODEL_NOT_FOUND",
  },
];
