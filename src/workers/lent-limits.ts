import type { Call, Key } from "../core/call.ts";
import { ChatError } from "../core/error.ts";
import type { Place, Reservation, Spend } from "../core/limits.ts";
import type { ProcessLimits } from "../stores/key-limits.ts";
import type { Handlers } from "./link.ts";
import type { LimitedKey, MoneyAsk, PlaceAsk, PrimaryTable, Refusal } from "./protocol.ts";

/** What a worker asks of limits. */
export type LimitHandlers = Pick<
  Handlers<PrimaryTable>,
  "enter" | "release" | "reserve" | "extend" | "settle" | "withdraw" | "estimate" | "standing" | "changed"
>;

/** The limits, as one worker uses them. */
export interface LentLimits {
  readonly handlers: LimitHandlers;
  /** The worker is gone: what its calls held is free again. What they had used by then, nobody knows. */
  gone(this: void): void;
}

/** Money that is waited for. */
interface Wait {
  most: Spend;
  readonly controller: AbortController;
}

const nothing: Spend = { tokens: 0, picoUsd: 0n };

/**
 * Counts for a worker, and remembers what its calls hold. `turn` resolves when all that has arrived by now was heard: who gave
 * something back before he answered his caller, has given it back before the caller's next call asks for it through another worker.
 */
export function lendLimits(limits: ProcessLimits, turn: () => Promise<unknown>): LentLimits {
  const places = new Map<number, Place>();
  const waits = new Map<number, Wait>();
  const reservations = new Map<number, Reservation>();
  let isGone = false;

  const enter = async ({ id, key: asked }: PlaceAsk) => {
    const key = keyFrom(asked);
    await turn();
    const place = await limits.enter({ key });
    if (place instanceof ChatError) return { no: refusalFrom(place), allowances: place.allowances };
    if (isGone) place.release(false);
    else places.set(id, place);
    return { no: undefined, allowances: limits.allowances(key) };
  };
  const reserve = async ({ id, key: asked, most }: MoneyAsk) => {
    const key = keyFrom(asked);
    const wait: Wait = { most, controller: new AbortController() };
    waits.set(id, wait);
    const call: Pick<Call, "key" | "signal"> = { key, signal: wait.controller.signal };
    try {
      await turn();
      const verdict = await limits.reserve(call, () => wait.most);
      if (verdict instanceof ChatError) return { no: refusalFrom(verdict), allowances: verdict.allowances, picoUsd: 0n };
      // Whoever asked may have gone while this was on its way.
      if (isGone || wait.controller.signal.aborted) verdict.settle(nothing);
      else reservations.set(id, verdict);
      return { no: undefined, allowances: limits.allowances(key), picoUsd: verdict.picoUsd };
    } finally {
      waits.delete(id);
    }
  };
  const release = (id: number, refused: boolean): void => {
    places.get(id)?.release(refused);
    places.delete(id);
  };
  const settle = (id: number, used: Spend): void => {
    reservations.get(id)?.settle(used);
    reservations.delete(id);
  };
  return {
    handlers: {
      enter,
      release: ({ id, refused }) => release(id, refused),
      reserve,
      extend: ({ id, picoUsd }) => extended(reservations.get(id), picoUsd),
      settle: ({ id, used }) => settle(id, used),
      withdraw(id) {
        waits.get(id)?.controller.abort();
        release(id, true);
        settle(id, nothing);
      },
      estimate(estimates) {
        for (const { id, most } of estimates) {
          const wait = waits.get(id);
          if (wait !== undefined) wait.most = most;
        }
      },
      standing: (key) => limits.standing(key),
      changed: (key) => limits.changed(keyFrom(key)),
    },
    gone() {
      isGone = true;
      for (const { controller } of waits.values()) controller.abort();
      for (const id of places.keys()) release(id, false);
      for (const id of reservations.keys()) settle(id, nothing);
    },
  };
}

async function extended(reservation: Reservation | undefined, wanted: bigint): Promise<{ picoUsd: bigint; unasked: boolean }> {
  const picoUsd = (await reservation?.extend(wanted)) ?? 0n;
  return { picoUsd, unasked: reservation?.unasked === true };
}

/** Limits do not go by models. */
function keyFrom(asked: LimitedKey): Key {
  return { ...asked, models: undefined };
}

function refusalFrom({ failure, message, retryAfterMs, limitedKey }: ChatError): Refusal {
  return { failure, text: message, retryAfterMs, limitedKey };
}
