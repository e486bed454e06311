import { BreakerState, HealthStatus } from "../../core/chat.ts";
import type { ProviderDesk } from "../../core/operations.ts";
import type { RedisState, SharedReport } from "../../core/redis.ts";
import { canRoute, type Readiness, readinessOf } from "../readiness.ts";

/** What the health doors look at. */
export interface HealthFacts {
  readonly providers: ProviderDesk;
  /** Undefined: replicas share nothing. */
  readonly shared: SharedReport | undefined;
  /** Whether the server has begun to go away. */
  readonly draining: boolean;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startWall: number;
  /** Milliseconds since the epoch. */
  readonly nowWall: number;
}

/** A JSON answer. */
export interface HealthAnswer {
  /** HTTP status. */
  readonly status: number;
  readonly body: HealthReport | { readonly status: string };
}

/** Body of `GET /health`. */
export interface HealthReport {
  readonly status: Readiness;
  readonly version: string;
  /** Whole seconds. */
  readonly uptime_seconds: number;
  /** By the configuration's names. */
  readonly providers: Readonly<Record<string, { readonly status: string; readonly breaker: string }>>;
  /** Only where it is configured. Says nothing of the status above: calls are served without it. */
  readonly redis?: { readonly status: RedisState; readonly breaker: string } & Omit<SharedReport, "redis">;
}

/** `GET /health`: 503 when nothing can serve. */
export function healthAnswer(facts: HealthFacts): HealthAnswer {
  const status = readinessOf(facts.providers, facts.nowWall);
  const providers = facts.providers.list().map(({ id }) => {
    const health = facts.providers.health(id);
    return [id, { status: statusWords.get(health.status) ?? "unknown", breaker: breakerWords.get(health.breaker) ?? "closed" }] as const;
  });
  return {
    status: status === "unhealthy" ? 503 : 200,
    body: {
      status,
      version: facts.version,
      uptime_seconds: Math.max(0, Math.floor((facts.nowWall - facts.startWall) / 1000)),
      providers: Object.fromEntries(providers),
      ...(facts.shared && { redis: redisFrom(facts.shared) }),
    },
  };
}

function redisFrom({ redis: { state, breaker }, ...parts }: SharedReport): HealthReport["redis"] & object {
  return { status: state, breaker, ...parts };
}

/** `GET /health/live`: whoever can answer is alive. */
export function liveAnswer(): HealthAnswer {
  return { status: 200, body: { status: "alive" } };
}

/** `GET /health/ready`: 503 while draining, and where nothing can route. */
export function readyAnswer(facts: HealthFacts): HealthAnswer {
  if (facts.draining) return { status: 503, body: { status: "draining" } };
  if (!canRoute(facts.providers, facts.nowWall)) return { status: 503, body: { status: "unready" } };
  return { status: 200, body: { status: "ready" } };
}

/** Words that monitors know; what a newer peer may add is unknown. */
const statusWords: ReadonlyMap<HealthStatus, string> = new Map([
  [HealthStatus.HEALTHY, "healthy"],
  [HealthStatus.DEGRADED, "degraded"],
  [HealthStatus.UNHEALTHY, "unhealthy"],
]);

const breakerWords: ReadonlyMap<BreakerState, string> = new Map([
  [BreakerState.HALF_OPEN, "half_open"],
  [BreakerState.OPEN, "open"],
]);
