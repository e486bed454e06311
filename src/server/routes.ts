import type { ConnectRouter } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { RouterService } from "../../gen/semaroute/v1/router_pb.ts";
import type { ErrorShape } from "../core/dialect.ts";
import { chatErrorFrom, ChatError } from "../core/error.ts";
import type { IssuedKeys } from "../core/keys.ts";
import type { RefusedRequest } from "../core/telemetry.ts";
import { anthropicErrors } from "../dialects/anthropic-messages/answer-errors.ts";
import { anthropicDoor } from "../dialects/anthropic-messages/door.ts";
import { openaiChatDoor, openaiErrors } from "../dialects/openai-chat/door.ts";
import { openaiResponsesDoor } from "../dialects/openai-responses/door.ts";
import { bodyMs, codingOf } from "./body.ts";
import { type BrowserRequest, type BrowserRule, isAdminPath } from "./browsers.ts";
import { shownMessage, statusOf } from "./errors.ts";
import { isConnect, isGrpc, refuseConnect, refuseGrpc } from "./foreign-rpc.ts";
import type { RequestHandler, ServerRequest, ServerResponse } from "./listen.ts";
import type { AdminDoor } from "./rest/admin.ts";
import { sendError, sendJson, writeHead, flat } from "./rest/answer.ts";
import { openaiEmbeddingsDoor } from "../dialects/openai-embeddings/door.ts";
import { type ChatDoor, serveChat } from "./rest/chat-door.ts";
import { serveEmbeddings } from "./rest/embed-door.ts";
import { oneHeader, type RestCall, type RestParts } from "./rest/context.ts";
import { serveCount } from "./rest/count-door.ts";
import { healthAnswer, type HealthAnswer, type HealthFacts, liveAnswer, readyAnswer } from "./rest/health.ts";
import { getModel, listModels, speaksAnthropic } from "./rest/models.ts";
import { hintedPath, meant, notFound } from "./rest/not-found.ts";
import { Refusal, sendRefusal } from "./rest/refusal.ts";
import { createOpenapiDoor } from "./openapi/door.ts";
import { createRealtimeDoor } from "./realtime/door.ts";
import { pathOf, realtimePath } from "./request-path.ts";
import { refuseMalformed } from "./well-formed.ts";
import { saneRequestId } from "./wishes.ts";
import { arriving } from "./rpc/arriving.ts";
import { rpcHandlers, type Served, serveUniversal } from "./rpc/adapter.ts";

/** Which doors a listener has. */
export interface DoorSet {
  readonly data: boolean;
  readonly admin: boolean;
  readonly metrics: boolean;
}

/** What all doors stand on. */
export interface ServerParts extends RestParts {
  readonly rpc: ConnectRouter;
  readonly admin: AdminDoor;
  readonly browsers: () => BrowserRule;
  readonly health: () => HealthFacts;
  /** Undefined: metrics are off. */
  readonly metrics: (() => Promise<{ readonly contentType: string; readonly body: string }>) | undefined;
  readonly deadlineMaxMs: () => number;
  /** Largest request. Bytes. */
  readonly bodyMax: number;
  /** Hears of requests that never became a call. */
  readonly onRefused: (request: RefusedRequest) => void;
  readonly onRevoked: IssuedKeys["onRevoked"];
}

type Door = (rest: RestCall) => Promise<void> | void;

/** A path of the REST doors. */
interface Route {
  readonly verb: "GET" | "POST";
  readonly path: string;
  readonly open: Door;
  /** Takes a JSON body. */
  readonly json?: true;
}

/** The front of the house: finds the door by path and content type. Every request comes through here, whatever its protocol. */
export function createRequestHandler(parts: ServerParts, doors: DoorSet): RequestHandler {
  const rpc = rpcHandlers(parts.rpc, parts);
  const routes = routeTable(restRoutes(parts, doors));
  return (request, response, upgrade) => {
    const receivedMs = parts.desk.now();
    const path = pathOf(request);
    const browser = browserOf(request, path);
    const id = parts.desk.newId();
    const requestId = saneRequestId((name) => oneHeader(request, name)) ?? id;
    const rules = parts.browsers();
    const errors = errorsAt(path, request);
    const headers = [...rules.headers(browser), ["x-request-id", requestId] as const, ...(errors.headers?.(requestId) ?? [])];
    const rest: RestCall = { request, response, params: {}, id, requestId, headers, errors, upgrade };
    try {
      refuseMalformed(request);
      rules.admit(browser);
      if (request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined) {
        writeHead(response, 204, flat(rules.preflight(browser, oneHeader(request, "access-control-request-headers"))));
        response.end();
        return;
      }
      const facts = { peer: { ...browser, remoteAddress: request.socket?.remoteAddress }, id, requestId, receivedMs };
      const served = { request, response, facts };
      const isAdmin = isAdminPath(path);
      const handler = rpc(path);
      if (handler !== undefined) {
        for (const [name, value] of rules.headers(browser)) response.setHeader(name, value);
        handler(request, response, facts);
      } else if (isAdmin && doors.admin && path.startsWith("/admin/") && !crooked.test(path)) {
        if (request.method !== "GET" && request.method !== "HEAD") refuseContent(request);
        serveAdmin(parts, served, rest);
      } else if (isGrpc(request)) refuseGrpc(rest, `there is no method at ${path}${elsewhere(path, doors)}`);
      else if (isConnect(request, path)) refuseConnect(rest, `there is no method at ${path}${elsewhere(path, doors)}`);
      else if (isAdmin) sendRefusal(rest, notFound(path, elsewhere(path, doors)));
      else serveRest(routes, rest, path, parts);
    } catch (thrown) {
      const isRpc = rpc(path) !== undefined;
      if (!(thrown instanceof Refusal))
        parts.onRefused(refusedRequest(rest, isAdminPath(path) ? "admin" : isRpc ? "connect" : doorAt(path), thrown));
      if (isAdminPath(path) || isRpc) sendConnectError(response, thrown, headers);
      else if (thrown instanceof Refusal) sendRefusal(rest, thrown);
      else sendError(rest, chatErrorFrom(thrown));
    }
  };
}

/** Where a service is that this listener has not; empty: nowhere. Whether there is one is no secret: its port says no by itself. */
function elsewhere(path: string, doors: DoorSet): string {
  if (isAdminPath(path)) return doors.admin ? "" : "; the admin doors are on another port here: admin.port, else server.port";
  return path.startsWith(`/${RouterService.typeName}/`) && !doors.data ? "; calls are taken on server.port" : "";
}

/** Doors for chats, by path. */
const chatDoors: ReadonlyMap<string, ChatDoor> = new Map<string, ChatDoor>([
  ["/v1/chat/completions", { name: "openai", dialect: openaiChatDoor }],
  ["/v1/responses", { name: "responses", dialect: openaiResponsesDoor }],
  ["/v1/messages", { name: "anthropic", dialect: anthropicDoor }],
]);

/** Those that count tokens, by path. */
const countDoors: ReadonlyMap<string, ChatDoor> = new Map<string, ChatDoor>([
  ["/v1/messages/count_tokens", { name: "anthropic", dialect: anthropicDoor }],
]);

/** The language in which errors at a path are told: its door's, else OpenAI's, which is Anthropic's where a list has that shape. */
function errorsAt(path: string, request: ServerRequest): ErrorShape {
  if (/^\/v1\/models(?:\/|$)/.test(path) && speaksAnthropic(request)) return anthropicErrors;
  return (chatDoors.get(path) ?? countDoors.get(path))?.dialect.errors ?? openaiErrors;
}

/** What logs and metrics call the REST door at a path. */
function doorAt(path: string): ChatDoor["name"] {
  return path === realtimePath ? "websocket" : ((chatDoors.get(path) ?? countDoors.get(path))?.name ?? "openai");
}

/** What a URL's parser would straighten out: the path would be another one behind it than the one that was looked at. */
const crooked = /\\|\/(?:\.|%2e){1,2}(?:\/|$)/i;

/** What is refused before Connect sees it, in Connect's JSON: all its protocols understand the status, and two the body. */
function sendConnectError(response: ServerResponse, thrown: unknown, headers: readonly (readonly [string, string])[]): void {
  const refused = thrown instanceof Refusal;
  const error = refused ? new ChatError("INVALID_REQUEST", thrown.message) : chatErrorFrom(thrown);
  const { http, code } = statusOf(error.failure);
  const body = JSON.stringify({ code: codeToString(code), message: shownMessage(error) });
  sendJson(response, refused ? thrown.status : http, [...headers, ["cache-control", "no-store"]], body);
}

function serveAdmin({ admin, onBug, clock, arrivals }: ServerParts, served: Served, rest: RestCall): void {
  const inTime: AdminDoor = (request) => admin(arriving(request, { ms: bodyMs, of: "all" }, { clock, arrivals }));
  serveUniversal(inTime, served, onBug, () => {
    sendRefusal(rest, notFound(served.facts.peer.path));
  });
}

function restRoutes(parts: ServerParts, doors: DoorSet): readonly Route[] {
  const { metrics } = parts;
  const always: Route[] = [
    { verb: "GET", path: "/health", open: health(() => healthAnswer(parts.health())) },
    { verb: "GET", path: "/health/live", open: health(liveAnswer) },
    { verb: "GET", path: "/health/ready", open: health(() => readyAnswer(parts.health())) },
  ];
  const data: Route[] = [
    ...[...chatDoors].map(
      ([path, door]) => ({ verb: "POST", path, open: (rest: RestCall) => serveChat(parts, rest, door), json: true }) as const,
    ),
    { verb: "POST", path: "/v1/embeddings", open: (rest) => serveEmbeddings(parts, rest, openaiEmbeddingsDoor), json: true },
    ...[...countDoors].map(
      ([path, door]) => ({ verb: "POST", path, open: (rest: RestCall) => serveCount(parts, rest, door), json: true }) as const,
    ),
    { verb: "GET", path: "/v1/models", open: (rest) => listModels(parts, rest) },
    { verb: "GET", path: "/v1/models/*", open: (rest) => getModel(parts, rest) },
    { verb: "GET", path: realtimePath, open: createRealtimeDoor(parts) },
  ];
  const scrape: Door = async ({ response, headers }) => {
    const page = await metrics?.();
    if (page === undefined) return;
    writeHead(response, 200, flat([...headers, ["content-type", page.contentType], ["cache-control", "no-store"]]));
    response.end(page.body);
  };
  const routes: Route[] = [
    ...always,
    ...(doors.data ? data : []),
    ...(doors.metrics && metrics !== undefined ? [{ verb: "GET", path: "/metrics", open: scrape } as const] : []),
  ];
  const served = () => ({ routes, admin: doors.admin, version: parts.health().version });
  if (doors.data || doors.admin) routes.push({ verb: "GET", path: "/openapi.json", open: createOpenapiDoor(served) });
  return routes;
}

function health(answer: () => HealthAnswer): Door {
  return ({ response, headers }) => {
    const { status, body } = answer();
    sendJson(response, status, [...headers, ["cache-control", "no-store"]], JSON.stringify(body));
  };
}

function refusedRequest({ id, requestId, request }: RestCall, door: RefusedRequest["door"], thrown: unknown): RefusedRequest {
  const { failure, limitedKey: key } = chatErrorFrom(thrown);
  return { id, requestId, door, address: request.socket?.remoteAddress, failure, key };
}

function serveRest(routes: RouteTable, rest: RestCall, path: string, { onBug, onRefused }: ServerParts): void {
  const { request } = rest;
  const fail = (thrown: unknown): void => {
    if (thrown instanceof Refusal) {
      sendRefusal(rest, thrown);
      return;
    }
    const error = chatErrorFrom(thrown);
    onRefused(refusedRequest(rest, doorAt(path), error));
    if (error.failure === "INTERNAL") onBug(error.cause ?? error);
    sendError(rest, error);
  };
  try {
    const { route, params } = routes.find(request.method ?? "", path);
    if (route.json === true) refuseContent(request);
    const done = route.open({ ...rest, params });
    if (done !== undefined) done.catch(fail);
  } catch (thrown) {
    fail(thrown);
  }
}

interface RouteTable {
  find(verb: string, path: string): { readonly route: Route; readonly params: RestCall["params"] };
}

/** Paths are matched exactly; one that ends in a star takes the rest as it is, percent-decoded. */
function routeTable(routes: readonly Route[]): RouteTable {
  const exact = Map.groupBy(routes, ({ path }) => path);
  const hintOf = (path: string): string | undefined => hintedPath(path, [...exact.keys()]);
  const open = routes.filter(({ path }) => path.endsWith("*"));
  return {
    find(verb, path) {
      const at = exact.get(path) ?? open.filter((route) => path.length >= route.path.length && path.startsWith(route.path.slice(0, -1)));
      if (at.length === 0) throw notFound(path, meant(hintOf(path)));
      const route = at.find((each) => each.verb === verb || (verb === "HEAD" && each.verb === "GET"));
      if (route === undefined) {
        const allowed = at.map((each) => (each.verb === "GET" ? "GET, HEAD" : each.verb)).join(", ");
        throw new Refusal(405, "method_not_allowed", `${verb} is not allowed here; allowed: ${allowed}`, [["allow", allowed]]);
      }
      return { route, params: route.path.endsWith("*") ? { "*": decoded(path.slice(route.path.length - 1)) } : {} };
    },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ChatError("INVALID_REQUEST", "the path is not valid percent-encoding");
  }
}

/** JSON with any charset parameter; none at all only from callers that are no browser. Plain, or in a content coding that is understood. */
function refuseContent(request: ServerRequest): void {
  const type = request.headers["content-type"];
  const media = type?.split(";", 1)[0]?.trim().toLowerCase();
  if (media !== "application/json" && !(media === undefined && request.headers.origin === undefined)) {
    throw new Refusal(
      415,
      "unsupported_media_type",
      `content type must be application/json, and is ${media === undefined ? "not given" : JSON.stringify(media)}`,
    );
  }
  codingOf(request.headers["content-encoding"]);
}

function browserOf(request: ServerRequest, path: string): BrowserRequest {
  const authority = request.headers[":authority"];
  return {
    origin: request.headers.origin,
    fetchSite: oneHeader(request, "sec-fetch-site"),
    host: request.headers.host ?? (typeof authority === "string" ? authority : undefined),
    localAddress: request.socket?.localAddress,
    path,
  };
}
