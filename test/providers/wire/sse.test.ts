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
  const mebibyte = bytesOf("x".repeat(1024 * 1024));

  test("an event of 7 MiB is whole, one of more than 8 MiB is refused", () => {
    const events: number[] = [];
    const reader = createSseReader((data) => events.push(data.length));
    reader.push(bytesOf("data: "));
    for (let i = 0; i < 7; i++) reader.push(mebibyte);
    reader.push(bytesOf("\n\ndata: "));
    expect(events).toEqual([7 * 1024 * 1024]);
    expect(() => {
      for (let i = 0; i < 9; i++) reader.push(mebibyte);
    }).toThrow(expect.objectContaining({ failure: "UPSTREAM_PROTOCOL" }));
  });

  test("many events may be more than that together", () => {
    let events = 0;
    const reader = createSseReader(() => events++);
    const event = bytesOf(`data: ${"x".repeat(1024 * 1024)}\n\n`);
    for (let i = 0; i < 20; i++) reader.push(event);
    expect(events).toBe(20);
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
