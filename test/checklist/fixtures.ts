/** The recorded streams of all languages, and what each means. */
import { readdirSync, readFileSync } from "node:fs";
import type { ChatEvent, ChatResponse } from "../../src/core/chat.ts";
import type { UpstreamDialect } from "../../src/core/dialect.ts";
import { ChatError } from "../../src/core/error.ts";
import { createFolder } from "../../src/core/fold.ts";
import { framings } from "../../src/providers/wire/framing.ts";
import { recorded as converse } from "../dialects/bedrock-converse/support.ts";
import { frame } from "../support/event-frames.ts";
import { type Said, type Vendor, vendors } from "./vendors.ts";

/** A stream as it was recorded, or as a vendor would write it. */
export interface Fixture {
  readonly name: string;
  readonly vendor: Vendor;
  readonly bytes: Buffer;
}

const folders: Readonly<Record<string, string>> = {
  "openai-chat": "openai-chat",
  "openai-responses": "openai-responses",
  anthropic: "anthropic-messages",
  gemini: "gemini",
  cohere: "cohere",
  bedrock: "bedrock-converse",
};

/** One answer of each kind. */
export const kinds: readonly Said[] = [
  { kind: "text", text: "Grüße 🦙\u2028" },
  { kind: "reasoning", text: "Hm." },
  {
    kind: "calls",
    calls: [
      { id: "call_1", name: "f", arguments: '{"b":1,"a":9007199254740993}' },
      { id: "call_2", name: "g", arguments: "{}" },
    ],
  },
];

function recorded(vendor: Vendor): Fixture[] {
  const folder = new URL(`../golden/answers/${folders[vendor.name]}/`, import.meta.url);
  const names = readdirSync(folder).filter((name) => /\.(?:sse|events)$/.test(name));
  return names.map((name) => ({
    name: `${vendor.name}/${name}`,
    vendor,
    bytes: name.endsWith(".sse") ? readFileSync(new URL(name, folder)) : converseBytes(name.replace(".events", "")),
  }));
}

/** Amazon's recordings are lines; on the wire they are frames. */
function converseBytes(name: string): Buffer {
  return Buffer.concat(
    converse(name).map(([type, data]) =>
      frame(
        type.endsWith("Exception")
          ? { ":exception-type": type, ":message-type": "exception" }
          : { ":event-type": type, ":message-type": "event" },
        data,
      ),
    ),
  );
}

function written(vendor: Vendor): Fixture[] {
  return kinds.map((said) => {
    const { begun, ending } = vendor.stream(said);
    return { name: `${vendor.name} written: ${said.kind}`, vendor, bytes: Buffer.concat([...begun, ...ending]) };
  });
}

/** All of them. */
export const fixtures: readonly Fixture[] = vendors.flatMap((vendor) => [...recorded(vendor), ...written(vendor)]);

/** The events into which a stream is cut that comes in these pieces: all that a language gets to see of it. */
export function framed(dialect: UpstreamDialect, pieces: Iterable<Uint8Array>): string {
  const seen: unknown[] = [];
  const reader = framings[dialect.framing ?? "sse"].reader((data, name) => seen.push(name, data));
  for (const piece of pieces) reader.push(piece);
  reader.end();
  return seen.join("\n");
}

/** What a stream means that comes in these pieces: its events, and how it ends. */
export function meaning(dialect: UpstreamDialect, pieces: Iterable<Uint8Array>): { events: readonly ChatEvent[]; end: string } {
  const events: ChatEvent[] = [];
  const decoder = dialect.streamDecoder({});
  const reader = framings[dialect.framing ?? "sse"].reader((data, name) => decoder.push(data, name, events));
  try {
    for (const piece of pieces) reader.push(piece);
    reader.end();
    decoder.end(events);
    return { events, end: "good" };
  } catch (thrown) {
    if (thrown instanceof ChatError) return { events, end: `${thrown.failure}: ${thrown.message}` };
    throw thrown;
  }
}

/** One answer of events. */
export function folded(events: readonly ChatEvent[]): ChatResponse {
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return folder.response();
}
