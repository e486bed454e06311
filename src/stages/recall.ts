import type { CacheKey, CachedReply, ReplyCache } from "../core/cache.ts";
import type { Call, Source } from "../core/call.ts";
import { type Batch, CacheMode, CacheStatus, type CallRequest, isEmbedRequest } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { ChatStream, Handler, Stage } from "../core/handler.ts";
import { Flight } from "./flight.ts";
import { Keeper } from "./keeper.ts";
import { keyOf } from "./recall-key.ts";
import type { FlightReader } from "./seat.ts";
import type { AskAndKeep, SimilarRoom } from "./similar.ts";

/** When the cache is used where a call does not say (docs/configuration.md, cache.mode). */
export type RecallMode = "off" | "deterministic" | "all" | "on_request";

/** What the room works with. */
export interface RecallParts {
  readonly cache: ReplyCache;
  readonly mode: () => RecallMode;
  readonly clock: Clock;
  /** Whether memory is short now, and no answer is kept. */
  readonly sparing: () => boolean;
  /** Looks for answers to similar questions. Default: nobody does. */
  readonly similar?: SimilarRoom | undefined;
}

/**
 * Room 4: a known answer is replayed in the batches it came in and goes no further; an unknown one is kept when it came
 * to a clean end. Equal calls at the same time share one flight, which no single caller's leaving can end.
 */
export function recall({ cache, mode, clock, sparing, similar = (ask) => ask }: RecallParts): Stage<Call> {
  const flights = new Map<string, Flight>();
  return (next) => async (call) => {
    const use = usesOf(call, mode());
    if (!use.write) return next(call);
    const key = keyOf(call);
    if (use.read) {
      const hit = await cache.find(key, call.signal);
      if (hit !== undefined) return replay(hit);
    }
    const status = use.read ? CacheStatus.MISS : CacheStatus.BYPASS;
    const keeping = { cache, key, status, sparing, sinceMs: clock.now() };
    if (!use.read) return kept(await next(call), keeping);
    // Streams and whole answers fly apart: a caller who wants events as they come must not wait for a whole.
    const name = `${call.streamed ? "s" : "u"}${key}`;
    const running = flights.get(name);
    const reader = running?.join(call);
    if (reader !== undefined) return board(reader, CacheStatus.HIT, clock);
    const turns = createTurns(sparing() ? undefined : cache.turn, key);
    const ask: AskAndKeep = async (shared, keep) => kept(await next(shared), keeping, keep);
    const flight = new Flight(turns.around(sparing() ? ask : similar(ask, keeping.sinceMs)), call, clock, () => {
      turns.end();
      if (flights.get(name) === flight) flights.delete(name);
    });
    flights.set(name, flight);
    return board(flight.lead(), status, clock);
  };
}

/** A flight's place among the flights of other replicas. */
interface Turns {
  /** Asks an upstream only where it is our turn. */
  around(next: Handler<Call>): Handler<Call>;
  /** The flight is over. */
  end(): void;
}

/** `turn` undefined: we are alone, or would not keep the answer that others wait for. */
function createTurns(turn: ReplyCache["turn"], key: CacheKey): Turns {
  let isOver = false;
  let release: (() => void) | undefined;
  const wait = async (call: Call, next: Handler<Call>, mine: NonNullable<ReplyCache["turn"]>): Promise<ChatStream> => {
    const found = await mine(key, call);
    if (found.kind === "known") return replay(found.reply, found.waitedMs);
    // All have left meanwhile; what is called then ends at once.
    if (isOver) found.end();
    else release = found.end;
    const { source, batches } = await next(call);
    return { source: found.waitedMs === 0 ? source : { ...source, sharedMs: found.waitedMs }, batches };
  };
  return {
    around: (next) => (turn === undefined ? next : (call) => wait(call, next, turn)),
    end() {
      isOver = true;
      release?.();
    },
  };
}

interface Uses {
  readonly read: boolean;
  readonly write: boolean;
}

function usesOf({ request }: Call, mode: RecallMode): Uses {
  if (mode === "off") return { read: false, write: false };
  switch (request.routing?.cache ?? CacheMode.UNSPECIFIED) {
    case CacheMode.BYPASS:
      return { read: false, write: false };
    case CacheMode.REFRESH:
      return { read: false, write: true };
    case CacheMode.USE:
      return { read: true, write: true };
    default: {
      const cacheable = mode === "all" || (mode === "deterministic" && isDeterministic(request));
      return { read: cacheable, write: cacheable };
    }
  }
}

/** Whether equal requests have equal answers: a chat at temperature 0, and all embeddings. */
function isDeterministic(request: Readonly<CallRequest>): boolean {
  return isEmbedRequest(request) || request.sampling?.temperature === 0;
}

function replay({ target, batches }: CachedReply, sharedMs = 0): ChatStream {
  const source: Source = { target, cache: CacheStatus.HIT, attempts: [], notes: [], rule: "", ...(sharedMs > 0 && { sharedMs }) };
  return { source, batches: replayed(batches) };
}

async function* replayed(batches: readonly Batch[]): AsyncGenerator<Batch, undefined> {
  yield* batches;
}

interface Keeping {
  readonly cache: ReplyCache;
  readonly key: CacheKey;
  readonly status: CacheStatus;
  readonly sparing: () => boolean;
  /** When the answer was asked for; monotonic milliseconds. */
  readonly sinceMs: number;
}

/** `also`: who else keeps it. */
function kept(stream: ChatStream, { cache, key, status, sparing, sinceMs }: Keeping, also?: (reply: CachedReply) => void): ChatStream {
  const source = { ...stream.source, cache: status };
  if (sparing()) return { source, batches: stream.batches };
  return {
    source,
    batches: new Keeper(stream.batches, (batches, bytes) => {
      const reply = { target: source.target, batches, bytes };
      cache.keep(key, reply, sinceMs);
      also?.(reply);
    }),
  };
}

/** Settles with the flight's first content, as every handler does. */
async function board(reader: FlightReader, status: CacheStatus, clock: Clock): Promise<ChatStream> {
  const startMs = clock.now();
  try {
    const source = await reader.source();
    const shared = status === CacheStatus.HIT ? { sharedMs: clock.now() - startMs } : {};
    const own: Source = {
      ...source,
      ...shared,
      // Another replica's answer is one, whoever waited for it.
      cache: source.cache === CacheStatus.HIT ? CacheStatus.HIT : status,
      get attempts() {
        return reader.owns() ? source.attempts : [];
      },
    };
    return { source: own, batches: reader };
  } catch (thrown) {
    const error = chatErrorFrom(thrown);
    const mine = error.attempts.length === 0 || reader.claim();
    void reader.return?.();
    if (mine) throw error;
    const shared = new ChatError(error.failure, error.message, error);
    shared.plan = error.plan;
    throw shared;
  }
}
