import { HealthStatus } from "../../src/core/chat.ts";
import { untouched } from "../../src/core/decision.ts";
import type { HealthView } from "../../src/core/health.ts";

/** Health of a target of which nothing bad is known, and nothing measured. */
export const healthy: HealthView = { ...untouched, status: HealthStatus.HEALTHY };
