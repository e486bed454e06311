import type { ChatError } from "../../core/error.ts";
import { type HeaderList, triedHeaders } from "../answer-headers.ts";
import { errorHeaders, statusOf } from "../errors.ts";
import { doorLimitHeaders } from "../limit-headers.ts";
import type { ServerResponse } from "../listen.ts";
import { endWith, isGone, isLong } from "../outflow.ts";
import type { RestCall } from "./context.ts";

/** Sends a whole JSON answer, head and body in one segment. Nothing is sent to a caller who has left. */
export function sendJson(response: ServerResponse, status: number, headers: readonly (readonly [string, string])[], body: string): void {
  sendWhole(response, status, [...headers, ["content-type", "application/json"]], body);
}

/** Sends a sentence for people, likewise. */
export function sendText(response: ServerResponse, status: number, headers: readonly (readonly [string, string])[], body: string): void {
  sendWhole(response, status, [...headers, ["content-type", "text/plain; charset=utf-8"]], body);
}

function sendWhole(response: ServerResponse, status: number, headers: readonly (readonly [string, string])[], body: string): void {
  if (response.headersSent || isGone(response)) return;
  const length = Buffer.byteLength(body);
  const head = flat([...headers, ["content-length", String(length)], ["x-content-type-options", "nosniff"]]);
  writeHead(response, status, head);
  if (isLong(length)) {
    // Nobody waits for it: who does not read is dropped by the listener.
    void endWith(response, Buffer.from(body));
    return;
  }
  // Node joins head and body to one string; where all of it is ASCII, Latin-1 is the same bytes, and the cheaper way to write them.
  response.end(body, length === body.length ? "latin1" : "utf8");
}

/** What an error is answered to. */
export type Refused = Pick<RestCall, "response" | "errors" | "headers" | "requestId">;

/** Sends an error in the door's shape, with the headers that every answer carries. */
export function sendError({ response, errors, headers, requestId }: Refused, error: ChatError, known: HeaderList = []): void {
  const status = errors.statuses?.[error.failure] ?? statusOf(error.failure).http;
  const more: HeaderList = [...triedHeaders(error), ...errorHeaders(error), ...doorLimitHeaders(errors, error.allowances)];
  // The rest of an oversized body would be read as the next request.
  if (error.failure === "REQUEST_TOO_LARGE" && response.req.httpVersionMajor === 1) more.push(["connection", "close"]);
  sendJson(response, status, [...headers, ...known, ...more], errors.body(error, requestId));
}

/** Writes a head for either version of HTTP. */
export function writeHead(response: ServerResponse, status: number, head: string[]): void {
  // The two classes agree on this call, but their overloads do not unite.
  if ("stream" in response) response.writeHead(status, head as never);
  else response.writeHead(status, head);
}

/** Names and values in one list. */
export function flat(headers: readonly (readonly [string, string])[]): string[] {
  const list: string[] = [];
  for (const [name, value] of headers) list.push(name, value);
  return list;
}
