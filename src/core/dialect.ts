import type { Target } from "./catalog.ts";
import type { ChatEvent, ChatRequest, ChatResponse, EmbedRequest, EmbedResponse, StreamEvent, TranslationNote } from "./chat.ts";
import type { ChatError, Failure } from "./error.ts";
import type { Allowances } from "./limits.ts";

/** A host's deviations from its dialect, as data. All optional; absent: as the dialect says. */
export interface Quirks {
  /** The field that carries the output limit. Default `max_completion_tokens`. */
  readonly maxTokensField?: "max_tokens" | "max_completion_tokens";
  /** False: `stream_options` is refused. */
  readonly streamOptions?: boolean;
  /** False: `developer` messages are sent as `system`. */
  readonly developerRole?: boolean;
  /** Word for tool_choice required. Default `required`. */
  readonly toolChoiceRequired?: "required" | "any";
  /** Shape of tool call ids; others are replaced by a pure function of the id. */
  readonly toolCallId?: "alphanumeric9";
  /** Name of the field for the end user. Default `user`. */
  readonly endUserField?: "user" | "safety_identifier";
  /** Name of the field for the seed. Default `seed`. */
  readonly seedField?: "seed" | "random_seed";
  /** Fields of the request that the host refuses: dropped with a note. */
  readonly refuses?: ReadonlySet<string>;
  /** The host answers 422 to fields it does not know: none of the caller's unknown ones are passed on. */
  readonly strictFields?: boolean;
  /** Fields of its own that a host with `strictFields` takes all the same. */
  readonly takes?: ReadonlySet<string>;
  /** A last message of the assistant must be marked as one to go on with: `prefix: true` (Mistral). */
  readonly marksPrefix?: boolean;
  /** Neighbouring messages of one role are sent as one, for templates that want turns to alternate. */
  readonly alternateRoles?: boolean;
  /** False: the host fetches nothing; images by URL are another target's. */
  readonly imageUrls?: boolean;
  /** False: the host does not hear of `tool_choice`; only the list of tools says what may be called. */
  readonly toolChoice?: boolean;
  /** Reasoning of earlier turns is sent back in this field. Default: not at all. */
  readonly replayReasoning?: "reasoning_content" | "reasoning";
  /** Reasoning tokens are reported outside completion_tokens (xAI). */
  readonly reasoningOutside?: boolean;
  /** The host takes Anthropic's `cache_control` on parts and tools (OpenRouter). Default: dropped with a note. */
  readonly cacheControl?: boolean;
  /** False: tools with free-form input are refused; they travel as functions of one string. */
  readonly customTools?: boolean;
  /** Reasoning wishes travel in a `reasoning` object with effort, budget and visibility (OpenRouter). Default: `reasoning_effort`. */
  readonly reasoningObject?: boolean;
  /** The host answers embeddings in base64 where it is asked to. Default: it is asked for nothing, and answers as it likes. */
  readonly base64Vectors?: boolean;
  /** The host embeds token arrays, too. Default: UNSUPPORTED_FEATURE. */
  readonly tokenInput?: boolean;
  /** Name of the field for the number of dimensions. Default `dimensions`. */
  readonly dimensionsField?: "dimensions" | "output_dimension";
}

/** What leaves for the upstream. */
export interface EncodedRequest {
  /** JSON text. */
  readonly body: string;
  readonly notes: readonly TranslationNote[];
  /** Headers the dialect wants besides those of the host. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What the answer must be read with; absent: the request says all that the caller said, in the caller's words. */
  readonly answering?: AnswerContext;
}

/** What a request's encoder did that the decoder of its answer must undo. Absent: it did not. */
export interface AnswerContext {
  /** The caller's names of tools by those on the wire; only names that differ (core/tool-names.ts). */
  readonly toolNames?: ReadonlyMap<string, string>;
  /** Names on the wire of free-form tools that travel as functions of one string (core/freeform.ts). */
  readonly freeformTools?: ReadonlySet<string>;
  /** JSON was asked for in words only: a Markdown fence around it is no part of the answer (core/unfence.ts). */
  readonly fencedJson?: true;
  /** Name on the wire of a forced tool whose arguments are the answer's text, because the model has no other way to be held to JSON. */
  readonly jsonTool?: string;
}

/** Upstream error answer. */
export interface UpstreamFailure {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** At most 64 KiB of it. */
  readonly body: string;
  /** Our clock when it came: for dates in an answer without one of its own. Milliseconds since the Unix epoch. */
  readonly wallMs: number;
}

/** Turns one stream's events into the vocabulary's; one instance a stream. */
export interface StreamDecoder {
  /** Appends what one event means; `data` is its text, and `eventName` what its framing calls it. Throws a ChatError for an error event or a broken one. */
  push(data: string, eventName: string | undefined, out: ChatEvent[]): void;
  /** Called at the end of the body: appends `completed`, or throws when the dialect's own end never came. */
  end(out: ChatEvent[]): void;
}

/** How a stream is cut into events: server-sent events, or the binary frames of `application/vnd.amazon.eventstream`. */
export type Framing = "sse" | "eventstream";

/** The provider's side of a language: pure functions. */
export interface UpstreamDialect {
  /** How its streams are cut. Default `sse`. */
  readonly framing?: Framing;
  encodeRequest(request: Readonly<ChatRequest>, target: Target, quirks: Quirks, streamed: boolean): EncodedRequest;
  /**
   * `body` is parsed JSON that nobody has looked at, `context` the one that came with the request it answers. Throws
   * UPSTREAM_PROTOCOL, or what an error object in it says.
   */
  decodeResponse(body: unknown, quirks: Quirks, context?: AnswerContext): ChatResponse;
  streamDecoder(quirks: Quirks, context?: AnswerContext): StreamDecoder;
  /** Decides the class of an error answer from status and typed body. Never throws. */
  failureFrom(answer: UpstreamFailure): ChatError;
  /** What parsed JSON says that is an error in the place of an answer with status 200; undefined: it is none. */
  failureInside?(body: unknown): ChatError | undefined;
  /** Ids in the answer of the host's list call; undefined where it is not one. */
  decodeModels(body: unknown): readonly string[] | undefined;
  /** Present where the language has embeddings. */
  readonly embeddings?: EmbeddingLanguage;
  /** Present where the language can be asked, unbilled, how many tokens a request has. */
  readonly counting?: CountingLanguage;
}

/**
 * Embeddings, at the provider's side: pure functions. Errors are told as chats tell them. A host that takes fewer inputs
 * at once than a call has is asked several times (`Host.embedInputsMax`): a request here has as many as fit.
 */
export interface EmbeddingLanguage {
  /** Throws UNSUPPORTED_FEATURE, with the field, where the host cannot embed such an input. */
  encodeRequest(request: Readonly<EmbedRequest>, target: Target, quirks: Quirks): EncodedRequest;
  /**
   * `body` is parsed JSON that nobody has looked at; `request` is the one it answers. Embeddings are in input order, one for each input;
   * usage is undefined where the vendor tells none. Throws UPSTREAM_PROTOCOL on anything else.
   */
  decodeResponse(body: unknown, request: Readonly<EmbedRequest>): EmbedResponse;
}

/** Counting tokens, at the provider's side: pure functions. */
export interface CountingLanguage {
  encodeRequest(request: Readonly<ChatRequest>, target: Target, quirks: Quirks): EncodedRequest;
  /** Input tokens. Throws UPSTREAM_PROTOCOL where `body` has none. */
  decodeResponse(body: unknown): number;
}

/** How a language tells errors. Pure. */
export interface ErrorShape {
  /** JSON text of an error answer's body. `requestId` is the one in `x-request-id`. */
  body(error: ChatError, requestId: string): string;
  /** The same for a refusal of HTTP itself: no such path, method or content type. */
  refusal(refused: { readonly status: number; readonly code: string; readonly message: string }, requestId: string): string;
  /** The last event of a stream that broke before its encoder was asked for anything; no end mark follows. */
  event(error: ChatError, requestId: string): string;
  /** Statuses in which the language differs from the table of outcomes. */
  readonly statuses?: Readonly<Partial<Record<Failure, number>>>;
  /** Headers the language wants on every answer besides the common ones. */
  headers?(requestId: string): readonly (readonly [name: string, value: string])[];
  /** Headers by which the language tells how a key's limits stand, besides the common ones. */
  limitHeaders?(allowances: Allowances): readonly (readonly [name: string, value: string])[];
}

/** Writes one stream in a door's language. */
export interface StreamEncoder {
  /** Server-sent events, each with its blank line; several, or none. The protocol's end mark follows `completed` only. */
  push(event: StreamEvent): string;
  /** The last event of a stream that breaks; no end mark follows. Absent: as the language's `ErrorShape.event` has it. */
  fail?(error: ChatError): string;
}

/** A caller's request, and how it wants its answer. */
export interface DecodedRequest {
  readonly request: ChatRequest;
  readonly streamed: boolean;
  /** JSON text of a whole answer. */
  whole(response: ChatResponse): string;
  /** A fresh encoder. */
  stream(): StreamEncoder;
}

/** Counting tokens, at the caller's side: pure functions. */
export interface CountingDoor {
  /** As `DoorDialect.decodeRequest`, for the body of a question for its tokens. */
  decodeRequest(body: unknown, header: (name: string) => string | undefined): ChatRequest;
  /** JSON text of the answer. */
  encodeResponse(inputTokens: number): string;
}

/** The caller's side of a language: pure functions. */
export interface DoorDialect {
  /** `body` is parsed JSON. Throws a ChatError of the caller's fault, with the field in the language's own path. */
  decodeRequest(body: unknown, header: (name: string) => string | undefined): DecodedRequest;
  /** What is sent after `server.heartbeat` of silence, between events; a comment of SSE, at least. */
  readonly heartbeat: string;
  readonly errors: ErrorShape;
  /** Present where the language can ask how many tokens a request has. */
  readonly counting?: CountingDoor;
}

/** A caller's request for embeddings, and how it wants its answer. */
export interface DecodedEmbedRequest {
  readonly request: EmbedRequest;
  /** JSON text of the answer. */
  whole(response: EmbedResponse): string;
}

/** The caller's side of a language of embeddings: pure functions. */
export interface EmbedDoorDialect {
  /** `body` is parsed JSON. Throws a ChatError of the caller's fault, with the field in the language's own path. */
  decodeRequest(body: unknown): DecodedEmbedRequest;
}
