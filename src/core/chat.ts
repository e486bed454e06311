/**
 * The vocabulary: the one door to the generated messages. Everything else in the house says `ChatRequest`,
 * `ChatEvent` and so on from here, so that generated code has one reader.
 */
import type { ChatRequest, RouteInfo, StreamChatResponse, Usage } from "../../gen/semaroute/v1/chat_pb.ts";
import type { ChatResponse, Choice, ContentPart, Message, PartDelta, TextPart, TranslationNote } from "../../gen/semaroute/v1/chat_pb.ts";
import { Role, TranslationAction } from "../../gen/semaroute/v1/chat_pb.ts";
import type { Embedding, EmbedRequest, EmbedResponse } from "../../gen/semaroute/v1/router_pb.ts";

export type {
  Attempt as AttemptInfo,
  AudioPart,
  CacheControl,
  ChatRequest,
  ChatResponse,
  Choice,
  ChoiceEnded,
  Citation,
  ContentPart,
  CustomTool,
  DocumentPart,
  FunctionTool,
  ImagePart,
  Media,
  Message,
  Opaque,
  OutputFormat,
  PartDelta,
  PartEnded,
  PartStarted,
  Reasoning,
  ReasoningPart,
  RouteInfo,
  RoutingOptions,
  Sampling,
  ServerToolPart,
  StreamChatResponse as StreamMessage,
  StreamCompleted,
  StreamStarted,
  TextPart,
  TokenLogprob,
  Tool,
  ToolCallPart,
  ToolChoice,
  ToolResultPart,
  TranslationNote,
  Usage,
  UsageTotals,
} from "../../gen/semaroute/v1/chat_pb.ts";
export {
  AttemptKind,
  BreakerState,
  CacheMode,
  CacheStatus,
  ChatRequestSchema,
  ChatResponseSchema,
  ErrorReason,
  FinishReason,
  HealthStatus,
  ImageDetail,
  Priority,
  ProviderDialect,
  ProviderState,
  ReasoningEffort,
  ReasoningSummary,
  Role,
  RoutingOptionsSchema,
  StreamChatResponseSchema as StreamMessageSchema,
  ToolChoice_Mode,
  TranslationAction,
  UnsupportedFieldPolicy,
} from "../../gen/semaroute/v1/chat_pb.ts";
export type { Decision } from "../../gen/semaroute/v1/admin_pb.ts";
export type {
  CostBasedPolicy,
  ExperimentPolicy,
  ExplainCandidate,
  FailoverPolicy,
  LatencyPolicy,
  PolicyIssue,
  PolicyRevision,
  ProviderHealth,
  RoutingPolicy,
  RulesPolicy,
  ScoreTerm,
  Shadow,
  TargetBar,
  TargetHealth,
  WeightedPolicy,
} from "../../gen/semaroute/v1/policy_pb.ts";
export {
  HealthAxis,
  PolicyIssue_Severity,
  PolicyRevisionSchema,
  ProviderHealthSchema,
  RoutingPolicySchema,
} from "../../gen/semaroute/v1/policy_pb.ts";
export type {
  Embedding,
  EmbedInput,
  EmbedRequest,
  EmbedResponse,
  Model,
  ModelCapabilities,
  ModelPrice,
} from "../../gen/semaroute/v1/router_pb.ts";
export { EmbedRequestSchema, EmbedResponseSchema, ModelCapabilitiesSchema } from "../../gen/semaroute/v1/router_pb.ts";

/** What a caller asks: a chat, or embeddings. Both go through the same rooms. */
export type CallRequest = ChatRequest | EmbedRequest;

/** Whether it asks for embeddings. */
export function isEmbedRequest(request: Readonly<CallRequest>): request is Readonly<EmbedRequest> {
  return request.$typeName === "semaroute.v1.EmbedRequest";
}

/** One event of a stream, as the API has it: started, partStarted, partDelta, partEnded, choiceEnded, usage, completed, heartbeat. */
export type StreamEvent = Exclude<StreamChatResponse["event"], { case: undefined }>;

/**
 * What flows through the rooms. A unary upstream answer travels as one `whole`, and is unfolded only where a
 * caller asked for a stream (`eventsFromResponse`), so that a unary call never pays for events. The answer to an
 * EmbedRequest is one `embedded`, content and end at once; a chat never has one.
 */
export type ChatEvent =
  | StreamEvent
  | { readonly case: "whole"; readonly value: ChatResponse }
  | { readonly case: "embedded"; readonly value: EmbedResponse };

/** What one upstream read brought; never empty, leaves in one write. */
export type Batch = readonly ChatEvent[];

// Plain literals instead of `create()`: this is the hot path, and the compiler checks that every field is there.

/** An empty part around a value of the oneof. */
export function contentPart(part: ContentPart["part"]): ContentPart {
  return { $typeName: "semaroute.v1.ContentPart", part, opaque: [], extensionsJson: {} };
}

/** A part of plain text. */
export function textPart(text: string): ContentPart {
  const value: TextPart = { $typeName: "semaroute.v1.TextPart", text, citations: [] };
  return contentPart({ case: "text", value });
}

/** A message of one role. */
export function message(role: Role, content: ContentPart[]): Message {
  return { $typeName: "semaroute.v1.Message", role, content, name: "", developer: false, text: "", extensionsJson: {} };
}

/** A part that begins. */
export function partStarted(choiceIndex: number, partIndex: number, part: ContentPart): StreamEvent {
  return { case: "partStarted", value: { $typeName: "semaroute.v1.PartStarted", choiceIndex, partIndex, part } };
}

/** More of a part. */
export function partDelta(choiceIndex: number, partIndex: number, delta: PartDelta["delta"]): StreamEvent {
  const value: PartDelta = { $typeName: "semaroute.v1.PartDelta", choiceIndex, partIndex, delta, logprobs: [], extensionsJson: {} };
  return { case: "partDelta", value };
}

/** A part that is whole. */
export function partEnded(choiceIndex: number, partIndex: number): StreamEvent {
  return { case: "partEnded", value: { $typeName: "semaroute.v1.PartEnded", choiceIndex, partIndex } };
}

/** Token counts; the total is always their sum. */
export function usageOf(inputTokens: number, outputTokens: number): Usage {
  const totalTokens = inputTokens + outputTokens;
  return { $typeName: "semaroute.v1.Usage", inputTokens, outputTokens, totalTokens, estimated: false, extensionsJson: {} };
}

/** An answer's choice. */
export function choice(index: number, content: ContentPart[]): Choice {
  return {
    $typeName: "semaroute.v1.Choice",
    index,
    message: message(Role.ASSISTANT, content),
    finishReason: 0,
    nativeFinishReason: "",
    stopSequence: "",
    logprobs: [],
    extensionsJson: {},
  };
}

/** A whole answer without choices; the gateway fills id, time and route. */
export function chatResponse(model: string, choices: Choice[], usage: Usage | undefined): ChatResponse {
  const response: ChatResponse = {
    $typeName: "semaroute.v1.ChatResponse",
    id: "",
    model,
    choices,
    serviceTier: "",
    systemFingerprint: "",
    extensionsJson: {},
  };
  if (usage !== undefined) response.usage = usage;
  return response;
}

/** An answer of vectors, in the order of the inputs; the gateway fills the route. */
export function embedResponse(model: string, vectors: readonly number[][], usage: Usage | undefined): EmbedResponse {
  const embeddings = vectors.map((values, index): Embedding => ({ $typeName: "semaroute.v1.Embedding", index, values }));
  const response: EmbedResponse = { $typeName: "semaroute.v1.EmbedResponse", model, embeddings, extensionsJson: {} };
  if (usage !== undefined) response.usage = usage;
  return response;
}

/** What a translator had to change about a field; `field` is the path in ChatRequest. */
export function note(field: string, action: TranslationAction, text: string): TranslationNote {
  return { $typeName: "semaroute.v1.TranslationNote", field, action, message: text };
}

/** A field that the target cannot take and that was left out. */
export function dropped(field: string, text: string): TranslationNote {
  return note(field, TranslationAction.DROPPED, text);
}

/** Route information without attempts. */
export function routeInfo(init: Omit<RouteInfo, "$typeName">): RouteInfo {
  return { $typeName: "semaroute.v1.RouteInfo", ...init };
}
