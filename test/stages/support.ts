import type { AttemptRecord, Call, Source } from "../../src/core/call.ts";
import { createCatalog, type Target, type TargetId } from "../../src/core/catalog.ts";
import {
  type Batch,
  CacheStatus,
  type CallRequest,
  type ChatEvent,
  choice,
  type ChatResponse,
  chatResponse,
  embedResponse,
  FinishReason,
  partDelta,
  partEnded,
  partStarted,
  textPart,
  type Usage,
} from "../../src/core/chat.ts";
import type { ChatStream } from "../../src/core/handler.ts";
import type { Ranked } from "../../src/core/policy.ts";
import { attemptOf, chatRequest, chatTarget } from "../support/attempt.ts";
import { healthy } from "../support/health.ts";

export { healthy };

/** What a stream begins with; no content. */
export const started: ChatEvent = { case: "started", value: { $typeName: "semaroute.v1.StreamStarted", id: "up-1", model: "upstream" } };
/** An empty text part; no content. */
export const opened: ChatEvent = partStarted(0, 0, textPart(""));
/** The part's end; no content. */
export const closed: ChatEvent = partEnded(0, 0);

/** Text, which is content. */
export function said(text: string): ChatEvent {
  return partDelta(0, 0, { case: "text", value: text });
}

/** The first choice's end. */
export function finished(finishReason: FinishReason = FinishReason.STOP, choiceIndex = 0): ChatEvent {
  const value = { $typeName: "semaroute.v1.ChoiceEnded", choiceIndex, finishReason, nativeFinishReason: "", stopSequence: "" } as const;
  return { case: "choiceEnded", value: { ...value, extensionsJson: {} } };
}

/** The stream's end; a fresh one each, because the room that watches writes the usage into it. */
export function completed(usage?: Usage): ChatEvent {
  const value = { $typeName: "semaroute.v1.StreamCompleted", serviceTier: "", systemFingerprint: "", extensionsJson: {} } as const;
  return { case: "completed", value: usage === undefined ? { ...value } : { ...value, usage } };
}

/** A whole answer of one choice. */
export function answer(text: string, usage?: Usage, finishReason: FinishReason = FinishReason.STOP): ChatResponse {
  return chatResponse("upstream", [{ ...choice(0, [textPart(text)]), finishReason }], usage);
}

/** A whole answer as an event. */
export function whole(text: string, usage?: Usage, finishReason?: FinishReason): ChatEvent {
  return { case: "whole", value: answer(text, usage, finishReason) };
}

/** Vectors, which are an answer to a request for embeddings. */
export function embedded(vectors: readonly number[][], usage?: Usage): ChatEvent {
  return { case: "embedded", value: embedResponse("upstream", vectors, usage) };
}

/** An iterator that a test feeds: what is pushed is read in order, and a read of more waits. */
export interface Tape<T> extends AsyncIterableIterator<T> {
  push(...values: readonly T[]): void;
  end(): void;
  fail(error: unknown): void;
  /** How often it was asked for more. */
  reads(): number;
  /** How often its reader left it. */
  returns(): number;
  /** Always there, other than an iterator's in general. */
  return(): Promise<IteratorResult<T>>;
}

/** An empty tape. */
export function createTape<T>(): Tape<T> {
  const ready: (() => Promise<IteratorResult<T>>)[] = [];
  const waiting: ((result: Promise<IteratorResult<T>>) => void)[] = [];
  let reads = 0;
  let returns = 0;
  let last: (() => Promise<IteratorResult<T>>) | undefined;
  const done = (): Promise<IteratorResult<T>> => Promise.resolve({ done: true, value: undefined });
  const put = (make: () => Promise<IteratorResult<T>>): void => {
    const waiter = waiting.shift();
    if (waiter === undefined) ready.push(make);
    else waiter(make());
  };
  const finish = (make: () => Promise<IteratorResult<T>>): void => {
    put(make);
    last = done;
    for (const waiter of waiting.splice(0)) waiter(done());
  };
  return {
    push(...values) {
      for (const value of values) put(() => Promise.resolve({ done: false, value }));
    },
    end: () => finish(done),
    fail: (error) => finish(() => Promise.reject(error)),
    reads: () => reads,
    returns: () => returns,
    next() {
      reads++;
      const make = ready.shift() ?? last;
      return make === undefined ? new Promise((resolve) => waiting.push(resolve)) : make();
    },
    return() {
      returns++;
      finish(done);
      return done();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Reads to the end, and tells what broke it. */
export async function readAll(batches: AsyncIterableIterator<Batch>): Promise<{ batches: Batch[]; error: unknown }> {
  const read: Batch[] = [];
  try {
    for (let result = await batches.next(); result.done !== true; result = await batches.next()) read.push(result.value);
    return { batches: read, error: undefined };
  } catch (error) {
    return { batches: read, error };
  }
}

/** The text said in batches. */
export function textIn(batches: readonly Batch[]): string {
  let text = "";
  for (const event of batches.flat()) if (event.case === "partDelta" && event.value.delta.case === "text") text += event.value.delta.value;
  return text;
}

/** What a promise rejects with; fails where it does not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (thrown) {
    return thrown;
  }
  throw new Error("it did not reject");
}

/** A target by its id, `provider/model`. */
export function targetOf(id: string, more: Partial<Target> = {}): Target {
  const slash = id.indexOf("/");
  const [provider, model] = [id.slice(0, slash), id.slice(slash + 1)];
  return chatTarget({ id: id as TargetId, provider, model, upstreamModel: `${model}-upstream`, ...more });
}

/** Where an answer comes from. */
export function sourceOf(more: Partial<Source> = {}): Source {
  return { target: chatTarget(), cache: CacheStatus.BYPASS, attempts: [], notes: [], rule: "", ...more };
}

/** A stream of what is given. */
export function streamOf(batches: AsyncIterableIterator<Batch>, more: Partial<Source> = {}): ChatStream {
  return { source: sourceOf(more), batches };
}

/** An attempt's record, won and over. */
export function recordOf(more: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    id: "call.1",
    target: chatTarget(),
    kind: 1,
    startWall: 0,
    startMs: 0,
    firstContentMs: 1,
    endMs: 2,
    status: 200,
    upstreamRequestId: "",
    error: undefined,
    usage: undefined,
    won: true,
    ...more,
  };
}

/** A call; an attempt is one, and nobody left of the seam looks at its target. */
export function callOf(request: CallRequest = chatRequest("hi"), more: Partial<Call> = {}): Call {
  return attemptOf(request, more);
}

/** Targets ranked as given. */
export function rankedOf(targets: readonly Target[]): Ranked[] {
  return targets.map((target) => ({
    candidate: { target, health: healthy, costMicroUsd: undefined, load: 0 },
    score: 0,
    terms: [],
    remark: "",
  }));
}

/** A snapshot whose catalogue offers the targets, and whose policy ranks them as they come. */
export function snapshotOf(targets: readonly Target[], aliases: Readonly<Record<string, readonly string[]>> = {}): Call["snapshot"] {
  const byProvider = Map.groupBy(targets, ({ provider }) => provider);
  const providers = [...byProvider].map(([name, list]) => ({
    name,
    targets: list,
    other: (model: string) => targetOf(`${name}/${model}`),
  }));
  return {
    ...callOf().snapshot,
    catalog: createCatalog({ providers, aliases: new Map(Object.entries(aliases)) }),
    policy: {
      revision: "rev-1",
      name: "as-given",
      rank: (_facts, candidates) => ({
        order: candidates.map((candidate) => ({ candidate, score: 0, terms: [], remark: "" })),
        rule: "as-given",
      }),
    },
  };
}

/** Until everything that can run without time passing has run. */
export const settled = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve));
