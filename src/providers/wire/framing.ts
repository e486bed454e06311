import type { Framing } from "../../core/dialect.ts";
import { createEventStreamReader } from "./eventstream.ts";
import { createSseReader } from "./sse.ts";

/** Hears of an event that is whole: its text, and what its framing calls it. May throw, and ends the stream so. */
export type OnEvent = (data: string, name: string | undefined) => void;

/** Cuts a byte stream into events, wherever the chunks end. */
export interface EventReader {
  /** Calls back for every event that is whole now. */
  push(chunk: Uint8Array): void;
  /** At the end of the body: half an event is UPSTREAM_PROTOCOL. */
  end(): void;
}

/** A way to cut streams. */
export interface FramingRules {
  /** One reader a stream. */
  readonly reader: (onEvent: OnEvent) => EventReader;
  /** Whether a body whose first byte that is not blank is this one is a stream: content types lie, the first byte does not. */
  readonly begins: (first: number) => boolean;
  /** For `accept`. */
  readonly accept: string;
}

/** Both ways to cut streams. */
export const framings: Readonly<Record<Framing, FramingRules>> = {
  // The first of `data`, `event`, `id`, `retry` or a comment; JSON and web pages begin with others.
  sse: {
    reader: createSseReader,
    begins: (first) => first === 0x64 || first === 0x65 || first === 0x69 || first === 0x72 || first === 0x3a,
    accept: "application/json",
  },
  // The first byte of a length, which is no letter of JSON or of a web page. Amazon's own clients name no type.
  eventstream: { reader: createEventStreamReader, begins: (first) => first < 0x20, accept: "*/*" },
};
