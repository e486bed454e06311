import { hash } from "node:crypto";
import type { AttemptRecord, Call } from "../core/call.ts";
import type { EmbedRequest } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { Handler } from "../core/handler.ts";
import { type Direction, normalized } from "../core/similar.ts";

/**
 * Longest that a call waits for its question's direction, milliseconds. It comes on top of every call that then finds nothing; the vendors'
 * small models mostly take 50 to 250 ms, and the chats that are saved seconds.
 */
const waitMs = 300;
/** Failures in a row after which calls no longer wait. */
const failuresMax = 5;
/** How long they do not, until one tries again; milliseconds. */
const pauseMs = 30_000;

/** What came of embedding a question. */
export type Embedded =
  | { readonly kind: "direction"; readonly direction: Direction; readonly attempts: readonly AttemptRecord[] }
  /** `left`: the caller did, or its own deadline passed. */
  | { readonly kind: "failed" | "timeout" | "left"; readonly attempts: readonly AttemptRecord[] }
  /** Nobody was asked: it failed too often of late. */
  | { readonly kind: "left_out"; readonly attempts: readonly [] };

/** Finds a text's direction for a call, by an attempt of our own at a configured model. Never rejects, and never takes longer than 300 ms. */
export type Embedder = (call: Call, model: string, text: string) => Promise<Embedded>;

/** `embed`: the way of every call for embeddings, from dispatch on: no limits of the caller's, no cache. */
export function createEmbedder(embed: Handler<Call>, clock: Clock): Embedder {
  let failures = 0;
  let pauseUntilMs = 0;
  let lastModel = "";
  return async (call, model, text) => {
    if (model !== lastModel) failures = 0;
    lastModel = model;
    if (failures >= failuresMax) {
      if (clock.now() < pauseUntilMs) return { kind: "left_out", attempts: [] };
      // One tries for all.
      pauseUntilMs = clock.now() + pauseMs;
    }
    const embedded = await embedOnce(call, requestFor(model, text), { embed, clock });
    if (embedded.kind === "direction") failures = 0;
    else if (embedded.kind !== "left" && ++failures >= failuresMax) pauseUntilMs = clock.now() + pauseMs;
    return embedded;
  };
}

function requestFor(model: string, text: string): EmbedRequest {
  return {
    $typeName: "semaroute.v1.EmbedRequest",
    model,
    inputs: [{ $typeName: "semaroute.v1.EmbedInput", input: { case: "text", value: text } }],
    taskType: "",
    endUserId: "",
    extensionsJson: {},
  };
}

interface EmbedParts {
  readonly embed: Handler<Call>;
  readonly clock: Clock;
}

async function embedOnce(call: Call, request: EmbedRequest, { embed, clock }: EmbedParts): Promise<Embedded> {
  const stop = new AbortController();
  const leave = (): void => stop.abort(call.signal.reason);
  if (call.signal.aborted) leave();
  call.signal.addEventListener("abort", leave, { once: true });
  let isLate = false;
  const cancelTimer = clock.after(waitMs, () => {
    isLate = true;
    // As if a caller had wished for it: it speaks against a target only where that is slow by its own measure.
    stop.abort(new ChatError("DEADLINE_EXCEEDED", `nobody waits longer than ${waitMs} ms for an embedding`, { impatient: true }));
  });
  try {
    const { source, batches } = await embed(ownCall(call, request, { signal: stop.signal, deadline: clock.now() + waitMs }));
    let values: readonly number[] = [];
    for (let next = await batches.next(); next.done !== true; next = await batches.next()) {
      for (const event of next.value) if (event.case === "embedded") values = event.value.embeddings[0]?.values ?? [];
    }
    const vector = normalized(values);
    const { attempts, target } = source;
    if (vector === undefined) return { kind: "failed", attempts };
    return { kind: "direction", direction: { target: target.id, vector, textHash: textHashOf(request) }, attempts };
  } catch (thrown) {
    const { attempts } = chatErrorFrom(thrown);
    return { kind: isLate ? "timeout" : call.signal.aborted ? "left" : "failed", attempts };
  } finally {
    cancelTimer();
    call.signal.removeEventListener("abort", leave);
  }
}

/** The operator's own choice: the key's list, its limits and the call's wishes have no say in it. */
function ownCall(call: Call, request: EmbedRequest, bounds: Pick<Call, "signal" | "deadline">): Call {
  const { snapshot, key } = call;
  return {
    ...call,
    ...bounds,
    id: `${call.id}.similar`,
    key: { ...key, models: undefined, limits: undefined },
    request,
    streamed: false,
    deadlineByCaller: true,
    snapshot: { ...snapshot, options: { ...snapshot.options, hedge: undefined } },
  };
}

function textHashOf({ inputs }: EmbedRequest): string {
  const input = inputs[0]?.input;
  return input?.case === "text" ? hash("sha256", input.value, "base64url") : "";
}
