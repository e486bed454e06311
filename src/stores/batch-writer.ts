import type { Clock } from "../core/clock.ts";

/** A queue in front of something slow. */
export interface BatchWriter<T> {
  add(item: T): void;
  /** Resolves when all that was added so far was taken, is lost, or has to wait for another try; what is added meanwhile is not waited for. */
  settled(): Promise<void>;
  /** Items that were neither taken nor lost yet. */
  waiting(): number;
  /** Items that were not taken, since start. */
  lost(): number;
  /** One last try; what is not taken then is lost. */
  close(): Promise<void>;
}

/** What it needs. */
export interface BatchWriterOptions<T> {
  readonly clock: Clock;
  /** Takes all of them, or rejects. */
  readonly write: (batch: readonly T[]) => Promise<void>;
  /** What an item weighs, in characters. */
  readonly sizeOf: (item: T) => number;
  /** Items that wait; more, or more than 64 Mi characters, and the oldest are lost. */
  readonly waitingMax: number;
  /** After so many milliseconds a batch that was not taken is tried again. Default: it is lost. */
  readonly retryMs?: number | undefined;
  /** Items are being lost; told once until some are taken again. Must not throw. */
  readonly onLost: (cause: unknown) => void;
  /** They are taken again; `lost` since start. Must not throw. */
  readonly onFound?: ((lost: number) => void) | undefined;
}

/** Items of one write, and about so many characters. */
const batchMax = 500;
const batchCharactersMax = 4 * 2 ** 20;
const waitingCharactersMax = 64 * 2 ** 20;

/** One write at a time, as large as what has come meanwhile, and in the order in which it came. */
export function createBatchWriter<T>({
  clock,
  write,
  sizeOf,
  waitingMax,
  retryMs,
  onLost,
  onFound,
}: BatchWriterOptions<T>): BatchWriter<T> {
  const queue = createQueue(sizeOf, waitingMax);
  let running: Promise<void> | undefined;
  let cancelRetry: (() => void) | undefined;
  let added = 0;
  const settlers = createSettlers();
  let lost = 0;
  let isLosing = false;
  let closed = false;
  const lose = (count: number, cause: unknown): void => {
    if (count === 0) return;
    lost += count;
    if (!isLosing) onLost(cause);
    isLosing = true;
  };
  const run = async (): Promise<void> => {
    while (queue.length() > 0) {
      const batch = queue.take();
      try {
        await write(batch);
        if (isLosing) onFound?.(lost);
        isLosing = false;
      } catch (cause) {
        if (retryMs === undefined || closed) lose(batch.length, cause);
        else {
          queue.giveBack(batch);
          lose(queue.bound(), cause);
          cancelRetry = clock.after(retryMs, retry);
          settlers.settle(added);
          break;
        }
      }
      settlers.settle(added - queue.length());
    }
    running = undefined;
  };
  const start = (): void => {
    if (cancelRetry === undefined) running ??= Promise.resolve().then(run);
  };
  const retry = (): void => {
    cancelRetry?.();
    cancelRetry = undefined;
    start();
  };
  return {
    add(item) {
      queue.add(item);
      added += 1;
      lose(queue.bound(), new Error("the store is too slow"));
      start();
    },
    settled: () => (running === undefined ? Promise.resolve() : settlers.wait(added)),
    waiting: queue.length,
    lost: () => lost,
    async close() {
      closed = true;
      await running;
      retry();
      await running;
    },
  };
}

/** Who waits for the items before it. */
interface Settlers {
  /** Resolves when all up to the one of this number need not be waited for. */
  wait(at: number): Promise<void>;
  settle(done: number): void;
}

function createSettlers(): Settlers {
  let waiting: { readonly at: number; readonly resolve: () => void }[] = [];
  return {
    wait: (at) => new Promise((resolve) => waiting.push({ at, resolve })),
    settle(done) {
      for (const { at, resolve } of waiting) if (at <= done) resolve();
      waiting = waiting.filter(({ at }) => at > done);
    },
  };
}

interface Queue<T> {
  length(this: void): number;
  add(item: T): void;
  /** The oldest, as many as one write takes. */
  take(): readonly T[];
  giveBack(items: readonly T[]): void;
  /** Forgets the oldest until no more wait than may; answers how many went. */
  bound(): number;
}

function createQueue<T>(sizeOf: (item: T) => number, waitingMax: number): Queue<T> {
  let items: T[] = [];
  let characters = 0;
  const isOver = (): boolean => items.length > waitingMax || characters > waitingCharactersMax;
  const take = (): readonly T[] => {
    let count = 0;
    let size = 0;
    for (const item of items) {
      if (count === batchMax || size >= batchCharactersMax) break;
      size += sizeOf(item);
      count += 1;
    }
    characters -= size;
    return items.splice(0, count);
  };
  return {
    length: () => items.length,
    add(item) {
      items.push(item);
      characters += sizeOf(item);
    },
    take,
    giveBack(given) {
      items = [...given, ...items];
      for (const item of given) characters += sizeOf(item);
    },
    bound() {
      let gone = 0;
      while (isOver()) gone += take().length;
      return gone;
    },
  };
}
