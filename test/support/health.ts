import { BreakerState, HealthStatus } from "../../src/core/chat.ts";
import type { HealthView } from "../../src/core/health.ts";

/** Health of a target of which nothing bad is known, and nothing measured. */
export const healthy: HealthView = {
  status: HealthStatus.HEALTHY,
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
  otherMeans: new Map(),
};
