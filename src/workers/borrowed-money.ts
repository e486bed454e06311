import type { Key, KeyId } from "../core/call.ts";
import type { Reservation, Spend } from "../core/limits.ts";
import type { ProcessLimits } from "../stores/key-limits.ts";
import type { HeardAllowances } from "./heard-allowances.ts";
import { limitedKey, type LimitQuestions } from "./limit-questions.ts";

/** How long the primary may take to say whether there is money: calls wait for each other's half a minute there. Milliseconds. */
const moneyMs = 45_000;

/** Money that is waited for. */
interface Waiting {
  readonly key: KeyId;
  readonly most: () => Spend;
  told: Spend;
}

/** Of which call something is set aside. */
interface Held {
  readonly id: number;
  readonly key: Key;
  readonly tokens: number;
}

/** What a worker's calls set aside, which the primary counts. */
export function borrowedMoney({ link, next, refusal, unanswered }: LimitQuestions, heard: HeardAllowances): ProcessLimits["reserve"] {
  const waiting = new Map<number, Waiting>();
  /** What has become known of such calls counts for those that wait. */
  const estimate = (key: KeyId): void => {
    const news = [...waiting].flatMap(([id, wait]) => {
      if (wait.key !== key) return [];
      const most = wait.most();
      if (most.tokens === wait.told.tokens && most.picoUsd === wait.told.picoUsd) return [];
      wait.told = most;
      return [{ id, most }];
    });
    if (news.length > 0) link.tell("estimate", news);
  };
  const reservationOf = ({ id, key, tokens }: Held, granted: bigint): Reservation => {
    let picoUsd = granted;
    let isOpen = true;
    let unasked = false;
    return {
      get picoUsd() {
        return picoUsd;
      },
      get unasked() {
        return unasked;
      },
      async extend(wanted) {
        const more = await link.ask("extend", { id, picoUsd: wanted }).catch(() => ({ picoUsd: 0n, unasked: true }));
        ({ unasked } = more);
        picoUsd += more.picoUsd;
        return more.picoUsd;
      },
      settle(used) {
        if (!isOpen) return;
        isOpen = false;
        // The answer tells how the limits stand after it, and cannot wait for the primary.
        heard.unused(key, tokens - used.tokens);
        // Behind the lesson that the answer is, and before the money is free for those who wait.
        queueMicrotask(() => {
          estimate(key.id);
          link.tell("settle", { id, used });
        });
      },
    };
  };
  return async ({ key, signal }, most) => {
    const id = next();
    const told = most();
    const left = Promise.withResolvers<"left">();
    const leave = (): void => left.resolve("left");
    if (signal.aborted) throw signal.reason;
    signal.addEventListener("abort", leave, { once: true });
    waiting.set(id, { key: key.id, most, told });
    try {
      const answer = await Promise.race([link.ask("reserve", { id, key: limitedKey(key), most: told }, moneyMs), left.promise]);
      if (answer !== "left") return refusal(key, answer) ?? reservationOf({ id, key, tokens: told.tokens }, answer.picoUsd);
    } catch (cause) {
      return unanswered({ id, key }, cause);
    } finally {
      waiting.delete(id);
      signal.removeEventListener("abort", leave);
    }
    link.tell("withdraw", id);
    throw signal.reason;
  };
}
