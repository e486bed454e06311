import type { AlternateUse, ModelKind } from "../core/catalog.ts";
import type { ModelCapabilities } from "../core/chat.ts";

/** A capability that is had or not had. */
type Ability = Exclude<keyof ModelCapabilities, "$typeName" | "$unknown" | "contextTokens" | "maxOutputTokens">;

/** What models with names alike have in common; what is in neither list is not known, and therefore tried. */
export interface ModelFamily {
  /** Matches the model's own name, in lower case, without the maker in front: `gpt-4o`, not `openai/gpt-4o`. */
  readonly names: RegExp;
  readonly kind: ModelKind;
  readonly can: readonly Ability[];
  readonly cannot: readonly Ability[];
  /** Only where the price source does not know it. */
  readonly contextTokens?: number;
  readonly maxOutputTokens?: number;
  /** When its host's other language has to be used; absent: never. */
  readonly alternate?: AlternateUse;
}

const chat = { kind: "chat" } as const;
const text = ["streaming", "tools", "jsonObject", "jsonSchema"] as const;
const openai = [...text, "parallelTools", "promptCaching"] as const;
const reading = ["imageInput", "documentInput"] as const;
const writing = ["audioInput", "videoInput", "embeddings"] as const;
const textOnly = ["imageInput", "audioInput", "documentInput", "videoInput", "embeddings"] as const;
// No jsonObject: Anthropic has no twin of it, and the translation emulates it, which "no" would forbid.
const claude = ["streaming", "tools", "parallelTools", "imageInput", "documentInput", "promptCaching"] as const;
const gemini = [...text, "parallelTools", "imageInput", "audioInput", "documentInput", "videoInput", "promptCaching"] as const;
const open = [...text, "samplingParameters"] as const;
// Documents of text they read.
const command = [...writing, "imageInput", "reasoning"] as const;

/**
 * By the name alone; the first match counts. Sources: the vendors' model pages as of November 2026. `samplingParameters` is false
 * where a temperature other than 1 is refused. gpt-5.1 and later take one with reasoning effort `none`; as they refuse it with any
 * other, they count as not having it.
 */
export const modelFamilies: readonly ModelFamily[] = [
  { names: /embed|^bge-|^e5-|-e5-|^gte-|m2-bert|minilm/, kind: "embedding", can: ["embeddings"], cannot: ["streaming", "tools"] },

  // OpenAI
  { names: /^gpt-5(\.\d)?-chat/, ...chat, can: [...openai, ...reading], cannot: writing, maxOutputTokens: 16_384 },
  // The Responses API alone serves these.
  {
    names: /^(gpt-\d+(\.\d+)?-(codex|pro)|o[13]-pro|o[34](-mini)?-deep-research|codex-)/,
    ...chat,
    can: [...openai, ...reading, "reasoning"],
    cannot: [...writing, "samplingParameters"],
    maxOutputTokens: 100_000,
    alternate: "always",
  },
  // Chat completions refuse tools to those who think: from gpt-5.5 on that is the default, at gpt-5.4 it has to be asked for.
  {
    names: /^gpt-6/,
    ...chat,
    can: [...openai, ...reading, "reasoning"],
    cannot: [...writing, "samplingParameters"],
    contextTokens: 1_050_000,
    maxOutputTokens: 128_000,
    alternate: "tools",
  },
  {
    names: /^gpt-5\.([5-9]|\d\d)/,
    ...chat,
    can: [...openai, ...reading, "reasoning"],
    cannot: [...writing, "samplingParameters"],
    contextTokens: 400_000,
    maxOutputTokens: 128_000,
    alternate: "tools",
  },
  {
    names: /^gpt-5\.4/,
    ...chat,
    can: [...openai, ...reading, "reasoning"],
    cannot: [...writing, "samplingParameters"],
    contextTokens: 400_000,
    maxOutputTokens: 128_000,
    alternate: "tools_with_effort",
  },
  {
    names: /^gpt-5/,
    ...chat,
    can: [...openai, ...reading, "reasoning"],
    cannot: [...writing, "samplingParameters"],
    contextTokens: 400_000,
    maxOutputTokens: 128_000,
  },
  {
    names: /^o[134]($|-)/,
    ...chat,
    can: [...openai, ...reading, "reasoning"],
    cannot: [...writing, "samplingParameters"],
    contextTokens: 200_000,
    maxOutputTokens: 100_000,
  },
  {
    names: /^gpt-4\.1/,
    ...chat,
    can: [...openai, ...reading, "samplingParameters"],
    cannot: [...writing, "reasoning"],
    maxOutputTokens: 32_768,
  },
  {
    names: /^gpt-4o(-mini)?($|-\d)/,
    ...chat,
    can: [...openai, ...reading, "samplingParameters"],
    cannot: [...writing, "reasoning"],
    maxOutputTokens: 16_384,
  },
  {
    names: /^gpt-4-turbo/,
    ...chat,
    can: ["streaming", "tools", "parallelTools", "jsonObject", "imageInput", "samplingParameters"],
    cannot: ["jsonSchema", "audioInput", "documentInput", "videoInput", "embeddings", "reasoning"],
    maxOutputTokens: 4096,
  },
  {
    names: /^gpt-(4|3\.5-turbo)($|-\d)/,
    ...chat,
    can: ["streaming", "tools", "samplingParameters"],
    cannot: [...textOnly, "jsonSchema", "reasoning"],
    maxOutputTokens: 4096,
  },
  { names: /^gpt-oss/, ...chat, can: [...open, "reasoning"], cannot: textOnly, contextTokens: 131_072 },

  // Anthropic: up to 4.6 sampling parameters are taken; before 4.5 there is no output schema.
  {
    names: /^claude-(opus|sonnet)-4[.-]6/,
    ...chat,
    can: [...claude, "jsonSchema", "reasoning", "samplingParameters"],
    cannot: writing,
    contextTokens: 1_000_000,
    maxOutputTokens: 128_000,
  },
  {
    names: /^claude-[a-z]+-4[.-]5/,
    ...chat,
    can: [...claude, "jsonSchema", "reasoning", "samplingParameters"],
    cannot: writing,
    contextTokens: 200_000,
    maxOutputTokens: 64_000,
  },
  {
    names: /^claude-opus-4($|[.-][01]($|-)|-\d{8})/,
    ...chat,
    can: [...claude, "reasoning", "samplingParameters"],
    cannot: writing,
    contextTokens: 200_000,
    maxOutputTokens: 32_000,
  },
  {
    names: /^claude-sonnet-4($|[.-]0($|-)|-\d{8})/,
    ...chat,
    can: [...claude, "reasoning", "samplingParameters"],
    cannot: writing,
    contextTokens: 200_000,
    maxOutputTokens: 64_000,
  },
  {
    names: /^claude-[a-z]+-(4[.-][78]|[5-9])/,
    ...chat,
    can: [...claude, "jsonSchema", "reasoning"],
    cannot: [...writing, "samplingParameters"],
    contextTokens: 1_000_000,
    maxOutputTokens: 128_000,
  },
  {
    names: /^claude-3[.-]7/,
    ...chat,
    can: [...claude, "reasoning", "samplingParameters"],
    cannot: writing,
    contextTokens: 200_000,
    maxOutputTokens: 64_000,
  },
  {
    names: /^claude-3[.-]5/,
    ...chat,
    can: ["streaming", "tools", "imageInput", "samplingParameters"],
    cannot: writing,
    contextTokens: 200_000,
    maxOutputTokens: 8192,
  },
  { names: /^claude-3/, ...chat, can: ["streaming", "tools", "imageInput", "samplingParameters"], cannot: writing, maxOutputTokens: 4096 },

  // Amazon. https://docs.aws.amazon.com/nova/latest/userguide/what-is-nova.html
  {
    names: /^nova-2/,
    ...chat,
    can: ["streaming", "tools", "imageInput", "documentInput", "videoInput", "reasoning", "samplingParameters", "promptCaching"],
    cannot: ["embeddings"],
  },
  {
    names: /^nova-micro/,
    ...chat,
    can: ["streaming", "tools", "samplingParameters", "promptCaching"],
    cannot: [...textOnly, "reasoning"],
    maxOutputTokens: 10_000,
  },
  {
    names: /^nova-(lite|pro|premier)/,
    ...chat,
    can: ["streaming", "tools", "imageInput", "documentInput", "videoInput", "samplingParameters", "promptCaching"],
    cannot: ["audioInput", "embeddings", "reasoning"],
    maxOutputTokens: 10_000,
  },

  // Google: the newest take sampling parameters and ignore them, which is neither having them nor not.
  {
    names: /^gemini-(3\.(5-flash-lite|[6-9])|[4-9]|.*-latest)/,
    ...chat,
    can: [...gemini, "reasoning"],
    cannot: ["embeddings"],
    contextTokens: 1_048_576,
    maxOutputTokens: 65_536,
  },
  {
    names: /^gemini-(2\.5|3)/,
    ...chat,
    can: [...gemini, "reasoning", "samplingParameters"],
    cannot: ["embeddings"],
    contextTokens: 1_048_576,
    maxOutputTokens: 65_536,
  },
  { names: /^gemini-/, ...chat, can: [...gemini, "samplingParameters"], cannot: ["embeddings"], maxOutputTokens: 8192 },

  // Mistral
  { names: /^(mistral-(large|medium|small)|ministral|pixtral)/, ...chat, can: [...open, "parallelTools", "imageInput"], cannot: writing },
  { names: /^(codestral|devstral|open-mistral|mistral)/, ...chat, can: [...open, "parallelTools"], cannot: textOnly },
  { names: /^magistral/, ...chat, can: [...open, "parallelTools", "imageInput", "reasoning"], cannot: writing },

  // xAI
  { names: /^grok-build/, ...chat, can: [...open, "parallelTools", "reasoning", "promptCaching"], cannot: writing },
  { names: /^grok-[4-9]/, ...chat, can: [...open, "parallelTools", "imageInput", "reasoning", "promptCaching"], cannot: writing },

  // Cohere
  {
    names: /^command-a-vision/,
    ...chat,
    can: ["streaming", "jsonObject", "jsonSchema", "imageInput", "samplingParameters"],
    cannot: [...writing, "reasoning"],
  },
  { names: /^command-a-plus/, ...chat, can: [...open, "imageInput", "reasoning"], cannot: writing },
  {
    names: /^command-a-reasoning/,
    ...chat,
    can: [...open, "reasoning"],
    cannot: [...writing, "imageInput"],
    contextTokens: 256_000,
    maxOutputTokens: 32_000,
  },
  { names: /^command-a/, ...chat, can: open, cannot: command, contextTokens: 256_000, maxOutputTokens: 8000 },
  { names: /^command/, ...chat, can: open, cannot: command, contextTokens: 128_000, maxOutputTokens: 4000 },

  // Open weights: what they can do depends on who runs them; only what lies in the model itself is known.
  {
    names: /^deepseek-(v4|flash)/,
    ...chat,
    can: ["streaming", "tools", "jsonObject", "reasoning", "promptCaching"],
    cannot: writing,
    contextTokens: 1_000_000,
  },
  { names: /^deepseek-(r1|reasoner)/, ...chat, can: ["streaming", "jsonObject", "reasoning"], cannot: textOnly },
  { names: /^deepseek/, ...chat, can: ["streaming", "tools", "jsonObject", "samplingParameters"], cannot: textOnly },
  {
    names: /^(meta-)?llama-?4/,
    ...chat,
    can: ["streaming", "tools", "imageInput", "samplingParameters"],
    cannot: [...writing, "reasoning"],
  },
  {
    names: /^(meta-)?llama-?3[.-][13]/,
    ...chat,
    can: ["streaming", "tools", "samplingParameters"],
    cannot: [...textOnly, "reasoning"],
    contextTokens: 131_072,
  },
  { names: /^(qwen|kimi|glm)/, ...chat, can: ["streaming", "tools", "samplingParameters"], cannot: ["audioInput", "embeddings"] },
];
