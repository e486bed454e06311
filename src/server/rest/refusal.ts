import { type Refused, sendJson } from "./answer.ts";

/** Statuses of HTTP itself that no outcome of a call has. */
export type RefusalStatus = 400 | 404 | 405 | 408 | 415 | 426 | 431;

/** A refusal of HTTP itself, before any call: no such path, method or content type, or a request that is none. */
export class Refusal extends Error {
  readonly status: RefusalStatus;
  readonly code: string;
  readonly headers: readonly [name: string, value: string][];

  constructor(status: RefusalStatus, code: string, text: string, headers: readonly [string, string][] = []) {
    super(text);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Sends it in the door's shape. */
export function sendRefusal({ response, errors, headers, requestId }: Refused, refusal: Refusal): void {
  // What is left of the request would be read as the next one. HTTP/2 has no such header, and no such trouble.
  const end = response.req.httpVersionMajor === 1 ? [["connection", "close"] as const] : [];
  sendJson(response, refusal.status, [...headers, ...refusal.headers, ...end], errors.refusal(refusal, requestId));
}
