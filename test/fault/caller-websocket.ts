/** K31: WebSocket that is none, as data: requests that open no socket, and frames that end one. */
import { handshake, opcode, type RawSocket, wsFrame } from "../support/raw-websocket.ts";
import { maxBody } from "./caller-bodies.ts";
import { canaries } from "./canaries.ts";

/** A request for a socket that is refused. */
export interface HandshakeFault {
  readonly fault: string;
  readonly bytes: string;
  /** What comes back, byte for byte as text. */
  readonly told: RegExp;
}

const auth = `authorization: Bearer ${canaries.callerKey}`;
const status = (code: number, word: string): RegExp => new RegExp(`^HTTP/1\\.1 ${code} [^]*"code":"${word}"`);

/** Requests. */
export const handshakeFaults: readonly HandshakeFault[] = [
  { fault: "no key of its own", bytes: handshake([auth, "sec-websocket-key:"]), told: status(400, "invalid_request") },
  { fault: "a key of too few bytes", bytes: handshake([auth, "sec-websocket-key: c2hvcnQ="]), told: status(400, "invalid_request") },
  {
    fault: "a version of its youth",
    bytes: handshake([auth, "sec-websocket-version: 8"]),
    told: /^HTTP\/1\.1 426 [^]*\r\nsec-websocket-version: 13\r\n/i,
  },
  { fault: "a plain GET", bytes: handshake([auth, "upgrade: none"]), told: /^HTTP\/1\.1 426 [^]*\r\nupgrade: websocket\r\n/i },
  { fault: "a wish for HTTP/2", bytes: handshake([auth, "upgrade: h2c"]), told: status(426, "upgrade_required") },
  { fault: "a POST", bytes: handshake([auth], "POST /v1/realtime/chat HTTP/1.1"), told: status(405, "method_not_allowed") },
  { fault: "another path", bytes: handshake([auth], "GET /v1/realtime/chats HTTP/1.1"), told: status(404, "not_found") },
  { fault: "two hosts", bytes: handshake([auth, "host: localhost", "host: other"]), told: status(400, "invalid_request") },
  { fault: "a foreign page", bytes: handshake([auth, "origin: https://evil.example"]), told: status(403, "permission_denied") },
  { fault: "a page of another site", bytes: handshake([auth, "sec-fetch-site: cross-site"]), told: status(403, "permission_denied") },
  { fault: "no key of ours", bytes: handshake(), told: status(401, "invalid_api_key") },
  {
    fault: "another key among the subprotocols",
    bytes: handshake([auth, `sec-websocket-protocol: semaroute.key.other`]),
    told: status(400, "invalid_request"),
  },
  {
    fault: "two keys among the subprotocols",
    bytes: handshake([`sec-websocket-protocol: semaroute.key.a, semaroute.key.b`]),
    told: status(400, "invalid_request"),
  },
  {
    fault: "subprotocols that are no names",
    bytes: handshake([auth, "sec-websocket-protocol: a, ,b"]),
    told: status(400, "invalid_request"),
  },
  { fault: "a wish that is none", bytes: handshake([auth, "x-semaroute-timeout-ms: soon"]), told: status(400, "invalid_request") },
];

/** Bytes on an open socket. */
export interface FrameFault {
  readonly fault: string;
  readonly plays: (socket: RawSocket) => Promise<void>;
  /** The code the socket is closed with; undefined: it goes on, and says so many error frames. */
  readonly code?: number;
  readonly errors?: number;
}

const sends =
  (...frames: readonly Buffer[]): FrameFault["plays"] =>
  (socket) =>
    socket.send(...frames);
const half = `{"type":"chat","id":"half","request":{"model":"`;

/** Frames. Codes are those of RFC 6455, 7.4.1. */
export const frameFaults: readonly FrameFault[] = [
  { fault: "a frame without a mask", plays: sends(wsFrame(opcode.text, "{}", { masked: false })), code: 1002 },
  { fault: "a frame that says it is compressed", plays: sends(wsFrame(opcode.text, "{}", { reserved: 4 })), code: 1002 },
  { fault: "a kind that nobody knows", plays: sends(wsFrame(opcode.reserved, "{}")), code: 1002 },
  { fault: "a ping in two pieces", plays: sends(wsFrame(opcode.ping, "", { fin: false })), code: 1002 },
  { fault: "a ping of 126 bytes", plays: sends(wsFrame(opcode.ping, "p".repeat(126))), code: 1002 },
  { fault: "a continuation of nothing", plays: sends(wsFrame(opcode.continuation, "{}")), code: 1002 },
  {
    fault: "a message within another",
    plays: sends(wsFrame(opcode.text, half, { fin: false }), wsFrame(opcode.text, "{}")),
    code: 1002,
  },
  { fault: "a closing with half of a code", plays: sends(wsFrame(opcode.close, "x")), code: 1002 },
  { fault: "a closing with a code that is none", plays: sends(wsFrame(opcode.close, Buffer.from([0x03, 0xed]))), code: 1002 },
  { fault: "a length of 2^63", plays: sends(wsFrame(opcode.text, "{}", { length: 2n ** 63n })), code: 1009 },
  { fault: "a length above max_body", plays: sends(wsFrame(opcode.text, "{}", { length: BigInt(maxBody + 1) })), code: 1009 },
  {
    fault: "pieces that are too much together",
    plays: sends(
      wsFrame(opcode.text, "x".repeat(maxBody / 2), { fin: false }),
      wsFrame(opcode.continuation, "x".repeat(maxBody / 2), { fin: false }),
      wsFrame(opcode.continuation, "x"),
    ),
    code: 1009,
  },
  {
    fault: "20,000 pieces of nothing",
    plays: sends(
      wsFrame(opcode.text, "", { fin: false }),
      ...Array.from({ length: 20_000 }, () => wsFrame(opcode.continuation, "", { fin: false })),
    ),
    code: 1008,
  },
  { fault: "HTTP", plays: sends(Buffer.from("GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")), code: 1002 },
  { fault: "a frame of bytes", plays: sends(wsFrame(opcode.binary, "{}")), errors: 1 },
  { fault: "a frame of nothing", plays: sends(wsFrame(opcode.text)), errors: 1 },
  {
    fault: "frames that are no JSON objects",
    plays: sends(...["[]", "null", '"chat"', "7"].map((text) => wsFrame(opcode.text, text))),
    errors: 4,
  },
  {
    fault: "frames without a type, or of one that nobody knows",
    plays: sends(...["{}", '{"id":"x"}', '{"type":"chunk","id":"x"}'].map((text) => wsFrame(opcode.text, text))),
    errors: 3,
  },
  {
    fault: "frames without an id, or with one that is none",
    plays: sends(
      ...["", ',"id":null', ',"id":""', ',"id":{}', ',"id":1.5', `,"id":"${"i".repeat(129)}"`].map((id) =>
        wsFrame(opcode.text, `{"type":"chat"${id}}`),
      ),
    ),
    errors: 6,
  },
  { fault: "cancelling what nobody knows", plays: sends(wsFrame(opcode.text, '{"type":"cancel","id":"nobody"}')), errors: 0 },
  {
    fault: "another key within a frame",
    plays: sends(wsFrame(opcode.text, '{"type":"chat","id":"x","headers":{"Authorization":"Bearer other"},"request":{}}')),
    errors: 1,
  },
];
