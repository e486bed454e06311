import type { Sampling } from "./chat.ts";
import type { Notes } from "./notes.ts";

/** A field of `Sampling` that not every language has. */
export type SamplingField = keyof ReturnType<typeof asked>;

/** Notes the fields that a language has not. What asks for nothing is no loss. */
export function dropSampling(sampling: Sampling, lacking: readonly SamplingField[], notes: Notes): void {
  const all = asked(sampling);
  for (const field of lacking) if (all[field]) notes.dropped(`sampling.${field}`, "the model takes no such field");
}

/** Which of them ask for something. */
function asked(sampling: Sampling) {
  return {
    top_k: (sampling.topK ?? 0) !== 0,
    min_p: (sampling.minP ?? 0) !== 0,
    frequency_penalty: (sampling.frequencyPenalty ?? 0) !== 0,
    presence_penalty: (sampling.presencePenalty ?? 0) !== 0,
    repetition_penalty: (sampling.repetitionPenalty ?? 1) !== 1,
    seed: sampling.seed !== undefined,
    logit_bias: Object.keys(sampling.logitBias).length > 0,
    logprobs: sampling.logprobs === true,
    top_logprobs: (sampling.topLogprobs ?? 0) !== 0,
  };
}
