import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { Clock } from "../../core/clock.ts";

/** How long a request may take to arrive. */
export interface ArrivalBound {
  /** Milliseconds. */
  readonly ms: number;
  /** Of the whole request, or of each silence in it. */
  readonly of: "all" | "silence";
}

/** The request with a body that ends with DEADLINE_EXCEEDED where it does not arrive in time; what was parsed already is left as it is. */
export function arriving(request: UniversalServerRequest, bound: ArrivalBound, clock: Pick<Clock, "after">): UniversalServerRequest {
  const { body, signal } = request;
  return isBytes(body) ? { ...request, body: inTime(body, bound, { clock, signal }) } : request;
}

function isBytes(body: UniversalServerRequest["body"]): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

interface Around {
  readonly clock: Pick<Clock, "after">;
  /** Aborts when the request is over, also where nobody has read it to its end. */
  readonly signal: AbortSignal;
}

async function* inTime(body: AsyncIterable<Uint8Array>, { ms, of }: ArrivalBound, { clock, signal }: Around): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  let late = Promise.withResolvers<never>();
  let cancelTimer: (() => void) | undefined;
  const stop = (): void => cancelTimer?.();
  const start = (): void => {
    late = Promise.withResolvers<never>();
    // Nobody may be waiting when it comes.
    late.promise.catch(() => undefined);
    const { reject } = late;
    cancelTimer = clock.after(ms, () =>
      reject(new ConnectError(`the request did not arrive within ${ms / 1000} s`, Code.DeadlineExceeded)),
    );
  };
  start();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const chunk = await Promise.race([chunks.next(), late.promise]);
      if (chunk.done === true) return;
      yield chunk.value;
      if (of === "silence" && !signal.aborted) {
        stop();
        start();
      }
    }
  } finally {
    stop();
    signal.removeEventListener("abort", stop);
  }
}
