import { createParser, type EventSourceMessage } from "eventsource-parser";
import { ChatError } from "../../core/error.ts";

/** Longest event that is still collected; pictures in base64 can be large. */
const eventBytesMax = 8 * 1024 * 1024;

/** Cuts a byte stream into server-sent events, wherever the chunks end (WHATWG HTML, 9.2.6). */
export interface SseReader {
  /** Calls back for every event that is whole now. */
  push(chunk: Uint8Array): void;
  /** At the end of the body: an event whose last blank line is missing still counts. */
  end(): void;
}

/** One reader a stream; `onEvent` may throw, and ends the stream so. */
export function createSseReader(onEvent: (data: string, name: string | undefined) => void): SseReader {
  const decoder = new TextDecoder();
  let pending = 0;
  let thrown: unknown;
  const parser = createParser({
    // The parser catches nothing, but it goes on after a throw only in a broken state: remember the first and stop.
    onEvent: (event: EventSourceMessage) => {
      pending = 0;
      if (thrown !== undefined || event.data === "") return;
      try {
        onEvent(event.data, event.event);
      } catch (error) {
        thrown = error;
      }
    },
  });
  const feed = (text: string): void => {
    pending += text.length;
    parser.feed(text);
    if (thrown !== undefined) throw thrown;
    if (pending > eventBytesMax)
      throw new ChatError("UPSTREAM_PROTOCOL", `an event of the upstream's stream is larger than ${eventBytesMax} bytes`);
  };
  return {
    push(chunk) {
      feed(decoder.decode(chunk, { stream: true }));
    },
    end() {
      feed(`${decoder.decode()}\n\n`);
    },
  };
}
