import * as fc from "fast-check";
import { expect, test } from "vitest";

import { ChatError } from "../../../src/core/error.ts";
import { createSseReader } from "../../../src/providers/wire/sse.ts";
import { sseEvent } from "./sse-encode.ts";

type Event = readonly [data: string, name: string | undefined];

/** The events of chunks, and whether they end in the middle of one. */
function read(chunks: readonly Uint8Array[]): { readonly events: readonly Event[]; readonly broken: boolean } {
  const events: Event[] = [];
  const reader = createSseReader((data, name) => events.push([data, name]));
  try {
    for (const chunk of chunks) reader.push(chunk);
    reader.end();
  } catch (error) {
    expect(error).toBeInstanceOf(ChatError);
    expect(error).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
    return { events, broken: true };
  }
  return { events, broken: false };
}

function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((each) => each % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const runs = { numRuns: 500 };
const cuts = fc.array(fc.nat(), { maxLength: 30 });
/** Pieces of which streams are made, those that are nearly right among them. */
const piece = fc.oneof(
  fc.constantFrom(
    "data",
    "data:",
    "data: ",
    "event:",
    "event: x",
    "id:",
    "retry: 1",
    ": ping",
    ":",
    "\ufeff",
    "dat",
    "[DONE]",
    "{",
    '"',
    " ",
  ),
  fc.constantFrom("\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\n\r", "\r\n\n"),
  fc.string({ unit: "binary", maxLength: 5 }),
);
const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(""));
const stream = fc.oneof(text.map(bytesOf), fc.uint8Array({ maxLength: 200 }));

test("the events of any bytes are the same wherever the chunks end", () => {
  fc.assert(
    fc.property(stream, cuts, (bytes, where) => {
      expect(read(cut(bytes, where))).toEqual(read([bytes]));
      expect(read(Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)))).toEqual(read([bytes]));
    }),
    runs,
  );
});

test("the events of any text are those of the standard, read naively", () => {
  fc.assert(
    fc.property(text, (given) => {
      const bytes = bytesOf(`${given}\n\n`);
      expect(read([bytes])).toEqual({ events: standard(new TextDecoder().decode(bytes)), broken: false });
    }),
    runs,
  );
});

test("what was encoded comes back, whatever is cut, commented and ended how", () => {
  const name = fc.option(fc.stringMatching(/^[a-z_.]{1,20}$/), { nil: undefined });
  const data = fc.oneof(fc.json(), fc.string({ unit: "grapheme", minLength: 1 })).filter((each) => !/[\r]/.test(each) && each !== "");
  const events = fc.array(fc.tuple(data, name), { maxLength: 10 });
  const noise = fc.constantFrom("", ": ping\n\n", ":\n", "retry: 10\n\n", "id: 1\n");
  const lineEnd = fc.constantFrom("\n", "\r", "\r\n");
  fc.assert(
    fc.property(events, noise, lineEnd, cuts, (given, between, end, where) => {
      const wire = given.map((event) => between + sseEvent(event[0], event[1])).join("");
      expect(read(cut(bytesOf(wire.replaceAll("\n", end)), where))).toEqual({ events: given, broken: false });
    }),
    runs,
  );
});

test("no bytes make it hold more than its bounds", () => {
  const big = fc.constantFrom(1, 1000, 100_000, 600_000, 1_100_000);
  const part = fc.tuple(fc.constantFrom("data:", "x", ":", "event:", "\ndata:", "\n\ndata:", "\n"), big);
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      let longest = 0;
      const reader = createSseReader((data) => (longest = Math.max(longest, data.length)));
      try {
        for (const [start, length] of parts) reader.push(bytesOf(start + "x".repeat(length)));
        reader.end();
      } catch (error) {
        expect(error).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
      }
      expect(longest).toBeLessThanOrEqual(4 * 1024 * 1024 + 1024 * 1024);
    }),
    { numRuns: 60 },
  );
});

/** WHATWG HTML, 9.2.6, word by word; events without data are left out, as we do. */
function standard(given: string): Event[] {
  const events: Event[] = [];
  let data: string[] = [];
  let name: string | undefined;
  for (const line of given.replaceAll("\r\n", "\n").replaceAll("\r", "\n").split("\n").slice(0, -1)) {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? "" : line.slice(colon + 1);
    const value = rest.startsWith(" ") ? rest.slice(1) : rest;
    if (line === "") {
      if (data.join("\n") !== "") events.push([data.join("\n"), name]);
      data = [];
      name = undefined;
    } else if (field === "data") data.push(value);
    else if (field === "event") name = value === "" ? undefined : value;
  }
  return events;
}
