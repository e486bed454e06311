import { create } from "@bufbuild/protobuf";
import type { ConnectError, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  CountTokensResponseSchema,
  ExplainResponseSchema,
  GetModelResponseSchema,
  ListModelsResponseSchema,
  type RouterService,
} from "../../../gen/semaroute/v1/router_pb.ts";
import type { Call, Key, Source } from "../../core/call.ts";
import {
  type Batch,
  type CallRequest,
  type ChatRequest,
  type ChatResponse,
  type EmbedRequest,
  type EmbedResponse,
  isEmbedRequest,
  message,
  Role,
  type StreamEvent,
  type StreamMessage,
  textPart,
} from "../../core/chat.ts";
import type { Clock } from "../../core/clock.ts";
import { ChatError, chatErrorFrom } from "../../core/error.ts";
import { routeOf } from "../../core/route.ts";
import type { Router } from "../../core/router.ts";
import { fold } from "../../core/fold.ts";
import { callHeaders, costHeaders, sourceHeaders, timingHeader, triedHeaders } from "../answer-headers.ts";
import type { CallDesk, OpenCall } from "../call-desk.ts";
import { connectErrorFrom } from "../errors.ts";
import { limitHeaders } from "../limit-headers.ts";
import { applyWishes, type Wishes } from "../wishes.ts";
import { callerKey, callIdKey, goneKey, openedKey, receivedKey, wishesKey } from "./context.ts";
import { chatErrorFromAbort } from "./abort.ts";
import { requestIdKey } from "./error-details.ts";
import { heartbeats } from "./heartbeats.ts";
import { pageOf } from "./pages.ts";
import { refuseReservedExtensions } from "./validation.ts";

/** What the data plane's service stands on. */
export interface RouterServiceParts {
  readonly router: Router;
  readonly desk: CallDesk;
  readonly clock: Clock;
  readonly heartbeatMs: () => number;
}

/** The data plane over gRPC, gRPC-Web and Connect; a method that is not here answers UNIMPLEMENTED. */
export function routerService(parts: RouterServiceParts): Partial<ServiceImpl<typeof RouterService>> {
  const { router } = parts;
  return {
    chat: (request, context) => chat(parts, request, context),
    embed: (request, context) => embed(parts, request, context),
    streamChat: (request, context) => streamChat(parts, request, context),
    listModels: ({ pageSize, pageToken }, context) => {
      const models = router.models(callerOf(context));
      const { items, nextPageToken } = pageOf({ name: "models", items: models, key: (model) => model.id }, { pageSize, pageToken });
      return create(ListModelsResponseSchema, { models: items, nextPageToken });
    },
    getModel: ({ id }, context) => {
      const model = router.model(id, callerOf(context));
      if (model === undefined) throw new ChatError("MODEL_NOT_FOUND", `model ${JSON.stringify(id)} is not known here`, { field: "id" });
      return create(GetModelResponseSchema, { model });
    },
    countTokens: ({ request }, context) =>
      planned(parts, request, context, async (call) => create(CountTokensResponseSchema, await router.countTokens(call))),
    explain: ({ request, policy }, context) =>
      planned(parts, request, context, async (call) => {
        const { candidates, ...plan } = await router.explain(call, policy);
        return create(ExplainResponseSchema, { ...plan, candidates: [...candidates] });
      }),
  };
}

function chat(parts: RouterServiceParts, request: ChatRequest, context: HandlerContext): Promise<ChatResponse> {
  refuseEmpty(request);
  return answered(parts, request, context, fold);
}

function embed(parts: RouterServiceParts, request: EmbedRequest, context: HandlerContext): Promise<EmbedResponse> {
  return answered(parts, request, context, embedded);
}

async function embedded(batches: AsyncIterable<Batch>): Promise<EmbedResponse> {
  let response: EmbedResponse | undefined;
  for await (const batch of batches) for (const event of batch) if (event.case === "embedded") response = event.value;
  if (response === undefined) throw new ChatError("INTERNAL", "an answer to an EmbedRequest has no embeddings");
  return response;
}

/** One request, one answer. */
async function answered<A extends ChatResponse | EmbedResponse>(
  parts: RouterServiceParts,
  request: CallRequest,
  context: HandlerContext,
  read: (batches: AsyncIterable<Batch>) => Promise<A>,
): Promise<A> {
  const { router, desk, clock } = parts;
  const opened = openCall(parts, { request, streamed: false }, context);
  const { call } = opened;
  try {
    const stream = await router.chat(call);
    const response = await read(stream.batches);
    response.route = routeOf(call, stream.source, clock);
    setHeaders(context.responseHeader, [
      ...sourceHeaders(stream.source),
      ...costHeaders(response.usage),
      ...limitHeaders(router.allowances(call.key)),
      timingHeader(call, stream.source, desk.now()),
    ]);
    return response;
  } catch (thrown) {
    const error = chatErrorFrom(thrown);
    error.allowances ??= router.allowances(call.key);
    throw refusalOf(error, call, desk.now());
  } finally {
    opened.close();
  }
}

/** An error that no head went before: it says itself what heads say. */
function refusalOf(error: ChatError, call: Call, nowMs: number): ConnectError {
  const refusal = connectErrorFrom(error, { requestId: call.requestId, callId: call.id });
  setHeaders(refusal.metadata, [...triedHeaders(error), timingHeader(call, error, nowMs)]);
  return refusal;
}

async function* streamChat(
  parts: RouterServiceParts,
  request: ChatRequest,
  context: HandlerContext,
): AsyncGenerator<StreamMessage, undefined> {
  const { router, clock } = parts;
  const opened = openStream(parts, request, context);
  const { call } = opened;
  let source: Source | undefined;
  try {
    let begun = false;
    for await (const item of heartbeats(router.chat(call), clock, parts.heartbeatMs())) {
      if (item === "heartbeat") {
        begun = true;
        yield heartbeat();
      } else if ("source" in item) {
        ({ source } = item);
        // Metadata leaves with the first message; what is known later goes behind the last.
        const headers = begun ? context.responseTrailer : context.responseHeader;
        const limits = limitHeaders(router.allowances(call.key));
        setHeaders(headers, [...sourceHeaders(source), ...limits, timingHeader(call, source, clock.now())]);
      } else {
        for (const event of item)
          if (event.case !== "whole" && event.case !== "embedded") yield streamResponse(withRoute(event, call, source, clock));
      }
    }
  } catch (thrown) {
    const error = chatErrorFrom(thrown);
    if (source === undefined) {
      error.allowances ??= router.allowances(call.key);
      throw refusalOf(error, call, clock.now());
    }
    // An answer that breaks off knows nothing of its attempts; its trailers must not contradict its headers.
    if (error.attempts.length === 0) error.attempts = source.attempts;
    throw connectErrorFrom(error, { requestId: call.requestId, callId: call.id });
  } finally {
    opened.close();
  }
}

/** What a stream's handler throws passes no interceptor: a refusal before its beginning gets its details here. */
function openStream(parts: RouterServiceParts, request: ChatRequest, context: HandlerContext): OpenCall {
  try {
    refuseEmpty(request);
    return openCall(parts, { request, streamed: true }, context);
  } catch (thrown) {
    throw connectErrorFrom(chatErrorFrom(thrown), { requestId: context.values.get(requestIdKey) });
  }
}

/** RouteInfo is this door's way to say what REST says by headers; complete with the last event. */
function withRoute(event: StreamEvent, call: Call, source: Source | undefined, clock: Clock): StreamEvent {
  if (source === undefined) return event;
  if (event.case === "started") return { case: "started", value: { ...event.value, route: routeOf(call, source, clock) } };
  if (event.case === "completed") return { case: "completed", value: { ...event.value, route: routeOf(call, source, clock) } };
  return event;
}

function streamResponse(event: StreamEvent): StreamMessage {
  return { $typeName: "semaroute.v1.StreamChatResponse", event };
}

function heartbeat(): StreamMessage {
  return streamResponse({ case: "heartbeat", value: { $typeName: "semaroute.v1.Heartbeat" } });
}

function callerOf(context: HandlerContext): Key {
  const key = context.values.get(callerKey);
  if (key === undefined) throw new ChatError("INTERNAL", "the gate let an unknown caller through");
  return key;
}

function openCall(
  parts: RouterServiceParts,
  { request, streamed }: { readonly request: CallRequest; readonly streamed: boolean },
  context: HandlerContext,
): OpenCall {
  const { desk } = parts;
  const wishes = deadlineOf(context.values.get(wishesKey), context);
  refuseReservedExtensions(request);
  if (!isEmbedRequest(request)) unfoldText(request);
  applyWishes(request, wishes);
  const door = context.protocolName === "grpc" || context.protocolName === "grpc-web" ? context.protocolName : "connect";
  const { signal } = context;
  const opened = desk.open({
    door,
    key: callerOf(context),
    request,
    streamed,
    wishes,
    receivedMs: context.values.get(receivedKey),
    id: context.values.get(callIdKey),
  });
  context.values.set(openedKey, true);
  const leave = (): void => {
    opened.abort(chatErrorFromAbort(signal.reason, context.values.get(goneKey)));
  };
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  setHeaders(context.responseHeader, callHeaders(opened.call));
  return {
    ...opened,
    close() {
      // Connect aborts at the end of good calls too.
      signal.removeEventListener("abort", leave);
      opened.close();
    },
  };
}

/** The shorter of the protocol's own deadline and the header's. */
function deadlineOf(wishes: Wishes, context: HandlerContext): Wishes {
  const left = context.timeoutMs();
  if (left === undefined) return wishes;
  const timeoutMs = Math.min(Math.max(1, left), wishes.timeoutMs ?? Number.POSITIVE_INFINITY);
  return { ...wishes, timeoutMs };
}

/** What serves no call: opened like one, and seen by no counter. */
async function planned<T>(
  parts: RouterServiceParts,
  request: ChatRequest | undefined,
  context: HandlerContext,
  plan: (call: Call) => Promise<T>,
): Promise<T> {
  if (request === undefined) throw new ChatError("INVALID_REQUEST", "request is missing", { field: "request" });
  const opened = openCall(parts, { request, streamed: false }, context);
  try {
    return await plan(opened.call);
  } finally {
    opened.close();
  }
}

function refuseEmpty({ messages }: ChatRequest): void {
  if (messages.length === 0) throw new ChatError("INVALID_REQUEST", "messages must not be empty", { field: "messages" });
}

/** `text` is a shorthand for a text part in front of `content`; behind the door there is only `content`. */
function unfoldText(request: ChatRequest): void {
  request.messages = request.messages.map((each) => {
    if (each.text === "") return each;
    if (each.role === Role.ASSISTANT && each.content.length > 0) return { ...each, text: "" };
    return {
      ...message(each.role, [textPart(each.text), ...each.content]),
      name: each.name,
      developer: each.developer,
      extensionsJson: each.extensionsJson,
    };
  });
}

function setHeaders(headers: Headers, list: readonly (readonly [string, string])[]): void {
  for (const [name, value] of list) headers.set(name, value);
}
