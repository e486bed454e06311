import type { Call } from "./call.ts";
import { type ChatRequest, type ContentPart, type EmbedRequest, isEmbedRequest } from "./chat.ts";
import { type ChatError } from "./error.ts";

/** A chat, and whether its caller wants events as they come. */
interface Chat {
  readonly request: Readonly<ChatRequest>;
  readonly streamed: boolean;
}

/**
 * What a target can turn out not to have, with how to see that a chat needs it: its model, fields of the request, and kinds
 * of content.
 */
const features = {
  model: () => true,
  stream: ({ streamed }) => streamed,
  tools: ({ request }) => request.tools.length > 0,
  tool_choice: ({ request }) => request.toolChoice !== undefined,
  parallel_tool_calls: ({ request }) => request.toolChoice?.parallel !== undefined,
  output_format: ({ request }) => request.outputFormat !== undefined,
  reasoning: ({ request }) => request.reasoning !== undefined,
  max_output_tokens: ({ request }) => request.maxOutputTokens !== undefined,
  n: ({ request }) => (request.n ?? 1) > 1,
  modalities: ({ request }) => request.modalities.length > 0,
  audio_output: ({ request }) => request.audio !== undefined,
  verbosity: ({ request }) => request.verbosity !== "",
  service_tier: ({ request }) => request.serviceTier !== "",
  end_user_id: ({ request }) => request.endUserId !== "",
  prompt_cache_key: ({ request }) => request.promptCacheKey !== "",
  metadata: ({ request }) => Object.keys(request.metadata).length > 0,
  store: ({ request }) => request.store !== undefined,
  temperature: ({ request }) => request.sampling?.temperature !== undefined,
  top_p: ({ request }) => request.sampling?.topP !== undefined,
  top_k: ({ request }) => request.sampling?.topK !== undefined,
  min_p: ({ request }) => request.sampling?.minP !== undefined,
  frequency_penalty: ({ request }) => request.sampling?.frequencyPenalty !== undefined,
  presence_penalty: ({ request }) => request.sampling?.presencePenalty !== undefined,
  repetition_penalty: ({ request }) => request.sampling?.repetitionPenalty !== undefined,
  seed: ({ request }) => request.sampling?.seed !== undefined,
  logit_bias: ({ request }) => Object.keys(request.sampling?.logitBias ?? {}).length > 0,
  stop: ({ request }) => (request.sampling?.stop.length ?? 0) > 0,
  logprobs: ({ request }) => request.sampling?.logprobs === true || request.sampling?.topLogprobs !== undefined,
  image: (call) => holds(call, "image"),
  audio: (call) => holds(call, "audio"),
  document: (call) => holds(call, "document"),
  video: (call) => holds(call, "video"),
} as const satisfies Record<string, (chat: Chat) => boolean>;

/** The same of a call for embeddings. */
const embedFeatures = {
  model: () => true,
  dimensions: ({ dimensions }) => dimensions !== undefined,
  end_user_id: ({ endUserId }) => endUserId !== "",
} as const satisfies Record<string, (request: Readonly<EmbedRequest>) => boolean>;

/** Something a target can turn out not to have; a request's field by its own name, or a kind of content. */
export type Feature = keyof typeof features | keyof typeof embedFeatures;

/** Whether a call cannot do without it. */
export function needsFeature({ request, streamed }: Pick<Call, "request" | "streamed">, feature: Feature): boolean {
  if (isEmbedRequest(request)) return isIn(embedFeatures, feature) && embedFeatures[feature](request);
  return isIn(features, feature) && features[feature]({ request, streamed });
}

function isIn<T extends object>(table: T, word: string): word is keyof T & string {
  return Object.hasOwn(table, word);
}

/**
 * What an upstream's refusal says of the target for later calls: the feature it has not. Undefined: nothing, or nothing that
 * could be recognised in another call. What our own translation refuses is about one request and is not remembered.
 */
export function missingFeature({ failure, field, upstream }: ChatError): Feature | undefined {
  if (upstream === undefined || upstream.status === 0) return undefined;
  if (failure === "MODEL_NOT_FOUND") return "model";
  return failure === "UNSUPPORTED_FEATURE" && field !== undefined ? featureAt(field) : undefined;
}

/** The feature behind a path in our words or a vendor's, such as `sampling.top_k` or `messages[0].content[1].image_url`. */
function featureAt(path: string): Feature | undefined {
  // The path is an upstream's word; what is far down in it names no feature.
  const steps = path.slice(0, 128).split(/[.[\]]+/);
  const head = steps[0] ?? "";
  if (contentFields.has(head)) return steps.map((step) => mediaWords.get(step)).find((feature) => feature !== undefined);
  const name = groups.has(head) ? (steps[1] ?? head) : head;
  const known = otherNames.get(`${head}.${steps[1] ?? ""}`) ?? otherNames.get(name) ?? name;
  return isFeature(known) && known !== "model" ? known : undefined;
}

function isFeature(word: string): word is Feature {
  return isIn(features, word) || isIn(embedFeatures, word);
}

/** Fields that hold the prompt: what is refused in them is a kind of content, or nothing that can be recognised. */
const contentFields: ReadonlySet<string> = new Set(["messages", "input", "contents", "system"]);

const mediaWords: ReadonlyMap<string, Feature> = new Map([
  ["image", "image"],
  ["image_url", "image"],
  ["input_image", "image"],
  ["audio", "audio"],
  ["input_audio", "audio"],
  ["document", "document"],
  ["file", "document"],
  ["input_file", "document"],
  ["video", "video"],
  ["video_url", "video"],
]);

/** Fields that only hold others. */
const groups: ReadonlySet<string> = new Set(["sampling", "generationConfig"]);

/** Features by the names that vendors, and our own vocabulary, have for their fields. */
const otherNames: ReadonlyMap<string, Feature> = new Map([
  ["stream_options", "stream"],
  ["functions", "tools"],
  ["function_call", "tool_choice"],
  ["tool_choice.parallel", "parallel_tool_calls"],
  ["response_format", "output_format"],
  ["output_config", "output_format"],
  ["reasoning_effort", "reasoning"],
  ["thinking", "reasoning"],
  ["max_tokens", "max_output_tokens"],
  ["max_completion_tokens", "max_output_tokens"],
  ["audio", "audio_output"],
  ["user", "end_user_id"],
  ["safety_identifier", "end_user_id"],
  ["stop_sequences", "stop"],
  ["random_seed", "seed"],
  ["top_logprobs", "logprobs"],
  ["output_dimension", "dimensions"],
  ["outputDimensionality", "dimensions"],
]);

function holds({ request }: Chat, kind: ContentPart["part"]["case"]): boolean {
  return request.messages.some(({ content }) => content.some((part) => isOrHolds(part, kind)));
}

function isOrHolds({ part }: ContentPart, kind: ContentPart["part"]["case"]): boolean {
  return part.case === kind || (part.case === "toolResult" && part.value.content.some((inner) => isOrHolds(inner, kind)));
}
