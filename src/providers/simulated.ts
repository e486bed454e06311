import type { Attempt } from "../core/call.ts";
import { chatResponse, choice, FinishReason, isEmbedRequest, partDelta, partEnded, partStarted } from "../core/chat.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { Provider, ProviderEvent } from "../core/provider.ts";
import { answerPart, type SimulatedAnswer, simulatedAnswer, type SimulatedReply, usageFor } from "./simulated-answer.ts";
import { simulatedEmbeddings } from "./simulated-embedding.ts";
import { tokenEnd } from "./simulated-tokens.ts";
import { simulatedNotes } from "./simulated-notes.ts";

/** How a simulated call fails. */
export type SimulatedFailure =
  /** Answers with this status instead of an answer; 429 asks to come back after a second. */
  | "500"
  | "429"
  /** Never answers. */
  | "timeout"
  /** The connection breaks before an answer. */
  | "reset"
  /** The answer breaks off in its middle. */
  | "truncate";

/** Settings of a simulated provider. */
export interface SimulatedOptions {
  /** The configuration's name. */
  readonly name: string;
  /** Ids of the models it lists when probed. */
  readonly models: readonly string[];
  /** Milliseconds to the first token. */
  readonly firstTokenMs: number;
  /** Pace of the tokens that follow; 0: all at once. */
  readonly tokensPerSecond: number;
  readonly reply: SimulatedReply;
  /** Share of calls that fail, 0 to 1. */
  readonly failureRatio: number;
  readonly failure: SimulatedFailure;
  /** Which calls fail: the n-th call of a provider fails or not by the seed alone. */
  readonly seed: number;
  readonly clock: Clock;
}

type ProviderBatch = readonly ProviderEvent[];

/** A provider without a vendor: for trials, demonstrations and load. It keeps time, counts tokens, and fails as told. */
export function createSimulatedProvider(options: SimulatedOptions): Provider {
  let calls = 0;
  return {
    name: options.name,
    async *chat(attempt) {
      const call = calls++;
      const requestId = `${options.name}-${call}`;
      attempt.signal.throwIfAborted();
      const failure = chance(options.seed, call) < options.failureRatio ? options.failure : undefined;
      if (failure !== undefined && failure !== "truncate") await fail(failure, options.name, requestId, attempt.signal);

      const { request, target } = attempt;
      yield [{ case: "head", value: { status: 200, requestId, notes: simulatedNotes(request) } }];
      const complete = failure === undefined;
      if (isEmbedRequest(request)) {
        await pause(options.clock, options.firstTokenMs, attempt.signal);
        if (complete) yield [{ case: "embedded", value: simulatedEmbeddings(request, target) }];
      } else {
        const answer = simulatedAnswer(request, target, options.reply);
        const shown = complete ? answer.tokens : Math.ceil(answer.tokens / 2);
        yield* attempt.streamed
          ? streamed(options, attempt, answer, { shown, complete })
          : whole(options, attempt, answer, { shown, complete });
      }
      if (complete) return;
      throw new ChatError("UPSTREAM_UNAVAILABLE", `${options.name} closed the connection before the end of its answer`, {
        upstream: { status: 200, requestId },
      });
    },
    translator: { notes: simulatedNotes },
    probing: {
      async probe(signal) {
        signal.throwIfAborted();
        return options.models;
      },
    },
  };
}

/** How much of an answer leaves: so many tokens, and whether its end does. */
interface Extent {
  readonly shown: number;
  readonly complete: boolean;
}

/** Token by token; all that became due since the last wake-up leaves as one batch. */
async function* streamed(
  options: SimulatedOptions,
  attempt: Attempt,
  answer: SimulatedAnswer,
  extent: Extent,
): AsyncGenerator<ProviderBatch> {
  const { clock, firstTokenMs } = options;
  const gapMs = gapOf(options);
  const firstAtMs = clock.now() + firstTokenMs;
  let batch = opening(attempt, answer);
  let sent = 0;
  let at = 0;
  await pause(clock, firstTokenMs, attempt.signal);
  for (;;) {
    // A timer may fire a little early: whatever the clock says, the token that was waited for is due.
    const due = gapMs === 0 ? extent.shown : Math.max(sent + 1, Math.floor((clock.now() - firstAtMs) / gapMs) + 1);
    for (const until = Math.min(due, extent.shown); sent < until; sent++) {
      const end = tokenEnd(answer.text, at);
      pushToken(batch, answer, answer.text.slice(at, end));
      at = end;
    }
    if (sent < extent.shown) {
      yield batch;
      batch = [];
      await pause(clock, firstAtMs + sent * gapMs - clock.now(), attempt.signal);
      continue;
    }
    if (extent.complete) pushEnd(batch, answer);
    yield batch;
    return;
  }
}

/** The same answer at once, after the time it takes. */
async function* whole(options: SimulatedOptions, attempt: Attempt, answer: SimulatedAnswer, extent: Extent): AsyncGenerator<ProviderBatch> {
  await pause(options.clock, options.firstTokenMs + Math.max(0, extent.shown - 1) * gapOf(options), attempt.signal);
  if (!extent.complete) return;
  const choices = Array.from({ length: answer.choices }, (_, index) => {
    const made = choice(index, [answerPart(answer, callId(attempt, index), answer.text)]);
    if (made.message !== undefined && answer.tool === undefined) made.message.text = answer.text;
    made.finishReason = answer.finishReason;
    made.nativeFinishReason = nativeFinishReason(answer);
    made.stopSequence = answer.stopSequence;
    return made;
  });
  yield [{ case: "whole", value: chatResponse(attempt.target.upstreamModel, choices, usageFor(answer)) }];
}

function opening(attempt: Attempt, answer: SimulatedAnswer): ProviderEvent[] {
  const events: ProviderEvent[] = [
    { case: "started", value: { $typeName: "semaroute.v1.StreamStarted", id: "", model: attempt.target.upstreamModel } },
  ];
  for (let index = 0; index < answer.choices; index++) events.push(partStarted(index, 0, answerPart(answer, callId(attempt, index), "")));
  return events;
}

function pushToken(batch: ProviderEvent[], answer: SimulatedAnswer, value: string): void {
  for (let index = 0; index < answer.choices; index++)
    batch.push(partDelta(index, 0, answer.tool === undefined ? { case: "text", value } : { case: "argumentsJson", value }));
}

function pushEnd(batch: ProviderEvent[], answer: SimulatedAnswer): void {
  for (let choiceIndex = 0; choiceIndex < answer.choices; choiceIndex++) {
    batch.push(partEnded(choiceIndex, 0), {
      case: "choiceEnded",
      value: {
        $typeName: "semaroute.v1.ChoiceEnded",
        choiceIndex,
        finishReason: answer.finishReason,
        nativeFinishReason: nativeFinishReason(answer),
        stopSequence: answer.stopSequence,
        extensionsJson: {},
      },
    });
  }
  const usage = usageFor(answer);
  batch.push(
    { case: "usage", value: usage },
    {
      case: "completed",
      value: { $typeName: "semaroute.v1.StreamCompleted", usage, serviceTier: "", systemFingerprint: "", extensionsJson: {} },
    },
  );
}

function nativeFinishReason(answer: SimulatedAnswer): string {
  if (answer.finishReason === FinishReason.LENGTH) return "length";
  return answer.tool === undefined ? "stop" : "tool_calls";
}

/** Unique in a conversation, since the call's id is; at most 40 characters, as OpenAI wants it. */
function callId(attempt: Attempt, index: number): string {
  return `call_${attempt.id.replaceAll("-", "")}${index}`;
}

/** Milliseconds between tokens. */
function gapOf({ tokensPerSecond }: SimulatedOptions): number {
  return tokensPerSecond > 0 ? 1000 / tokensPerSecond : 0;
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleep(clock, ms, signal);
  else signal.throwIfAborted();
}

async function fail(failure: Exclude<SimulatedFailure, "truncate">, name: string, requestId: string, signal: AbortSignal): Promise<never> {
  switch (failure) {
    case "500":
      throw new ChatError("UPSTREAM_UNAVAILABLE", `${name} answered 500`, { upstream: { status: 500, requestId } });
    case "429":
      throw new ChatError("RATE_LIMITED", `${name} answered 429`, { upstream: { status: 429, requestId }, retryAfterMs: 1000 });
    case "reset":
      throw new ChatError("UPSTREAM_UNAVAILABLE", `connection to ${name} was reset`, { upstream: { status: 0, requestId: "" } });
    case "timeout":
      return await aborted(signal);
    default:
      return failure satisfies never;
  }
}

/** Rejects when the signal aborts, and never before. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    // The reason is a ChatError by the contract of Call.signal.
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

/** A number from 0 up to 1 that depends on nothing but seed and call (the mixing steps of MurmurHash3). */
function chance(seed: number, call: number): number {
  let x = seed ^ Math.imul(call + 1, 0x9e3779b9);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}
