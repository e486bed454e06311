import type { AttemptStream, Ending } from "../../src/core/handler.ts";
import { createTape } from "./support.ts";

/** An attempt's stream that has come to this end. */
export function streamOfOutcome(ending: Ending): AttemptStream {
  return {
    head: { status: 200, requestId: "", notes: [] },
    firstContentMs: 1,
    batches: createTape(),
    onEnd: (listener) => listener(ending),
  };
}
