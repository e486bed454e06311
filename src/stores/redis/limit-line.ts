import type { Clock } from "../../core/clock.ts";
import type { RedisConnection } from "./connection.ts";
import { type Ask, type Funds, type Message, type Reply, replyFrom, type Verdict, wordsOf } from "./limit-message.ts";
import { limitScript } from "./limit-script.ts";
import { recordFrom, Unheard } from "./unheard.ts";

/** What a replica counts, at the age of so many whole seconds. */
export interface Counted {
  readonly ageSeconds: number;
  readonly requests: number;
  readonly tokens: number;
}

/** What a line needs. */
export interface LimitLineParts {
  readonly redis: RedisConnection;
  readonly clock: Clock;
  /** The key's name in Redis. */
  readonly name: string;
  /** Ours, unique. */
  readonly replica: string;
  /** See `Replicas`. */
  readonly met: Promise<void>;
  /** See `Message`. */
  readonly steady: () => boolean;
  /** All that this replica counted in the last minute. */
  readonly counted: () => readonly Counted[];
  /** What is asked about, and how long it is worth keeping. */
  readonly about: () => Pick<Message, "period" | "requestsMax" | "ttlMs">;
}

interface Asked {
  readonly ask: Ask;
  readonly settle: (verdict: Verdict | undefined) => void;
}

/** Asks of one message; more wait for the next one. */
const asksMax = 200;
/** What a call gave back is told together with what it gives back a moment later. */
const soonMs = 2;

/**
 * One replica's talk with Redis about one key: one message at a time, so that what is said while one is under way goes together with the
 * next. A message says how the replica stands, not what changed, but for what is counted, which has a number; so one that may have been
 * lost is simply said again, and a Redis that lost its memory is told all. What is given back or used while Redis is away takes no room:
 * it is a number that becomes another.
 */
export class LimitLine {
  readonly #parts: LimitLineParts;
  /** Calls that run. */
  running = 0;
  /** 10^-12 dollars set aside for them, by period. */
  readonly #held = new Map<string, bigint>();
  readonly #loaded = new Map<string, bigint>();
  #asked: Asked[] = [];
  readonly #unheard: Unheard;
  #number: number;
  #undo: number | undefined;
  /** By Redis's clock. */
  #heardAtMs: number | undefined;
  #dirty = false;
  #talking = false;
  #cancelSoon: (() => void) | undefined;
  /** Redis's milliseconds less ours. */
  #aheadMs: number;
  /** When a message was last heard; our milliseconds. */
  heardMs = Number.NEGATIVE_INFINITY;
  /** Whether the last one was. */
  inTouch = false;
  last: Extract<Reply, { kind: "heard" }> | undefined;
  /** When somebody was last seen to be settled in the period that is asked about; our milliseconds. */
  settledMs = Number.NEGATIVE_INFINITY;

  constructor(parts: LimitLineParts) {
    this.#parts = parts;
    this.#aheadMs = parts.clock.wall() - parts.clock.now();
    // Of a key that was forgotten in between Redis may still know the numbers.
    this.#number = Math.floor(parts.clock.wall());
    this.#unheard = new Unheard(this.#number);
  }

  /** Undefined: Redis cannot be asked now, or did not answer in time. What is granted is counted here already. */
  ask(ask: Ask): Promise<Verdict | undefined> {
    const { promise, resolve } = Promise.withResolvers<Verdict | undefined>();
    this.#asked.push({ ask, settle: resolve });
    this.say();
    return promise;
  }

  /** Tells what there is to tell; waits for nothing. */
  say(): void {
    if (!this.#talking) void this.#talk();
  }

  /** Tells, as soon as may be, that something is another than before. */
  sayNow(): void {
    this.#dirty = true;
    this.say();
  }

  /** The same in a moment. */
  saySoon(): void {
    this.#dirty = true;
    this.#cancelSoon ??= this.#parts.clock.after(soonMs, () => {
      this.#cancelSoon = undefined;
      if (this.#dirty) this.say();
    });
  }

  /** Redis's second now, as far as is known. */
  second(): number {
    return Math.floor((this.#parts.clock.now() + this.#aheadMs) / 1000);
  }

  /** So many more were counted in that second, which Redis does not know of. */
  count(second: number, requests: number, tokens: number): void {
    this.#dirty = true;
    this.#unheard.count(second, requests, tokens);
  }

  /** Money that was set aside without asking, or, where it is negative, given back. */
  hold(period: string, picoUsd: bigint): void {
    this.#dirty = true;
    const held = (this.#held.get(period) ?? 0n) + picoUsd;
    if (held === 0n) this.#held.delete(period);
    else this.#held.set(period, held);
  }

  spend(period: string, picoUsd: bigint): void {
    this.#dirty = true;
    this.#unheard.spend(period, picoUsd);
  }

  /** What the ledger said; told with the next message. */
  load(period: string, picoUsd: bigint): void {
    this.#loaded.set(period, picoUsd);
  }

  /** What was counted here of late and Redis may not know of. */
  unheard(what: "requests" | "tokens"): number {
    return this.#unheard.sum(what);
  }

  /** The money of a period as of the last message, with what was spent here since; undefined: it is not known. */
  funds(period: string): Funds | undefined {
    const funds = this.last?.funds;
    if (funds?.period !== period) return undefined;
    return { ...funds, spentPicoUsd: funds.spentPicoUsd + this.#unheard.spentIn(period) };
  }

  /** Nothing runs, and nothing is to be told. */
  get idle(): boolean {
    return this.running === 0 && this.#held.size === 0 && this.isTold;
  }

  /** Nothing is to be told but that we are here. */
  get isTold(): boolean {
    return !this.#dirty && !this.#unheard.isTold && this.#asked.length === 0 && !this.#talking;
  }

  /** Tells what there is to tell, for the last time. */
  async close(): Promise<void> {
    this.#cancelSoon?.();
    if (!this.isTold) await this.ask({ kind: "look" });
  }

  async #talk(): Promise<void> {
    this.#talking = true;
    await this.#parts.met;
    try {
      do {
        this.#dirty = false;
        // What was counted without Redis is heard before anybody asks what is left.
        const isCatchingUp = this.#unheard.isTold && this.#unheard.isMore;
        const asked = isCatchingUp ? [] : this.#asked.splice(0, asksMax);
        if (!(await this.#said(asked))) {
          for (const { settle } of [...asked, ...this.#asked.splice(0)]) settle(undefined);
          return;
        }
        if (isCatchingUp) this.#dirty = true;
      } while (this.#dirty || this.#asked.length > 0);
    } finally {
      this.#talking = false;
    }
  }

  /** Whether a message was heard. */
  async #said(asked: readonly Asked[]): Promise<boolean> {
    const { redis, name, clock } = this.#parts;
    for (let tries = 0; tries < 2; tries++) {
      const message = this.#message(asked);
      try {
        const answer = await redis.run({ use: "limits", what: limitScript, args: [name, JSON.stringify(message)] });
        const reply = replyFrom(answer, message.period);
        this.#aheadMs = reply.nowMs - clock.now();
        if (reply.kind === "heard") {
          this.#heard(asked, reply);
          for (const period of Object.keys(message.loaded)) this.#loaded.delete(period);
          return true;
        }
        this.#lost();
      } catch {
        // The connection counts it.
        this.#undo ??= message.number;
        break;
      }
    }
    this.#dirty = true;
    this.inTouch = false;
    return false;
  }

  #message(asked: readonly Asked[]): Message {
    const { replica, steady, about } = this.#parts;
    return {
      replica,
      number: ++this.#number,
      undo: this.#undo,
      heardMs: this.#heardAtMs,
      steady: steady(),
      ...this.#unheard.tell(),
      running: this.running,
      held: recordFrom(this.#held),
      loaded: recordFrom(this.#loaded),
      asks: asked.map(({ ask }) => wordsOf(ask)),
      ...about(),
    };
  }

  #heard(asked: readonly Asked[], reply: Extract<Reply, { kind: "heard" }>): void {
    const nowMs = this.#parts.clock.now();
    const before = this.last?.funds;
    if (before?.period === reply.funds?.period && before?.settled !== reply.funds?.settled) this.settledMs = nowMs;
    this.#unheard.heard();
    this.#undo = undefined;
    this.#heardAtMs = reply.nowMs;
    this.inTouch = true;
    this.heardMs = nowMs;
    this.last = reply;
    asked.forEach(({ ask, settle }, at) => {
      const verdict = reply.verdicts[at];
      if (verdict?.kind === "granted") {
        if (ask.kind === "enter") this.running += 1;
        else if (ask.kind !== "look" && verdict.picoUsd > 0n)
          this.#held.set(ask.period, (this.#held.get(ask.period) ?? 0n) + verdict.picoUsd);
      }
      settle(verdict);
    });
  }

  /** Redis has forgotten us: it is told what we counted in the last minute. What was spent the ledger tells, or has told. */
  #lost(): void {
    this.#heardAtMs = undefined;
    this.#undo = undefined;
    this.#unheard.forget();
    const second = this.second();
    for (const { ageSeconds, requests, tokens } of this.#parts.counted()) this.count(second - ageSeconds, requests, tokens);
  }
}
