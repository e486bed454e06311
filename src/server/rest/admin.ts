import { type DescField, type DescMethod, ScalarType } from "@bufbuild/protobuf";
import { Code, type ConnectRouterOptions, createConnectRouter } from "@connectrpc/connect";
import { readAllBytes, type UniversalServerRequest, type UniversalServerResponse } from "@connectrpc/connect/protocol";

import { AdminService } from "../../../gen/semaroute/v1/admin_pb.ts";
import { parseCallerJson } from "../../core/json.ts";
import { chatErrorFrom } from "../../core/error.ts";
import { codingOf, decompressed, textFrom } from "../body.ts";
import { connectErrorFrom, createRefusal } from "../errors.ts";
import { type AdminMethods, adminOptions } from "../rpc/admin.ts";
import { answerTable, csvMethods } from "./admin-csv.ts";
import { Refusal } from "./refusal.ts";

/** Answers a request under /admin; undefined where there is no such path. */
export type AdminDoor = (request: UniversalServerRequest) => Promise<UniversalServerResponse> | undefined;

/** A path of the door. `{name}` stands for one segment and for the request's field of that name. */
export interface AdminRoute {
  readonly verb: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly method: DescMethod;
}

const { method } = AdminService;
/** All of them. */
export const adminRoutes: readonly AdminRoute[] = [
  { verb: "GET", path: "/admin/providers", method: method.listProviders },
  { verb: "GET", path: "/admin/providers/{id}", method: method.getProvider },
  { verb: "GET", path: "/admin/providers/{providers}/health", method: method.getProviderHealth },
  { verb: "POST", path: "/admin/providers/{id}/state", method: method.setProviderState },
  { verb: "GET", path: "/admin/policy", method: method.getPolicy },
  { verb: "PUT", path: "/admin/policy", method: method.swapPolicy },
  { verb: "POST", path: "/admin/policy/validate", method: method.validatePolicy },
  { verb: "POST", path: "/admin/policy/simulate", method: method.simulatePolicy },
  { verb: "POST", path: "/admin/policy/rollback", method: method.rollbackPolicy },
  { verb: "GET", path: "/admin/policy/revisions", method: method.listPolicyRevisions },
  { verb: "GET", path: "/admin/decisions", method: method.listDecisions },
  { verb: "GET", path: "/admin/decisions/{id}", method: method.getDecision },
  { verb: "GET", path: "/admin/usage", method: method.getUsage },
  { verb: "GET", path: "/admin/ledger", method: method.listLedger },
  { verb: "GET", path: "/admin/stats", method: method.getStats },
  { verb: "GET", path: "/admin/keys", method: method.listKeys },
  { verb: "POST", path: "/admin/keys", method: method.createKey },
  { verb: "PATCH", path: "/admin/keys/{id}", method: method.updateKey },
  { verb: "DELETE", path: "/admin/keys/{id}", method: method.revokeKey },
  { verb: "POST", path: "/admin/cache/purge", method: method.purgeCache },
  { verb: "POST", path: "/admin/reload", method: method.reloadConfig },
];

/**
 * The AdminService in REST's clothes: every route is a Connect call of a router of its own with the same methods, gate
 * and interceptors, whose JSON shows default values. Nothing is decided here but which method is meant, and what its
 * request is.
 */
export function createAdminDoor(methods: AdminMethods, options: ConnectRouterOptions): AdminDoor {
  const strict = adminOptions(options);
  const router = createConnectRouter({ ...strict, jsonOptions: { ...strict.jsonOptions, alwaysEmitImplicit: true } });
  router.service(AdminService, methods);
  const handlers = new Map(router.handlers.map((handler) => [handler.method, handler]));
  const table = adminRoutes.map((route) => ({ ...route, segments: route.path.split("/"), handler: handlers.get(route.method) }));

  return (request) => {
    const url = new URL(request.url);
    const segments = url.pathname.split("/");
    const fitting = table.filter((route) => fits(route.segments, segments));
    if (fitting.length === 0) return undefined;
    const route = fitting.find(({ verb }) => verb === request.method);
    if (route?.handler === undefined) return Promise.resolve(methodNotAllowed(fitting.map(({ verb }) => verb)));
    const header = new Headers(request.header);
    header.set("content-type", "application/json");
    header.delete("content-length");
    // Connect's own headers mean nothing on this door, and would change how the body is read.
    for (const name of ["content-encoding", "connect-protocol-version", "connect-timeout-ms"]) header.delete(name);
    const { handler } = route;
    const bytesMax = options.readMaxBytes ?? 16 * 2 ** 20;
    const ask = (said: URLSearchParams): Promise<UniversalServerResponse> => {
      const body = requestBody(request, { route, query: said, segments, bytesMax });
      return handler({ ...request, method: "POST", url: new URL(handler.requestPath, url).href, header, body });
    };
    const { searchParams: query } = url;
    if (!csvMethods.has(route.method)) return ask(query);
    return answerTable({ method: route.method, query, accept: request.header.get("accept") }, ask);
  };
}

function fits(pattern: readonly string[], segments: readonly string[]): boolean {
  return (
    pattern.length === segments.length && pattern.every((part, i) => (part.startsWith("{") ? segments[i] !== "" : part === segments[i]))
  );
}

function methodNotAllowed(verbs: readonly string[]): UniversalServerResponse {
  const header = new Headers({ allow: verbs.join(", "), "cache-control": "no-store", "content-type": "application/json" });
  const text = JSON.stringify({ code: "unimplemented", message: `this path takes ${verbs.join(", ")}` });
  return { status: 405, header, body: once(Buffer.from(text)) };
}

/** What makes a request message. */
interface RequestParts {
  readonly route: AdminRoute & { readonly segments: readonly string[] };
  readonly query: URLSearchParams;
  readonly segments: readonly string[];
  readonly bytesMax: number;
}

/** Read only when the handler asks for it, which is after its gate has let the caller in. */
async function* requestBody(request: UniversalServerRequest, parts: RequestParts): AsyncIterable<Uint8Array> {
  let merged: Record<string, unknown>;
  try {
    merged = await mergedMessage(request, parts);
  } catch (thrown) {
    if (thrown instanceof Refusal) throw refused("content-encoding", thrown.message);
    const error = chatErrorFrom(thrown);
    throw error.cause === thrown ? thrown : connectErrorFrom(error, { requestId: "" });
  }
  yield Buffer.from(JSON.stringify(merged));
}

async function mergedMessage(
  request: UniversalServerRequest,
  { route, query, segments, bytesMax }: RequestParts,
): Promise<Record<string, unknown>> {
  const message = request.method === "GET" ? {} : await bodyObject(request, bytesMax);
  for (const [name, value] of query) setField(message, route.method, name, value);
  route.segments.forEach((part, i) => {
    if (part.startsWith("{")) setField(message, route.method, part.slice(1, -1), decoded(segments[i] ?? ""));
  });
  return message;
}

async function bodyObject(request: UniversalServerRequest, bytesMax: number): Promise<Record<string, unknown>> {
  const { body } = request;
  if (typeof body !== "object" || body === null || !(Symbol.asyncIterator in body)) return {};
  const bytes = await readAllBytes(body, bytesMax, request.header.get("content-length"));
  if (bytes.byteLength === 0) return {};
  const coding = codingOf(request.header.get("content-encoding") ?? undefined);
  const value = parseCallerJson(textFrom(coding === undefined ? Buffer.from(bytes) : await decompressed(bytes, bytesMax, coding)));
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw refused("", "the body is not a JSON object");
  return { ...value };
}

/** Sets a field by the text of a URL. Said twice, it must be the same both times, unless it is a list. */
function setField(message: Record<string, unknown>, { input }: DescMethod, name: string, text: string): void {
  const field = input.fields.find((each) => each.name === name || each.jsonName === name);
  if (field === undefined) throw refused(name, `${JSON.stringify(name.slice(0, 128))} is not a field of ${input.name}`);
  const value = jsonFromText(field, text);
  const key = field.name in message ? field.name : field.jsonName;
  const present = message[key];
  if (field.fieldKind === "list") message[key] = [...(Array.isArray(present) ? present : []), value];
  else if (present === undefined || sameScalar(present, value)) message[key] = value;
  else throw refused(name, `${field.jsonName} is said twice, differently`);
}

/** Proto JSON lets most numbers be text. */
function sameScalar(a: unknown, b: string | number | boolean): boolean {
  return (typeof a === "string" || typeof a === "number" || typeof a === "boolean") && String(a) === String(b);
}

/** Times as proto JSON takes them; what it says of others names no field. */
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** Proto JSON of a scalar: numbers may stay text, but not truth values. */
function jsonFromText(field: DescField, text: string): string | number | boolean {
  const single = field.fieldKind === "list" ? field.listKind : field.fieldKind;
  if (single === "enum") return /^\d+$/.test(text) ? Number(text) : text;
  const type = single === "message" ? field.message?.typeName : undefined;
  if (type === "google.protobuf.Timestamp" && !rfc3339.test(text))
    throw refused(field.jsonName, `${field.jsonName} is no time such as 2026-12-01T00:00:00Z`);
  if (type === "google.protobuf.Timestamp" || type === "google.protobuf.Duration") return text;
  if (single !== "scalar") throw refused(field.jsonName, `${field.jsonName} is not a scalar and belongs into the body`);
  if (field.scalar !== ScalarType.BOOL) return text;
  if (text !== "true" && text !== "false") throw refused(field.jsonName, `${field.jsonName} is neither true nor false`);
  return text === "true";
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw refused("", "the path is not valid percent-encoded UTF-8");
  }
}

function refused(field: string, text: string): Error {
  const problems = field === "" ? [] : [{ field, description: text }];
  return createRefusal({ code: Code.InvalidArgument, reason: "INVALID_REQUEST", text, problems });
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}
