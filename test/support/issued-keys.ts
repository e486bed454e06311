import { randomBytes } from "node:crypto";
import type { Clock } from "../../src/core/clock.ts";
import type { KeyStore } from "../../src/core/keys.ts";
import { createKeyDirectory, type KeyDirectory } from "../../src/stores/key-directory.ts";
import { createMemoryKeys } from "../../src/stores/memory-keys.ts";
import { systemClock } from "../../src/stores/system-clock.ts";

/** What a directory of a test may differ in. */
export interface DirectoryOptions {
  readonly clock?: Clock;
  /** Default: one of its own, in memory. */
  readonly store?: KeyStore;
  readonly keysMax?: number;
  /** Grows by `away` and `back`. */
  readonly told?: string[];
}

/** A directory of issued keys; it has to be started. */
export function createDirectory({
  clock = systemClock,
  store = createMemoryKeys(),
  told = [],
  ...rest
}: DirectoryOptions = {}): KeyDirectory {
  return createKeyDirectory({
    clock,
    random: () => 0.5,
    randomBytes,
    store,
    onUnreadable: () => told.push("away"),
    onReadable: () => told.push("back"),
    ...rest,
  });
}

/** What most keys are made of. */
export const keyInit = { expireWall: undefined, models: [], priority: 2, limits: undefined, labels: {}, requestId: "" } as const;
