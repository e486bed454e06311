import type { Key } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { Place } from "../core/limits.ts";
import type { ProcessLimits } from "../stores/key-limits.ts";
import { borrowedMoney } from "./borrowed-money.ts";
import { createHeardAllowances } from "./heard-allowances.ts";
import { limitedKey, type LimitQuestions } from "./limit-questions.ts";
import type { PrimaryLink, Verdict } from "./protocol.ts";

/** Whoever could not be told may ask again after so long; milliseconds. */
const retryAfterMs = 1000;

/** The limits of all workers, which the primary counts: a question and an answer for each call of a key that has some. */
export function borrowedLimits(link: PrimaryLink, clock: Clock): ProcessLimits {
  const heard = createHeardAllowances(clock);
  let count = 0;
  const questions: LimitQuestions = {
    link,
    next: () => count++,
    refusal(key, { no, allowances }) {
      heard.hear(key, allowances);
      if (no === undefined) return undefined;
      const error = new ChatError(no.failure, no.text, { retryAfterMs: no.retryAfterMs });
      error.allowances = allowances;
      error.limitedKey = no.limitedKey;
      return error;
    },
    unanswered({ id, key }, cause) {
      // It may be granted yet, when nobody waits for it.
      link.tell("withdraw", id);
      return new ChatError("STORE_UNAVAILABLE", `the limits of key ${key.name} cannot be asked for now`, { cause, retryAfterMs });
    },
  };
  return {
    // Nobody knows it here for certain; the question of each call finds out.
    exhausted: () => undefined,
    enter: ({ key }) => enter(key, questions),
    reserve: borrowedMoney(questions, heard),
    allowances: (key) => heard.now(key),
    standing: ({ id, limits }) => link.ask("standing", { id, limits }),
    changed: (key) => link.tell("changed", limitedKey(key)),
    // The primary counts them.
    refusals: () => 0,
    size: () => heard.size(),
  };
}

async function enter(key: Key, { link, next, refusal, unanswered }: LimitQuestions): Promise<Place | ChatError> {
  const id = next();
  let verdict: Verdict;
  try {
    verdict = await link.ask("enter", { id, key: limitedKey(key) });
  } catch (cause) {
    return unanswered({ id, key }, cause);
  }
  let isHeld = true;
  const release = (refused: boolean): void => {
    if (isHeld) link.tell("release", { id, refused });
    isHeld = false;
  };
  return refusal(key, verdict) ?? { release };
}
