import type { CachedReply } from "../core/cache.ts";
import type { Call } from "../core/call.ts";
import { CacheStatus, note, TranslationAction } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { ChatStream, Handler } from "../core/handler.ts";
import type { Similar, SimilarAnswers, SimilarChoice } from "../core/similar.ts";
import type { CallObserver } from "../core/telemetry.ts";
import { createEmbedder } from "./embedder.ts";
import { type Question, questionOf } from "./similar-question.ts";

/** What the semantic cache works with. */
export interface SimilarParts {
  readonly answers: SimilarAnswers;
  /** Undefined: it is off. */
  readonly choice: () => SimilarChoice | undefined;
  /** The way of calls for embeddings, from dispatch on. */
  readonly embed: Handler<Call>;
  readonly observers: readonly CallObserver[];
  readonly clock: Clock;
}

/** Asks further; what it is given is handed the answer if that is worth keeping. */
export type AskAndKeep = (call: Call, keep?: (reply: CachedReply) => void) => Promise<ChatStream>;

/** Looks for an answer to a similar question before it asks further, and keeps what it then gets to know. */
export type SimilarRoom = (ask: AskAndKeep, sinceMs: number) => Handler<Call>;

/** The part of room 4 that compares what questions mean. One embedding a call, for looking and for keeping alike. */
export function createSimilarRoom(parts: SimilarParts): SimilarRoom {
  const { answers, choice, embed, clock } = parts;
  const embedder = createEmbedder(embed, clock);
  return (ask, sinceMs) => async (call) => {
    const chosen = choice();
    const question = chosen && questionOf(call);
    if (chosen === undefined || question === undefined) return ask(call);
    const startMs = clock.now();
    const found = await look(call, question, chosen);
    const embedMs = clock.now() - startMs;
    if (found.similar !== undefined) return replaySimilar(found.similar, embedMs);
    const { direction } = found;
    const keep = direction && ((reply: CachedReply) => answers.keep(question.partition, direction, { reply, sinceMs }));
    const { source, batches } = await ask(call, keep);
    return { source: { ...source, sharedMs: (source.sharedMs ?? 0) + embedMs }, batches };
  };

  async function look(call: Call, { text, partition }: Question, { model, threshold }: SimilarChoice) {
    const embedded = await embedder(call, model, text);
    const direction = embedded.kind === "direction" ? embedded.direction : undefined;
    const similar = direction && answers.find(partition, direction, threshold);
    const result = similar !== undefined ? "hit" : embedded.kind === "direction" || embedded.kind === "left" ? "miss" : embedded.kind;
    for (const observer of parts.observers) observer.looked?.(call, { result, attempts: embedded.attempts, endMs: clock.now() });
    return { direction, similar };
  }
}

function replaySimilar({ reply, similarity }: Similar, sharedMs: number): ChatStream {
  const said = `this is the answer to a similar question, cosine similarity ${similarity.toFixed(4)}`;
  const notes = [note("messages", TranslationAction.APPROXIMATED, said)];
  const source = { target: reply.target, cache: CacheStatus.HIT, attempts: [], notes, rule: "", similarity, sharedMs };
  return { source, batches: replayed(reply) };
}

async function* replayed({ batches }: CachedReply): AsyncGenerator<CachedReply["batches"][number], undefined> {
  yield* batches;
}
