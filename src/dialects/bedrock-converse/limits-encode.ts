import type { Target } from "../../core/catalog.ts";
import type { ChatRequest, Sampling } from "../../core/chat.ts";
import type { Fields } from "../../core/json-fields.ts";
import type { Notes } from "../../core/notes.ts";
import { dropSampling } from "../../core/sampling.ts";
import type { ModelRules } from "./model-rules.ts";

/** The caller's output limit within the model's; undefined: none, and the model's own holds. */
export function outputLimit(request: Readonly<ChatRequest>, target: Target, notes: Notes): number | undefined {
  const cap = target.capabilities.maxOutputTokens;
  const asked = request.maxOutputTokens;
  if (asked === undefined || cap === undefined || asked <= cap) return asked;
  notes.clamped("max_output_tokens", `the model writes at most ${cap} tokens`);
  return cap;
}

/** What decides about sampling besides the request. */
export interface SamplingContext {
  readonly target: Target;
  readonly rules: ModelRules;
  /** Reasoning leaves no room for it. */
  readonly fixed: boolean;
  readonly notes: Notes;
}

/** Sampling on the wire. */
export interface WireSampling {
  /** For `inferenceConfig`. */
  readonly config: Fields;
  /** For `additionalModelRequestFields`. */
  readonly fields: Fields;
}

const lacking = [
  "min_p",
  "frequency_penalty",
  "presence_penalty",
  "repetition_penalty",
  "seed",
  "logit_bias",
  "logprobs",
  "top_logprobs",
] as const;

/** Sampling parameters and stop sequences. Values that say the default are left out without a note. */
export function encodeSampling(sampling: Sampling | undefined, context: SamplingContext): WireSampling {
  if (sampling === undefined) return { config: {}, fields: {} };
  const { notes, target, rules } = context;
  dropSampling(sampling, lacking, notes);
  const taken = target.capabilities.samplingParameters ?? rules.claude?.sampling ?? true;
  const config: Fields = {};
  const temperature = encodeTemperature(sampling.temperature, taken, context);
  if (temperature !== undefined) config["temperature"] = temperature;
  const topP = encodeTopP(sampling.topP, taken, temperature !== undefined, context);
  if (topP !== undefined) config["topP"] = topP;
  const stop = sampling.stop.filter((text) => text.trim() !== "");
  if (stop.length < sampling.stop.length) notes.dropped("sampling.stop", "bedrock takes no blank stop sequences");
  if (stop.length > 0) config["stopSequences"] = stop;
  return { config, fields: encodeTopK(sampling.topK, taken, context) };
}

function reason(taken: boolean): string {
  return taken ? "not taken while the model reasons" : "the model takes no sampling parameters";
}

function encodeTemperature(value: number | undefined, taken: boolean, { fixed, notes }: SamplingContext): number | undefined {
  if (value === undefined) return undefined;
  if (!taken || fixed) {
    if (value !== 1) notes.dropped("sampling.temperature", reason(taken));
    return undefined;
  }
  if (value <= 1) return value;
  notes.clamped("sampling.temperature", "bedrock's temperature ends at 1");
  return 1;
}

/** Least nucleus that goes with thinking at Claude. */
const topPWhileThinking = 0.95;

function encodeTopP(value: number | undefined, taken: boolean, besideTemperature: boolean, context: SamplingContext): number | undefined {
  if (value === undefined) return undefined;
  const { fixed, rules, notes } = context;
  const fits = !fixed || (rules.claude !== undefined && value >= topPWhileThinking);
  if (!taken || !fits) {
    if (value !== 1) notes.dropped("sampling.top_p", reason(taken));
    return undefined;
  }
  if (!besideTemperature || rules.claude === undefined) return value;
  if (value !== 1) notes.dropped("sampling.top_p", "claude takes temperature or top_p, not both");
  return undefined;
}

function encodeTopK(value: number | undefined, taken: boolean, { rules, fixed, notes }: SamplingContext): Fields {
  if (value === undefined) return {};
  if (!taken || fixed) {
    notes.dropped("sampling.top_k", reason(taken));
    return {};
  }
  switch (rules.topK) {
    case "top_k":
      return { top_k: value };
    case "k":
      return { k: value };
    case "inferenceConfig.topK":
      return { inferenceConfig: { topK: value } };
    case undefined:
      notes.dropped("sampling.top_k", "it is not known how this model takes it");
      return {};
    default:
      return rules.topK satisfies never;
  }
}
