import { crc32 } from "node:zlib";
import { EventStreamCodec } from "@smithy/core/event-streams";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChatError } from "../../../src/core/error.ts";
import { createEventStreamReader } from "../../../src/providers/wire/eventstream.ts";
import { eventFrame, exceptionFrame, frame } from "../../support/event-frames.ts";

type Event = readonly [data: string, name: string | undefined];

/** The events of chunks, and why they ended; undefined: well. */
function read(chunks: readonly Uint8Array[]): { readonly events: readonly Event[]; readonly broken: string | undefined } {
  const events: Event[] = [];
  const reader = createEventStreamReader((data, name) => events.push([data, name]));
  try {
    for (const chunk of chunks) reader.push(chunk);
    reader.end();
  } catch (error) {
    expect(error).toBeInstanceOf(ChatError);
    expect(error).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
    return { events, broken: error instanceof ChatError ? error.message : "" };
  }
  return { events, broken: undefined };
}

const answer = Buffer.concat([
  eventFrame("messageStart", { role: "assistant", p: "abc" }),
  eventFrame("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Ça va? 🙂" } }),
  eventFrame("messageStop", { stopReason: "end_turn" }),
]);
const events: readonly Event[] = [
  ['{"role":"assistant","p":"abc"}', "messageStart"],
  ['{"contentBlockIndex":0,"delta":{"text":"Ça va? 🙂"}}', "contentBlockDelta"],
  ['{"stopReason":"end_turn"}', "messageStop"],
];
const ends = new Set<number>();
for (let at = 0; at < answer.length; at += answer.readUInt32BE(at)) ends.add(at);

test("an event is told by its type, an exception by its own, and an unmodelled error as one", () => {
  const chunks = [
    eventFrame("metadata", { usage: {} }),
    exceptionFrame("throttlingException", "slow down"),
    frame({ ":message-type": "error", ":error-code": "InternalFailure", ":error-message": 'a "fault"' }, ""),
    frame({}, ""),
  ];
  expect(read(chunks).events).toEqual([
    ['{"usage":{}}', "metadata"],
    ['{"message":"slow down"}', "throttlingException"],
    ['{"code":"InternalFailure","message":"a \\"fault\\""}', "error"],
    ["", undefined],
  ]);
});

test("wherever a stream is cut in two, its events are the same", () => {
  for (let at = 0; at <= answer.length; at++)
    expect(read([answer.subarray(0, at), answer.subarray(at)]), String(at)).toEqual({ events, broken: undefined });
});

test("byte by byte, too", () => {
  expect(read([...answer].map((byte) => Uint8Array.of(byte)))).toEqual({ events, broken: undefined });
});

test("a stream that ends within a frame is broken, and tells only what was whole", () => {
  for (let at = 0; at < answer.length; at++) {
    const { events: told, broken } = read([answer.subarray(0, at)]);
    expect(told, String(at)).toEqual(events.slice(0, [...ends].filter((end) => end > 0 && end <= at).length));
    expect(broken, String(at)).toBe(ends.has(at) ? undefined : "the upstream's stream ended within a frame");
  }
});

test("a flipped bit anywhere is never an event", () => {
  for (let at = 0; at < answer.length; at++) {
    const damaged = Buffer.from(answer);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    const { events: told, broken } = read([damaged]);
    expect(broken, String(at)).toMatch(/wrong checksum|cannot be read/);
    expect(told, String(at)).toEqual(events.slice(0, told.length));
    expect(told.length).toBeLessThan(events.length);
  }
});

describe("a length", () => {
  test("that is too long is refused at once, before anything is held for it", () => {
    const whole = frame({ ":event-type": "x", ":message-type": "event" }, Buffer.alloc(4 * 1024 * 1024, 0x20));
    expect(read([whole.subarray(0, 12)]).broken).toBe("a frame of the upstream's stream is longer than 4194304 bytes");
  });

  test("up to the bound is read, in any chunks", () => {
    const name = { ":event-type": "x", ":message-type": "event" };
    const payload = Buffer.alloc(4 * 1024 * 1024 - frame(name, "").length, 0x20);
    const whole = frame(name, payload);
    expect(whole.length).toBe(4 * 1024 * 1024);
    const chunks = Array.from({ length: 64 }, (_, i) => whole.subarray(i * 65_536, (i + 1) * 65_536));
    expect(read(chunks).events.map(([data, type]) => [data.length, type])).toEqual([[payload.length, "x"]]);
  });

  test("that is wrong is seen by its checksum, and not waited for", () => {
    const wrong = Buffer.from(eventFrame("metadata", {}).subarray(0, 12));
    wrong.writeUInt32BE(1_000_000, 0);
    expect(read([wrong]).broken).toBe("a frame of the upstream's stream has a wrong checksum");
  });

  test("of headers beyond the frame is refused", () => {
    const whole = frame({ a: "b" }, "{}");
    const bent = Buffer.from(whole);
    bent.writeUInt32BE(whole.length, 4);
    expect(read([bent]).broken).toBe("a frame of the upstream's stream has a wrong checksum");
    expect(read([resealed(bent)]).broken).toBe("a frame of the upstream's stream cannot be read");
  });
});

test("a payload that is not UTF-8 is refused", () => {
  expect(read([frame({ ":event-type": "x", ":message-type": "event" }, Uint8Array.of(0xff, 0xfe))]).broken).toBe(
    "an event of the upstream's stream is not UTF-8",
  );
});

test("headers of other types are skipped", () => {
  const codec = new EventStreamCodec(String, (text) => Buffer.from(text));
  const encoded = codec.encode({
    headers: {
      ":message-type": { type: "string", value: "event" },
      ":event-type": { type: "string", value: "metadata" },
      flag: { type: "boolean", value: true },
      number: { type: "integer", value: 7 },
      blob: { type: "binary", value: Uint8Array.of(1, 2) },
    },
    body: Buffer.from("{}"),
  });
  expect(read([encoded]).events).toEqual([["{}", "metadata"]]);
});

const headerText = fc.string({ unit: "grapheme", maxLength: 40 });
const anyEvent = fc.record({ type: headerText, data: fc.string({ unit: "grapheme", maxLength: 200 }), odd: headerText });

test("whatever is written in frames is read from them, wherever the chunks end", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 30 }), (written, cuts) => {
      const bytes = Buffer.concat(
        written.map(({ type, data, odd }) => frame({ ":message-type": "event", "x-odd": odd, ":event-type": type }, data)),
      );
      const places = [0, ...cuts.map((each) => each % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
      const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
      expect(read(chunks)).toEqual({ events: written.map(({ type, data }) => [data, type]), broken: undefined });
    }),
    { numRuns: 300 },
  );
});

test("any bytes are read or refused, and never thrown over", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (chunks) => {
      read(chunks);
    }),
    { numRuns: 300 },
  );
});

test("the frames of these tests are those of Amazon's own encoder", () => {
  const codec = new EventStreamCodec(String, (text) => Buffer.from(text));
  const headers = {
    ":event-type": { type: "string", value: "metadata" },
    ":content-type": { type: "string", value: "application/json" },
  } as const;
  const encoded = codec.encode({
    headers: { ...headers, ":message-type": { type: "string", value: "event" } },
    body: Buffer.from('{"a":1}'),
  });
  expect(Buffer.from(encoded)).toEqual(eventFrame("metadata", { a: 1 }));
});

/** The frame with checksums that fit what it says. */
function resealed(bytes: Buffer): Buffer {
  const out = Buffer.from(bytes);
  out.writeUInt32BE(crc32(out.subarray(0, 8)), 8);
  out.writeUInt32BE(crc32(out.subarray(0, out.length - 4)), out.length - 4);
  return out;
}
