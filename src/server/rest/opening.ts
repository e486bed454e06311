import type { Key } from "../../core/call.ts";
import { parseCallerJson } from "../../core/json.ts";
import { readText } from "../body.ts";
import type { CallInit, OpenCall } from "../call-desk.ts";
import { callerGone, closedEarly } from "../exchanges.ts";
import { applyWishes, type Wishes, wishesFrom } from "../wishes.ts";
import { callerOf, oneHeader, type RestCall, type RestParts } from "./context.ts";

/** A request that has arrived, and nobody has looked into. */
export interface Arrival {
  readonly key: Key;
  readonly wishes: Wishes;
  readonly receivedMs: number;
  /** Parsed JSON. */
  readonly body: unknown;
}

/** Who calls, what it wishes, and what it sent: in the order in which a refusal costs least. */
export async function arrival({ router, desk, clock, arrivals, settings }: RestParts, { request }: RestCall): Promise<Arrival> {
  const now = settings();
  const wishes = wishesFrom((name) => oneHeader(request, name));
  const caller = callerOf(now, request);
  const key = caller instanceof Promise ? await caller : caller;
  // Before sixteen megabytes are read for nothing.
  const refusal = router.refusal(key) ?? router.exhausted(key);
  if (refusal !== undefined) throw refusal;
  const text = await readText(request, { bytesMax: now.bodyMax, clock, arrivals });
  const receivedMs = desk.now();
  return { key, wishes, receivedMs, body: parseCallerJson(text) };
}

/** Opens a call for as long as it is answered; it is ended when its caller leaves. */
export async function during(
  { desk }: RestParts,
  { id, response }: RestCall,
  init: Omit<CallInit, "id">,
  answer: (opened: OpenCall) => Promise<void>,
): Promise<void> {
  const { door, key, request, streamed, wishes, receivedMs } = init;
  applyWishes(request, wishes);
  const opened = desk.open({ door, key, request, streamed, wishes, receivedMs, id });
  // "close" also comes after a good end; only before it does it mean that the caller left.
  response.on("close", () => {
    if (closedEarly(response)) opened.abort(callerGone(response));
  });
  try {
    await answer(opened);
  } finally {
    opened.close();
  }
}
