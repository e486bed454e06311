import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { readAllBytes } from "@connectrpc/connect/protocol";
import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { ChatRequestSchema, ContentPartSchema } from "../../../gen/semaroute/v1/chat_pb.ts";
import { EmbedRequestSchema } from "../../../gen/semaroute/v1/router_pb.ts";
import { examined } from "../../../src/server/rpc/examined.ts";
import { refuseExcessMessage } from "../../../src/server/rpc/message-bounds.ts";

const repeated = (count: number, ...record: number[]): Uint8Array => Buffer.concat(Array<Uint8Array>(count).fill(Uint8Array.from(record)));
const lengthOf = (bytes: Uint8Array): number[] => [...new BinaryWriter().uint32(bytes.byteLength).finish()];
const field = (number: number, bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from([(number << 3) | 2, ...lengthOf(bytes)]), bytes]);
const levels = (count: number): Uint8Array => {
  let content: Uint8Array = new Uint8Array();
  // A part whose tool result has parts.
  const { toolResult } = toolResultPath;
  for (let i = 0; i < count; i++) content = field(toolResult, field(toolResultPath.content, content));
  return field(2, field(2, content));
};
const toolResult = ContentPartSchema.fields.find(({ name }) => name === "tool_result");
const toolResultPath = {
  toolResult: toolResult?.number ?? 0,
  content: toolResult?.message?.fields.find(({ name }) => name === "content")?.number ?? 0,
};
/** Messages of a request, two bytes each. */
const messages = (count: number): Uint8Array => repeated(count, 0x12, 0);

describe("a binary message", () => {
  for (const [what, bytes, told] of [
    ["100,000 messages", messages(100_000), undefined],
    ["100,001 messages", messages(100_001), "the message has more than 100000 messages and map entries"],
    ["100,001 map entries", repeated(100_001, 0x82, 0x01, 0), "the message has more than 100000 messages and map entries"],
    ["messages within messages", field(2, repeated(100_001, 0x12, 0)), "the message has more than 100000 messages and map entries"],
    ["one message said 100,001 times", repeated(100_001, 0x2a, 0), "the message has more than 100000 messages and map entries"],
    ["1,000,000 values", repeated(1_000_000, 0x52, 0), undefined],
    ["1,000,001 values", repeated(1_000_001, 0x52, 0), "the message has more than 1000000 values"],
    ["1,000,001 values that nobody knows", repeated(1_000_001, 0x98, 0x06, 0), "the message has more than 1000000 values"],
    ["30 levels", levels(30), undefined],
    ["33 levels", levels(33), "the message is nested deeper than 64"],
    ["a group", Uint8Array.from([0x9b, 0x06, 0x9c, 0x06]), "the message has a group"],
    ["a model that is a number", Uint8Array.from([0x08, 1]), "the message's field 1 is written in another type than its own"],
    ["messages that are numbers", Uint8Array.from([0x10, 1]), "the message's field 2 is written in another type than its own"],
    ["a message that ends too early", Uint8Array.from([0x12, 5, 1]), undefined],
  ] as const) {
    test(`of ${what} is ${told === undefined ? "left to its decoder" : "refused"}`, () => {
      const look = (): void => refuseExcessMessage(ChatRequestSchema, bytes);
      if (told === undefined) expect(look).not.toThrow();
      else expect(look).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST", message: told }));
    });
  }

  test("may have so many packed numbers, and not one more", () => {
    const inputs = EmbedRequestSchema.field.inputs;
    const tokens = inputs.message?.fields.find((each) => each.fieldKind === "message" && each.message.field["ids"] !== undefined);
    const packed = (count: number): Uint8Array => field(inputs.number, field(tokens?.number ?? 0, field(1, new Uint8Array(count).fill(7))));
    // The input, its tokens and the record of numbers are values, too.
    expect(() => refuseExcessMessage(EmbedRequestSchema, packed(999_997))).not.toThrow();
    expect(() => refuseExcessMessage(EmbedRequestSchema, packed(999_998))).toThrow("the message has more than 1000000 values");
  });

  test("with everything that a request can say is none of that", () => {
    const all = create(ChatRequestSchema, {
      model: "m",
      messages: [{ role: 1, content: [{}] }],
      n: 1,
      metadata: { a: "b" },
      sampling: { temperature: 0.5, logitBias: { "1": 2 }, stop: ["x"] },
    });
    expect(() => refuseExcessMessage(ChatRequestSchema, toBinary(ChatRequestSchema, all))).not.toThrow();
    expect(WireType.StartGroup).toBe(3);
  });
});

const frame = (bytes: Uint8Array, flags = 0): Uint8Array => {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([prefix, bytes]);
};

async function pass(headers: Record<string, string>, body: Uint8Array, chunk: number): Promise<Uint8Array> {
  const chunks = (async function* () {
    for (let i = 0; i < body.byteLength; i += chunk) yield body.subarray(i, i + chunk);
    await Promise.resolve();
  })();
  const request = { httpVersion: "2.0", method: "POST", url: "http://x/", signal: new AbortController().signal };
  const { body: out } = examined(
    { ...request, header: new Headers(headers), body: chunks },
    { input: ChatRequestSchema, bytesMax: 300_000 },
  );
  if (typeof out !== "object" || out === null || !(Symbol.asyncIterator in out)) throw new Error("no bytes");
  return readAllBytes(out, 2 ** 30);
}

describe("a request", () => {
  const good = messages(3);
  const bad = messages(100_001);
  const refused = expect.objectContaining({ code: Code.InvalidArgument });
  const unary = { "content-type": "application/proto" };
  const grpc = { "content-type": "application/grpc" };
  for (const [what, headers, body, isRefused] of [
    ["a good message", unary, good, false],
    ["a bad message", unary, bad, true],
    ["a bad message as gzip", { ...unary, "content-encoding": "gzip" }, gzipSync(bad), true],
    ["gzip that is none", { ...unary, "content-encoding": "gzip" }, good, false],
    ["a message that is too large", unary, messages(150_001), false],
    ["good frames", grpc, Buffer.concat([frame(good), frame(good)]), false],
    ["a good and a bad frame", { "content-type": "application/grpc-web+proto" }, Buffer.concat([frame(good), frame(bad)]), true],
    ["a bad frame as gzip", { ...grpc, "grpc-encoding": "gzip" }, frame(gzipSync(bad), 1), true],
    [
      "a bad frame of Connect as gzip",
      { "content-type": "application/connect+proto", "connect-content-encoding": "gzip" },
      frame(gzipSync(bad), 1),
      true,
    ],
    ["a plain frame where gzip is spoken", { ...grpc, "grpc-encoding": "gzip" }, frame(bad), true],
    ["half a frame", grpc, frame(good).subarray(0, 8), false],
    ["a frame that is too large", grpc, frame(messages(150_001)), false],
    ["JSON", { "content-type": "application/json" }, bad, false],
  ] as const) {
    for (const chunk of body.byteLength < 100 ? [1, 3] : [997, 65_536]) {
      test(`with ${what}, in chunks of ${chunk}, is ${isRefused ? "refused" : "passed on as it came"}`, async () => {
        const passed = pass(headers, body, chunk);
        if (isRefused) await expect(passed).rejects.toEqual(refused);
        else expect(Buffer.compare(await passed, body)).toBe(0);
      });
    }
  }
});
