import type { Call, Key, KeyId } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { Allowance, Allowances, Place, Reservation, Spend } from "../core/limits.ts";
import type { ProcessLimits } from "../stores/key-limits.ts";
import type { LimitedKey, PrimaryLink, Refusal } from "./protocol.ts";

/** How long the primary may take to say whether there is money: calls wait for each other's half a minute there. Milliseconds. */
const moneyMs = 45_000;
/** Keys whose allowances are remembered; the longest unheard of are forgotten. */
const keysMax = 10_000;
/** Whoever could not be told may ask again after so long; milliseconds. */
const retryAfterMs = 1000;

/** What the primary said of a key. */
interface Heard {
  readonly allowances: Allowances;
  readonly atMs: number;
}

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
  readonly heldTokens: number;
}

/** The limits of all workers, which the primary counts: a question and an answer for each call of a key that has some. */
export function borrowedLimits(link: PrimaryLink, clock: Clock): ProcessLimits {
  const heard = new Map<KeyId, Heard>();
  const waiting = new Map<number, Waiting>();
  let count = 0;

  const hear = ({ id }: Key, allowances: Allowances | undefined): void => {
    if (allowances === undefined) return;
    heard.delete(id);
    heard.set(id, { allowances, atMs: clock.now() });
    if (heard.size > keysMax) for (const oldest of heard.keys()) return void heard.delete(oldest);
  };
  const refused = (key: Key, no: Refusal, allowances: Allowances | undefined): ChatError => {
    const error = new ChatError(no.failure, no.text, { retryAfterMs: no.retryAfterMs });
    error.allowances = allowances;
    error.limitedKey = no.limitedKey;
    hear(key, allowances);
    return error;
  };
  const unanswered = (id: number, { name }: Key, cause: unknown): ChatError => {
    // It may be granted yet, when nobody waits for it.
    link.tell("withdraw", id);
    return new ChatError("STORE_UNAVAILABLE", `the limits of key ${name} cannot be asked for now`, { cause, retryAfterMs });
  };
  const enter = async ({ key }: Pick<Call, "key">): Promise<Place | ChatError> => {
    const id = count++;
    try {
      const { no, allowances } = await link.ask("enter", { id, key: limitedKey(key) });
      if (no !== undefined) return refused(key, no, allowances);
      hear(key, allowances);
    } catch (cause) {
      return unanswered(id, key, cause);
    }
    return placeOf(link, id);
  };
  const reserve = async ({ key, signal }: Pick<Call, "key" | "signal">, most: () => Spend): Promise<Reservation | ChatError> => {
    const id = count++;
    const asked = most();
    waiting.set(id, { key: key.id, most, told: asked });
    const left = Promise.withResolvers<"left">();
    const leave = (): void => left.resolve("left");
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    try {
      const answer = await Promise.race([link.ask("reserve", { id, key: limitedKey(key), most: asked }, moneyMs), left.promise]);
      if (answer === "left") {
        link.tell("withdraw", id);
        throw signal.reason;
      }
      if (answer.no !== undefined) return refused(key, answer.no, answer.allowances);
      hear(key, answer.allowances);
      return reservationOf({ id, key, heldTokens: asked.tokens }, answer.picoUsd);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      return unanswered(id, key, cause);
    } finally {
      waiting.delete(id);
      signal.removeEventListener("abort", leave);
    }
  };
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
  const reservationOf = ({ id, key, heldTokens }: Held, granted: bigint): Reservation => {
    let picoUsd = granted;
    let isOpen = true;
    return {
      get picoUsd() {
        return picoUsd;
      },
      async extend(wanted) {
        const more = await link.ask("extend", { id, picoUsd: wanted }).catch(() => 0n);
        picoUsd += more;
        return more;
      },
      settle(used) {
        if (!isOpen) return;
        isOpen = false;
        // The answer tells how the limits stand after it, and cannot wait for the primary.
        const known = heard.get(key.id);
        if (known !== undefined) heard.set(key.id, { ...known, allowances: corrected(known.allowances, heldTokens - used.tokens) });
        // Behind the lesson that the answer is, and before the money is free for those who wait.
        queueMicrotask(() => {
          estimate(key.id);
          link.tell("settle", { id, used });
        });
      },
    };
  };
  return {
    // Nobody knows it here for certain; the question of each call finds out.
    exhausted: () => undefined,
    enter,
    reserve,
    allowances: (key) => allowancesNow(key, heard.get(key.id), clock),
    standing: ({ id, limits }) => link.ask("standing", { id, limits }),
    changed: (key) => link.tell("changed", limitedKey(key)),
    // The primary counts them.
    refusals: () => 0,
    size: () => heard.size,
  };
}

function limitedKey({ id, name, priority, limits }: Key): LimitedKey {
  return { id, name, priority, limits };
}

function placeOf(link: PrimaryLink, id: number): Place {
  let isHeld = true;
  return {
    release(refused) {
      if (isHeld) link.tell("release", { id, refused });
      isHeld = false;
    },
  };
}

/** As they were when the primary last spoke of them, and some time later. */
function allowancesNow({ limits }: Key, known: Heard | undefined, clock: Clock): Allowances | undefined {
  if (limits === undefined || (limits.requestsPerMinute === 0 && limits.tokensPerMinute === 0)) return undefined;
  const elapsedMs = known === undefined ? 0 : clock.now() - known.atMs;
  const now = (limit: number, then: Allowance | undefined): Allowance => {
    const resetMs = Math.max(0, Math.ceil((then?.resetMs ?? 0) - elapsedMs));
    if (then === undefined || resetMs === 0) return { limit, remaining: limit, resetMs: 0 };
    return { limit, remaining: Math.max(0, limit - (then.limit - then.remaining)), resetMs };
  };
  const { requests, tokens } = known?.allowances ?? {};
  return {
    wallMs: clock.wall(),
    ...(limits.requestsPerMinute > 0 && { requests: now(limits.requestsPerMinute, requests) }),
    ...(limits.tokensPerMinute > 0 && { tokens: now(limits.tokensPerMinute, tokens) }),
  };
}

/** Tokens that were not used after all are there again. */
function corrected(allowances: Allowances, unusedTokens: number): Allowances {
  const { tokens } = allowances;
  if (tokens === undefined) return allowances;
  const remaining = Math.min(tokens.limit, Math.max(0, tokens.remaining + unusedTokens));
  return { ...allowances, tokens: { ...tokens, remaining } };
}
