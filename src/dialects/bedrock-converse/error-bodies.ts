import type { KnownBody } from "../../core/known-bodies.ts";

/** What Bedrock says in words under a type that says less. Each row was seen in the wild; the tests hold the bodies. */
export const knownBodies: readonly KnownBody[] = [
  {
    vendor: "Bedrock",
    source: "https://github.com/aws-samples/assessment-generator/issues/2",
    status: [400],
    says: /^Input is too long\b/,
    means: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    vendor: "Bedrock, of Claude",
    source: "https://github.com/daisuke-awaji/moca/issues/254",
    status: [400],
    says: /^[Pp]rompt is too long\b/,
    means: "CONTEXT_LENGTH_EXCEEDED",
  },
  {
    // More output than the model has: another one may have it.
    vendor: "Bedrock",
    source: "https://github.com/vercel/ai/issues/2772, https://github.com/RooCodeInc/Roo-Code/issues/248",
    status: [400],
    says: /^The maximum tokens you requested exceeds? the model limit of \d+/,
    means: "CONTEXT_LENGTH_EXCEEDED",
    field: "max_output_tokens",
  },
  {
    vendor: "Bedrock",
    source: "https://github.com/strands-agents/harness-sdk/issues/38",
    status: [400],
    says: /^The provided model identifier is invalid\b/,
    means: "MODEL_NOT_FOUND",
  },
  {
    // The id of an inference profile is wanted instead.
    vendor: "Bedrock",
    source: "https://github.com/strands-agents/harness-sdk/issues/38",
    status: [400],
    says: /^Invocation of model ID \S+ with on-demand throughput isn.t supported\b/,
    means: "MODEL_NOT_FOUND",
  },
  {
    // The credential is good for other models.
    vendor: "Bedrock",
    source: "https://github.com/langgenius/dify/issues/2829, https://github.com/aws-samples/amazon-bedrock-rag/issues/12",
    status: [400, 403],
    says: /^You don.t have access to the model with the specified model ID\b/,
    means: "MODEL_NOT_FOUND",
  },
  {
    vendor: "Bedrock",
    source: "https://github.com/aws-samples/sample-host-openclaw-on-amazon-bedrock-agentcore/issues/41",
    status: [403],
    says: /^Model access is denied due to\b/,
    means: "MODEL_NOT_FOUND",
  },
  {
    // Waiting for the next day is no wait.
    vendor: "Bedrock",
    source: "https://github.com/Ivy-Interactive/Ivy-Tendril/issues/1756",
    status: [429],
    says: /^Too many tokens per day\b/,
    means: "QUOTA_EXHAUSTED",
  },
  {
    vendor: "Bedrock",
    source: "https://github.com/langchain-ai/langchain-aws/issues/447",
    status: [400],
    says: /^This model doesn.t support tool use\b/,
    means: "UNSUPPORTED_FEATURE",
    field: "tools",
  },
  {
    vendor: "Bedrock",
    source: "https://github.com/strands-agents/harness-sdk/issues/1241, https://github.com/vercel/ai/issues/4396",
    status: [400],
    says: /^This model doesn.t support the toolConfig\.toolChoice\b/,
    means: "UNSUPPORTED_FEATURE",
    field: "tool_choice",
  },
  {
    vendor: "Bedrock",
    source: "https://github.com/earendil-works/pi/issues/8960",
    status: [400],
    says: /^This model doesn.t support the image field\b/,
    means: "UNSUPPORTED_FEATURE",
    field: "messages.content.image",
  },
];
