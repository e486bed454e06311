import type { Channel } from "../../src/workers/link.ts";

/** Two ends of a channel in one process: what is said arrives later, in order, and as a copy. */
export function channelPair(): readonly [Channel, Channel] {
  const ears: ((message: unknown) => void)[][] = [[], []];
  const end = (own: number): Channel => ({
    send(message) {
      const copy = structuredClone(message);
      setImmediate(() => {
        for (const listener of ears[1 - own] ?? []) listener(copy);
      });
    },
    listen: (listener) => void ears[own]?.push(listener),
  });
  return [end(0), end(1)];
}
