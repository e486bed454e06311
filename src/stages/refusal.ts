import type { Batch, ChatEvent, ChatResponse } from "../core/chat.ts";
import { FinishReason } from "../core/chat.ts";
import { ChatError } from "../core/error.ts";
import type { AttemptStage, AttemptStream } from "../core/handler.ts";
import { isContent } from "../core/stream.ts";

/**
 * Where the operator wants it (`fallback_on_refusal`), an answer that begins with the model's refusal is a failed attempt,
 * so that another target may be asked. Elsewhere a refusal is an answer like any other, and is passed on untouched.
 */
export const refusal: AttemptStage = (next) => async (attempt) => {
  const stream = await next(attempt);
  if (attempt.target.fallbackOnRefusal !== true) return stream;
  // Held back until its first content, so it is there.
  const { value: first } = await stream.batches.next();
  if (first === undefined) return stream;
  if (!beginsWithRefusal(first)) return { ...headOf(stream), batches: afterwards(first, stream.batches) };
  const error = new ChatError("CONTENT_POLICY", `target ${attempt.target.id} refused to answer`, {
    upstream: { status: stream.head.status, requestId: stream.head.requestId },
  });
  await stream.batches.return?.();
  stream.onEnd(({ usage }) => {
    error.usage = usage;
  });
  throw error;
};

function headOf(stream: AttemptStream): Omit<AttemptStream, "batches"> {
  return { head: stream.head, firstContentMs: stream.firstContentMs, onEnd: (listener) => stream.onEnd(listener) };
}

/** A first batch that was looked at, and what follows it. */
function afterwards(first: Batch, rest: AsyncIterableIterator<Batch>): AsyncIterableIterator<Batch> {
  let held: Batch | undefined = first;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      if (held === undefined) return rest.next();
      const value = held;
      held = undefined;
      return Promise.resolve({ done: false, value });
    },
    return() {
      held = undefined;
      return rest.return?.() ?? Promise.resolve({ done: true, value: undefined });
    },
  };
}

/** The first thing of substance decides: what has said something useful before it declines is an answer. */
function beginsWithRefusal(batch: Batch): boolean {
  const first = batch.find(isContent);
  return first !== undefined && isRefusal(first);
}

function isRefusal(event: ChatEvent): boolean {
  switch (event.case) {
    case "whole":
      return event.value.choices.length > 0 && event.value.choices.every(isRefused);
    case "choiceEnded":
      return declined.has(event.value.finishReason);
    case "partStarted":
      return event.value.part?.part.case === "refusal";
    case "partDelta":
      return event.value.delta.case === "refusal";
    default:
      return false;
  }
}

const declined: ReadonlySet<FinishReason> = new Set([FinishReason.REFUSAL, FinishReason.CONTENT_FILTER]);

function isRefused({ finishReason, message }: ChatResponse["choices"][number]): boolean {
  return declined.has(finishReason) || (message?.content.some(({ part }) => part.case === "refusal") ?? false);
}
