import type { DoubtKind } from "../core/hints.ts";

/** However long it holds where it was found. Milliseconds. */
const msMax = { failing: 30_000, limited: 60_000, refused: 60_000 } as const satisfies Record<DoubtKind, number>;
/** Who was found to be wrong is not listened to for so long, so that one replica's bad network is not everybody's trouble again and again. */
const deafMs = 30_000;
/** A breaker is not asked to try again more often than it would by itself at first. */
const triesEveryMs = 5_000;

/** The later says more. */
const strengths = { failing: 0, limited: 1, refused: 2 } as const satisfies Record<DoubtKind, number>;

/**
 * What other replicas say of a target. It bars nothing: their network may be at fault, and a message may be anybody's. The outcome of
 * an attempt that began after it was heard decides, and until then the target comes behind others of its model: one that fails while its
 * first such attempt is under way, one that is limited or refused for as long as it was said.
 */
export class Hearsay {
  #kind: DoubtKind | undefined;
  #sinceMs = 0;
  #untilMs = 0;
  #deafUntilMs = Number.NEGATIVE_INFINITY;
  /** Of what is heard now. */
  #mark = 0;
  /** Attempts under way that began under it. */
  #running = 0;
  #triedMs = Number.NEGATIVE_INFINITY;

  /** Answers whether that was news. */
  hear(kind: DoubtKind, ms: number, nowMs: number): boolean {
    if (nowMs < this.#deafUntilMs) return false;
    const untilMs = nowMs + Math.min(ms, msMax[kind]);
    const held = this.kind(nowMs);
    if (held !== undefined && strengths[held] > strengths[kind]) return false;
    if (held === kind) {
      if (untilMs <= this.#untilMs) return false;
      this.#untilMs = untilMs;
      return true;
    }
    this.#kind = kind;
    this.#sinceMs = nowMs;
    this.#untilMs = untilMs;
    this.#mark += 1;
    this.#running = 0;
    return true;
  }

  /** It is said that it is well again. Answers whether that is worth a try now. */
  hearWell(nowMs: number): boolean {
    if (nowMs - this.#triedMs < triesEveryMs) return false;
    this.#triedMs = nowMs;
    return true;
  }

  /** Undefined: nothing is said. */
  kind(nowMs: number): DoubtKind | undefined {
    return nowMs < this.#untilMs ? this.#kind : undefined;
  }

  /** Why others of its model are asked first now; undefined: they are not. */
  shown(nowMs: number): DoubtKind | undefined {
    const kind = this.kind(nowMs);
    return kind === "failing" && this.#running === 0 ? undefined : kind;
  }

  /** Since when it has been said. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** Until when it holds; undefined: nothing is said. */
  untilMs(nowMs: number): number | undefined {
    return nowMs < this.#untilMs ? this.#untilMs : undefined;
  }

  /** An attempt begins; a ticket to be brought back by `ended`, 0 where nothing is said. */
  began(nowMs: number): number {
    if (nowMs >= this.#untilMs) return 0;
    this.#running += 1;
    return this.#mark;
  }

  /** What is said now and was said when the attempt began, so that its outcome decides. */
  judgedBy(ticket: number, nowMs: number): DoubtKind | undefined {
    return ticket === this.#mark ? this.kind(nowMs) : undefined;
  }

  /** An attempt was answered. Answers whether that refuted anything. */
  answered(ticket: number, nowMs: number): boolean {
    if (ticket === 0 || this.judgedBy(ticket, nowMs) === undefined) return false;
    this.forget();
    this.#deafUntilMs = nowMs + deafMs;
    return true;
  }

  /** Once for each ticket. */
  ended(ticket: number): void {
    if (ticket !== 0 && ticket === this.#mark) this.#running -= 1;
  }

  /** What this replica found by itself stands in its place. */
  forget(): void {
    this.#untilMs = 0;
    this.#mark += 1;
    this.#running = 0;
  }
}
