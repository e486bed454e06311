import { limbsFrom, type Limbs, type Message } from "./limit-message.ts";

/** What is to be told once. */
interface Batch {
  /** By Redis's second. */
  readonly changes: Map<number, { requests: number; tokens: number }>;
  /** 10^-12 dollars that were used, by period. */
  readonly spent: Map<string, bigint>;
}

/**
 * What one replica counted of a key and Redis may not know of. What is being told is kept apart from what comes after it, and has a number, so
 * that it can be told again and is counted once. It takes no more room for being kept for long.
 */
export class Unheard {
  /** Told, but perhaps not heard. */
  #told: Batch | undefined;
  #next: Batch = newBatch();
  #number: number;

  /** Numbers follow this one. */
  constructor(number: number) {
    this.#number = number;
  }

  count(second: number, requests: number, tokens: number): void {
    const { changes } = this.#next;
    const before = changes.get(second) ?? { requests: 0, tokens: 0 };
    changes.set(second, { requests: before.requests + requests, tokens: before.tokens + tokens });
  }

  spend(period: string, picoUsd: bigint): void {
    this.#next.spent.set(period, (this.#next.spent.get(period) ?? 0n) + picoUsd);
  }

  /** 10^-12 dollars. */
  spentIn(period: string): bigint {
    return (this.#told?.spent.get(period) ?? 0n) + (this.#next.spent.get(period) ?? 0n);
  }

  sum(what: "requests" | "tokens"): number {
    let sum = 0;
    for (const batch of [this.#told, this.#next]) for (const change of batch?.changes.values() ?? []) sum += change[what];
    return sum;
  }

  /** Something may have been told in vain. */
  get isTold(): boolean {
    return this.#told !== undefined;
  }

  /** There is more than what was told. */
  get isMore(): boolean {
    return this.#next.changes.size + this.#next.spent.size > 0;
  }

  /** As long as it was not heard, the same again. */
  tell(): Pick<Message, "batch" | "changes" | "spent"> {
    if (this.#told === undefined) {
      this.#told = this.#next;
      this.#next = newBatch();
      this.#number += 1;
    }
    const { changes, spent } = this.#told;
    return {
      batch: this.#number,
      changes: [...changes].map(([second, { requests, tokens }]) => [second, requests, tokens]),
      spent: recordFrom(spent),
    };
  }

  heard(): void {
    this.#told = undefined;
  }

  /** Nobody is to be told any of it. */
  forget(): void {
    this.#told = undefined;
    this.#next = newBatch();
  }
}

function newBatch(): Batch {
  return { changes: new Map(), spent: new Map() };
}

/** Amounts by period, as they are told. */
export function recordFrom(amounts: ReadonlyMap<string, bigint>): Readonly<Record<string, Limbs>> {
  return Object.fromEntries([...amounts].map(([period, picoUsd]) => [period, limbsFrom(picoUsd)]));
}
