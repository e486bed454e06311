import { ChatError } from "../core/error.ts";

/** Bytes of a request that count as few. */
const fewBytes = 64 * 1024;
/** Share of all bytes that only requests of few may take: whoever holds back large ones must not shut out the small. */
const fewShare = 1 / 8;
/** Those that hold the bytes now have come by then, or most of them. Milliseconds. */
const retryAfterMs = 1000;

/** One request on its way in. */
export interface Arrival {
  /** To be told of bytes as they come; the refusal, where there is no room for them beside all others. */
  take(bytes: number): ChatError | undefined;
  /** It has arrived, or never will: its bytes count no more. To be called always, and more often does no harm. */
  end(): void;
}

/** The requests whose bodies are being read: no calls yet, but memory, and to be told of it like calls when the process goes away. */
export interface Arrivals {
  /** Requests on their way in. */
  readonly open: number;
  /** To be called where reading begins. `cut` is told why it has to end, once the process goes away; at once where it has. */
  begin(cut?: (reason: ChatError) => void): Arrival;
  /** Cuts all that are on their way, and all that still begin. */
  cut(): void;
}

/**
 * One for all doors of a process; at most `bytesMax` are on their way at once. Bodies are bounded one by one, but anybody may hold
 * back the last byte of as many as there are connections. Only what has come is counted: a length that is told takes no room.
 */
export function createArrivals(bytesMax: number): Arrivals {
  const manyMax = bytesMax * (1 - fewShare);
  const open = new Map<Arrival, ((reason: ChatError) => void) | undefined>();
  let bytesOpen = 0;
  let isCut = false;
  return {
    get open() {
      return open.size;
    },
    begin(cut) {
      let bytesOwn = 0;
      const arrival: Arrival = {
        take(bytes) {
          if (!open.has(arrival)) return undefined;
          if (bytesOpen + bytes > (bytesOwn + bytes > fewBytes ? manyMax : bytesMax))
            return new ChatError("SHED", "too many bytes of requests are on their way in", { retryAfterMs });
          bytesOpen += bytes;
          bytesOwn += bytes;
          return undefined;
        },
        end() {
          if (open.delete(arrival)) bytesOpen -= bytesOwn;
        },
      };
      open.set(arrival, cut);
      // Not before it has what it begins.
      if (isCut) queueMicrotask(() => cut?.(draining()));
      return arrival;
    },
    cut() {
      isCut = true;
      for (const cut of open.values()) cut?.(draining());
    },
  };
}

function draining(): ChatError {
  return new ChatError("DRAINING", "this replica is going away");
}
