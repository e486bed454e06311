import { BreakerState } from "../../core/chat.ts";
import type { Clock } from "../../core/clock.ts";
import type { Ears } from "../../core/news.ts";
import { RedisError, type RedisFailure, type RedisObserver, type RedisState, type RedisStatus, type RedisUse } from "../../core/redis.ts";
import type { RedisAddress } from "../../core/redis-address.ts";
import { Breaker } from "../breaker.ts";
import { createClient, type RedisClient } from "./client.ts";
import { codeOf, isOutage, refusesWrites } from "./replies.ts";
import type { RedisScript } from "./script.ts";
import { openNews } from "./news.ts";
import { sweep } from "./sweep.ts";

/** What a command or a key is made of. */
export type RedisArgument = string | number | Buffer;

/** One command. Where it has keys, all of them have one hash tag. */
export interface RedisCommand {
  readonly use: RedisUse;
  /** A command's name, or a script whose keys come first in `args`. */
  readonly what: string | RedisScript;
  readonly args: readonly RedisArgument[];
  /** Ends the wait; the command may be carried out all the same. */
  readonly signal?: AbortSignal;
  /** Milliseconds. Default: `redis.timeout`. */
  readonly timeoutMs?: number;
}

/** Redis, as something that may be away. */
export interface RedisConnection {
  /** Settles within the deadline, at once where Redis is away or silent. Texts come as Buffers. Rejects with a RedisError. */
  run(command: RedisCommand): Promise<unknown>;
  /** Hears what replicas tell each other on a channel. */
  listen(channel: string, ears: Ears): void;
  /** Deletes all keys of a pattern, on all nodes, in steps; answers how many. Never for a call: it looks at every key there is. */
  sweep(pattern: string): Promise<number>;
  status(): RedisStatus;
  close(): void;
}

/** What it needs. */
export interface RedisOptions {
  readonly address: RedisAddress;
  /** Deadline of a command: `redis.timeout`, milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly observer: RedisObserver;
}

/** Commands that wait for an answer at a time; more fail at once. */
const inFlightMax = 1000;

const breakerOptions = { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 10, windowMs: 5000, openMs: 5000, openMsMax: 60_000 };

/**
 * A connection to which nothing and nobody is ever tied: every command has a deadline, none is kept for later, and behind a breaker only
 * our own trial is late. Silence, lost connections and outages that a server tells of count against the breaker; other errors are answers.
 * A new connection that got through its handshake closes it. Starts connecting, and waits for nothing.
 */
export function createRedisConnection(options: RedisOptions): RedisConnection {
  const { address, clock, random } = options;
  const client = createClient(address, clock, random);
  return new Connection(client, options, () => (address.kind === "cluster" ? client : createClient(address, clock, random)));
}

const breakerWords: ReadonlyMap<BreakerState, RedisStatus["breaker"]> = new Map([
  [BreakerState.OPEN, "open"],
  [BreakerState.HALF_OPEN, "half_open"],
]);

class Connection implements RedisConnection {
  readonly #client: RedisClient;
  readonly #options: RedisOptions;
  readonly #breaker: Breaker;
  readonly #news: ReturnType<typeof openNews>;
  #inFlight = 0;
  #told: RedisState | undefined;
  #reason: string | undefined;
  #writesRefused = false;
  #cancelTrial: (() => void) | undefined;
  #closed = false;

  constructor(client: RedisClient, options: RedisOptions, another: () => RedisClient) {
    this.#client = client;
    this.#options = options;
    this.#breaker = new Breaker(breakerOptions, options.random);
    this.#news = openNews(client, another);
    client.on("ready", () => this.#ready());
    client.on("error", (error: unknown) => {
      this.#reason = codeOf(error);
      this.#tell();
    });
    client.on("close", () => {
      // In order: what went wrong, if anything, was told before.
      this.#reason ??= "closed";
      this.#tell();
    });
  }

  async run(command: RedisCommand): Promise<unknown> {
    const { clock, observer } = this.#options;
    const startMs = clock.now();
    try {
      const obstacle = this.#obstacle(command.signal);
      if (obstacle !== undefined) throw obstacle;
      const reply = await this.#answered(command);
      observer.ran(command.use, clock.now() - startMs, undefined);
      return reply;
    } catch (thrown) {
      if (thrown instanceof RedisError) observer.ran(command.use, clock.now() - startMs, thrown.failure);
      throw thrown;
    }
  }

  listen(channel: string, ears: Ears): void {
    this.#news.listen(channel, ears);
  }

  sweep(pattern: string): Promise<number> {
    const obstacle = this.#obstacle(undefined);
    return obstacle === undefined ? sweep(this.#client, pattern, this.#options.clock) : Promise.reject(obstacle);
  }

  status(): RedisStatus {
    const state = this.#state();
    return {
      state,
      breaker: breakerWords.get(this.#breaker.state(this.#options.clock.now())) ?? "closed",
      reason: state === "up" ? undefined : this.#reason,
    };
  }

  close(): void {
    this.#closed = true;
    this.#cancelTrial?.();
    this.#news.close();
    this.#client.disconnect();
  }

  #state(): RedisState {
    if (this.#client.status !== "ready") return "away";
    if (this.#breaker.sinceMs !== undefined) return "silent";
    return this.#writesRefused ? "read_only" : "up";
  }

  /** Why nothing can be sent now. */
  #obstacle(signal: AbortSignal | undefined): RedisError | undefined {
    if (this.#client.status !== "ready") return new RedisError("away", "redis is not connected");
    if (this.#breaker.sinceMs !== undefined) return new RedisError("silent", "redis did not answer in time, and is left alone");
    if (this.#inFlight >= inFlightMax) return new RedisError("full", "too many redis commands are under way");
    return signal?.aborted === true ? new RedisError("left", "nobody waits for redis any more") : undefined;
  }

  /** The answer, and what it says of Redis. */
  async #answered(command: RedisCommand): Promise<unknown> {
    const { clock } = this.#options;
    const ticket = this.#breaker.admit(clock.now());
    if (ticket === undefined) throw new RedisError("silent", "redis did not answer in time, and is left alone");
    try {
      const reply = await this.#raced(command);
      this.#breaker.succeeded(ticket, clock.now());
      if (this.#writesRefused && isWrite(command)) this.#writesRefused = false;
      return reply;
    } catch (thrown) {
      const { failure, code } = failureFrom(thrown);
      if (failure === "left") this.#breaker.abandoned(ticket);
      else this.#failed(ticket, failure, code);
      throw thrown instanceof RedisError ? thrown : new RedisError(failure, `redis did not carry out a command: ${code}`);
    } finally {
      this.#tell();
    }
  }

  #failed(ticket: number, failure: RedisFailure, code: string): void {
    const { clock } = this.#options;
    if (refusesWrites(code)) this.#writesRefused = true;
    if (failure === "refused" && !isOutage(code)) {
      this.#breaker.succeeded(ticket, clock.now());
      if (this.#writesRefused) this.#reason = code;
      return;
    }
    this.#reason = code;
    this.#breaker.failed(ticket, clock.now());
    if (this.#breaker.sinceMs !== undefined) this.#planTrial();
  }

  #raced({ signal, timeoutMs = this.#options.timeoutMs, ...command }: RedisCommand): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const cancel = this.#deadline(timeoutMs, () => give(new RedisError("timeout", `redis did not answer within ${timeoutMs} ms`)));
      const onAbort = (): void => give(new RedisError("left", "nobody waits for redis any more"));
      const give = (error: unknown): void => {
        settle();
        reject(error);
      };
      const settle = (): void => {
        cancel();
        signal?.removeEventListener("abort", onAbort);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#inFlight += 1;
      this.#sent(command).then(
        (reply) => {
          this.#inFlight -= 1;
          settle();
          resolve(reply);
        },
        (error: unknown) => {
          this.#inFlight -= 1;
          give(error);
        },
      );
    });
  }

  /** Calls back when the time is over; once more so long later where this process was at work itself, and perhaps had not even sent anything. */
  #deadline(ms: number, onOver: () => void): () => void {
    const { clock } = this.#options;
    const dueMs = clock.now() + ms;
    let cancel = clock.after(ms, () => {
      if (clock.now() - dueMs > lateMs) cancel = clock.after(ms, onOver);
      else onOver();
    });
    return () => cancel();
  }

  async #sent({ what, args }: RedisCommand): Promise<unknown> {
    if (typeof what === "string") return this.#client.callBuffer(what, ...args);
    try {
      return await this.#client.callBuffer("EVALSHA", what.sha, what.keys, ...args);
    } catch (error) {
      // The server was restarted, or is another one.
      if (codeOf(error) !== "NOSCRIPT") throw error;
      return this.#client.callBuffer("EVAL", what.lua, what.keys, ...args);
    }
  }

  /** The breaker's trial is nobody's call. */
  #planTrial(): void {
    const { clock, observer, timeoutMs } = this.#options;
    const untilMs = this.#breaker.barredUntilMs(clock.now());
    if (this.#closed || untilMs === undefined) return;
    this.#cancelTrial?.();
    this.#cancelTrial = clock.after(untilMs - clock.now(), () => {
      if (this.#client.status !== "ready") return;
      // Timers are whole milliseconds and may be early by a part of one.
      if (this.#breaker.barredUntilMs(clock.now()) !== undefined) return this.#planTrial();
      const startMs = clock.now();
      this.#answered({ use: "trial", what: "PING", args: [], timeoutMs: Math.max(timeoutMs, trialMs) }).then(
        () => observer.ran("trial", clock.now() - startMs, undefined),
        (error: unknown) => observer.ran("trial", clock.now() - startMs, failureFrom(error).failure),
      );
    });
  }

  #ready(): void {
    this.#cancelTrial?.();
    this.#breaker.reset();
    this.#tell();
    this.#news.missed();
  }

  #tell(): void {
    const state = this.#state();
    if (state === "up") this.#reason = undefined;
    if (this.#closed || state === this.#told) return;
    this.#told = state;
    this.#options.observer.changed(this.status());
  }
}

/** A timer that is so much too late was kept waiting by ourselves. */
const lateMs = 10;

/** A trial is given a little more than calls are: it costs nobody anything. */
const trialMs = 100;

function isWrite({ use, what }: RedisCommand): boolean {
  return typeof what === "string" ? use === "cache_write" || what === "SET" : what.writes;
}

function failureFrom(thrown: unknown): { readonly failure: RedisFailure; readonly code: string } {
  if (thrown instanceof RedisError) return { failure: thrown.failure, code: thrown.failure };
  const code = codeOf(thrown);
  return { failure: thrown instanceof Error && thrown.name === "ReplyError" ? "refused" : "lost", code };
}
