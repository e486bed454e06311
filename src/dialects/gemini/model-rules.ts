/** Words of `thinkingLevel`, in their order. */
export type ThinkingLevel = "MINIMAL" | "LOW" | "MEDIUM" | "HIGH";

/** How a model is told how much to think. */
export type ThinkingMode =
  | { readonly kind: "none" }
  /** A number of tokens; `canStop`: 0 is taken. */
  | { readonly kind: "budget"; readonly min: number; readonly max: number; readonly canStop: boolean }
  /** A word; it cannot be told not to think at all. */
  | { readonly kind: "level"; readonly levels: readonly ThinkingLevel[] };

/** What a family of models takes; it changes with every release, so it is data. */
export interface ModelRules {
  readonly thinking: ThinkingMode;
  /** Generation 3: calls have ids and signatures, results may hold media, and tools go with JSON and with tools of Google's own. */
  readonly generation3: boolean;
  /** Most candidates a request may ask for. */
  readonly candidatesMax: number;
  /** Whether penalties are taken. */
  readonly penalties: boolean;
  /** Whether temperature, topP and topK do something; where not, they are taken and mean nothing. */
  readonly sampling: boolean;
  /** Whether the last turn may be the model's own; it is not gone on with anywhere. */
  readonly modelLast: boolean;
}

const first = {
  thinking: { kind: "none" },
  generation3: false,
  candidatesMax: 8,
  penalties: true,
  sampling: true,
  modelLast: true,
} as const satisfies ModelRules;
const second = { ...first, penalties: false } as const;
const third = { ...second, generation3: true, candidatesMax: 1 } as const;
const newest = { ...third, sampling: false, modelLast: false } as const;

const all = { kind: "level", levels: ["MINIMAL", "LOW", "MEDIUM", "HIGH"] } as const;
const fromLow = { kind: "level", levels: ["LOW", "MEDIUM", "HIGH"] } as const;

/**
 * The first pattern found in the model's name decides. As of November 2026, from
 * https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking and the pages "What's new" of each release.
 */
const table: readonly { readonly models: RegExp; readonly rules: ModelRules }[] = [
  { models: /gemini-(?:1|2[.-]0)(?!\d)|gemma/, rules: first },
  { models: /gemini-2[.-]5-.*(?:image|tts|audio)/, rules: second },
  { models: /gemini-2[.-]5-pro/, rules: { ...second, thinking: { kind: "budget", min: 128, max: 32_768, canStop: false } } },
  { models: /gemini-2[.-]5-flash-lite/, rules: { ...second, thinking: { kind: "budget", min: 512, max: 24_576, canStop: true } } },
  { models: /gemini-2[.-]5/, rules: { ...second, thinking: { kind: "budget", min: 1, max: 24_576, canStop: true } } },
  { models: /gemini-3[.-]1-flash-image/, rules: { ...third, thinking: { kind: "level", levels: ["MINIMAL", "HIGH"] } } },
  { models: /gemini-3.*(?:image|tts|audio)/, rules: { ...third, thinking: { kind: "none" } } },
  { models: /gemini-3-pro/, rules: { ...third, thinking: { kind: "level", levels: ["LOW", "HIGH"] } } },
  { models: /gemini-3[.-]1-pro/, rules: { ...third, thinking: fromLow } },
  { models: /gemini-3[.-]5-flash-lite|gemini-3[.-]6/, rules: { ...newest, thinking: all } },
  { models: /gemini-3(?:[.-][0-5])?-flash/, rules: { ...third, thinking: all } },
  // What comes after, and names that tell no version, such as gemini-flash-latest.
  { models: /(?:)/, rules: { ...newest, thinking: fromLow } },
];

/** The rules for the name the provider is asked for. */
export function modelRules(upstreamModel: string): ModelRules {
  return table.find((row) => row.models.test(upstreamModel))?.rules ?? first;
}
