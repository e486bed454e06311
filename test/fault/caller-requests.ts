/** K14 to K17, K22, K23 and K33: requests of HTTP/1.1 whose bytes are wrong, as data. */
import { canaries } from "./canaries.ts";

/** Bytes on a socket, and what comes back. */
export interface RequestFault {
  readonly id: string;
  readonly fault: string;
  readonly bytes: string;
  /** The whole of what comes back, byte for byte as text. */
  readonly told: RegExp;
  /** Answers that come back, interim ones not counted. Default 1. */
  readonly answers?: number;
  /** Calls that reach an upstream. Default 0. */
  readonly calls?: number;
  /** The server closes the connection. */
  readonly closes?: true;
}

/** What is offered to callers. */
export const model = "well";
const body = JSON.stringify({ model, messages: [{ role: "user", content: canaries.prompt }] });
const key = `authorization: Bearer ${canaries.callerKey}`;
const json = "content-type: application/json";
const length = `content-length: ${body.length}`;

/** A request with these lines. */
function request(start: string, lines: readonly string[], content = ""): string {
  return [start, "host: localhost", ...lines, "", content].join("\r\n");
}

/** A chat by REST with these lines besides, or instead. */
function chat(lines: readonly string[], content = body): string {
  return request("POST /v1/chat/completions HTTP/1.1", [key, ...lines], content);
}

const smuggled = request("GET /v1/models HTTP/1.1", [key]);
const bad = /^HTTP\/1\.1 400 /;
const good = /^HTTP\/1\.1 200 /;
const media = /^HTTP\/1\.1 415 [^]*"code":"unsupported_media_type"/;

const contentTypes: readonly RequestFault[] = [
  { id: "K14", fault: "no content type", bytes: chat([length]), told: good, calls: 1 },
  {
    id: "K14",
    fault: "a charset that is named",
    bytes: chat(["content-type: application/json; charset=utf-8", length]),
    told: good,
    calls: 1,
  },
  { id: "K14", fault: "text/plain, as a foreign page could send it", bytes: chat(["content-type: text/plain", length]), told: media },
  { id: "K14", fault: "a form", bytes: chat(["content-type: application/x-www-form-urlencoded", length]), told: media },
  { id: "K14", fault: "multipart", bytes: chat(["content-type: multipart/form-data; boundary=x", length]), told: media },
  {
    id: "K14",
    fault: "a foreign page without a content type",
    bytes: chat(["origin: https://evil.example", length]),
    told: /^HTTP\/1\.1 403 /,
  },
  {
    id: "K14",
    fault: "text/plain at an RPC",
    bytes: request("POST /semaroute.v1.RouterService/Chat HTTP/1.1", [key, "content-type: text/plain", length], body),
    told: /^HTTP\/1\.1 415 /,
  },
];

const heads: readonly RequestFault[] = [
  {
    id: "K15",
    fault: "17 KiB of headers",
    bytes: chat([json, length, `x-long: ${"x".repeat(17 * 1024)}`]),
    told: /^HTTP\/1\.1 431 /,
    closes: true,
  },
  {
    id: "K15",
    fault: "200 headers",
    bytes: chat([json, length, ...Array.from({ length: 200 }, (_, i) => `x-${i}: 1`)]),
    told: /^HTTP\/1\.1 4(?:00|31) /,
  },
  { id: "K15", fault: "a header that is folded", bytes: chat([json, length, "x-folded: one\r\n two"]), told: bad, closes: true },
  { id: "K15", fault: "two hosts", bytes: chat(["host: other", json, length]), told: bad },
  { id: "K15", fault: "two credentials", bytes: chat(["authorization: Bearer other", json, length]), told: bad },
  { id: "K15", fault: "no host", bytes: `GET /v1/models HTTP/1.1\r\n${key}\r\n\r\n`, told: bad },
  {
    id: "K15",
    fault: "a host that is an address of another kind",
    bytes: `GET /v1/models HTTP/1.1\r\nhost: x/#@y\r\n${key}\r\n\r\n`,
    told: /^HTTP\/1\.1 [24]00 /,
  },
  {
    id: "K15",
    fault: "another host's absolute form, without a key",
    bytes: "GET http://127.0.0.1/v1/models HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    told: /^HTTP\/1\.1 4\d\d /,
  },
  {
    id: "K15",
    fault: "the admin door in absolute form from another host",
    bytes: "GET http://localhost/admin/providers HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    told: /^HTTP\/1\.1 4\d\d /,
  },
  { id: "K15", fault: "a header without a name", bytes: chat([json, length, ": x"]), told: bad, closes: true },
  { id: "K15", fault: "a NUL in a header", bytes: chat([json, length, "x-nul: a\0b"]), told: bad, closes: true },
  {
    id: "K15",
    fault: "__proto__ and constructor as headers",
    bytes: chat([json, length, "__proto__: x", "constructor: y", "prototype: z"]),
    told: good,
    calls: 1,
  },
];

const paths = [
  "//v1/models",
  "/v1//models",
  "/./v1/models",
  "/v1/../admin/providers",
  "/v1/..%2fadmin/providers",
  "/%2e%2e/admin/providers",
  "/v1/%2e%2e/admin/providers",
  "/v1;x=1/models",
  "/v1/models;x=1",
  "/v1%2fmodels",
  "/V1/MODELS",
  "/v1/chat/completions/",
  "/admin/../v1/models/",
  "/admin;/providers",
  "/semaroute.v1.routerservice/ListModels",
  "/semaroute.v1.RouterService//ListModels",
  "/__proto__",
  "/constructor",
  "*",
] as const;
const tricks: readonly RequestFault[] = paths.map((path) => ({
  id: "K16",
  fault: `the path ${path}`,
  bytes: request(`GET ${path} HTTP/1.1`, [key]),
  told: /^HTTP\/1\.1 40[04] /,
}));

/** Two lengths for one message: whoever believes the other one sees a second request. */
const smuggling: readonly RequestFault[] = (
  [
    ["a length and chunks", [length, "transfer-encoding: chunked"], `0\r\n\r\n${smuggled}`],
    ["chunks and a length", ["transfer-encoding: chunked", "content-length: 4"], `0\r\n\r\n${smuggled}`],
    ["two lengths", ["content-length: 1", `content-length: ${body.length}`], `${body}${smuggled}`],
    ["a list of lengths", [`content-length: 1, ${body.length}`], `${body}${smuggled}`],
    ["a length below zero", ["content-length: -1"], `${body}${smuggled}`],
    ["a length with a plus", [`content-length: +${body.length}`], `${body}${smuggled}`],
    ["a length in hexadecimal", ["content-length: 0x10"], `${body}${smuggled}`],
    ["chunks by another name", ["transfer-encoding: xchunked"], `0\r\n\r\n${smuggled}`],
    ["chunks and something else", ["transfer-encoding: chunked, identity"], `0\r\n\r\n${smuggled}`],
    ["a space before the colon", ["transfer-encoding : chunked"], `0\r\n\r\n${smuggled}`],
    ["a chunk that is no number", ["transfer-encoding: chunked"], `zz\r\n${body}\r\n0\r\n\r\n${smuggled}`],
    ["a chunk of 2^64", ["transfer-encoding: chunked"], `ffffffffffffffff1\r\n${body}\r\n0\r\n\r\n${smuggled}`],
    ["bare line feeds", ["x: y\nz: w", length], `${body}${smuggled}`],
    ["a bare carriage return", ["x: y\rz: w", length], `${body}${smuggled}`],
  ] as const
).map(([fault, lines, content]) => ({ id: "K17", fault, bytes: chat([json, ...lines], content), told: bad, closes: true }));

const ids: readonly RequestFault[] = [
  {
    id: "K22",
    fault: "an x-request-id of 10 KiB",
    bytes: chat([json, length, `x-request-id: ${"i".repeat(10_240)}`]),
    told: /^HTTP\/1\.1 200 [^]*\r\nx-request-id: [\da-f-]{36}\r\n/,
    calls: 1,
  },
  {
    id: "K22",
    fault: "an x-request-id that is no name",
    bytes: chat([json, length, 'x-request-id: "><script>']),
    told: /^HTTP\/1\.1 200 [^]*\r\nx-request-id: [\da-f-]{36}\r\n/,
    calls: 1,
  },
  {
    id: "K22",
    fault: "two of x-request-id",
    bytes: chat([json, length, "x-request-id: one", "x-request-id: two"]),
    told: /^HTTP\/1\.1 200 [^]*\r\nx-request-id: [\da-f-]{36}\r\n/,
    calls: 1,
  },
  {
    id: "K22",
    fault: "a sane x-request-id",
    bytes: chat([json, length, "x-request-id: k22-sane"]),
    told: /^HTTP\/1\.1 200 [^]*\r\nx-request-id: k22-sane\r\n/,
    calls: 1,
  },
  {
    id: "K22",
    fault: "a traceparent that is none",
    bytes: chat([json, length, "traceparent: 00-garbage-01"]),
    told: /^HTTP\/1\.1 400 [^]*traceparent/,
  },
  {
    id: "K23",
    fault: "headers that only we may set",
    bytes: chat([
      json,
      length,
      "x-semaroute-provider: canary-spoof",
      "x-semaroute-decision: canary-spoof",
      "x-semaroute-cost-usd: canary-spoof",
      "x-forwarded-for: 203.0.113.77",
      "x-criticality: CRITICAL_PLUS",
      "x-fault-abort: 503",
      "cookie: canary-spoof=1",
    ]),
    told: /^HTTP\/1\.1 200 (?![^]*canary-spoof)/,
    calls: 1,
  },
];

const pipelined = 100;
const verbs: readonly RequestFault[] = [
  {
    id: "K33",
    fault: `${pipelined} requests in one write`,
    bytes: request("GET /health/live HTTP/1.1", []).repeat(pipelined),
    told: good,
    answers: pipelined,
  },
  {
    id: "K33",
    fault: "Expect: 100-continue",
    bytes: chat([json, length, "expect: 100-continue"]),
    told: /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /,
    calls: 1,
  },
  { id: "K33", fault: "an expectation that nobody can meet", bytes: chat([json, length, "expect: miracles"]), told: /^HTTP\/1\.1 417 / },
  { id: "K33", fault: "HEAD", bytes: request("HEAD /v1/models HTTP/1.1", [key]), told: /^HTTP\/1\.1 200 [^]*\r\n\r\n$/ },
  { id: "K33", fault: "OPTIONS", bytes: request("OPTIONS /v1/models HTTP/1.1", [key]), told: /^HTTP\/1\.1 405 / },
  { id: "K33", fault: "TRACE", bytes: request("TRACE /v1/models HTTP/1.1", [key]), told: /^HTTP\/1\.1 405 / },
  {
    id: "K33",
    fault: "CONNECT",
    bytes: "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n",
    told: /^HTTP\/1\.1 405 /,
    closes: true,
  },
  { id: "K33", fault: "a method that nobody knows", bytes: request("BREW /v1/models HTTP/1.1", [key]), told: bad },
  {
    id: "K33",
    fault: "an upgrade to h2c",
    bytes: request("GET /v1/models HTTP/1.1", [
      key,
      "connection: upgrade, http2-settings",
      "upgrade: h2c",
      "http2-settings: AAMAAABkAAQAAP__",
    ]),
    told: good,
  },
  {
    id: "K33",
    fault: "an upgrade to WebSocket",
    bytes: request("GET /v1/models HTTP/1.1", [
      key,
      "connection: upgrade",
      "upgrade: websocket",
      "sec-websocket-version: 13",
      "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ]),
    told: /^HTTP\/1\.1 (?!101)\d/,
  },
];

/** The table. */
export const requestFaults: readonly RequestFault[] = [...contentTypes, ...heads, ...tricks, ...smuggling, ...ids, ...verbs];
