import { setImmediate } from "node:timers/promises";
import type { RoutingPolicy } from "../core/chat.ts";
import type { DecisionRecord } from "../core/decision.ts";
import type { DecisionDesk, Operations, SimulationReport } from "../core/operations.ts";

/** Decisions that are fetched and read, and replayed, at once: what calls wait for in between is a few milliseconds. */
const fetchedMax = 200;
const replayedMax = 100;

/** What it is made of. */
export interface SimulationParts {
  readonly decisions: Pick<DecisionDesk, "list">;
  readonly simulator: (policy: RoutingPolicy) => { replay(this: void, record: DecisionRecord): void; sum(this: void): SimulationReport };
}

/** Replays the newest decisions of a time; calls that run meanwhile hardly notice. */
export function simulations({ decisions, simulator }: SimulationParts): Operations["simulate"] {
  return async ({ policy, sinceWall, decisionsMax }) => {
    const { replay, sum } = simulator(policy);
    let after: { readonly wall: number; readonly id: string } | undefined;
    for (let left = decisionsMax; left > 0;) {
      const limit = Math.min(left, fetchedMax);
      const records = await decisions.list({ sinceWall, limit, ...(after !== undefined && { after }) });
      for (const [index, record] of records.entries()) {
        replay(record);
        if (index % replayedMax === replayedMax - 1) await setImmediate();
      }
      after = records.at(-1);
      left = records.length < limit ? 0 : left - records.length;
    }
    return sum();
  };
}
