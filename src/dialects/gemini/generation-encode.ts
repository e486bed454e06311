import type { Target } from "../../core/catalog.ts";
import { type ChatRequest, type ContentPart, ImageDetail, type Sampling } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { callerObject, type Fields } from "../../core/json-fields.ts";
import { dropSampling } from "../../core/sampling.ts";
import { describedSchema } from "../../core/schema-subset.ts";
import type { Encoding } from "./encoding.ts";
import { encodeThinking } from "./thinking-encode.ts";
import { plainSchema } from "./tools-encode.ts";

/** `generationConfig`; `callsFunctions`: functions are declared as well. */
export function encodeGeneration(request: Readonly<ChatRequest>, target: Target, callsFunctions: boolean, encoding: Encoding): Fields {
  const config: Fields = {};
  encodeSampling(request.sampling, config, encoding);
  encodeLimits(request, target, config, encoding);
  encodeOutputFormat(request, callsFunctions, config, encoding);
  encodeModalities(request, config, encoding);
  const resolution = mediaResolution(request, encoding);
  if (resolution !== undefined) config["mediaResolution"] = resolution;
  const thinking = encodeThinking(request.reasoning, target, encoding);
  if (thinking !== undefined) config["thinkingConfig"] = thinking;
  return config;
}

const temperatureMax = 2;
const stopsMax = 5;
const logprobsMax = 20;

const lacking = ["min_p", "repetition_penalty", "logit_bias"] as const;

function encodeSampling(sampling: Sampling | undefined, config: Fields, { rules, notes }: Encoding): void {
  if (sampling === undefined) return;
  const { temperature, topP, topK, seed, stop, logprobs, topLogprobs } = sampling;
  if (temperature !== undefined) config["temperature"] = Math.min(temperature, temperatureMax);
  if (temperature !== undefined && temperature > temperatureMax)
    notes.clamped("sampling.temperature", `gemini's temperature ends at ${temperatureMax}`);
  if (topP !== undefined) config["topP"] = topP;
  // 0 stands for "all" elsewhere, which is said by silence.
  if (topK !== undefined && topK > 0) config["topK"] = topK;
  const set = {
    temperature: config["temperature"] !== undefined && temperature !== 1,
    top_p: topP !== undefined && topP !== 1,
    top_k: (topK ?? 0) > 0,
  };
  if (!rules.sampling)
    for (const [name, is] of Object.entries(set))
      if (is) notes.approximated(`sampling.${name}`, "the model takes it, and decides by itself");
  if (stop.length > stopsMax)
    throw new ChatError("UNSUPPORTED_FEATURE", `gemini takes at most ${stopsMax} stop sequences`, { field: "sampling.stop" });
  if (stop.length > 0) config["stopSequences"] = stop;
  if (seed !== undefined) {
    config["seed"] = Number(BigInt.asIntN(32, seed));
    if (BigInt.asIntN(32, seed) !== seed) notes.approximated("sampling.seed", "gemini's seeds have 32 bits; the lower ones are used");
  }
  encodePenalties(sampling, config, rules.penalties);
  if (logprobs === true) config["responseLogprobs"] = true;
  if (logprobs === true && topLogprobs !== undefined && topLogprobs > 0) config["logprobs"] = Math.min(topLogprobs, logprobsMax);
  dropSampling(sampling, rules.penalties ? lacking : [...lacking, "frequency_penalty", "presence_penalty"], notes);
  if (logprobs !== true && (topLogprobs ?? 0) !== 0) notes.dropped("sampling.top_logprobs", "told only beside logprobs");
}

function encodePenalties({ presencePenalty, frequencyPenalty }: Sampling, config: Fields, taken: boolean): void {
  if (!taken) return;
  if (presencePenalty !== undefined) config["presencePenalty"] = presencePenalty;
  if (frequencyPenalty !== undefined) config["frequencyPenalty"] = frequencyPenalty;
}

/** A limit holds the thoughts as well, at Google as elsewhere. */
function encodeLimits(request: Readonly<ChatRequest>, target: Target, config: Fields, { rules, notes }: Encoding): void {
  const { maxOutputTokens: wanted, n } = request;
  const most = target.capabilities.maxOutputTokens;
  if (wanted !== undefined) config["maxOutputTokens"] = most === undefined ? wanted : Math.min(wanted, most);
  if (wanted !== undefined && most !== undefined && wanted > most)
    notes.clamped("max_output_tokens", `the model writes at most ${most} tokens`);
  if (n === undefined || n === 1) return;
  if (n > rules.candidatesMax) {
    const text =
      rules.candidatesMax === 1 ? "the model gives one choice a call" : `gemini gives at most ${rules.candidatesMax} choices a call`;
    throw new ChatError("UNSUPPORTED_FEATURE", text, { field: "n" });
  }
  config["candidateCount"] = n;
}

function encodeOutputFormat(request: Readonly<ChatRequest>, callsFunctions: boolean, config: Fields, { rules }: Encoding): void {
  const format = request.outputFormat?.format;
  if (format?.case === undefined) return;
  if (callsFunctions && !rules.generation3)
    throw new ChatError("UNSUPPORTED_FEATURE", "the model writes JSON or calls functions, not both", { field: "output_format" });
  config["responseMimeType"] = "application/json";
  if (format.case !== "jsonSchema") return;
  const path = "output_format.json_schema.json_schema";
  const schema = plainSchema(callerObject(format.value.jsonSchema, path));
  config["responseJsonSchema"] = describedSchema(schema, format.value.description);
}

function encodeModalities(request: Readonly<ChatRequest>, config: Fields, { notes }: Encoding): void {
  const { modalities, audio } = request;
  if (modalities.some((modality) => modality !== "text"))
    config["responseModalities"] = modalities.map((modality) => modality.toUpperCase());
  if (audio === undefined) return;
  if (audio.voice !== "") config["speechConfig"] = { voiceConfig: { prebuiltVoiceConfig: { voiceName: audio.voice } } };
  if (audio.format !== "" && audio.format !== "pcm16") notes.approximated("audio.format", "gemini's sound is PCM of 16 bits");
}

/** One resolution serves a whole request: the highest that a picture asks for. */
function mediaResolution(request: Readonly<ChatRequest>, { notes }: Encoding): string | undefined {
  const details = new Set(request.messages.flatMap(({ content }) => content.flatMap(imageDetails)));
  const isHigh = details.has(ImageDetail.HIGH) || details.has(ImageDetail.ORIGINAL);
  if (!isHigh && !details.has(ImageDetail.LOW)) return undefined;
  if (details.size > 1) notes.approximated("messages.content.image.detail", "gemini has one resolution for all images of a request");
  if (isHigh) return "MEDIA_RESOLUTION_HIGH";
  // A picture that says nothing must not suffer for one that needs little.
  return details.size === 1 ? "MEDIA_RESOLUTION_LOW" : undefined;
}

function imageDetails({ part }: ContentPart): readonly ImageDetail[] {
  if (part.case === "toolResult") return part.value.content.flatMap(imageDetails);
  return part.case === "image" ? [part.value.detail === ImageDetail.AUTO ? ImageDetail.UNSPECIFIED : part.value.detail] : [];
}
