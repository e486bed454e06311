import type { Target } from "../../core/catalog.ts";
import type { ChatRequest, Sampling } from "../../core/chat.ts";
import type { Fields } from "./fields.ts";
import type { Notes } from "../../core/notes.ts";
import { dropSampling } from "../../core/sampling.ts";
import type { ThinkingRules } from "../../core/claude-rules.ts";

/** What is asked for where neither the caller nor the catalogue says; every model can write that much. */
const outputTokensDefault = 4096;

/** Anthropic requires a limit: the caller's within the model's, else the model's. */
export function outputLimit(request: Readonly<ChatRequest>, target: Target, notes: Notes): number {
  const cap = target.capabilities.maxOutputTokens;
  const asked = request.maxOutputTokens;
  if (asked === undefined) return cap ?? outputTokensDefault;
  if (cap === undefined || asked <= cap) return asked;
  notes.clamped("max_output_tokens", `the model writes at most ${cap} tokens`);
  return cap;
}

/** What decides about sampling besides the request. */
export interface SamplingContext {
  readonly target: Target;
  readonly rules: ThinkingRules;
  readonly thinkingOn: boolean;
  readonly notes: Notes;
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
export function encodeSampling(sampling: Sampling | undefined, context: SamplingContext): Fields {
  if (sampling === undefined) return {};
  const { notes } = context;
  dropSampling(sampling, lacking, notes);
  const wire: Fields = {};
  const taken = context.target.capabilities.samplingParameters ?? context.rules.sampling;
  const temperature = encodeTemperature(sampling.temperature, taken, context);
  if (temperature !== undefined) wire["temperature"] = temperature;
  const topP = encodeTopP(sampling.topP, taken, temperature !== undefined, context);
  if (topP !== undefined) wire["top_p"] = topP;
  if (sampling.topK !== undefined) {
    if (taken && !context.thinkingOn) wire["top_k"] = sampling.topK;
    else notes.dropped("sampling.top_k", reason(taken));
  }
  const stop = sampling.stop.filter((text) => text.trim() !== "");
  if (stop.length < sampling.stop.length) notes.dropped("sampling.stop", "anthropic takes no blank stop sequences");
  if (stop.length > 0) wire["stop_sequences"] = stop;
  return wire;
}

function reason(taken: boolean): string {
  return taken ? "not taken while the model thinks" : "the model takes no sampling parameters";
}

function encodeTemperature(value: number | undefined, taken: boolean, context: SamplingContext): number | undefined {
  if (value === undefined) return undefined;
  if (!taken || (context.thinkingOn && value !== 1)) {
    if (value !== 1) context.notes.dropped("sampling.temperature", reason(taken));
    return undefined;
  }
  if (value <= 1) return value;
  context.notes.clamped("sampling.temperature", "anthropic's temperature ends at 1");
  return 1;
}

/** Least nucleus that goes with thinking. */
const topPWhileThinking = 0.95;

function encodeTopP(value: number | undefined, taken: boolean, besideTemperature: boolean, context: SamplingContext): number | undefined {
  if (value === undefined) return undefined;
  if (!taken || (context.thinkingOn && value < topPWhileThinking)) {
    if (value !== 1) context.notes.dropped("sampling.top_p", reason(taken));
    return undefined;
  }
  if (!besideTemperature || context.rules.bothSamplers) return value;
  if (value !== 1) context.notes.dropped("sampling.top_p", "anthropic takes temperature or top_p, not both");
  return undefined;
}
