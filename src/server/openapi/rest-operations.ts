import { realtimePath } from "../request-path.ts";
import { headersOf, limitNames, wishes } from "./headers.ts";
import { errorAnswers, json, type JsonSchema, type Operation, reference } from "./words.ts";

const schema = (name: string): JsonSchema => reference("schemas", name);
/** No key is needed where none is configured. */
const keyed = [{ bearer: [] }, { x_api_key: [] }, {}];
const nobody: readonly unknown[] = [];

const callErrors = [400, 401, 403, 404, 408, 413, 415, 429, 500, 502, 503, 504];
const routed = headersOf(
  "x-request-id",
  "x-semaroute-decision",
  "x-semaroute-policy",
  "x-semaroute-provider",
  "x-semaroute-model",
  "x-semaroute-attempts",
  "x-semaroute-cache",
  "x-semaroute-similarity",
  "x-semaroute-cost-usd",
  "x-semaroute-notes",
  ...limitNames,
  "server-timing",
);

/** A door that takes a body and answers with a call's outcome. */
interface CallDoor {
  readonly operationId: string;
  readonly summary: string;
  readonly tag: "OpenAI" | "Anthropic";
  /** Names of schemas; `event`: what the data of its server-sent events are. */
  readonly request: string;
  readonly answer: string;
  readonly event?: string;
}

function call({ operationId, summary, tag, request, answer, event }: CallDoor): Operation {
  const stream = event === undefined ? {} : { "text/event-stream": { schema: { type: "string", description: event } } };
  const anthropic = tag === "Anthropic";
  return {
    operationId,
    summary,
    tags: [tag],
    security: keyed,
    parameters: wishes,
    requestBody: { required: true, content: json(schema(request)) },
    responses: {
      "200": { description: "The answer.", headers: routed, content: { ...json(schema(answer)), ...stream } },
      ...errorAnswers(anthropic ? "AnthropicError" : "OpenAIError", anthropic ? [...callErrors, 529] : callErrors),
    },
  };
}

function page(operationId: string, summary: string, content: Readonly<Record<string, unknown>>, more: Operation = {}): Operation {
  return {
    operationId,
    summary,
    tags: ["Operations"],
    security: nobody,
    responses: { "200": { description: "As asked.", headers: headersOf("x-request-id"), content } },
    ...more,
  };
}

function health(operationId: string, summary: string, name: string): Operation {
  const content = json(schema(name));
  return page(operationId, summary, content, {
    responses: { "200": { description: "Yes.", content }, "503": { description: "No.", content } },
  });
}

const models = (operationId: string, summary: string, name: string, more: Operation = {}): Operation => ({
  operationId,
  summary,
  tags: ["OpenAI", "Anthropic"],
  security: keyed,
  responses: {
    "200": {
      description: "As asked; in Anthropic's shape where anthropic-version is sent.",
      headers: headersOf("x-request-id"),
      content: json({ oneOf: [schema(name), schema(`Anthropic${name}`)] }),
    },
    ...errorAnswers("OpenAIError", [401, 403, 404, 429, 503]),
  },
  ...more,
});

const realtime: Operation = {
  operationId: "realtimeChat",
  summary: "Many chats on one WebSocket",
  description:
    "Frames are JSON texts: RealtimeCallerFrame in, RealtimeServerFrame out. The key comes by header, or as the subprotocol " +
    "`semaroute.key.<key>`. Over HTTP/1.1 only.",
  tags: ["OpenAI"],
  security: keyed,
  parameters: [
    ...wishes,
    {
      name: "sec-websocket-protocol",
      in: "header",
      description: "semaroute.v1, and semaroute.key.<key> where the key cannot be a header.",
      schema: { type: "string" },
    },
  ],
  responses: {
    "101": { description: "WebSocket from now on.", headers: headersOf("x-request-id") },
    ...errorAnswers("OpenAIError", [400, 401, 403, 426, 429, 503]),
  },
};

/** What is said of REST doors, by method and path; of those that a listener has, its document tells. */
export const restOperations: Readonly<Record<string, Operation>> = {
  "POST /v1/chat/completions": call({
    operationId: "createChatCompletion",
    summary: "OpenAI chat completions",
    tag: "OpenAI",
    request: "ChatCompletionRequest",
    answer: "ChatCompletion",
    event: "ChatCompletionChunk, or an OpenAIError as the last; [DONE] after a good end only.",
  }),
  "POST /v1/responses": call({
    operationId: "createResponse",
    summary: "OpenAI Responses, stateless",
    tag: "OpenAI",
    request: "ResponsesRequest",
    answer: "Response",
    event: "Events of the Responses API.",
  }),
  "POST /v1/embeddings": call({
    operationId: "createEmbedding",
    summary: "OpenAI embeddings",
    tag: "OpenAI",
    request: "EmbeddingsRequest",
    answer: "Embeddings",
  }),
  "POST /v1/messages": call({
    operationId: "createMessage",
    summary: "Anthropic Messages",
    tag: "Anthropic",
    request: "MessagesRequest",
    answer: "Message",
    event: "Events of the Messages API, or `event: error` as the last.",
  }),
  "POST /v1/messages/count_tokens": call({
    operationId: "countMessageTokens",
    summary: "Input tokens of a message",
    tag: "Anthropic",
    request: "CountTokensRequest",
    answer: "TokenCount",
  }),
  "GET /v1/models": models("listModels", "Models and aliases the key may use", "ModelList"),
  "GET /v1/models/{id}": models("getModel", "One model, alias, auto, or provider/model", "Model", {
    parameters: [{ name: "id", in: "path", required: true, description: "May hold slashes.", schema: { type: "string" } }],
  }),
  [`GET ${realtimePath}`]: realtime,
  "GET /health": health("getHealth", "How much of the house can serve", "Health"),
  "GET /health/live": health("getLiveness", "Whether the process answers", "Status"),
  "GET /health/ready": health("getReadiness", "Whether it can route", "Status"),
  "GET /metrics": page("getMetrics", "Metrics for Prometheus", { "text/plain": { schema: { type: "string" } } }),
  "GET /openapi.json": page("getOpenApi", "This document", json({ type: "object" })),
};
