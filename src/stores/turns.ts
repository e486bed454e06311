/** A place in a queue in which keys take turns. */
export interface Turn {
  readonly key: string;
  /** Lower comes first. */
  readonly turn: number;
  /** Lower came first; decides between equal turns. */
  readonly number: number;
}

/** Whether it is the first one's turn before the other's. */
export function isBefore(first: Turn, other: Turn): boolean {
  return first.turn < other.turn || (first.turn === other.turn && first.number < other.number);
}

/** Who waits, by key; each key's in order of arrival. */
export class FairQueue<W extends Turn> {
  readonly #byKey = new Map<string, Set<W>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(waiter: W): void {
    const own = this.#byKey.get(waiter.key);
    if (own === undefined) this.#byKey.set(waiter.key, new Set([waiter]));
    else own.add(waiter);
    this.#size += 1;
  }

  /** False: it did not wait here. */
  delete(waiter: W): boolean {
    const own = this.#byKey.get(waiter.key);
    if (own?.delete(waiter) !== true) return false;
    if (own.size === 0) this.#byKey.delete(waiter.key);
    this.#size -= 1;
    return true;
  }

  /** Whose turn it is. */
  first(): W | undefined {
    let first: W | undefined;
    for (const [head] of this.#byKey.values()) if (head !== undefined && (first === undefined || isBefore(head, first))) first = head;
    return first;
  }

  /** How many are served before one of this key that comes now. */
  ahead(key: string): number {
    const own = this.#byKey.get(key)?.size ?? 0;
    let ahead = 0;
    for (const { size } of this.#byKey.values()) ahead += Math.min(size, own + 1);
    return ahead;
  }

  /** The newest of the key that has most, if that has at least two more than this one. */
  displacedBy(key: string): W | undefined {
    let most: Set<W> | undefined;
    for (const each of this.#byKey.values()) if (most === undefined || each.size > most.size) most = each;
    if (most === undefined || most.size < (this.#byKey.get(key)?.size ?? 0) + 2) return undefined;
    let newest: W | undefined;
    for (const each of most) newest = each;
    return newest;
  }

  sizeOf(key: string): number {
    return this.#byKey.get(key)?.size ?? 0;
  }
}

/**
 * Gives out turns (start-time fair queueing): each of a key's calls comes a turn after the one before it, and the first at the next
 * turn there is. So that however many one key sends, another waits for about one call of each.
 */
export class Turns<W extends Turn> {
  readonly #queue = new FairQueue<W>();
  /** The last turn given to each key that waits. */
  readonly #last = new Map<string, number>();
  #turn = 0;
  #arrivals = 0;

  get waiting(): number {
    return this.#queue.size;
  }

  /** The place of a call that comes now. */
  next(key: string): Turn {
    return { key, turn: Math.max(this.#turn, this.#last.get(key) ?? 0) + 1, number: this.#arrivals++ };
  }

  add(waiter: W): void {
    this.#queue.add(waiter);
    this.#last.set(waiter.key, waiter.turn);
  }

  delete(waiter: W): void {
    this.#queue.delete(waiter);
    if (this.#queue.sizeOf(waiter.key) === 0) this.#last.delete(waiter.key);
  }

  /** It is this one's turn now. */
  served({ turn }: W): void {
    this.#turn = Math.max(this.#turn, turn);
  }

  ahead(key: string): number {
    return this.#queue.ahead(key);
  }

  displacedBy(key: string): W | undefined {
    return this.#queue.displacedBy(key);
  }
}
