/** Bad input gets a clear error in the door's own shape, never stops the process, and is quoted nowhere. */
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ChatRequestSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import { doorClients } from "./doors.ts";
import { createScene, expectNothingInFlight, type Part, says, type Scene } from "./scene.ts";
import { deepToolResult, frame, grpc, post, type RawAnswer, request } from "./wire.ts";

const canary = "canary7f3a";
const callerKey = `${canary}-caller-key`;
const upstreamKey = `sk-${canary}-upstream-key-0123456789`;
const bodyMax = 65_536;

let scene: Scene;
let good: Part;
const answers: string[] = [];
beforeAll(async () => {
  scene = await createScene({
    serverSettings: `max_body: ${bodyMax}`,
    firstSettings: `api_key: "${upstreamKey}"`,
    more: `auth: {keys: [{name: team, key: "${callerKey}"}]}`,
  });
  good = scene.part(says("fine"));
});
afterAll(() => scene[Symbol.asyncDispose]());

type Headers = Readonly<Record<string, string>>;
const authorized = (headers: Headers = {}): Record<string, string> => ({ authorization: `Bearer ${callerKey}`, ...headers });
const remember = (answer: RawAnswer): RawAnswer => {
  answers.push(answer.text);
  return answer;
};
const chatPath = "/v1/chat/completions";
const rpcPath = "/semaroute.v1.RouterService/Chat";
const streamPath = "/semaroute.v1.RouterService/StreamChat";
const restPost = async (body: string | Uint8Array, headers?: Headers) =>
  remember(await post(scene.url + chatPath, body, authorized(headers)));
const connectPost = async (body: string | Uint8Array, headers?: Headers) =>
  remember(await post(scene.url + rpcPath, body, authorized(headers)));
const grpcPost = async (body: Uint8Array, headers?: Headers, path = rpcPath) =>
  remember(await grpc(scene.url, path, body, authorized(headers)));
const json = "application/grpc+json";

const prompt = [{ role: "user", content: `${canary} prompt` }];
const rpcPrompt = [{ role: "ROLE_USER", text: `${canary} prompt` }];
const rest = (more: object): string => JSON.stringify({ model: good.model, messages: prompt, ...more });
const rpc = (more: object): string => JSON.stringify({ model: good.model, messages: rpcPrompt, ...more });
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
/** A request whose JSON has so many levels in all. */
const deep = (body: string, levels: number): string => `${body.slice(0, -1)},"nobody_knows_it":${nested(levels - 1)}}`;
const large = "x".repeat(bodyMax);
/** Far above max_body, and far below it as it comes. */
const bomb = gzipSync("0".repeat(4_000_000));
const notUtf8 = (body: string): Buffer =>
  Buffer.concat([Buffer.from(body.slice(0, -1)), Buffer.from(',"user":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
const binary = (text: string): Uint8Array =>
  toBinary(ChatRequestSchema, create(ChatRequestSchema, { model: good.model, messages: [{ role: 2, text }] }));
interface Case {
  readonly what: string;
  readonly send: () => Promise<RawAnswer>;
  readonly status: number;
  readonly code: string;
  /** `param` of REST, the reason of the others. */
  readonly detail?: string;
}

const invalid = { status: 400, code: "invalid_request" };
const restCases: readonly Case[] = [
  { what: "a body above max_body", send: () => restPost(rest({ user: large })), status: 413, code: "request_too_large" },
  {
    what: "such a body of untold length",
    send: async () =>
      remember(
        await request(scene.url + chatPath, {
          method: "POST",
          headers: authorized({ "content-type": "application/json" }),
          body: new Blob([rest({ user: large })]).stream(),
          duplex: "half",
        }),
      ),
    status: 413,
    code: "request_too_large",
  },
  { what: "JSON of 65 levels", send: () => restPost(deep(rest({}), 65)), ...invalid },
  { what: "JSON of 30,000 levels", send: () => restPost(deep(rest({}), 30_000)), ...invalid },
  { what: "nothing", send: () => restPost(""), ...invalid },
  { what: "garbage", send: () => restPost(`\0\x01${canary}`), ...invalid },
  { what: "half of a JSON text", send: () => restPost(rest({}).slice(0, -20)), ...invalid },
  { what: "JSON that is no object", send: () => restPost(`["${canary}"]`), ...invalid },
  { what: "bytes that are no UTF-8", send: () => restPost(notUtf8(rest({}))), ...invalid },
  { what: "no model", send: () => restPost(JSON.stringify({ messages: prompt })), ...invalid, detail: "model" },
  { what: "a model that is a number", send: () => restPost(rest({ model: 7 })), ...invalid, detail: "model" },
  { what: "an unknown model", send: () => restPost(rest({ model: "nobody" })), status: 404, code: "model_not_found", detail: "model" },
  { what: "no messages", send: () => restPost(rest({ messages: [] })), ...invalid, detail: "messages" },
  { what: "messages that are a text", send: () => restPost(rest({ messages: canary })), ...invalid, detail: "messages" },
  {
    what: "content that is a number",
    send: () => restPost(rest({ messages: [{ role: "user", content: 5 }] })),
    ...invalid,
    detail: "messages[0].content",
  },
  {
    what: "a role that is none",
    send: () => restPost(rest({ messages: [{ role: canary, content: "" }] })),
    ...invalid,
    detail: "messages[0].role",
  },
  { what: "a temperature that is a text", send: () => restPost(rest({ temperature: canary })), ...invalid, detail: "temperature" },
  { what: "stream that is a text", send: () => restPost(rest({ stream: canary })), ...invalid, detail: "stream" },
  {
    what: "another content type",
    send: () => restPost(rest({}), { "content-type": "text/plain" }),
    status: 415,
    code: "unsupported_media_type",
  },
  { what: "a body that is called gzip and is not", send: () => restPost(rest({}), { "content-encoding": "gzip" }), ...invalid },
  { what: "truncated gzip", send: () => restPost(gzipSync(rest({})).subarray(0, -12), { "content-encoding": "gzip" }), ...invalid },
  { what: "a bomb of gzip", send: () => restPost(bomb, { "content-encoding": "gzip" }), status: 413, code: "request_too_large" },
  ...["br", "x-zstd", "deflate", "gzip, gzip", "x"].map((coding) => ({
    what: `the content encoding ${coding}`,
    send: () => restPost(gzipSync(rest({})), { "content-encoding": coding }),
    status: 415,
    code: "unsupported_encoding",
  })),
  ...[
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "application/grpc+json",
    "",
    "x",
  ].map((type) => ({
    what: `the content type ${JSON.stringify(type)}`,
    send: () => restPost(rest({}), { "content-type": type, ...(type === "" && { origin: scene.url }) }),
    status: type === "application/grpc+json" ? 200 : 415,
    code: type === "application/grpc+json" ? "12" : "unsupported_media_type",
  })),
  { what: "a key twice", send: () => restPost(rest({}).replace("{", '{"model":"x",')), ...invalid, detail: "model" },
  {
    what: "a key twice, deep down",
    send: () => restPost(rest({ user: "x" }).replace('"role":', '"role":"system","role":')),
    ...invalid,
    detail: "messages[0].role",
  },
  { what: "a prototype", send: () => restPost(rest({}).replace("{", '{"__proto__":{"admin":true},')), ...invalid, detail: "__proto__" },
  { what: "the prototype of a constructor", send: () => restPost(rest({ metadata: { constructor: { prototype: {} } } })), ...invalid },
  { what: "a number that is too large", send: () => restPost(rest({}).replace("{", '{"temperature":1e999,')), ...invalid },
  { what: "half of a character", send: () => restPost(rest({}).replace("{", String.raw`{"user":"\ud83d",`)), ...invalid },
  { what: "a comment", send: () => restPost(rest({}).replace("{", "{/* hi */")), ...invalid },
  { what: "a comma too many", send: () => restPost(rest({}).replace("]", ",]")), ...invalid },
  {
    what: "a path that is none",
    send: async () => remember(await post(`${scene.url}/chat/completions`, rest({}))),
    status: 404,
    code: "not_found",
  },
  {
    what: "another method",
    send: async () => remember(await request(scene.url + chatPath, { method: "GET" })),
    status: 405,
    code: "method_not_allowed",
  },
  { what: "no key", send: async () => remember(await post(scene.url + chatPath, rest({}))), status: 401, code: "invalid_api_key" },
  {
    what: "a wrong key",
    send: () => restPost(rest({}), { authorization: `Bearer ${canary}-wrong` }),
    status: 401,
    code: "invalid_api_key",
  },
  { what: "two different keys", send: () => restPost(rest({}), { "x-api-key": `${canary}-other` }), ...invalid },
];

const wishes: readonly (readonly [header: string, value: string])[] = [
  ["x-semaroute-timeout-ms", `soon-${canary}`],
  ["x-semaroute-timeout-ms", "0"],
  ["x-semaroute-timeout-ms", "-5"],
  ["x-semaroute-tags", canary],
  ["x-semaroute-tags", "a=1,a=2"],
  ["x-semaroute-affinity", canary.repeat(30)],
  ["x-semaroute-cache", `maybe-${canary}`],
  ["traceparent", `00-${canary}-01`],
  ["traceparent", `00-${"0".repeat(32)}-${"0".repeat(16)}-00`],
];

const refused = { status: 400, code: "invalid_argument", detail: "INVALID_REQUEST" };
const tooLarge = { status: 429, code: "resource_exhausted", detail: "REQUEST_TOO_LARGE" };
const connectCases: readonly Case[] = [
  {
    what: "a message above max_body",
    send: () => connectPost(rpc({ endUserId: large })),
    status: 429,
    code: "resource_exhausted",
    detail: "REQUEST_TOO_LARGE",
  },
  { what: "JSON of 65 levels", send: () => connectPost(deep(rpc({}), 65)), ...refused },
  { what: "JSON of 30,000 levels", send: () => connectPost(deep(rpc({}), 30_000)), ...refused },
  { what: "garbage", send: () => connectPost(`\0\x01${canary}`), ...refused },
  { what: "bytes that are no UTF-8", send: () => connectPost(notUtf8(rpc({}))), ...refused },
  {
    what: "garbage as binary",
    send: () => connectPost(Buffer.from(`\xff\xff${canary}`, "latin1"), { "content-type": "application/proto" }),
    ...refused,
  },
  { what: "wrong types", send: () => connectPost(rpc({ maxOutputTokens: canary })), ...refused },
  { what: "a key twice", send: () => connectPost(rpc({}).replace("{", '{"model":"x",')), ...refused },
  { what: "a prototype", send: () => connectPost(rpc({}).replace("{", '{"metadata":{"__proto__":"x"},')), ...refused },
  { what: "a number that is too large", send: () => connectPost(rpc({}).replace("{", '{"sampling":{"temperature":1e999},')), ...refused },
  { what: "half of a character", send: () => connectPost(rpc({}).replace("{", String.raw`{"endUserId":"\ud83d",`)), ...refused },
  { what: "a bomb of gzip", send: () => connectPost(bomb, { "content-encoding": "gzip" }), ...tooLarge },
  {
    what: "truncated gzip",
    send: () => connectPost(gzipSync(rpc({})).subarray(0, -12), { "content-encoding": "gzip" }),
    status: 500,
    code: "internal",
  },
  {
    what: "a content encoding nobody knows",
    send: () => connectPost(rpc({}), { "content-encoding": "zstd" }),
    status: 501,
    code: "unimplemented",
    detail: "UNIMPLEMENTED",
  },
  { what: "no messages", send: () => connectPost(rpc({ messages: [] })), ...refused },
  {
    what: "an unknown model",
    send: () => connectPost(rpc({ model: "nobody" })),
    status: 404,
    code: "not_found",
    detail: "MODEL_NOT_FOUND",
  },
  {
    what: "no key",
    send: async () => remember(await post(scene.url + rpcPath, rpc({}))),
    status: 401,
    code: "unauthenticated",
    detail: "CALLER_UNAUTHENTICATED",
  },
  {
    what: "a wrong key",
    send: () => connectPost(rpc({}), { authorization: `Bearer ${canary}-wrong` }),
    status: 401,
    code: "unauthenticated",
    detail: "CALLER_UNAUTHENTICATED",
  },
  { what: "two different keys", send: () => connectPost(rpc({}), { "x-api-key": `${canary}-other` }), ...refused },
];

const no = { status: 200, code: "3", detail: "INVALID_REQUEST" };
const grpcCases: readonly Case[] = [
  { what: "a message above max_body", send: () => grpcPost(frame(binary(large))), status: 200, code: "8", detail: "REQUEST_TOO_LARGE" },
  {
    what: "a frame that says it is 4 GiB long",
    send: () => grpcPost(frame(binary(canary), { length: 2 ** 32 - 1 })),
    status: 200,
    code: "8",
    detail: "REQUEST_TOO_LARGE",
  },
  { what: "a truncated frame", send: () => grpcPost(frame(binary(canary), { length: 5000 })), ...no },
  { what: "half of a frame's head", send: () => grpcPost(Buffer.from([0, 0])), ...no },
  { what: "JSON of 65 levels", send: () => grpcPost(frame(deep(rpc({}), 65)), { "content-type": json }), ...no },
  { what: "JSON of 65 levels to the stream", send: () => grpcPost(frame(deep(rpc({}), 65)), { "content-type": json }, streamPath), ...no },
  { what: "JSON that is garbage", send: () => grpcPost(frame(`{${canary}`), { "content-type": json }), ...no },
  { what: "a message nested 3,000 deep", send: () => grpcPost(frame(deepToolResult(3000))), ...no },
  { what: "garbage", send: () => grpcPost(frame(Buffer.from(`\xff\xff\xff${canary}`, "latin1"))), ...no },
  {
    what: "no messages",
    send: () => grpcPost(frame(toBinary(ChatRequestSchema, create(ChatRequestSchema, { model: good.model })))),
    ...no,
  },
  { what: "an empty message", send: () => grpcPost(frame("")), ...no },
  {
    what: "a compressed frame without an encoding",
    send: () => grpcPost(frame(binary(canary), { flags: 1 })),
    status: 200,
    code: "13",
    detail: "INTERNAL",
  },
  {
    what: "an encoding nobody knows",
    send: () => grpcPost(frame(binary(canary), { flags: 1 }), { "grpc-encoding": "snappy" }),
    status: 200,
    code: "12",
    detail: "UNIMPLEMENTED",
  },
  {
    what: "a bomb of gzip",
    send: () => grpcPost(frame(bomb, { flags: 1 }), { "content-type": json, "grpc-encoding": "gzip" }),
    status: 200,
    code: "8",
    detail: "REQUEST_TOO_LARGE",
  },
  {
    what: "a bomb of gzip to the stream",
    send: () => grpcPost(frame(bomb, { flags: 1 }), { "content-type": json, "grpc-encoding": "gzip" }, streamPath),
    status: 200,
    code: "8",
    detail: "REQUEST_TOO_LARGE",
  },
  {
    what: "truncated gzip",
    send: () => grpcPost(frame(gzipSync(binary("hi")).subarray(0, -12), { flags: 1 }), { "grpc-encoding": "gzip" }),
    status: 200,
    code: "13",
  },
  { what: "no message", send: () => grpcPost(Buffer.alloc(0)), status: 200, code: "12" },
  { what: "two messages", send: () => grpcPost(Buffer.concat([frame(binary("hi")), frame(binary("ho"))])), status: 200, code: "12" },
  {
    what: "a flood of empty messages",
    send: () => grpcPost(Buffer.concat(Array.from({ length: 10_000 }, () => frame("")))),
    status: 200,
    code: "12",
  },
  { what: "a key twice", send: () => grpcPost(frame(rpc({}).replace("{", '{"model":"x",')), { "content-type": json }), ...no },
  {
    what: "a prototype to the stream",
    send: () => grpcPost(frame(rpc({}).replace("{", '{"__proto__":{},')), { "content-type": json }, streamPath),
    ...no,
  },
  {
    what: "text of gRPC-Web",
    send: () => grpcPost(Buffer.from("AAAAA==="), { "content-type": "application/grpc-web-text" }),
    status: 415,
    code: "",
  },
  { what: "a method that is none", send: () => grpcPost(frame(""), {}, "/semaroute.v1.RouterService/Nothing"), status: 200, code: "12" },
  { what: "a service that is none", send: () => grpcPost(frame(""), {}, "/nobody.v1.Nothing/Get"), status: 200, code: "12" },
  { what: "another content type", send: () => grpcPost(frame(""), { "content-type": "text/plain" }), status: 415, code: "" },
  { what: "a deadline that is none", send: () => grpcPost(frame(binary("hi")), { "grpc-timeout": "soon" }), ...no },
  {
    what: "no key",
    send: async () => remember(await grpc(scene.url, rpcPath, frame(binary(canary)))),
    status: 200,
    code: "16",
    detail: "CALLER_UNAUTHENTICATED",
  },
];

describe.each([
  ["REST", restCases],
  ["Connect", connectCases],
  ["gRPC", grpcCases],
] as const)("%s refuses", (_door, cases) => {
  test.concurrent.each(cases)("$what", async ({ send, status, code, detail }) => {
    const answer = await send();
    expect([answer.status, answer.code], answer.text).toEqual([status, code]);
    if (detail !== undefined) expect(answer.detail).toBe(detail);
  });
});

test.each(wishes)("header %s: %s is refused by every door, by its name", async (name, value) => {
  const byRest = await restPost(rest({}), { [name]: value });
  expect([byRest.status, byRest.code, byRest.detail]).toEqual([400, "invalid_request", name]);
  const byConnect = await connectPost(rpc({}), { [name]: value });
  expect([byConnect.status, byConnect.code]).toEqual([400, "invalid_argument"]);
  expect(byConnect.text).toContain(name);
  expect((await grpcPost(frame(binary("hi")), { [name]: value })).code).toBe("3");
});

test("64 levels are not too deep", async () => {
  expect((await restPost(deep(rest({}), 64))).status).toBe(200);
  expect((await connectPost(deep(rpc({}), 64))).status).toBe(200);
  expect((await grpcPost(frame(deep(rpc({}), 64)), { "content-type": json })).code).toBe("0");
});

test("after all this the same process answers every door, and holds nothing open", async () => {
  for (const door of doorClients) expect((await door.ask(scene.url, { model: good.model, headers: authorized() })).text).toBe("fine");
  await expectNothingInFlight(scene);
});

test("what was sent, and every key, is quoted nowhere", async () => {
  const quoting = scene.part((reply) =>
    reply.json({ error: { message: `your key ${upstreamKey} may not say ${canary} prompt`, type: "invalid_request_error" } }, 400),
  );
  const own = await restPost(JSON.stringify({ model: quoting.model, messages: prompt }));
  answers.pop();
  expect(own.status).toBe(400);
  expect(own.text).not.toContain(upstreamKey);
  const pages = [
    "/metrics",
    "/health",
    "/openapi.json",
    "/admin/providers",
    "/admin/providers/first/health",
    "/admin/policy",
    "/admin/stats",
  ];
  for (const page of pages) answers.push(await (await scene.admin(page)).text());
  await scene.server.stop();
  expect(answers.filter((text) => text.includes(canary))).toEqual([]);
  expect(scene.server.lines.filter((line) => JSON.stringify(line).includes(canary))).toEqual([]);
  expect(scene.server.complaints()).toBe("");
  // What callers do wrong is not our bug; only who may not come in is worth a warning.
  const loud = scene.server.lines.filter(({ level }) => level !== "info");
  expect(loud.filter(({ message, reason }) => message !== "refused" || !String(reason).startsWith("CALLER_"))).toEqual([]);
});
