import { createParser, type EventSourceMessage } from "eventsource-parser";
import { ChatError } from "../../core/error.ts";
import type { EventReader, OnEvent } from "./framing.ts";

/** Longest line, in characters. */
const lineMax = 1024 * 1024;
/** Longest event, in characters of its data. */
const eventMax = 4 * 1024 * 1024;

/**
 * Cuts a byte stream into server-sent events (WHATWG HTML, 9.2.6). At its end an event whose last blank line is missing still
 * counts, half a line does not.
 */
export function createSseReader(onEvent: OnEvent): EventReader {
  const decoder = new TextDecoder();
  let events = 0;
  /** Characters of the line that has not ended. */
  let open = 0;
  let thrown: unknown;
  const parser = createParser({
    maxBufferSize: eventMax,
    // The parser catches nothing, but it goes on after a throw only in a broken state: remember the first and stop.
    onEvent: (event: EventSourceMessage) => {
      events++;
      if (thrown !== undefined || event.data === "") return;
      try {
        onEvent(event.data, event.event);
      } catch (error) {
        thrown = error;
      }
    },
  });
  const feed = (text: string): void => {
    if (open + text.length > lineMax) refuseLongLine(text, open);
    open = openAfter(text, open);
    try {
      // An event that is too long is dropped here, and told by a throw the next time, at the latest at the end.
      parser.feed(text);
    } catch {
      thrown ??= new ChatError("UPSTREAM_PROTOCOL", `an event of the upstream's stream is longer than ${eventMax} characters`);
    }
    if (thrown !== undefined) throw thrown;
  };
  return {
    push(chunk) {
      feed(decoder.decode(chunk, { stream: true }));
    },
    end() {
      feed(decoder.decode());
      const half = open > 0;
      const before = events;
      feed("\n\n");
      if (half && events === before) throw new ChatError("UPSTREAM_PROTOCOL", "the upstream's stream ended within a line");
    },
  };
}

/** Characters of the line that has not ended once `text` has come after `open` of them. */
function openAfter(text: string, open: number): number {
  // Nearly every chunk ends with an event, and so with a line.
  if (text.charCodeAt(text.length - 1) === 0x0a) return 0;
  const end = Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r"));
  return end < 0 ? open + text.length : text.length - end - 1;
}

/** `open` characters of the first line came before `text`. */
function refuseLongLine(text: string, open: number): void {
  for (let at = 0, before = open; at < text.length; before = 0) {
    const end = lineEnd(text, at);
    if (before + end - at > lineMax)
      throw new ChatError("UPSTREAM_PROTOCOL", `a line of the upstream's stream is longer than ${lineMax} characters`);
    at = end + 1;
  }
}

function lineEnd(text: string, from: number): number {
  const lf = text.indexOf("\n", from);
  const line = lf < 0 ? text.length : lf;
  const cr = text.slice(from, line).indexOf("\r");
  return cr < 0 ? line : from + cr;
}
