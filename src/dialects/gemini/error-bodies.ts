import { googleBodies } from "../../core/google-errors.ts";
import type { KnownBody } from "../../core/known-bodies.ts";

const vendor = "Google";

/**
 * What Gemini says in words under INVALID_ARGUMENT. What is refused in a combination only names no field, so that the model is not
 * thought to lack it altogether.
 */
export const knownBodies: readonly KnownBody[] = [
  ...googleBodies,
  {
    vendor,
    source: "https://github.com/google-gemini/deprecated-generative-ai-android/issues/26",
    status: [400],
    says: /^Request payload size exceeds the limit: \d+ bytes/,
    means: "REQUEST_TOO_LARGE",
  },
  {
    vendor,
    source: "https://github.com/Vela-Research/think-reason-learn/issues/34",
    status: [400],
    says: /^Logprobs is not enabled for /,
    means: "UNSUPPORTED_FEATURE",
    field: "sampling.logprobs",
  },
  {
    vendor,
    source: "https://github.com/langchain-ai/langchain-google/pull/684",
    status: [400],
    says: /^Image input modality is not enabled for /,
    means: "UNSUPPORTED_FEATURE",
    field: "messages.content.image",
  },
  {
    vendor,
    source: "https://github.com/BerriAI/litellm/issues/10313",
    status: [400],
    says: /^Function calling is not enabled for /,
    means: "UNSUPPORTED_FEATURE",
    field: "tools",
  },
  {
    vendor,
    source: "https://github.com/google-gemini/deprecated-generative-ai-python/issues/137",
    status: [400],
    says: /^J(?:SON|son) mode is not enabled for /,
    means: "UNSUPPORTED_FEATURE",
    field: "output_format",
  },
  {
    // Instructions, which not every model has.
    vendor,
    source: "https://github.com/stackblitz-labs/bolt.diy/issues/1824",
    status: [400],
    says: /^Developer instruction is not enabled for /,
    means: "UNSUPPORTED_FEATURE",
  },
  {
    vendor,
    source: "https://github.com/vercel/ai/issues/8943",
    status: [400],
    says: /^Penalty is not enabled for /,
    means: "UNSUPPORTED_FEATURE",
  },
  {
    vendor,
    source: "https://github.com/agentjido/req_llm/issues/971",
    status: [400],
    says: /^Thinking level (?:[A-Z]+ )?is not supported for this model\./,
    means: "UNSUPPORTED_FEATURE",
  },
  {
    vendor,
    source: "https://github.com/symfony/ai/issues/803",
    status: [400],
    says: /^(?:Function calling|Tool use) with (?:a response mime type: 'application\/json'|function calling) is unsupported/,
    means: "UNSUPPORTED_FEATURE",
  },
  {
    vendor,
    source: "https://github.com/Zoo-Code-Org/Zoo-Code/issues/1052",
    status: [400],
    says: /^Requests ending with a model turn are not supported\./,
    means: "UNSUPPORTED_FEATURE",
  },
  {
    // A name of the second generation that Google answers by a model of the third.
    vendor,
    source: "https://github.com/lbjlaq/Antigravity-Manager/issues/733",
    status: [400],
    says: /^Function call is missing a thought_signature\b/,
    means: "UNSUPPORTED_FEATURE",
  },
  {
    // Of another key, project or model: whoever did not make it may do without it.
    vendor,
    source: "https://github.com/google-gemini/gemini-cli/issues/13467",
    status: [400],
    says: /^(?:Corrupted thought signature\.|(?:Unable to submit request because )?Thought signature is not valid\b)/,
    means: "UNSUPPORTED_FEATURE",
  },
];
