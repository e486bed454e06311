import { expect, test } from "vitest";

import type { TargetId } from "../../src/core/catalog.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import { createCostBased } from "../../src/policies/cost-based.ts";
import { createWindowHealth } from "../../src/stores/window-health.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { candidate, costBased, facts } from "./candidates.ts";

const breaker = { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 20, windowMs: 30_000, openMs: 5_000, openMsMax: 300_000 };

// A target that refuses within milliseconds is the fastest of all, and what goes by latency alone sends it everything. The
// breaker and the cool-down are kept out of it here: the ranking by itself has to turn away.
for (const failure of ["RATE_LIMITED", "UPSTREAM_UNAVAILABLE"] satisfies Failure[]) {
  test(`beside one that fails with ${failure} in 5 ms, a target that takes 400 ms is first for at least 95 % of calls from the second second on`, () => {
    const clock = createFakeClock();
    const never = { ...breaker, consecutiveFailures: Infinity, callsMin: Infinity };
    const health = createWindowHealth({ clock, random: () => 0.5, breaker: never });
    const [quick, sound] = ["quick/m", "sound/m"];
    const rank = createCostBased(costBased({ costWeight: 0.4, latencyWeight: 0.6, healthWeight: 0 }));
    const ids = [quick, sound];
    health.declare(ids.map((id) => ({ name: id.slice(0, 5), targets: [id as TargetId], concurrencyMax: 1000 })));
    const served = (): void => {
      const trial = health.begin(sound as TargetId, undefined);
      if ("barred" in trial) throw new Error("the sound target is barred");
      clock.after(400, () => trial.end({ kind: "succeeded", streamed: true, firstContentMs: 400 }));
    };
    let asked = 0;
    let well = 0;
    for (let ms = 0; ms < 20_000; ms += 20) {
      const views = ids.map((id) => candidate(id, { cost: id === quick ? 90 : 100, ...health.view(id as TargetId) }));
      const first = rank(facts({ nowMs: clock.now() }), views).order[0]?.candidate.target.id;
      const trial = first === quick ? health.begin(quick as TargetId, undefined) : undefined;
      if (trial === undefined || "barred" in trial) served();
      else {
        const error = new ChatError(failure, "no", { retryAfterMs: 1, upstream: { status: 429, requestId: "" } });
        // The call goes on elsewhere.
        clock.after(5, () => (trial.end({ kind: "failed", streamed: true, error }), served()));
      }
      if (ms >= 2_000) {
        asked += 1;
        if (first === sound) well += 1;
      }
      clock.advance(20);
    }
    expect(well / asked).toBeGreaterThanOrEqual(0.95);
  });
}
