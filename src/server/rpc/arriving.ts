import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { Clock } from "../../core/clock.ts";
import type { Arrivals } from "../arrivals.ts";
import { connectErrorFrom } from "../errors.ts";
import { requestIdKey } from "./error-details.ts";

/** How long a request may take to arrive. */
export interface ArrivalBound {
  /** Milliseconds. */
  readonly ms: number;
  /** Of the whole request, or of each silence in it. */
  readonly of: "all" | "silence";
}

/** What requests arrive by. */
export interface ArrivingParts {
  readonly clock: Pick<Clock, "after">;
  /** Shared by all requests. */
  readonly arrivals: Pick<Arrivals, "begin">;
}

/**
 * The request with a body that ends with DEADLINE_EXCEEDED where it does not arrive in time, with SHED where there is no room for
 * it, and with DRAINING where the process goes away before; what was parsed already is left as it is.
 */
export function arriving(request: UniversalServerRequest, bound: ArrivalBound, { clock, arrivals }: ArrivingParts): UniversalServerRequest {
  const { body, signal } = request;
  if (!isBytes(body)) return request;
  const requestId = request.contextValues?.get(requestIdKey) ?? "";
  return { ...request, body: inTime(body, bound, { clock, signal, requestId, arrivals }) };
}

/** Whether a body is read as it comes. */
export function isBytes(body: UniversalServerRequest["body"]): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

interface Around {
  readonly clock: Pick<Clock, "after">;
  /** Aborts when the request is over, also where nobody has read it to its end. */
  readonly signal: AbortSignal;
  readonly requestId: string;
  /** A stream of requests counts as if it kept them all: only reflection has one, and its requests are small. */
  readonly arrivals: ArrivingParts["arrivals"];
}

async function* inTime(body: AsyncIterable<Uint8Array>, { ms, of }: ArrivalBound, around: Around): AsyncGenerator<Uint8Array> {
  const { clock, signal, requestId, arrivals } = around;
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
  const arrival = arrivals.begin((reason) => late.reject(connectErrorFrom(reason, { requestId })));
  const over = (): void => {
    stop();
    arrival.end();
  };
  signal.addEventListener("abort", over, { once: true });
  try {
    for (;;) {
      const chunk = await Promise.race([chunks.next(), late.promise]);
      if (chunk.done === true) return;
      const refusal = signal.aborted ? undefined : arrival.take(chunk.value.length);
      if (refusal !== undefined) throw connectErrorFrom(refusal, { requestId });
      yield chunk.value;
      if (of === "silence" && !signal.aborted) {
        stop();
        start();
      }
    }
  } finally {
    over();
    signal.removeEventListener("abort", over);
  }
}
