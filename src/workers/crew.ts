import cluster from "node:cluster";
import type { Clock } from "../core/clock.ts";
import type { Store } from "../core/store.ts";
import type { ProcessLimits } from "../stores/key-limits.ts";
import { borrowedLimits } from "./borrowed-limits.ts";
import { borrowedStore } from "./lent-store.ts";
import { type Channel, createLink } from "./link.ts";
import type { Leaving, PrimaryLink, Welcome } from "./protocol.ts";

/** What a worker has from its primary, in the place of what a process alone has of its own. */
export interface Crew {
  readonly link: PrimaryLink;
  readonly number: number;
  readonly welcome: Welcome;
  readonly store: Store;
  /** This worker's own; undefined: nothing lasts. */
  readonly journal: string | undefined;
  readonly limits: ProcessLimits;
  /** Resolves when this worker has to end: the primary says so, or is gone. */
  readonly leaving: PromiseWithResolvers<Leaving>;
}

/** How long a primary may take to say the first word; milliseconds. */
const welcomeMs = 30_000;

/** Undefined: this process is no worker. Rejects where the primary does not answer. */
export async function joinCrew(clock: Clock): Promise<Crew | undefined> {
  const self = cluster.worker;
  if (self === undefined) return undefined;
  const link: PrimaryLink = createLink(primaryChannel(), clock);
  const leaving = Promise.withResolvers<Leaving>();
  // Node would end the process at once; but callers are being answered, and need no primary for that.
  self.once("disconnect", () => {
    self.exitedAfterDisconnect = true;
    link.end();
    leaving.resolve("stopping");
  });
  const welcome = await link.ask("welcome", undefined, welcomeMs);
  const { journals, storeKind } = welcome;
  return {
    link,
    number: self.id,
    welcome,
    store: borrowedStore(link, storeKind),
    journal: journals === undefined ? undefined : `${journals}.${process.pid}`,
    limits: borrowedLimits(link, clock),
    leaving,
  };
}

function primaryChannel(): Channel {
  return {
    send(message) {
      // With a callback a channel that is closed is no error.
      if (process.connected) process.send?.(message, undefined, {}, () => undefined);
    },
    listen: (listener) => void process.on("message", listener),
  };
}
