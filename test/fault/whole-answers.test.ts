/** Whole answers that are not what they should be. */
import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect } from "vitest";
import { completion } from "../support/scripted-upstream.ts";
import { begun, streamEvents, streamOf, wholeOf } from "./bodies.ts";
import { canaries } from "./canaries.ts";
import { answered, type Failed, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import { always, byKind, chunked, endedStream, event, head, http, json, lastChunk, repeat, type Step, write } from "./steps.ts";
import { type Expectation, faultTable, type FaultRow } from "./table.ts";

const served: Expectation = () => answered(wellSaid, 2);
const jsonType = { "content-type": "application/json" };
const good = JSON.stringify(completion(canaries.answer));
const stream = streamEvents(canaries.answer).join("");

/** A body that is no answer: garbage, whoever asked. */
function garbage(id: string, fault: string, protocols: string, ...steps: readonly Step[]): FaultRow {
  return { id, fault, protocols, script: always(...steps), lone: () => failed("UPSTREAM_PROTOCOL", 3), pair: served };
}

/** A body in JSON that is no answer, sent with status 200. */
function badJson(name: string, body: string | Uint8Array): FaultRow {
  return garbage(`U31/${name}`, `200 with ${name}`, "RU", write(http(200, jsonType, body)));
}

/** An error in the place of an answer. */
function inside(name: string, error: Readonly<Record<string, unknown>>, reason: Failed["reason"], attempts: number): FaultRow {
  return {
    id: `U27/${name}`,
    fault: `200 with an error in JSON: ${name}`,
    protocols: "RU",
    script: always(write(json({ error: { message: canaries.answer, ...error } }))),
    lone: () => failed(reason, attempts),
    pair: served,
    ...(reason === "QUOTA_EXHAUSTED" && { apart: true, cools: true }),
  };
}

/** Odd, and an answer all the same. */
function tolerated(id: string, fault: string, text: string | undefined, more: Readonly<Record<string, unknown>>): FaultRow {
  return { id, fault, protocols: "RU", script: always(write(json(completion(canaries.answer, more)))), lone: () => answered(text, 1) };
}

/** An answer in a content coding, whole and as a stream. */
function coded(name: string, coding: string, encode: (text: string) => Uint8Array): Pick<FaultRow, "id" | "fault" | "script"> {
  const streamHead = head(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked", "content-encoding": coding });
  return {
    id: `U51/${name}`,
    fault: `an answer in ${name}`,
    script: byKind(
      [write(http(200, { ...jsonType, "content-encoding": coding }, encode(good)))],
      [write(Buffer.concat([Buffer.from(streamHead), chunked(encode(stream)), Buffer.from(lastChunk)]))],
    ),
  };
}

/** No host offers it to us, and all that we can do with it is to refuse it. */
function refusedCoding(name: string, coding: string, encode: (text: string) => Uint8Array): FaultRow {
  return { ...coded(name, coding, encode), lone: () => failed("UPSTREAM_PROTOCOL", 3), pair: served };
}

const page = `<!doctype html><html><title>Sign in</title><body>${canaries.answer}</body></html>`;
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, " "));
const invalid = Buffer.from(good.replace("otter", "ot\u0001er"), "latin1").map((byte) => (byte === 1 ? 0xff : byte));
const invalidStream = Buffer.from(stream.replace("otter", "ot\u0001er"), "latin1").map((byte) => (byte === 1 ? 0xff : byte));
const sse = { "content-type": "text/event-stream" };
const tools = (calls: readonly unknown[]) => ({
  choices: [{ index: 0, message: { role: "assistant", content: null, tool_calls: calls }, finish_reason: "tool_calls" }],
});
const call = (i: number, args: string) => ({ id: `call_${i}`, type: "function", function: { name: `tool_${i}`, arguments: args } });

faultTable("whole answers", [
  inside("server_error", { type: "server_error", code: null }, "UPSTREAM_UNAVAILABLE", 3),
  inside("overloaded", { type: "overloaded_error", code: null }, "OVERLOADED", 3),
  inside("spent", { type: "insufficient_quota", code: "insufficient_quota" }, "QUOTA_EXHAUSTED", 1),
  garbage("U29", "200 with a web page", "RSUGBW", write(http(200, { "content-type": "text/html" }, page))),
  garbage("U29/lying", "a web page that says it is JSON", "RSUGBW", write(http(200, jsonType, page))),
  badJson("no bytes", ""),
  badJson("half of it", good.slice(0, -30)),
  badJson("NaN", '{"choices": NaN}'),
  badJson("null", "null"),
  badJson("a list", "[]"),
  badJson("a bare string", '"yes"'),
  badJson("nothing that we know", '{"ok": true}'),
  badJson("nesting of 100,000", `{"choices":${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
  garbage(
    "U31/deep-stream",
    "an event nested 100,000 deep",
    "SGW",
    endedStream(begun, event(`{"choices":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)),
  ),
  {
    id: "U32",
    fault: "bytes that are no UTF-8 in the answer's text",
    script: byKind([write(http(200, jsonType, invalid))], [write(http(200, sse, invalidStream))]),
    lone: () => answered(canaries.answer.replace("otter", "ot\ufffder"), 1),
  },
  tolerated("U33/whole-finish", "a finish reason that nobody knows", canaries.answer, {
    choices: [{ index: 0, message: { role: "assistant", content: canaries.answer }, finish_reason: "bored" }],
  }),
  tolerated("U33/whole-usage", "usage below zero, as text, and beyond all numbers", canaries.answer, {
    usage: { prompt_tokens: -5, completion_tokens: "many", total_tokens: 1e300 },
  }),
  tolerated("U33/whole-none", "no usage", canaries.answer, { usage: undefined }),
  tolerated("U34/whole", "arguments of a tool call that are no JSON", undefined, tools([call(0, '{"half": ')])),
  tolerated("U34/many", "1,000 tool calls", undefined, tools(Array.from({ length: 1000 }, (_, i) => call(i, "{}")))),
  {
    id: "U34/stream",
    fault: "tool calls of a stream whose pieces come by turns, with arguments that are no JSON",
    protocols: "SGW",
    script: always(
      endedStream(begun, ...toolPieces(), event({ choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] }), event("[DONE]")),
    ),
    lone: () => answered("", 1),
  },
  {
    ...garbage("U50/whole", "a whole answer without an end", "R", write(head(200, jsonType)), repeat(Buffer.alloc(1024 * 1024, " "))),
    closes: true,
    lone: () => failed("UPSTREAM_PROTOCOL", 3),
  },
  {
    id: "U50/error",
    fault: "an error answer without an end",
    protocols: "RSU",
    script: always(write(head(500, jsonType)), repeat(Buffer.alloc(256 * 1024, " "))),
    closes: true,
    lone: () => failed("UPSTREAM_UNAVAILABLE", 3),
    pair: served,
  },
  // Some proxies compress whatever was asked: that much is understood.
  { ...coded("gzip", "gzip", (text) => gzipSync(text)), lone: () => answered(canaries.answer, 1) },
  { ...coded("brotli", "br", (text) => brotliCompressSync(text)), lone: () => answered(canaries.answer, 1) },
  refusedCoding("a coding that nobody knows", "lzma", (text) => Buffer.from(text)),
  refusedCoding("gzip twice", "gzip, gzip", (text) => gzipSync(gzipSync(text))),
  refusedCoding("a thousand codings", Array.from({ length: 1000 }, () => "gzip").join(","), (text) => gzipSync(text)),
  refusedCoding("gzip that is none", "gzip", (text) => Buffer.from(text)),
  refusedCoding("gzip that is cut off", "gzip", (text) => gzipSync(text).subarray(0, 40)),
  {
    ...refusedCoding("a gzip bomb of 64 MiB", "gzip", () => bomb),
    protocols: "RSG",
  },
  {
    id: "U61",
    fault: "headers of the upstream that would mean something to callers",
    script: byKind([injecting(wholeOf())], [injecting(streamOf(canaries.answer))]),
    lone: () => answered(canaries.answer, 1),
    check: ({ end }) => {
      if ("broke" in end) throw new Error("the call broke off", { cause: end.broke });
      for (const name of ["set-cookie", "access-control-allow-origin", "x-evil", "www-authenticate", "location", "content-encoding"]) {
        expect(end.headers.get(name), name).toBeNull();
      }
      expect(end.headers.get("x-semaroute-provider")).toBe("u61");
      expect(["0", null]).toContain(end.headers.get("grpc-status"));
    },
  },
]);

function toolPieces(): readonly string[] {
  const delta = (index: number, more: object): string =>
    event({ choices: [{ index: 0, delta: { tool_calls: [{ index, ...more }] }, finish_reason: null }] });
  return [
    delta(1, { id: "call_b", type: "function", function: { name: "b", arguments: '{"b' } }),
    delta(0, { id: "call_a", type: "function", function: { name: "a", arguments: '{"a' } }),
    delta(1, { function: { arguments: '": ' } }),
    delta(0, { function: { arguments: '"' } }),
  ];
}

/** The answer, with more headers. */
function injecting(step: Step): Step {
  if (step.do !== "write") return step;
  const more = [
    "set-cookie: session=stolen",
    "grpc-status: 13",
    "grpc-message: injected",
    "access-control-allow-origin: *",
    "x-semaroute-provider: someone-else",
    "x-semaroute-attempts: 99",
    "x-should-retry: true",
    "retry-after: 77",
    "www-authenticate: Basic",
    "location: http://evil.test/",
    "keep-alive: timeout=5",
    "x-evil: 1",
  ];
  const text = Buffer.from(step.bytes).toString("latin1");
  return { ...step, bytes: Buffer.from(text.replace("\r\n", `\r\n${more.join("\r\n")}\r\n`), "latin1") };
}
