import { sendJson } from "./answer.ts";
import type { ServerResponse } from "../listen.ts";

/** A refusal of HTTP itself, before any call: no such path, method or content type. */
export class Refusal extends Error {
  readonly status: 404 | 405 | 415;
  readonly code: string;
  readonly headers: readonly [name: string, value: string][];

  constructor(status: 404 | 405 | 415, code: string, text: string, headers: readonly [string, string][] = []) {
    super(text);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Sends it in OpenAI's shape. */
export function sendRefusal(
  response: ServerResponse,
  { status, code, message, headers }: Refusal,
  more: readonly (readonly [string, string])[],
): void {
  const body = JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code } });
  sendJson(response, status, [...more, ...headers, ["connection", "close"]], body);
}
