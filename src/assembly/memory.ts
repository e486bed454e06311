import type { Affinity } from "../core/affinity.ts";
import type { HedgeBudget, RetryBudget } from "../core/budget.ts";
import type { Clock } from "../core/clock.ts";
import type { OutputForecasts } from "../core/forecast.ts";
import { createAffinity } from "../stores/affinity.ts";
import { createHedgeBudget } from "../stores/hedge-budget.ts";
import { createOutputForecasts } from "../stores/output-forecasts.ts";
import type { RedisConnection } from "../stores/redis/connection.ts";
import { createSharedAffinity } from "../stores/redis/shared-affinity.ts";
import { createRetryBudget } from "../stores/retry-budget.ts";

/** What calls learn from those before them. */
export interface LearningStores {
  readonly retries: RetryBudget;
  readonly hedges: HedgeBudget;
  readonly affinity: Affinity;
  readonly forecasts: OutputForecasts;
}

/** Nothing is known at the start; `redis` undefined: this process is alone. */
export function createMemory(clock: Clock, redis: RedisConnection | undefined): LearningStores {
  const affinity = createAffinity(clock);
  return {
    retries: createRetryBudget(clock),
    hedges: createHedgeBudget(),
    affinity: redis === undefined ? affinity : createSharedAffinity(affinity, redis),
    forecasts: createOutputForecasts(clock),
  };
}
