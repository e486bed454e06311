import type { Socket } from "node:net";

/** What speaks on a connection instead of HTTP. */
export interface Lodger {
  /** Nothing runs on it. */
  readonly idle: boolean;
  /** What runs goes on, nothing new begins, and then it goes. */
  drain(): void;
}

/** All of one listener. */
export interface Lodgers {
  /** An HTTP/1.1 connection was handed over. */
  lodge(this: void, socket: Socket, lodger: Lodger): void;
  /** Those that nothing runs on go. */
  closeIdle(): void;
  /** All go, each when it can, and whoever still comes. */
  drain(): void;
}

/** None, at first. */
export function createLodgers(): Lodgers {
  const lodgers = new Set<Lodger>();
  let draining = false;
  return {
    lodge(socket, lodger) {
      lodgers.add(lodger);
      socket.once("close", () => lodgers.delete(lodger));
      if (draining) lodger.drain();
    },
    closeIdle() {
      for (const lodger of lodgers) if (lodger.idle) lodger.drain();
    },
    drain() {
      draining = true;
      for (const lodger of lodgers) lodger.drain();
    },
  };
}
