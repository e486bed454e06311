/** The ConformanceService, as its .proto says that a server under test must behave. */
import { setTimeout as sleep } from "node:timers/promises";
import { type DescMessage, type MessageShape, create, protoInt64 } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type BidiStreamRequest,
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  ConformancePayloadSchema,
  type ConformanceService,
  type Error as WantedError,
  type Header,
  HeaderSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

/** All methods but Unimplemented, which a server must not have. */
export const conformanceService: Partial<ServiceImpl<typeof ConformanceService>> = {
  async unary(request, context) {
    return { payload: await answer(request.responseDefinition, [anyPack(UnaryRequestSchema, request)], context) };
  },

  async idempotentUnary(request, context) {
    return { payload: await answer(request.responseDefinition, [anyPack(IdempotentUnaryRequestSchema, request)], context) };
  },

  async clientStream(requests, context) {
    const seen: Any[] = [];
    let wanted: UnaryResponseDefinition | undefined;
    for await (const request of requests) {
      if (seen.length === 0) wanted = request.responseDefinition;
      seen.push(anyPack(ClientStreamRequestSchema, request));
    }
    return { payload: await answer(wanted, seen, context) };
  },

  async *serverStream(request, context) {
    const wanted = request.responseDefinition;
    if (wanted === undefined) return;
    setMetadata(wanted, context);
    const info = requestInfo(context, [anyPack(ServerStreamRequestSchema, request)]);
    for (const [at, data] of wanted.responseData.entries()) {
      await wait(wanted, context);
      yield { payload: at === 0 ? payload(data, info) : payload(data) };
    }
    if (wanted.error !== undefined) throw streamError(wanted, wanted.error, info);
  },

  async *bidiStream(requests, context) {
    const all = requests[Symbol.asyncIterator]();
    const first = await all.next();
    if (first.done === true) return;
    const rest = { [Symbol.asyncIterator]: () => all };
    const wanted = first.value.responseDefinition;
    if (wanted !== undefined) setMetadata(wanted, context);
    yield* first.value.fullDuplex ? interleaved(first.value, rest, context) : afterAll(first.value, rest, context);
  },
};

/** Half duplex: every request is read before the first response leaves. */
async function* afterAll(first: BidiStreamRequest, rest: AsyncIterable<BidiStreamRequest>, context: HandlerContext) {
  const seen = [anyPack(BidiStreamRequestSchema, first)];
  for await (const request of rest) seen.push(anyPack(BidiStreamRequestSchema, request));
  const wanted = first.responseDefinition;
  if (wanted === undefined) return;
  const info = requestInfo(context, seen);
  for (const [at, data] of wanted.responseData.entries()) {
    await wait(wanted, context);
    yield { payload: at === 0 ? payload(data, info) : payload(data) };
  }
  if (wanted.error !== undefined) throw streamError(wanted, wanted.error, info);
}

/** Full duplex: a response for each request, and what is left over once the requests have ended. */
async function* interleaved(first: BidiStreamRequest, rest: AsyncIterable<BidiStreamRequest>, context: HandlerContext) {
  const wanted = first.responseDefinition;
  const responses = wanted?.responseData ?? [];
  const info = requestInfo(context, [anyPack(BidiStreamRequestSchema, first)]);
  let sent = 0;
  const next = responses[sent++];
  if (wanted !== undefined && next !== undefined) {
    await wait(wanted, context);
    yield { payload: payload(next, info) };
    for await (const request of rest) {
      const data = responses[sent];
      if (data === undefined) break;
      sent++;
      await wait(wanted, context);
      const requests = [anyPack(BidiStreamRequestSchema, request)];
      yield { payload: payload(data, create(ConformancePayload_RequestInfoSchema, { requests })) };
    }
    for (const data of responses.slice(sent)) {
      await wait(wanted, context);
      yield { payload: payload(data) };
    }
  }
  if (wanted?.error !== undefined) throw streamError(wanted, wanted.error, info);
}

/** The one response of unary and client-streaming methods. */
async function answer(
  wanted: UnaryResponseDefinition | undefined,
  requests: readonly Any[],
  context: HandlerContext,
): Promise<ConformancePayload> {
  const info = requestInfo(context, requests);
  if (wanted === undefined) return payload(new Uint8Array(), info);
  setMetadata(wanted, context);
  await wait(wanted, context);
  const { response } = wanted;
  if (response.case === "error") throw connectError(response.value, info);
  return payload(response.case === "responseData" ? response.value : new Uint8Array(), info);
}

function payload(data: Uint8Array, info?: ConformancePayload_RequestInfo): ConformancePayload {
  return create(ConformancePayloadSchema, info === undefined ? { data } : { data, requestInfo: info });
}

function requestInfo(context: HandlerContext, requests: readonly Any[]): ConformancePayload_RequestInfo {
  const left = context.timeoutMs();
  const isGet = context.requestMethod === "GET";
  return create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: headersFrom(context.requestHeader),
    requests: [...requests],
    ...(left === undefined ? {} : { timeoutMs: protoInt64.parse(Math.floor(left)) }),
    ...(isGet ? { connectGetInfo: { queryParams: headersFrom(new URL(context.url).searchParams) } } : {}),
  });
}

function headersFrom(pairs: Iterable<[string, string]>): Header[] {
  return [...Map.groupBy(pairs, ([name]) => name)].map(([name, values]) =>
    create(HeaderSchema, { name, value: values.map(([, value]) => value) }),
  );
}

function setMetadata(wanted: UnaryResponseDefinition | StreamResponseDefinition, context: HandlerContext): void {
  for (const { name, value } of wanted.responseHeaders) for (const each of value) context.responseHeader.append(name, each);
  for (const { name, value } of wanted.responseTrailers) for (const each of value) context.responseTrailer.append(name, each);
}

/** Ends early with the call, and for its reason, as a handler should. */
async function wait({ responseDelayMs }: { readonly responseDelayMs: number }, { signal }: HandlerContext): Promise<void> {
  if (responseDelayMs > 0) await sleep(responseDelayMs, undefined, { signal }).catch(() => signal.throwIfAborted());
}

/** Only an error that no message went before tells of the request. */
function streamError(wanted: StreamResponseDefinition, error: WantedError, info: ConformancePayload_RequestInfo): ConnectError {
  return connectError(error, wanted.responseData.length === 0 ? info : undefined);
}

function connectError({ code, message, details }: WantedError, info: ConformancePayload_RequestInfo | undefined): ConnectError {
  // The suite's codes are Connect's own numbers.
  const error = new ConnectError(message ?? "", Number(code));
  for (const { typeUrl, value } of details) error.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value });
  if (info !== undefined) error.details.push(detail(ConformancePayload_RequestInfoSchema, info));
  return error;
}

function detail<T extends DescMessage>(desc: T, value: MessageShape<T>) {
  return { desc, value };
}
