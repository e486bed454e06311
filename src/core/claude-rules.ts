/** What a family of models accepts around thinking; it changes with every release, so it is data. */
export interface ThinkingRules {
  /** How thinking is asked for; `both`: adaptive, and still a budget. */
  readonly modes: "none" | "budget" | "both" | "adaptive";
  /** Whether the model thinks unless told otherwise. */
  readonly onByDefault: boolean;
  /** How it is told not to; undefined: it cannot be. */
  readonly off: "disabled" | "between_tools" | undefined;
  /** Thinking can be off only up to effort `high`. */
  readonly offNeedsHighAtMost: boolean;
  /** Whether `temperature`, `top_p` and `top_k` are taken, where the catalogue does not say. */
  readonly sampling: boolean;
  /** Whether a tool call can be forced, at least without thinking. */
  readonly forcedChoice: boolean;
  /** Whether an effort is taken. */
  readonly effort: boolean;
  /** Whether `temperature` and `top_p` are taken side by side. */
  readonly bothSamplers: boolean;
  /** Whether instructions may stand behind a turn of the user's, as messages of role `system`. */
  readonly systemTurns: boolean;
  /** Whether the last message may be the assistant's. */
  readonly prefill: boolean;
  /** Whether `output_config.format` and strict tools exist. */
  readonly structuredOutputs: boolean;
}

const adaptive = {
  modes: "adaptive",
  onByDefault: true,
  off: "disabled",
  offNeedsHighAtMost: false,
  sampling: false,
  forcedChoice: true,
  effort: true,
  bothSamplers: false,
  systemTurns: true,
  prefill: false,
  structuredOutputs: true,
} as const satisfies ThinkingRules;

const budget = {
  modes: "budget",
  onByDefault: false,
  off: "disabled",
  offNeedsHighAtMost: false,
  sampling: true,
  forcedChoice: true,
  effort: false,
  bothSamplers: true,
  systemTurns: false,
  prefill: true,
  structuredOutputs: false,
} as const satisfies ThinkingRules;

const four6 = { ...adaptive, modes: "both", onByDefault: false, sampling: true, systemTurns: false } as const satisfies ThinkingRules;

/** The first pattern found in the model's name decides; names of clouds (`anthropic.claude-…-v1:0`, `claude-…@date`) hold the same core. */
const table: readonly { readonly models: RegExp; readonly rules: ThinkingRules }[] = [
  { models: /claude-(opus-5[-.]5|fable-5[-.]1)(?!\d)/, rules: { ...adaptive, off: undefined, forcedChoice: false } },
  { models: /claude-sonnet-5[-.]5(?!\d)/, rules: { ...adaptive, off: "between_tools", forcedChoice: false } },
  { models: /claude-(haiku-5[-.]5|opus-5)(?!\d)/, rules: { ...adaptive, offNeedsHighAtMost: true } },
  { models: /claude-sonnet-5(?!\d)/, rules: adaptive },
  { models: /claude-opus-4[-.]8(?!\d)/, rules: { ...adaptive, onByDefault: false } },
  { models: /claude-(opus|sonnet|haiku)-4[-.][78](?!\d)/, rules: { ...adaptive, onByDefault: false, systemTurns: false } },
  { models: /claude-opus-4[-.]6(?!\d)/, rules: four6 },
  { models: /claude-(sonnet|haiku)-4[-.]6(?!\d)/, rules: { ...four6, prefill: true } },
  { models: /claude-opus-4[-.]5(?!\d)/, rules: { ...budget, structuredOutputs: true, effort: true, bothSamplers: false } },
  { models: /claude-(sonnet|haiku)-4[-.]5(?!\d)/, rules: { ...budget, structuredOutputs: true, bothSamplers: false } },
  { models: /claude-(opus|sonnet|haiku)-4(?!\d)/, rules: { ...budget, bothSamplers: false } },
  { models: /claude-3[-.]7(?!\d)/, rules: budget },
  { models: /claude-(instant|[123])(?!\d)/, rules: { ...budget, modes: "none" } },
  { models: /claude/, rules: adaptive },
  // Other makers' models behind Anthropic's shape know what was there first.
  { models: /(?:)/, rules: budget },
];

/** The rules for the name the provider is asked for. */
export function thinkingRules(upstreamModel: string): ThinkingRules {
  return table.find((row) => row.models.test(upstreamModel))?.rules ?? budget;
}
