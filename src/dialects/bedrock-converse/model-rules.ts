import { type ThinkingRules, thinkingRules } from "../../core/claude-rules.ts";

/** What a family of models takes through Converse; one API, but not one set of fields. */
export interface ModelRules {
  /** Present for Claude. */
  readonly claude: ThinkingRules | undefined;
  /** How the others are asked to think; undefined: no way is known. */
  readonly reasoning: "nova" | "reasoning_effort" | "reasoning.effort" | undefined;
  /** Where `top_k` stands in `additionalModelRequestFields`; undefined: no place is known. */
  readonly topK: "top_k" | "inferenceConfig.topK" | "k" | undefined;
  /** Whether `outputConfig.textFormat` and strict tools exist. */
  readonly structuredOutputs: boolean;
  /** Where a `cachePoint` may stand; elsewhere it is refused. */
  readonly cachePoints: "everywhere" | "prompt" | "nowhere";
  /** Whether a choice that asks for nothing (`auto`) may be said. */
  readonly saysAuto: boolean;
  /** Whether a tool result can say that it is an error. */
  readonly toolStatus: boolean;
  /** Whether a tool result can hold more than text. */
  readonly mediaInResults: boolean;
}

const unknown: ModelRules = {
  claude: undefined,
  reasoning: undefined,
  topK: undefined,
  structuredOutputs: false,
  cachePoints: "nowhere",
  saysAuto: false,
  toolStatus: false,
  mediaInResults: false,
};
const nova: ModelRules = {
  ...unknown,
  topK: "inferenceConfig.topK",
  cachePoints: "prompt",
  saysAuto: true,
  toolStatus: true,
  mediaInResults: true,
};

/**
 * The first pattern found in the model's name decides. Sources: the Converse API reference and the user guide's pages on structured
 * outputs, prompt caching and inference parameters; reasoning of OpenAI's models: https://github.com/BerriAI/litellm/pull/38279.
 */
const table: readonly { readonly models: RegExp; readonly rules: ModelRules }[] = [
  { models: /nova-2/, rules: { ...nova, reasoning: "nova" } },
  { models: /nova/, rules: nova },
  { models: /gpt-oss/, rules: { ...unknown, reasoning: "reasoning_effort", structuredOutputs: true } },
  { models: /openai\.gpt-/, rules: { ...unknown, reasoning: "reasoning.effort", structuredOutputs: true } },
  { models: /kimi-k/, rules: { ...unknown, reasoning: "reasoning_effort", structuredOutputs: true } },
  { models: /qwen3|deepseek\.v|gemma-3|nemotron|minimax/, rules: { ...unknown, structuredOutputs: true } },
  { models: /mistral-large-3/, rules: { ...unknown, structuredOutputs: true, saysAuto: true } },
  { models: /mistral-large/, rules: { ...unknown, topK: "top_k", saysAuto: true } },
  { models: /ministral|magistral|voxtral/, rules: { ...unknown, structuredOutputs: true } },
  { models: /mistral|mixtral/, rules: { ...unknown, topK: "top_k" } },
  { models: /cohere\.command/, rules: { ...unknown, topK: "k" } },
  { models: /llama4/, rules: { ...unknown, mediaInResults: true } },
];

/** Claude models from before prompt caching. */
const uncached = /claude-(v2|instant|3-(opus|sonnet|haiku)|3-5-sonnet-20240620)/;

/** The rules for a model id, inference profile or ARN. An ARN that hides the model is one of which nothing is known. */
export function modelRules(upstreamModel: string): ModelRules {
  const name = upstreamModel.toLowerCase();
  if (name.includes("claude")) {
    const claude = thinkingRules(name);
    return {
      claude,
      reasoning: undefined,
      topK: "top_k",
      structuredOutputs: claude.structuredOutputs,
      cachePoints: uncached.test(name) ? "nowhere" : "everywhere",
      saysAuto: true,
      toolStatus: true,
      mediaInResults: true,
    };
  }
  return table.find((row) => row.models.test(name))?.rules ?? unknown;
}
