/** Every protocol spoken by hand, so that a body may be any bytes and a header any text. */
import { type OutgoingHttpHeaders } from "node:http2";
import { Refused } from "../e2e/doors.ts";
import { openSocket } from "../e2e/websocket.ts";
import { frame, grpc, reasonOf } from "../e2e/wire.ts";
import { canaries } from "./canaries.ts";

/** The table's names of the protocols, which are those of the doors. */
export const protocols = [
  "REST",
  "SSE",
  "grpc unary",
  "grpc stream",
  "grpc-web unary",
  "grpc-web stream",
  "connect unary",
  "connect stream",
] as const;
/** Those and the one that is no request of its own. */
export const allWays = [...protocols, "WebSocket"] as const;
/** One of them. */
export type Protocol = (typeof allWays)[number];

/** What a caller sends. */
export interface RawQuestion {
  /** JSON of this protocol, or what should have been that. */
  readonly body: string | Uint8Array;
  /** Win over our own. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Of the message's frame, where the protocol has frames; the length may lie. */
  readonly flags?: number | undefined;
  readonly length?: number | undefined;
  /** Instead of one framed message: the body as it is. */
  readonly unframed?: true | undefined;
}

/** What the caller is told. */
export interface RawEnd {
  /** HTTP status; of a frame of WebSocket what it says of it, or the code that the socket was closed with. */
  readonly http: number;
  /** `error.code` of REST, `ErrorInfo.reason` of the others; empty: no error. */
  readonly word: string;
  /** gRPC's number; undefined by REST, and where the protocol did not get as far. */
  readonly grpc: number | undefined;
  /** All that came. */
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

const paths = { unary: "/semaroute.v1.RouterService/Chat", stream: "/semaroute.v1.RouterService/StreamChat" } as const;

/** The path a protocol is spoken at. */
export function pathOf(protocol: Protocol): string {
  if (isRest(protocol)) return "/v1/chat/completions";
  return protocol.endsWith("unary") ? paths.unary : paths.stream;
}

/** The content type it goes by. */
export function typeOf(protocol: Protocol): string {
  if (isRest(protocol) || protocol === "connect unary") return "application/json";
  if (protocol === "connect stream") return "application/connect+json";
  return protocol.startsWith("grpc-web") ? "application/grpc-web+json" : "application/grpc+json";
}

/** REST, SSE and WebSocket: OpenAI's shapes. */
export function isRest(protocol: Protocol): boolean {
  return protocol === "REST" || protocol === "SSE" || protocol === "WebSocket";
}

/** Whether messages have a head of five bytes. */
export function isFramed(protocol: Protocol): boolean {
  return !isRest(protocol) && protocol !== "connect unary";
}

/** A good body; `more` are further members of the JSON text, such as `"n": 2`. */
export function bodyOf(protocol: Protocol, model: string, more = ""): string {
  const tail = more === "" ? "}" : `,${more}}`;
  const prompt = JSON.stringify(canaries.prompt);
  const name = JSON.stringify(model);
  if (!isRest(protocol)) return `{"model":${name},"messages":[{"role":"ROLE_USER","text":${prompt}}]${tail}`;
  return asSent(protocol, `{"model":${name},"messages":[{"role":"user","content":${prompt}}],"stream":${protocol === "SSE"}${tail}`);
}

/** A body of OpenAI's as the protocol sends it. */
export function asSent(protocol: Protocol, body: string): string {
  return protocol === "WebSocket" ? `{"type":"chat","id":"raw","request":${body}}` : body;
}

/** Asks, and reads the answer to its end. */
export async function askRaw(url: string, protocol: Protocol, question: RawQuestion): Promise<RawEnd> {
  const { body, headers, flags, length, unframed } = question;
  if (protocol === "WebSocket") return askSocket(url, body, { authorization: `Bearer ${canaries.callerKey}`, ...headers });
  const framed = isFramed(protocol) && unframed === undefined;
  const bytes = framed
    ? frame(body, { ...(flags !== undefined && { flags }), ...(length !== undefined && { length }) })
    : Buffer.from(body);
  const sent = { "content-type": typeOf(protocol), authorization: `Bearer ${canaries.callerKey}`, ...headers };
  if (protocol.startsWith("grpc ")) return askGrpc(url, pathOf(protocol), bytes, sent);
  const response = await fetch(url + pathOf(protocol), { method: "POST", headers: sent, body: new Uint8Array(bytes) });
  const answer = Buffer.from(await response.arrayBuffer());
  const all = Object.fromEntries(response.headers);
  return { http: response.status, text: answer.toString("latin1"), headers: all, ...errorOf(protocol, response.status, all, answer) };
}

async function askGrpc(url: string, path: string, bytes: Uint8Array, headers: OutgoingHttpHeaders): Promise<RawEnd> {
  const { status, code, detail, text, headers: all } = await grpc(url, path, bytes, headers);
  return { http: status, word: detail, grpc: code === "" ? undefined : Number(code), text, headers: all };
}

/** Sends one frame of text, whatever its bytes, and reads to the last one of its call. */
async function askSocket(url: string, body: string | Uint8Array, headers: Readonly<Record<string, string>>): Promise<RawEnd> {
  try {
    await using socket = await openSocket(url, { headers });
    socket.ws.send(body, { binary: false });
    const end = await Promise.race([socket.frame(({ type }) => type !== "chunk"), socket.closed]);
    const text = socket.frames.map((each) => JSON.stringify(each)).join("\n");
    const told = { text, headers: Object.fromEntries(socket.head), grpc: undefined };
    if (typeof end === "number") return { ...told, http: end, word: "" };
    return end["type"] === "done"
      ? { ...told, http: 200, word: "" }
      : { ...told, http: Number(end["status"]), word: String(end["error"].code) };
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown;
    return { http: thrown.status, word: thrown.word, grpc: undefined, text: thrown.body, headers: Object.fromEntries(thrown.headers) };
  }
}

type Told = Pick<RawEnd, "word" | "grpc">;

function errorOf(protocol: Protocol, status: number, headers: Readonly<Record<string, string>>, body: Buffer): Told {
  if (protocol.startsWith("grpc-web")) return webError(headers, body);
  if (protocol === "connect stream" && status === 200) return connectError(lastFrame(body, 2));
  const text = body.toString("utf8");
  if (protocol === "SSE" && status === 200) return { word: restCode(/^data: (\{"error".*)$/m.exec(text)?.[1]), grpc: undefined };
  if (status === 200) return { word: "", grpc: isRest(protocol) ? undefined : 0 };
  return isRest(protocol) ? { word: restCode(text), grpc: undefined } : connectError(text);
}

/** gRPC-Web has its trailers in the last frame, or among the headers where there is no body. */
function webError(headers: Readonly<Record<string, string>>, body: Buffer): Told {
  const trailer = lastFrame(body, 0x80);
  const value = (name: string): string | undefined => headers[name] ?? new RegExp(`^${name}: ?(.*)$`, "im").exec(trailer)?.[1]?.trim();
  const status = value("grpc-status");
  return { word: reasonOf(value("grpc-status-details-bin")), grpc: status === undefined ? undefined : Number(status) };
}

const connectCodes: Readonly<Record<string, number>> = {
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  permission_denied: 7,
  resource_exhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
};

/** Connect's JSON, by itself or within the end of a stream. */
function connectError(text: string): Told {
  const parsed: unknown = jsonFrom(text);
  const error = memberOf(parsed, "error") ?? parsed;
  const code = memberOf(error, "code");
  if (typeof code !== "string") return { word: "", grpc: 0 };
  const details = memberOf(error, "details");
  const reasons = Array.isArray(details) ? details.map((detail) => memberOf(memberOf(detail, "debug"), "reason")) : [];
  return { word: reasons.find((reason) => typeof reason === "string") ?? "", grpc: connectCodes[code] };
}

function restCode(text: string | undefined): string {
  const code = memberOf(memberOf(jsonFrom(text ?? ""), "error"), "code");
  return typeof code === "string" ? code : "";
}

function jsonFrom(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value ? Reflect.get(value, name) : undefined;
}

/** The payload of the last frame with this flag; empty: there is none. */
function lastFrame(body: Buffer, flag: number): string {
  let found = "";
  for (let at = 0; at + 5 <= body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if ((body.readUInt8(at) & flag) !== 0) found = body.subarray(at + 5, end).toString("utf8");
    at = end;
  }
  return found;
}
