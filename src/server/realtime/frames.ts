import type { Call, Source } from "../../core/call.ts";
import type { Usage } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { parseCallerJson } from "../../core/json.ts";
import { encodeError } from "../../core/openai/error-encode.ts";
import type { Framing } from "../../dialects/openai-chat/stream-encode.ts";
import { callHeaders, costHeaders, type HeaderList, sourceHeaders, triedHeaders } from "../answer-headers.ts";
import { statusOf, waitOf } from "../errors.ts";

/** A call's name on its socket, as its caller chose it. */
export type FrameId = string | number;

/** What a caller sends. */
export type CallerFrame =
  | {
      readonly kind: "chat";
      readonly id: FrameId;
      /** A body of OpenAI's; not looked at yet. */
      readonly request: unknown;
      /** What would be headers of a request of its own; not looked at yet. */
      readonly headers: unknown;
    }
  | { readonly kind: "cancel"; readonly id: FrameId };

const idLengthMax = 128;

/** Reads a frame. Throws INVALID_REQUEST where nobody could say which call it is about. */
export function callerFrame(text: string): CallerFrame {
  const frame = parseCallerJson(text);
  if (!isObject(frame)) throw refused(undefined, "the frame is not a JSON object");
  const { type, id } = frame;
  if (type !== "chat" && type !== "cancel") throw refused("type", 'type must be "chat" or "cancel"');
  if (!isId(id)) throw refused("id", `id must be a text of 1 to ${idLengthMax} characters, or an integer`);
  return type === "cancel" ? { kind: type, id } : { kind: type, id, request: frame["request"], headers: frame["headers"] };
}

/** The values of a frame's `headers`, by lower-case name. Throws INVALID_REQUEST for what cannot be headers of a call. */
export function frameHeaders(headers: unknown): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  if (headers === undefined || headers === null) return values;
  if (!isObject(headers)) throw refused("headers", "headers must be an object");
  for (const [written, value] of Object.entries(headers)) {
    const name = written.toLowerCase();
    if (typeof value !== "string") throw refused(`headers.${written}`, "a header must be a text");
    // Dropped in silence they would have the call run in another name than its sender thinks.
    if (name === "authorization" || name === "x-api-key")
      throw refused(`headers.${written}`, "a socket has one key, which is shown as it opens");
    values.set(name, value);
  }
  return values;
}

/** What stands around the chunks of a call; one frame a line. */
export function chunkFraming(id: FrameId): Framing {
  return { before: `{"type":"chunk","id":${JSON.stringify(id)},"data":`, after: "}\n", done: "", heartbeat: "" };
}

/** What a frame tells of where a call's answer came from, as far as it is known. */
export interface RouteFacts {
  readonly call: Call;
  readonly source: Source | undefined;
  readonly usage: Usage | undefined;
}

/** The last frame of a call that came to its good end. */
export function doneText(id: FrameId, { call, source, usage }: RouteFacts): string {
  const headers = [...callHeaders(call), ...(source === undefined ? [] : sourceHeaders(source)), ...costHeaders(usage)];
  return JSON.stringify({ type: "done", id, request_id: call.requestId, route: routeOf(headers) });
}

/** What an error frame tells besides the error. */
export interface ErrorFacts {
  /** Null: the frame that was refused belongs to no call. */
  readonly id: FrameId | null;
  readonly requestId: string;
  /** Content had been sent. */
  readonly partial: boolean;
  /** Undefined: there is no call. */
  readonly call?: Call;
  /** Where content came from; undefined: there was none. */
  readonly source?: Source | undefined;
}

/** The last frame of a call that did not, or the answer to a frame that never became one. */
export function errorText(error: ChatError, { id, requestId, partial, call, source }: ErrorFacts): string {
  const headers: HeaderList = call === undefined ? [] : [...callHeaders(call), ...(source === undefined ? [] : sourceHeaders(source))];
  if (source === undefined && call !== undefined)
    headers.push(...triedHeaders(error), ["x-semaroute-attempts", String(error.attempts.length)]);
  const waitMs = waitOf(error);
  const { http, shouldRetry } = statusOf(error.failure);
  return JSON.stringify({
    type: "error",
    id,
    ...encodeError(error),
    partial,
    status: http,
    ...(waitMs !== undefined && { retry_after_ms: waitMs }),
    ...(shouldRetry !== undefined && { should_retry: shouldRetry }),
    request_id: requestId,
    ...(headers.length > 0 && { route: routeOf(headers) }),
  });
}

/** The same facts as in an answer's headers, without their prefix. */
function routeOf(headers: HeaderList): Readonly<Record<string, string | number>> {
  const entries = headers.map(([name, value]) => {
    const key = name.replace(/^x-semaroute-/, "").replaceAll("-", "_");
    return [key, key === "attempts" ? Number(value) : value] as const;
  });
  return Object.fromEntries(entries);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isId(id: unknown): id is FrameId {
  return typeof id === "string" ? id !== "" && id.length <= idLengthMax : Number.isSafeInteger(id);
}

function refused(field: string | undefined, text: string): ChatError {
  return new ChatError("INVALID_REQUEST", text, { field });
}
