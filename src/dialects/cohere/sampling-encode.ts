import type { ChatRequest, Sampling } from "../../core/chat.ts";
import { dropSampling } from "../../core/sampling.ts";
import { clamped, type Encoding, unsupported } from "./encoding.ts";
import type { Fields } from "./fields.ts";

const lacking = ["min_p", "repetition_penalty", "logit_bias", "top_logprobs"] as const;

/** Stop sequences of one request at most. */
const stopMax = 5;

/** Puts the sampling fields and the output limit into the body. Values that say the default are left out without a note. */
export function encodeSampling(request: Readonly<ChatRequest>, body: Fields, encoding: Encoding): void {
  const { sampling, maxOutputTokens } = request;
  const most = encoding.target.capabilities.maxOutputTokens;
  if (maxOutputTokens !== undefined)
    body["max_tokens"] = most === undefined ? maxOutputTokens : clamped(encoding, "max_output_tokens", maxOutputTokens, [1, most]);
  if (sampling === undefined) return;
  dropSampling(sampling, lacking, encoding.notes);
  if (sampling.temperature !== undefined) body["temperature"] = sampling.temperature;
  if (sampling.topP !== undefined) body["p"] = clamped(encoding, "sampling.top_p", sampling.topP, [0.01, 0.99]);
  if (sampling.topK !== undefined) body["k"] = clamped(encoding, "sampling.top_k", sampling.topK, [0, 500]);
  encodePenalties(sampling, body, encoding);
  encodeSeed(sampling, body, encoding);
  if (sampling.logprobs !== undefined) body["logprobs"] = sampling.logprobs;
  if (sampling.stop.length > stopMax) throw unsupported("sampling.stop", `takes at most ${stopMax} stop sequences`);
  if (sampling.stop.length > 0) body["stop_sequences"] = sampling.stop;
}

/** From 0 to 1, and only one of the two. */
function encodePenalties(sampling: Sampling, body: Fields, encoding: Encoding): void {
  const frequency = clamped(encoding, "sampling.frequency_penalty", sampling.frequencyPenalty ?? 0, [0, 1]);
  const presence = clamped(encoding, "sampling.presence_penalty", sampling.presencePenalty ?? 0, [0, 1]);
  if (frequency > 0) body["frequency_penalty"] = frequency;
  if (presence === 0) return;
  if (frequency === 0) body["presence_penalty"] = presence;
  else encoding.notes.dropped("sampling.presence_penalty", "cohere takes one penalty at a time");
}

/** Raw, because a seed may have more digits than a double holds. */
function encodeSeed({ seed }: Sampling, body: Fields, encoding: Encoding): void {
  if (seed === undefined) return;
  if (seed >= 0n) body["seed"] = JSON.rawJSON(seed.toString());
  else encoding.notes.dropped("sampling.seed", "cohere takes no negative seed");
}
