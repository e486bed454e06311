import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { Clock } from "../../core/clock.ts";

type Body = UniversalServerRequest["body"];

/** How long a request may take to arrive. */
export interface ArrivalBound {
  /** Milliseconds. */
  readonly ms: number;
  /** Of the whole request, or of each silence in it. */
  readonly of: "all" | "silence";
}

/** A request's body, which ends with DEADLINE_EXCEEDED where it does not arrive in time; what was parsed already is left as it is. */
export function arriving(body: Body, bound: ArrivalBound, clock: Pick<Clock, "after">): Body {
  return isBytes(body) ? inTime(body, bound, clock) : body;
}

function isBytes(body: Body): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}

async function* inTime(body: AsyncIterable<Uint8Array>, { ms, of }: ArrivalBound, clock: Pick<Clock, "after">): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  let late = Promise.withResolvers<never>();
  let cancel = clock.after(ms, tooLate);
  function tooLate(): void {
    late.reject(new ConnectError(`the request did not arrive within ${ms / 1000} s`, Code.DeadlineExceeded));
  }
  // Nobody may be waiting when it comes.
  late.promise.catch(() => undefined);
  try {
    for (;;) {
      const chunk = await Promise.race([chunks.next(), late.promise]);
      if (chunk.done === true) return;
      yield chunk.value;
      if (of === "silence") {
        cancel();
        late = Promise.withResolvers<never>();
        late.promise.catch(() => undefined);
        cancel = clock.after(ms, tooLate);
      }
    }
  } finally {
    cancel();
  }
}
