import type { AttemptRecord, Call } from "../core/call.ts";
import { type Batch, isEmbedRequest } from "../core/chat.ts";
import { ChatError } from "../core/error.ts";
import type { ChatStream } from "../core/handler.ts";
import type { AnswerSizes, Reservation, Spend } from "../core/limits.ts";
import { usdFromPico } from "../core/price.ts";
import { isLast } from "./end-tap.ts";
import { SpendingMeter } from "./spending-meter.ts";

/** Characters that more money is set aside for at a time. */
const step = 1024;
const retryAfterMs = 1000;

/** What belongs to one answer. */
export interface SpendingParts {
  readonly call: Call;
  readonly stream: ChatStream;
  readonly reservation: Reservation;
  readonly sizes: AnswerSizes;
  /** Ends the upstream, for this reason. */
  readonly stop: (error: ChatError) => void;
  /** Called once, when there is nothing to stop any more. */
  readonly onEnd: () => void;
}

/**
 * Hands batches on, and settles what they cost when there are no more, whoever ended them. A stream of a key with a budget is
 * watched: when its text has cost what was set aside, more is; and where there is no more, it ends with BUDGET_EXHAUSTED, or
 * STORE_UNAVAILABLE where nobody can say.
 */
export class SpendingTap implements AsyncIterableIterator<Batch> {
  readonly #parts: SpendingParts;
  /** Undefined: nobody watches. */
  readonly #meter: SpendingMeter | undefined;
  /** What the money set aside pays for; Infinity once the answer is being ended. */
  #charactersMax = Number.POSITIVE_INFINITY;
  #open = true;

  constructor(parts: SpendingParts) {
    this.#parts = parts;
    const { call, stream, reservation, sizes } = parts;
    const { price, id } = stream.source.target;
    if (!call.streamed || price === undefined || (call.key.limits?.budgetMicroUsd ?? 0) === 0) return;
    this.#meter = new SpendingMeter(call, price, sizes.correction(id));
    this.#charactersMax = this.#meter.charactersFor(reservation.picoUsd);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Batch>> {
    return this.#parts.stream.batches.next().then(this.#seen, this.#broken);
  }

  return(): Promise<IteratorResult<Batch>> {
    // First the answer itself, whose end says what it used.
    const left = this.#parts.stream.batches.return?.();
    this.#end();
    return left ?? Promise.resolve({ done: true, value: undefined });
  }

  readonly #seen = (result: IteratorResult<Batch>): IteratorResult<Batch> | Promise<IteratorResult<Batch>> => {
    if (result.done === true) {
      this.#end();
      return result;
    }
    const batch = result.value;
    const characters = this.#meter?.add(batch) ?? 0;
    // What it used is known now, and its answer is to say how the limits stand after it. A loser of a race may still be reckoning.
    if (batch.some(isLast) && this.#parts.call.snapshot.options.hedge === undefined) this.#end();
    return this.#meter !== undefined && characters > this.#charactersMax ? this.#extend(this.#meter, characters, batch) : result;
  };

  readonly #broken = (error: unknown): never => {
    this.#end();
    throw error;
  };

  #extend(meter: SpendingMeter, characters: number, batch: Batch): IteratorResult<Batch> | Promise<IteratorResult<Batch>> {
    const { reservation } = this.#parts;
    const judge = (): IteratorResult<Batch> => {
      this.#charactersMax = meter.charactersFor(reservation.picoUsd);
      return { done: false, value: characters > this.#charactersMax ? this.#stop(meter, batch) : batch };
    };
    const more = reservation.extend(meter.costOf(characters + step) - reservation.picoUsd);
    return more instanceof Promise ? more.then(judge) : judge();
  }

  /** What came is paid for, and is handed on; the next read says why there is no more. */
  #stop(meter: SpendingMeter, batch: Batch): Batch {
    const { call, stop, reservation } = this.#parts;
    const usage = meter.usage();
    const cost = usdFromPico(usage.costPicoUsd ?? 0n);
    const used = `${usage.inputTokens} input and ${usage.outputTokens} output tokens, ${cost} US dollars`;
    this.#charactersMax = Number.POSITIVE_INFINITY;
    const { name } = call.key;
    const error =
      reservation.unasked === true
        ? new ChatError("STORE_UNAVAILABLE", `what key ${name} has left cannot be asked any more; this answer used ${used}`, {
            retryAfterMs,
          })
        : new ChatError("BUDGET_EXHAUSTED", `the budget of key ${name} was spent while this answer came, which used ${used}`);
    stop(error);
    return [...batch, { case: "usage", value: usage }];
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#charactersMax = Number.POSITIVE_INFINITY;
    const { stream, reservation, onEnd } = this.#parts;
    onEnd();
    const { attempts } = stream.source;
    reservation.settle(spendOf(attempts));
    this.#learn(attempts.findLast(({ won }) => won));
  }

  /** Only a success counts, by its vendor's own count. */
  #learn(won: AttemptRecord | undefined): void {
    const { call, sizes } = this.#parts;
    const { key, request } = call;
    if (won?.usage === undefined || won.error !== undefined || won.usage.estimated || isEmbedRequest(request)) return;
    const { costPicoUsd: cost, outputTokens } = won.usage;
    const ratio = cost === undefined ? undefined : this.#meter?.ratioTo(cost);
    const tokens = outputTokens / (request.n ?? 1);
    sizes.learn({ key: key.id, asked: request.model, target: won.target.id, tokens, ratio });
  }
}

/** What a call's attempts used, those that failed and those that lost a race among them. Counts that are none are not counted. */
export function spendOf(attempts: readonly AttemptRecord[]): Spend {
  let tokens = 0;
  let picoUsd = 0n;
  for (const { usage } of attempts) {
    if (usage === undefined) continue;
    const used = usage.inputTokens + usage.outputTokens;
    if (Number.isSafeInteger(used) && used > 0) tokens += used;
    picoUsd += usage.costPicoUsd ?? 0n;
  }
  return { tokens, picoUsd };
}
