import { untouched } from "../core/decision.ts";
import type { HealthView } from "../core/health.ts";
import { untriedStatus } from "./health-members.ts";
import type { HostEvidence } from "./target-state.ts";

/** What is known of a target that was never called: nothing but what is known of its host. */
export const untriedViews = {
  none: untriedView("none"),
  good: untriedView("good"),
  doubtful: untriedView("doubtful"),
  bad: untriedView("bad"),
} as const satisfies Record<HostEvidence, HealthView>;

function untriedView(host: HostEvidence): HealthView {
  return { ...untouched, status: untriedStatus[host] };
}
