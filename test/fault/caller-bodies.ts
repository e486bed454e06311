/** K08 to K13, K20 and K21: requests whose body is wrong, as data. Each is sent by every protocol it can be sent by. */
import { gzipSync } from "node:zlib";
import type { Failure } from "../../src/core/error.ts";
import { asSent, bodyOf, isFramed, isRest, type Protocol, type RawQuestion, typeOf } from "./caller-wire.ts";

/** What must come of it. */
export type Told =
  | { readonly answered: true }
  /** `param` of REST, named in the text of the others; undefined: the fault has no place. */
  | { readonly reason: Exclude<Failure, "CANCELLED">; readonly field?: string }
  /** What HTTP, gRPC or Connect have a word for, and our own table has not. */
  | { readonly http: number; readonly grpc?: number; readonly code?: string };

/** One wrong body. */
export interface BodyFault {
  readonly id: string;
  readonly fault: string;
  /** What is sent; undefined: this protocol cannot say such a thing, and has no cell. */
  readonly sends: (protocol: Protocol, model: string) => RawQuestion | undefined;
  readonly told: Told | ((protocol: Protocol) => Told);
}

/** A binary message that is small on the wire and would be huge once decoded. */
const manyMessages = (count: number, pack: boolean) => (protocol: Protocol) => {
  const bytes = Buffer.alloc(2 * count, Buffer.from([0x12, 0]));
  const question = (pack ? compressed(protocol, gzipSync(bytes)) : undefined) ?? { body: bytes };
  const type = protocol === "connect unary" ? "application/proto" : typeOf(protocol).replace("json", "proto");
  return { ...question, headers: { ...("headers" in question ? question.headers : {}), "content-type": type } };
};

/** `server.max_body` while they are sent. */
export const maxBody = 256 * 1024;

const answered = { answered: true } as const;
const invalid = { reason: "INVALID_REQUEST" } as const;
const tooLarge = { reason: "REQUEST_TOO_LARGE" } as const;
/** By WebSocket such a frame ends the socket, with this code (RFC 6455, 7.4.1). */
const closes =
  (code: 1007 | 1009, told: Told): BodyFault["told"] =>
  (protocol) =>
    protocol === "WebSocket" ? { http: code } : told;
/** A field is named by its path in the frame where it is the frame that cannot be read. */
const inFrame =
  (field: string): BodyFault["told"] =>
  (protocol) => ({ ...invalid, field: protocol === "WebSocket" ? `request.${field}` : field });

/** A good body with one more member, which nobody knows. */
const withMember = (value: string) => (protocol: Protocol, model: string) => ({
  body: bodyOf(protocol, model, `"nobody_knows_it":${value}`),
});
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
/** Bytes in place of the marker `~` in a good body. */
const withBytes = (hex: string) => (protocol: Protocol, model: string) => {
  const body = bodyOf(protocol, model, '"nobody_knows_it":"~"');
  const at = body.indexOf("~");
  return { body: Buffer.concat([Buffer.from(body.slice(0, at)), Buffer.from(hex, "hex"), Buffer.from(body.slice(at + 1))]) };
};
const onlyRest =
  (sends: BodyFault["sends"]): BodyFault["sends"] =>
  (protocol, model) =>
    isRest(protocol) ? sends(protocol, model) : undefined;
const onlyRpc =
  (sends: BodyFault["sends"]): BodyFault["sends"] =>
  (protocol, model) =>
    isRest(protocol) ? undefined : sends(protocol, model);
const onlyFramed =
  (sends: BodyFault["sends"]): BodyFault["sends"] =>
  (protocol, model) =>
    isFramed(protocol) ? sends(protocol, model) : undefined;

/** How a protocol says that a message is compressed; frames of WebSocket are not. */
function compressed(protocol: Protocol, bytes: Uint8Array, encoding = "gzip"): RawQuestion | undefined {
  if (protocol === "WebSocket") return undefined;
  if (isRest(protocol) || protocol === "connect unary") return { body: bytes, headers: { "content-encoding": encoding } };
  const header = protocol === "connect stream" ? "connect-content-encoding" : "grpc-encoding";
  return { body: bytes, flags: 1, headers: { [header]: encoding } };
}

/** A message of REST with these members instead of the good ones. */
const members = (text: string): BodyFault["sends"] => onlyRest((protocol, model) => ({ body: bodyOf(protocol, model, text) }));
/** The first member of a name counts for nothing here: JSON with one name twice is refused, so the good one is cut out. */
const without = (name: string, instead: string): BodyFault["sends"] =>
  onlyRest((protocol, model) => {
    const { [name]: _, ...rest } = JSON.parse(bodyOf(protocol === "SSE" ? "SSE" : "REST", model));
    const text = JSON.stringify(rest);
    return { body: asSent(protocol, instead === "" ? text : `${text.slice(0, -1)},"${name}":${instead}}`) };
  });
const aMessage = (message: string): BodyFault["sends"] => without("messages", `[${message}]`);

/** The table. */
export const bodyFaults: readonly BodyFault[] = [
  { id: "K08", fault: "a body above max_body", sends: withMember(`"${"x".repeat(maxBody)}"`), told: closes(1009, tooLarge) },
  {
    id: "K08",
    fault: "a frame that says it is 4 GiB long",
    sends: onlyFramed((protocol, model) => ({ body: bodyOf(protocol, model).slice(0, 10), length: 2 ** 32 - 1 })),
    told: tooLarge,
  },
  {
    id: "K09",
    fault: "gzip of a thousand times its size",
    sends: (protocol, model) => compressed(protocol, gzipSync(bodyOf(protocol, model, `"nobody_knows_it":"${" ".repeat(64 * 2 ** 20)}"`))),
    told: tooLarge,
  },
  { id: "K08", fault: "110,000 empty messages in binary", sends: onlyRpc(manyMessages(110_000, false)), told: invalid },
  { id: "K09", fault: "125,000 empty messages in binary, as gzip", sends: onlyRpc(manyMessages(125_000, true)), told: invalid },
  { id: "K09", fault: "8,000,000 empty messages in binary, as gzip", sends: onlyRpc(manyMessages(8_000_000, true)), told: tooLarge },
  {
    id: "K08",
    fault: "20,000 empty messages in JSON",
    sends: onlyRpc((_protocol, model) => ({ body: JSON.stringify({ model, messages: Array.from({ length: 20_000 }, () => ({})) }) })),
    told: invalid,
  },
  {
    id: "K09",
    fault: "gzip that ends too early",
    sends: (protocol, model) => compressed(protocol, gzipSync(bodyOf(protocol, model)).subarray(0, -12)),
    told: (protocol) => (isRest(protocol) ? invalid : { http: protocol === "connect unary" ? 500 : 200, grpc: 13 }),
  },
  {
    id: "K09",
    fault: "an encoding that nobody speaks",
    sends: (protocol, model) => compressed(protocol, Buffer.from(bodyOf(protocol, model)), "lzma"),
    told: (protocol) =>
      isRest(protocol) ? { http: 415, code: "unsupported_encoding" } : { http: protocol === "connect unary" ? 501 : 200, grpc: 12 },
  },
  {
    id: "K09",
    fault: "a compressed frame without an encoding",
    sends: onlyFramed((protocol, model) => ({ body: gzipSync(bodyOf(protocol, model)), flags: 1 })),
    told: { http: 200, grpc: 13 },
  },
  {
    id: "K09",
    fault: "a body with gzip, as it should be",
    sends: (protocol, model) => compressed(protocol, gzipSync(bodyOf(protocol, model))),
    told: answered,
  },
  // A frame is a level of its own.
  {
    id: "K10",
    fault: "64 levels of JSON",
    sends: (protocol, model) => withMember(nested(protocol === "WebSocket" ? 62 : 63))(protocol, model),
    told: answered,
  },
  { id: "K10", fault: "65 levels of JSON", sends: withMember(nested(64)), told: invalid },
  { id: "K10", fault: "100,000 levels of JSON", sends: withMember(nested(100_000)), told: invalid },
  { id: "K10", fault: "20,001 values", sends: withMember(`[${"0,".repeat(20_000)}0]`), told: answered },
  { id: "K10", fault: "a key of 200 KiB", sends: withMember(`{"${"k".repeat(200 * 1024)}":1}`), told: answered },
  { id: "K10", fault: "a number beyond all numbers", sends: members('"temperature":1e999'), told: invalid },
  { id: "K10", fault: "half of a surrogate pair", sends: withMember(String.raw`"\ud800"`), told: invalid },
  {
    id: "K10",
    fault: "a byte order mark",
    sends: (protocol, model) => ({ body: `\ufeff${bodyOf(protocol, model)}` }),
    told: answered,
  },
  { id: "K10", fault: "a trailing comma", sends: withMember("[1,]"), told: invalid },
  { id: "K10", fault: "a comment", sends: withMember("1/* one */"), told: invalid },
  { id: "K10", fault: "NaN", sends: withMember("NaN"), told: invalid },
  { id: "K10", fault: "half of a JSON text", sends: (protocol, model) => ({ body: bodyOf(protocol, model).slice(0, -9) }), told: invalid },
  { id: "K10", fault: "an empty body", sends: () => ({ body: "" }), told: invalid },
  { id: "K11", fault: "bytes that are no UTF-8", sends: withBytes("fffe"), told: closes(1007, invalid) },
  { id: "K11", fault: "an overlong slash", sends: withBytes("c0af"), told: closes(1007, invalid) },
  { id: "K11", fault: "a surrogate in UTF-8", sends: withBytes("eda080"), told: closes(1007, invalid) },
  { id: "K11", fault: "half of a character", sends: withBytes("e282"), told: closes(1007, invalid) },
  {
    id: "K12",
    fault: "model twice",
    sends: (protocol, model) => ({ body: bodyOf(protocol, model, '"model":"auto"') }),
    told: inFrame("model"),
  },
  { id: "K12", fault: "stream twice", sends: members('"stream":false'), told: inFrame("stream") },
  { id: "K12", fault: "a key twice, spelt in two ways", sends: withMember(String.raw`{"a":1,"\u0061":2}`), told: invalid },
  { id: "K13", fault: "__proto__ as a key", sends: withMember('{"__proto__":{"admin":true}}'), told: invalid },
  { id: "K13", fault: "constructor.prototype as keys", sends: withMember('{"constructor":{"prototype":{"admin":true}}}'), told: invalid },
  {
    id: "K13",
    fault: "properties of a tool that are called constructor and __proto__",
    sends: members(
      '"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"constructor":{"type":"string"}}}}}]',
    ),
    told: answered,
  },
  {
    id: "K20",
    fault: "a model that nobody has",
    sends: (protocol) => ({ body: bodyOf(protocol, "nobody-has-it") }),
    told: { reason: "MODEL_NOT_FOUND" },
  },
  {
    id: "K20",
    fault: "a model of a provider that nobody has",
    sends: (protocol) => ({ body: bodyOf(protocol, "nobody/has-it") }),
    told: { reason: "MODEL_NOT_FOUND" },
  },
  { id: "K20", fault: "a star for a model", sends: (protocol) => ({ body: bodyOf(protocol, "*") }), told: { reason: "MODEL_NOT_FOUND" } },
  {
    id: "K20",
    fault: "a model in other letters",
    sends: (protocol, model) => ({ body: bodyOf(protocol, model.toUpperCase()) }),
    told: { reason: "MODEL_NOT_FOUND" },
  },
  { id: "K21", fault: "a field that nobody knows", sends: withMember("{}"), told: answered },
  { id: "K21", fault: "no messages", sends: without("messages", "[]"), told: { ...invalid, field: "messages" } },
  { id: "K21", fault: "null for messages", sends: without("messages", "null"), told: { ...invalid, field: "messages" } },
  { id: "K21", fault: "a text for messages", sends: without("messages", '"hi"'), told: { ...invalid, field: "messages" } },
  { id: "K21", fault: "a number for a model", sends: without("model", "7"), told: { ...invalid, field: "model" } },
  {
    id: "K21",
    fault: "a role that is none",
    sends: aMessage('{"role":"wizard","content":"hi"}'),
    told: { ...invalid, field: "messages[0].role" },
  },
  {
    id: "K21",
    fault: "content that is a number",
    sends: aMessage('{"role":"user","content":5}'),
    told: { ...invalid, field: "messages[0].content" },
  },
  { id: "K21", fault: "max_tokens below zero", sends: members('"max_tokens":-1'), told: { ...invalid, field: "max_tokens" } },
  { id: "K21", fault: "max_tokens of a million millions", sends: members('"max_tokens":1e12'), told: { ...invalid, field: "max_tokens" } },
  { id: "K21", fault: "a thousand choices", sends: members('"n":1000'), told: { ...invalid, field: "n" } },
  { id: "K21", fault: "a hot temperature", sends: members('"temperature":"hot"'), told: { ...invalid, field: "temperature" } },
  {
    id: "K21",
    fault: "wrong types by RPC",
    sends: onlyRpc((protocol, model) => ({ body: bodyOf(protocol, model, '"maxOutputTokens":"many"') })),
    told: invalid,
  },
  {
    id: "K21",
    fault: "no messages by RPC",
    sends: onlyRpc((_protocol, model) => ({ body: JSON.stringify({ model, messages: [] }) })),
    told: invalid,
  },
];
