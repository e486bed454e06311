import { BreakerState } from "../core/chat.ts";
import type { HealthView } from "../core/health.ts";
import { untriedStatus } from "./health-members.ts";
import type { HostEvidence } from "./target-state.ts";
import { noMeans } from "./target-view.ts";

/** What is known of a target that was never called. */
export const untriedViews = {
  none: untriedView("none"),
  good: untriedView("good"),
  doubtful: untriedView("doubtful"),
  bad: untriedView("bad"),
} as const satisfies Record<HostEvidence, HealthView>;

function untriedView(host: HostEvidence): HealthView {
  return {
    status: untriedStatus[host],
    breaker: BreakerState.CLOSED,
    openUntilMs: 0,
    coolingUntilMs: 0,
    lockedUntilMs: 0,
    lockedBy: undefined,
    lacks: [],
    warmth: 1,
    firstTokenMs: undefined,
    unaryMs: undefined,
    firstTokenP95Ms: undefined,
    successRatio: 1,
    failedAtMs: undefined,
    heardMs: undefined,
    otherMeans: noMeans,
  };
}
