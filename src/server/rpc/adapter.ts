import { Code, ConnectError, type ConnectRouter, createContextValues } from "@connectrpc/connect";
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { bodyMs } from "../body.ts";
import { callerGone } from "../exchanges.ts";
import type { ServerRequest, ServerResponse } from "../listen.ts";
import { isGone, write } from "../outflow.ts";
import { flat, sendJson, sendText, writeHead } from "../rest/answer.ts";
import { arriving, type ArrivingParts } from "./arriving.ts";
import { callIdKey, goneKey, peerKey, type PeerFacts, receivedKey } from "./context.ts";
import { requestIdKey } from "./error-details.ts";
import { examined } from "./examined.ts";
import { messageBytesMax } from "./options.ts";

/** Serves one RPC. */
export type RpcHandler = (request: ServerRequest, response: ServerResponse, facts: RpcFacts) => void;

/** What is known of a request before it is read. */
export interface RpcFacts {
  readonly peer: PeerFacts;
  /** Ours. */
  readonly id: string;
  /** The caller's if sane, else ours. */
  readonly requestId: string;
  readonly receivedMs: number;
}

/** Connect's own idea of a handler; undefined: it has nothing for this request. */
export type UniversalServerFn = (request: UniversalServerRequest) => Promise<UniversalServerResponse> | undefined;

/** What the adapter needs from outside. */
export interface AdapterOptions extends ArrivingParts {
  /** Longest deadline; a caller's longer one is clamped to it, where Connect would refuse it. Milliseconds. */
  readonly deadlineMaxMs: () => number;
  /** Tells of a handler that failed beyond what a protocol can say. */
  readonly onBug: (error: unknown) => void;
  /** Largest request. Bytes. */
  readonly bodyMax: number;
}

/** A stream of requests may be silent for longer than one request may take: a client keeps its reflection open. */
const silenceMs = 300_000;

/** Finds the handler of a path: `/package.Service/Method`. */
export function rpcHandlers(router: ConnectRouter, options: AdapterOptions): (path: string) => RpcHandler | undefined {
  const handlers = new Map<string, RpcHandler>();
  for (const handler of router.handlers) {
    const { methodKind, input, parent } = handler.method;
    const isLasting = methodKind === "bidi_streaming" || methodKind === "client_streaming";
    const within = isLasting ? ({ ms: silenceMs, of: "silence" } as const) : ({ ms: bodyMs, of: "all" } as const);
    const inTime: UniversalServerFn = (request) => {
      const bytesMax = messageBytesMax(parent, options.bodyMax);
      return handler(examined(arriving(request, within, options), { input, bytesMax }));
    };
    handlers.set(handler.requestPath, (request, response, facts) => {
      clampDeadline(request.headers, options.deadlineMaxMs());
      serveUniversal(inTime, { request, response, facts }, options.onBug);
    });
  }
  return (path) => handlers.get(path);
}

/** A request on its socket. */
export interface Served {
  readonly request: ServerRequest;
  readonly response: ServerResponse;
  readonly facts: RpcFacts;
}

/** Serves one request by Connect's own idea of one; `otherwise` where the handler has nothing for it. */
export function serveUniversal(handler: UniversalServerFn, served: Served, onBug: (error: unknown) => void, otherwise?: () => void): void {
  const { request, response, facts } = served;
  const values = createContextValues()
    .set(peerKey, facts.peer)
    .set(callIdKey, facts.id)
    .set(requestIdKey, facts.requestId)
    .set(receivedKey, facts.receivedMs)
    .set(goneKey, () => callerGone(response));
  const failed = (thrown: unknown): void => {
    if (ConnectError.from(thrown).code !== Code.Aborted) onBug(thrown);
    if (!response.writableEnded) response.destroy();
  };
  let asked: UniversalServerRequest;
  try {
    asked = universalRequestFromNodeRequest(request, response, undefined, values);
  } catch {
    // All that can fail here is the URL, of which the caller chose the host.
    const body = JSON.stringify({ code: "invalid_argument", message: "the host is missing or malformed" });
    sendJson(response, 400, [["x-request-id", facts.requestId]], body);
    return;
  }
  try {
    const answering = handler(asked);
    if (answering === undefined) otherwise?.();
    else answering.then((answer) => send(answer, response, facts.requestId)).catch(failed);
  } catch (thrown) {
    failed(thrown);
  }
}

/**
 * Connect refuses methods and content types without a word; people with curl should read one. Not as JSON, in which
 * clients would look for an error of Connect's: they go by the status.
 */
async function send(answer: UniversalServerResponse, response: ServerResponse, requestId: string): Promise<void> {
  const text = answer.body === undefined ? wordless[answer.status] : undefined;
  if (text === undefined) {
    await sendUniversal(answer, response);
    return;
  }
  const allow = answer.status === 405 ? [["allow", "POST"] as const] : [];
  sendText(response, answer.status, [["x-request-id", requestId], ...allow], text);
}

/**
 * Connect's own way to do this waits for ever where a caller leaves while it does not read: the method would never hear
 * of it, and its call never end.
 */
async function sendUniversal({ status, header, body, trailer }: UniversalServerResponse, response: ServerResponse): Promise<void> {
  const chunks = (body ?? nothing())[Symbol.asyncIterator]();
  try {
    // The head leaves with the first message, for until then the method may add to it.
    let chunk = await chunks.next();
    if (isGone(response)) return;
    writeHead(response, status, flat([...(header ?? [])]));
    for (; chunk.done !== true; chunk = await chunks.next()) {
      const wait = write(response, chunk.value);
      if (wait !== undefined) await wait;
      if (isGone(response)) return;
    }
    if (trailer !== undefined) response.addTrailers(Object.fromEntries(trailer));
    response.end();
  } finally {
    await chunks.return?.();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array, undefined> {
  // Some refusals have no body.
}

const wordless: Readonly<Record<number, string>> = {
  405: "this method is called by POST",
  415: "the content type is none of application/json, application/proto, application/connect+json, application/connect+proto, application/grpc, application/grpc-web",
};

const grpcUnits: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Ill-formed values stay as they are: Connect refuses them in the protocol's own shape. */
function clampDeadline(headers: ServerRequest["headers"], maxMs: number): void {
  const grpc = headers["grpc-timeout"];
  if (typeof grpc === "string") {
    const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(grpc) ?? [];
    if (digits !== undefined && Number(digits) * (grpcUnits[unit ?? ""] ?? 1) > maxMs) headers["grpc-timeout"] = grpcTimeout(maxMs);
  }
  const connect = headers["connect-timeout-ms"];
  if (typeof connect === "string" && /^\d{1,10}$/.test(connect) && Number(connect) > maxMs)
    headers["connect-timeout-ms"] = String(Math.ceil(maxMs));
}

/** At most eight digits (gRPC over HTTP2, Timeout). */
function grpcTimeout(ms: number): string {
  return ms < 1e8 ? `${Math.ceil(ms)}m` : `${Math.ceil(ms / 1000)}S`;
}
