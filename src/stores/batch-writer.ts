import type { Clock } from "../core/clock.ts";

/** A queue in front of something slow. */
export interface BatchWriter<T> {
  add(item: T): void;
  /** Resolves when all that was added so far was taken, is lost, or has to wait for another try. */
  idle(): Promise<void>;
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
  /** Items that wait; more, and the oldest are lost. */
  readonly waitingMax: number;
  /** After so many milliseconds a batch that was not taken is tried again. Default: it is lost. */
  readonly retryMs?: number | undefined;
  /** Items are being lost; told once until some are taken again. Must not throw. */
  readonly onLost: (cause: unknown) => void;
  /** They are taken again; `lost` since start. Must not throw. */
  readonly onFound?: ((lost: number) => void) | undefined;
}

/** Items of one write. */
const batchMax = 500;

const tooSlow = (): Error => new Error("the store is too slow");

/** One write at a time, as large as what has come meanwhile, and in the order in which it came. */
export function createBatchWriter<T>({ clock, write, waitingMax, retryMs, onLost, onFound }: BatchWriterOptions<T>): BatchWriter<T> {
  let waiting: T[] = [];
  let running: Promise<void> | undefined;
  let cancelRetry: (() => void) | undefined;
  let lost = 0;
  let isLosing = false;
  let closed = false;
  const lose = (count: number, cause: unknown): void => {
    lost += count;
    if (!isLosing) onLost(cause);
    isLosing = true;
  };
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchMax);
      waiting = waiting.slice(batchMax);
      try {
        await write(batch);
        if (isLosing) onFound?.(lost);
        isLosing = false;
      } catch (cause) {
        if (retryMs === undefined || closed) lose(batch.length, cause);
        else {
          waiting = [...batch, ...waiting];
          bound(() => cause);
          cancelRetry = clock.after(retryMs, retry);
          break;
        }
      }
    }
    running = undefined;
  };
  const bound = (cause: () => unknown): void => {
    while (waiting.length > waitingMax) {
      waiting = waiting.slice(batchMax);
      lose(batchMax, cause());
    }
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
      waiting.push(item);
      bound(tooSlow);
      start();
    },
    idle: () => running ?? Promise.resolve(),
    waiting: () => waiting.length,
    lost: () => lost,
    async close() {
      closed = true;
      await running;
      retry();
      await running;
    },
  };
}
