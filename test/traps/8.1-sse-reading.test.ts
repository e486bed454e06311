/** Traps in reading an upstream's events (wire protocols, 8.1), by number: through real sockets, as a caller of a stream sees them. */
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunk, completion, type UpstreamHandler, usageChunk } from "../support/scripted-upstream.ts";
import { type Ask, openTraps, type Told, type TrapScene } from "./scene.ts";

let scene: TrapScene;
beforeAll(async () => {
  scene = await openTraps({ settings: "timeout: 600ms" });
});
afterAll(() => scene[Symbol.asyncDispose]());

const soon = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const line = (value: unknown): string => `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;
const says = (...pieces: readonly string[]): string =>
  [chunk({ role: "assistant", content: "" }), ...pieces.map((content) => chunk({ content })), chunk({}, "stop"), usageChunk(1, 1), "[DONE]"]
    .map(line)
    .join("");
const raw =
  (text: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): UpstreamHandler =>
  (reply) =>
    reply.sse(headers).raw(text).end();
/** In two writes, of which the second comes once the first has been passed on. */
const later =
  (...parts: readonly string[]): UpstreamHandler =>
  async (reply) => {
    const sse = reply.sse();
    for (const part of parts) {
      sse.raw(part);
      await soon(40);
    }
    sse.end();
  };
const words = "caf\u00e9 \u{1f9a6} \u0915\u094d";

interface Row {
  readonly trap: string;
  readonly play: UpstreamHandler;
  /** Of what is told. */
  readonly is: Readonly<Partial<Record<keyof Told, unknown>>>;
  readonly how?: Ask;
}

const failed = (error: string, status = 502): Row["is"] => ({ status, error, done: false });
const error = { error: { message: "no", type: "server_error", code: null, param: null } };
const fallsOver = { how: { to: "pair" }, is: { content: "well", done: true } } as const;

const rows: readonly Row[] = [
  {
    trap: "8.1.1 chunk boundaries within UTF-8, within lines and between CR and LF",
    play: async (reply) => {
      const sse = reply.sse();
      for (const byte of Buffer.from(says(words).replaceAll("\n", "\r\n"))) {
        sse.raw(Buffer.of(byte));
        if (byte > 0x7f || byte === 0x0d) await soon();
      }
      sse.end();
    },
    is: { content: words, done: true },
  },
  { trap: "8.1.2 lines that end with CR LF", play: raw(says("a").replaceAll("\n", "\r\n")), is: { content: "a", done: true } },
  { trap: "8.1.2 lines that end with CR", play: raw(says("a").replaceAll("\n", "\r")), is: { content: "a", done: true } },
  {
    trap: "8.1.2 separators of Unicode in a JSON string, which are no line ends",
    play: raw(says("a\u2028b\u2029c\u0085d")),
    is: { content: "a\u2028b\u2029c\u0085d", done: true },
  },
  { trap: "8.1.3 data without a space", play: raw(says("a").replaceAll("data: ", "data:")), is: { content: "a", done: true } },
  {
    trap: "8.1.3 an event of several data lines",
    play: raw(says("a").replaceAll(/,"choices"/g, ',\ndata: "choices"')),
    is: { content: "a", done: true },
  },
  {
    trap: "8.1.3 unknown fields, fields in capitals and lines without a colon",
    play: raw(`id: 7\nretry: 10\nfuture: x\nDATA: {"nonsense\nnothing\n${says("a")}`),
    is: { content: "a", done: true },
  },
  {
    trap: "8.1.4 comments anywhere",
    play: raw(`: OPENROUTER PROCESSING\n\n:\n${says("a", "b").replaceAll("data: {", ": keep-alive\n\ndata: {")}`),
    is: { content: "ab", done: true },
  },
  {
    trap: "8.1.4 comments alone are life, and no content: the first token is not waited for any longer",
    play: async (reply) => {
      const sse = reply.sse();
      for (let i = 0; i < 40; i++) {
        sse.raw(": keep-alive\n\n");
        await soon(25);
      }
      sse.end();
    },
    is: failed("upstream_timeout", 504),
  },
  { trap: "8.1.5 a byte order mark at the start", play: raw(`\ufeff${says("a")}`), is: { content: "a", done: true } },
  {
    trap: "8.1.6 a last event without its blank line",
    play: raw([chunk({ content: "a" }), chunk({}, "stop")].map(line).join("").trimEnd()),
    is: { content: "a", finish: "stop", done: true },
  },
  ...["data:[DONE]", 'data: "[DONE]"', "data: [DONE]", "data: [DONE]  "].map((mark) => ({
    trap: `8.1.7 the end mark ${mark}`,
    play: raw(says("a").replace("data: [DONE]", mark)),
    is: { content: "a", done: true },
  })),
  {
    trap: "8.1.7 no end mark behind the finish reason",
    play: raw(says("a").replace("data: [DONE]\n\n", "")),
    is: { content: "a", done: true },
  },
  {
    trap: "8.1.7 an end before the finish reason, which is none",
    play: raw([chunk({ content: "a" })].map(line).join("")),
    is: { status: 200, content: "a", error: "stream_interrupted", done: false },
  },
  {
    trap: "8.1.7 an end mark before the finish reason, which is none",
    play: later(line(chunk({ content: "a" })), line("[DONE]")),
    is: { status: 200, content: "a", error: "stream_interrupted", done: false },
  },
  { trap: "8.1.7 an end before anything", play: raw(""), is: failed("upstream_unavailable") },
  { trap: "8.1.8 empty data", play: raw(`data:\n\ndata: \n\n${says("a")}`), is: { content: "a", done: true } },
  { trap: "8.1.8 data that are no JSON", play: raw(`data: oops\n\n${says("a")}`), is: failed("upstream_invalid_response") },
  {
    trap: "8.1.8 an HTML page of a proxy with status 200",
    play: (reply) => reply.sse({ "content-type": "text/html" }).raw("<html><body>Bad gateway</body></html>").end(),
    is: { error: expect.stringMatching(/^upstream_(invalid_response|unavailable)$/), done: false },
  },
  {
    trap: "8.1.9 a whole answer to a stream's request",
    play: (reply) => reply.json(completion("whole")),
    is: { content: "whole", finish: "stop", done: true },
  },
  { trap: "8.1.9 a whole error with status 200", play: (reply) => reply.json(error), ...fallsOver },
  {
    trap: "8.1.9 blank lines before a whole answer",
    play: (reply) =>
      reply
        .sse({ "content-type": "application/json" })
        .raw(`\n\n\n${JSON.stringify(completion("late"))}`)
        .end(),
    is: { content: "late", done: true },
  },
  ...["text/plain", "application/json", ""].map((type) => ({
    trap: `8.1.10 events as ${type || "nothing"}`,
    play: raw(says("a"), { "content-type": type }),
    is: { content: "a", done: true },
  })),
  {
    trap: "8.1.10 JSON as text/event-stream",
    play: raw(JSON.stringify(completion("whole"))),
    is: { content: "whole", done: true },
  },
  { trap: "8.1.11 an error as the first event", play: raw(line(error)), ...fallsOver },
  { trap: "8.1.11 an error after the role", play: raw(line(chunk({ role: "assistant", content: "" })) + line(error)), ...fallsOver },
  {
    trap: "8.1.11 an error inside the choice",
    play: raw(
      line({ ...chunk({}), choices: [{ index: 0, delta: { content: "" }, finish_reason: null, error: { code: 502, message: "no" } }] }),
    ),
    ...fallsOver,
  },
  { trap: "8.1.11 finish_reason error", play: raw(line(chunk({ content: "" }, "error"))), ...fallsOver },
  {
    trap: "8.1.11 an error after content, which nobody else may continue",
    play: later(line(chunk({ content: "half" })), line(error)),
    how: { to: "pair" },
    is: { status: 200, content: "half", error: "stream_interrupted", done: false },
  },
  { trap: "8.1.12 event: error with an error object", play: raw(`event: error\n${line(error)}`), ...fallsOver },
  { trap: "8.1.12 event: error with a message", play: raw(`event: error\n${line({ message: "no" })}`), ...fallsOver },
  { trap: "8.1.12 event: error with a plain string", play: raw("event: error\ndata: something broke\n\n"), ...fallsOver },
  { trap: "8.1.12 event: error with a JSON string", play: raw('event: error\ndata: "something broke"\n\n'), ...fallsOver },
  {
    trap: "8.1.13 an event without end",
    play: raw(`data: {"choices":"${"x".repeat(5 * 1024 * 1024)}`),
    is: failed("upstream_invalid_response"),
  },
  ...(
    [
      ["gzip", gzipSync],
      ["x-gzip", gzipSync],
      ["deflate", deflateSync],
      ["br", brotliCompressSync],
      ["zstd", zstdCompressSync],
    ] as const
  ).map(([coding, compress]) => ({
    trap: `8.1.14 an answer in ${coding} that nobody asked for`,
    play: raw(compress(Buffer.from(says("a"))), { "content-encoding": coding }),
    is: { content: "a", done: true },
  })),
  {
    trap: "8.1.14 an answer in a coding that nobody knows",
    play: raw(says("a"), { "content-encoding": "lzma" }),
    is: failed("upstream_invalid_response"),
  },
  { trap: "8.1.15 silence before the head", play: () => soon(2000), is: failed("upstream_timeout", 504) },
  {
    trap: "8.1.15 silence behind the head",
    play: async (reply) => {
      const sse = reply.sse();
      await soon(2000);
      sse.end();
    },
    is: failed("upstream_timeout", 504),
  },
  {
    trap: "8.1.16 an error status with a page of HTML",
    play: (reply) => reply.json("<html>502</html>", 502, { "content-type": "text/html" }),
    is: failed("upstream_unavailable"),
  },
  { trap: "8.1.16 an error status without a body", play: (reply) => reply.json(undefined, 503), is: { status: 503, done: false } },
  {
    trap: "8.1.16 an error status with a body that is cut off",
    play: (reply) => reply.json({ error: "x".repeat(100) }, 500, { "content-length": "5000", connection: "close" }),
    is: { status: 502, error: "upstream_unavailable", done: false },
  },
  {
    trap: "8.1.16 an error status with a body without end",
    play: (reply) => reply.json({ error: { message: "x".repeat(3 * 1024 * 1024) } }, 500),
    is: { status: 502, error: "upstream_unavailable", done: false },
  },
];

describe("8.1 reading events", () => {
  test.each(rows)("$trap", async ({ play, is, how }) => {
    const { headers: _, ...told } = await scene.ask(play, { ...how, headers: { "x-semaroute-timeout-ms": "5000" } });
    expect(told).toMatchObject(is);
    expect(scene.house.bugs).toEqual([]);
  });

  test("8.1.7 what follows the end mark is read to its end, so that the connection serves again", async () => {
    const { asked } = await scene.ask(async (reply) => {
      const sse = reply.sse().raw(says("a"));
      await soon(30);
      sse.raw(": goodbye\n\n").end();
    });
    expect(await asked[0]?.closed).toBe("finished");
  });

  test("8.1.14 no coding is asked for, and none of the upstream's headers about it is passed on", async () => {
    const told = await scene.ask(raw(gzipSync(Buffer.from(says("a"))), { "content-encoding": "gzip" }));
    expect(told.asked[0]?.headers["accept-encoding"]).toBe("identity");
    expect(told.headers.get("content-encoding")).toBeNull();
    expect(told.headers.get("content-length")).toBeNull();
  });
});
