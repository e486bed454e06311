import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { expect, test } from "vitest";

import { ChatError } from "../../src/core/error.ts";
import { anthropicMessages } from "../../src/dialects/anthropic-messages/upstream.ts";
import { gemini } from "../../src/dialects/gemini/upstream.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { createHttpProvider } from "../../src/providers/http-provider.ts";
import { readWhole, type WireAnswer, type WireBody, type WireHeaders } from "../../src/providers/wire/body.ts";
import { callProvider } from "../../src/stages/call-provider.ts";
import { readAll, textIn } from "../stages/support.ts";
import { attemptOf, chatRequest, chatTarget } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { chunk, completion } from "../support/scripted-upstream.ts";

/** A body that brings its chunks one read at a time. */
function bodyOf(chunks: readonly Uint8Array[]): WireBody {
  const left = chunks.map((each) => Buffer.from(each));
  const body: WireBody = {
    read: () => Promise.resolve(left.length === 0 ? undefined : left.splice(0, 1)),
    all: (bytesMax) => readWhole(body, { who: "provider up", bytesMax }),
    close: () => void left.splice(0),
  };
  return body;
}

/** Calls a provider whose upstream answers so; a ChatError or an answer, and nothing else. */
async function call(answer: WireAnswer, streamed: boolean, dialect = openaiChat): Promise<string | ChatError> {
  const clock = createFakeClock();
  const provider = createHttpProvider({
    name: "up",
    wire: { send: () => Promise.resolve(answer), close: () => Promise.resolve() },
    dialect,
    quirks: {},
    chatPath: () => "/",
    modelsPath: undefined,
    auth: "bearer",
    apiKey: undefined,
    clock,
  });
  const base = attemptOf(chatRequest("hi"), { target: chatTarget(), streamed });
  try {
    const stream = await callProvider(clock)({ ...base, snapshot: { ...base.snapshot, providers: new Map([["sim", provider]]) } });
    const { batches, error } = await readAll(stream.batches);
    if (error !== undefined) throw error;
    return textIn(batches);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(ChatError);
    if (!(thrown instanceof ChatError)) throw thrown;
    expect(thrown.failure).not.toBe("INTERNAL");
    return thrown;
  } finally {
    // An answer that is complete lets go of its socket at its own pace.
    clock.advance(1000);
    expect(clock.pending()).toBe(0);
  }
}

const headers: WireHeaders = {};
const answerOf = (chunks: readonly Uint8Array[], more: WireHeaders = headers, status = 200): WireAnswer => ({
  status,
  headers: more,
  body: bodyOf(chunks),
});
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const runs = { numRuns: 300 };
const streamed = fc.boolean();
const dialect = fc.constantFrom(openaiChat, anthropicMessages, gemini);
const words = ["choices", "delta", "content", "message", "finish_reason", "usage", "error", "type", "index", "tool_calls", "id", "role"];
const geminiWords = [
  "candidates",
  "parts",
  "text",
  "functionCall",
  "name",
  "inlineData",
  "finishReason",
  "usageMetadata",
  "groundingMetadata",
];
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(
      null,
      "stop",
      "STOP",
      "message_start",
      "content_block_delta",
      "message_stop",
      "error",
      "text",
      -1,
      1e308,
      0.5,
      true,
      "",
    ),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...words, ...geminiWords, "content_block", "__proto__", "constructor"), tie("value"), { maxKeys: 5 }),
  ),
})).value;

test("whatever bytes an upstream answers with, a call ends with an answer or a ChatError that is not our own fault", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 }), streamed, dialect, async (chunks, asked, spoken) => {
      expect(await call(answerOf(chunks), asked, spoken)).toBeInstanceOf(ChatError);
    }),
    runs,
  );
});

test("whatever JSON it answers with", async () => {
  await fc.assert(
    fc.asyncProperty(json, streamed, dialect, fc.constantFrom(200, 200, 400, 500), async (value, asked, spoken, status) => {
      await call(answerOf([bytesOf(JSON.stringify(value))], headers, status), asked, spoken);
    }),
    runs,
  );
});

test("whatever events it streams", async () => {
  const event = fc.oneof(
    json.map((value) => `data: ${JSON.stringify(value)}\n\n`),
    fc.constantFrom("data: [DONE]\n\n", ": ping\n\n", "event: error\n", "data: {\n\n", "event: message_stop\ndata: {}\n\n"),
    fc.constant(`data: ${JSON.stringify(chunk({ content: "x" }, "stop"))}\n\n`),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 6 }), streamed, dialect, async (events, asked, spoken) => {
      await call(answerOf(events.map(bytesOf)), asked, spoken);
    }),
    runs,
  );
});

test("whatever headers come with it", async () => {
  const value = fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 3 }), fc.constantFrom("gzip", "identity", "gzip, br", "x-gzip"));
  const named = fc.dictionary(fc.constantFrom("content-encoding", "x-request-id", "retry-after", "__proto__", "content-type"), value);
  await fc.assert(
    fc.asyncProperty(named, streamed, fc.constantFrom(200, 204, 302, 400, 429, 503), async (given, asked, status) => {
      await call(answerOf([bytesOf(JSON.stringify(completion("Hello")))], given, status), asked);
    }),
    runs,
  );
});

test("a stream says the same wherever it is cut, plain or in gzip; cut short, it never ends well", async () => {
  const text = `${["He", "l", "lö👩‍🚀"].map((content) => `data: ${JSON.stringify(chunk({ content }))}\n\n`).join("")}data: ${JSON.stringify(chunk({}, "stop"))}\n\n`;
  const plain = bytesOf(`${text}data: [DONE]\n\n`);
  const squeezed = gzipSync(plain);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(), { maxLength: 10 }), fc.boolean(), async (cuts, gzip) => {
      const bytes = gzip ? squeezed : plain;
      const places = [0, ...cuts.map((each) => each % bytes.length).toSorted((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
      expect(await call(answerOf(chunks, gzip ? { "content-encoding": "gzip" } : headers), true)).toBe("Hellö👩‍🚀");
    }),
    { numRuns: 100 },
  );
  const finished = bytesOf(text).length;
  for (let at = 0; at < finished - 2; at++)
    expect({ at, error: await call(answerOf([plain.subarray(0, at)]), true) }).toMatchObject({ error: expect.any(ChatError) });
});
