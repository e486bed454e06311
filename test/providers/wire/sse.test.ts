import { describe, expect, test } from "vitest";

import { ChatError } from "../../../src/core/error.ts";
import { createSseReader } from "../../../src/providers/wire/sse.ts";

type Event = readonly [data: string, name: string | undefined];

/** The events of chunks. */
function eventsOf(chunks: readonly Uint8Array[]): Event[] {
  const events: Event[] = [];
  const reader = createSseReader((data, name) => events.push([data, name]));
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  return events;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const lineEnds = { LF: "\n", CR: "\r", CRLF: "\r\n" } as const;

const stream = [
  `: a comment`,
  ``,
  `data: {"text":"Grüße, 世界 👩‍🚀"}`,
  ``,
  `event: ping`,
  `data: {}`,
  ``,
  `id: 7`,
  `retry: 100`,
  `data:no space`,
  ``,
  `data: first line`,
  `data: second line`,
  ``,
  `event: nothing`,
  ``,
  `data: `,
  ``,
  `data: [DONE]`,
  ``,
  ``,
];
const expected: Event[] = [
  [`{"text":"Grüße, 世界 👩‍🚀"}`, undefined],
  [`{}`, "ping"],
  [`no space`, undefined],
  [`first line\nsecond line`, undefined],
  [`[DONE]`, undefined],
];

describe("the events are the same wherever the chunks end", () => {
  for (const [name, end] of Object.entries(lineEnds)) {
    const bytes = bytesOf(stream.join(end));

    test(`lines end with ${name}: cut in two at every byte`, () => {
      for (let at = 0; at <= bytes.length; at++) {
        expect({ at, events: eventsOf([bytes.subarray(0, at), bytes.subarray(at)]) }).toEqual({ at, events: expected });
      }
    });

    test(`lines end with ${name}: byte by byte`, () => {
      expect(eventsOf(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).toEqual(expected);
    });

    test(`lines end with ${name}: cut in three, an empty chunk between`, () => {
      for (let at = 1; at < bytes.length - 3; at++) {
        const chunks = [bytes.subarray(0, at), new Uint8Array(), bytes.subarray(at, at + 2), bytes.subarray(at + 2)];
        expect({ at, events: eventsOf(chunks) }).toEqual({ at, events: expected });
      }
    });
  }

  test("a byte order mark in front is taken off", () => {
    expect(eventsOf([bytesOf("\ufeffdata: a\n\n")])).toEqual([["a", undefined]]);
  });

  test("an event whose last blank line is missing still counts at the end", () => {
    expect(eventsOf([bytesOf("data: a\n\ndata: b")])).toEqual([
      ["a", undefined],
      ["b", undefined],
    ]);
  });

  test("text without any event is none", () => expect(eventsOf([bytesOf('{"not": "sse"}\n\n')])).toEqual([]));
});

describe("limits", () => {
  const kib64 = "x".repeat(64 * 1024);
  const tooMuch = (what: RegExp) => expect.objectContaining({ failure: "UPSTREAM_PROTOCOL", message: expect.stringMatching(what) });

  test("a line of 1 MiB is whole, one of a character more is refused, however it is cut and ended", () => {
    for (const end of Object.values(lineEnds)) {
      for (const chunkLength of [64 * 1024, 1_000_003, 3_000_000]) {
        const line = (length: number): string => `data: ${"x".repeat(length - 6)}${end}${end}`;
        const read = (text: string): number[] => {
          const lengths: number[] = [];
          const reader = createSseReader((data) => lengths.push(data.length));
          for (let at = 0; at < text.length; at += chunkLength) reader.push(bytesOf(text.slice(at, at + chunkLength)));
          reader.end();
          return lengths;
        };
        const whole = `data: first${end}${end}${line(1024 * 1024)}${line(1024 * 1024)}`;
        expect(read(whole)).toEqual([5, 1024 * 1024 - 6, 1024 * 1024 - 6]);
        expect(() => read(`data: first${end}${end}${line(1024 * 1024 + 1)}`)).toThrow(tooMuch(/line .* longer than 1048576/));
      }
    }
  });

  test("a line without end is refused before more than its bound was taken in", () => {
    const reader = createSseReader(() => {});
    let pushed = 0;
    expect(() => {
      for (;;) {
        reader.push(bytesOf(kib64));
        pushed += kib64.length;
      }
    }).toThrow(tooMuch(/line/));
    expect(pushed).toBe(1024 * 1024);
  });

  for (const what of ["data", "other"] as const) {
    test(`an event of many ${what} lines is ${what === "data" ? "refused beyond 4 MiB" : "not counted by them"}`, () => {
      const events: number[] = [];
      const reader = createSseReader((data) => events.push(data.length));
      const push = (lines: number): void => {
        for (let i = 0; i < lines; i++) reader.push(bytesOf(`${what === "data" ? "data:" : ":"}${kib64}\n`));
      };
      push(63);
      reader.push(bytesOf("data:a\n\n"));
      expect(events).toEqual([what === "data" ? 63 * (kib64.length + 1) + 1 : 1]);
      if (what === "data") expect(() => push(70)).toThrow(tooMuch(/event .* longer than 4194304/));
      else push(70);
    });
  }

  test("an event that is too long is told at the end, if nothing follows it", () => {
    const reader = createSseReader(() => {});
    reader.push(bytesOf(`data:${kib64}\n`.repeat(64)));
    expect(() => reader.end()).toThrow(tooMuch(/event/));
  });

  test("many events may be more than that together", () => {
    let events = 0;
    const reader = createSseReader(() => events++);
    const event = bytesOf(`data: ${kib64}\n\n`);
    for (let i = 0; i < 200; i++) reader.push(event);
    expect(events).toBe(200);
  });
});

describe("an end within a line", () => {
  for (const half of ["d", "dat", "event: mess", "id", ": pi", "\u00e4", "data"]) {
    test(`that says nothing yet is a cut: ${half}`, () => {
      const events: string[] = [];
      const reader = createSseReader((data) => events.push(data));
      reader.push(bytesOf(`data: a\n\n${half}`));
      if (half === "data") reader.end();
      else expect(() => reader.end()).toThrow(expect.objectContaining({ failure: "UPSTREAM_PROTOCOL" }));
      expect(events).toEqual(["a"]);
    });
  }

  test("after half a character leaves its mark, so that no JSON is whole by accident", () => {
    expect(eventsOf([bytesOf('data: {"a":1}'), new Uint8Array([0xf0, 0x9f])])).toEqual([['{"a":1}\ufffd', undefined]]);
  });

  test("of which the bytes of a character are all there is a cut too", () => {
    const reader = createSseReader(() => {});
    reader.push(new Uint8Array([0xe2, 0x82]));
    expect(() => reader.end()).toThrow(expect.objectContaining({ failure: "UPSTREAM_PROTOCOL" }));
  });
});

test("what the listener throws ends the stream, and no later event is told", () => {
  const told: string[] = [];
  const broken = new ChatError("OVERLOADED", "an error event");
  const reader = createSseReader((data) => {
    told.push(data);
    if (data === "bad") throw broken;
  });
  expect(() => reader.push(bytesOf("data: a\n\ndata: bad\n\ndata: b\n\n"))).toThrow(broken);
  expect(() => reader.push(bytesOf("data: c\n\n"))).toThrow(broken);
  expect(told).toEqual(["a", "bad"]);
});
