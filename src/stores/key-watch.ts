import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { IssuedKey } from "../core/keys.ts";
import { within } from "./within.ts";

/** Reads what changed in a store of keys: again and again, and when it is asked to. */
export interface KeyWatch {
  start(): Promise<void>;
  close(): void;
  /** Resolves once the store was read from a moment on that is not before this one. Rejects with STORE_UNAVAILABLE. */
  refresh(): Promise<void>;
  /** The last try failed, or none was made. */
  unreadable(): ChatError | undefined;
  /** Whether it was ever read whole. */
  wasRead(): boolean;
}

/** What it needs. */
export interface KeyWatchOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** Reads and takes over what has a larger version, at most `limit` of it, in order. */
  readonly read: (afterVersion: number, limit: number) => Promise<readonly IssuedKey[]>;
  readonly onUnreadable: (cause: unknown) => void;
  readonly onReadable: () => void;
}

/** Between two looks; a revocation is seen everywhere after it. ±20 %, so that replicas do not walk in step. Milliseconds. */
const everyMs = 10_000;
/** The same while the store is away: that is not the time to be late. */
const everyAwayMs = 2000;
/** How long a store may take for one page. Milliseconds. */
const answerMs = 5000;
/** Keys of one page. */
const pageMax = 1000;

/** A look at a time; who asks while one is under way gets the next one, together with all others who do. */
export function createKeyWatch({ clock, random, read, onUnreadable, onReadable }: KeyWatchOptions): KeyWatch {
  let state: "new" | "read" | "away" = "new";
  let everRead = false;
  let version = 0;
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let cancelTimer: (() => void) | undefined;
  let closed = false;

  const readAll = async (): Promise<void> => {
    for (;;) {
      const page = await within(clock, answerMs, read(version, pageMax));
      version = page.at(-1)?.version ?? version;
      if (page.length < pageMax) return;
    }
  };
  const look = async (): Promise<void> => {
    try {
      await readAll();
    } catch (cause) {
      if (state !== "away") onUnreadable(cause);
      state = "away";
      throw unavailable(cause);
    }
    if (state === "away") onReadable();
    state = "read";
    everRead = true;
  };
  const begin = (): Promise<void> => {
    cancelTimer?.();
    running = look().finally(() => {
      running = undefined;
      lookAgain();
    });
    return running;
  };
  const refresh = (): Promise<void> => {
    if (running === undefined) return begin();
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return begin();
      });
    return next;
  };
  /** From now on, by whomever the last look was asked for. */
  const lookAgain = (): void => {
    if (closed) return;
    const ms = (state === "away" ? everyAwayMs : everyMs) * (0.8 + 0.4 * random());
    cancelTimer = clock.after(ms, () => void tryOnce());
  };
  const tryOnce = (): Promise<void> => refresh().catch(() => undefined);
  return {
    start: tryOnce,
    close() {
      closed = true;
      cancelTimer?.();
    },
    refresh,
    unreadable: () => (state === "read" ? undefined : unavailable(undefined)),
    wasRead: () => everRead,
  };
}

function unavailable(cause: unknown): ChatError {
  return new ChatError("STORE_UNAVAILABLE", "the store of keys cannot be read now", { cause, retryAfterMs: everyAwayMs });
}
