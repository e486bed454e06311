import { timestampMs } from "@bufbuild/protobuf/wkt";

import { BreakerState, HealthAxis, HealthStatus, type ProviderHealth, ProviderState, type TargetHealth } from "../core/chat.ts";
import type { ProviderDesk, ProviderView } from "../core/operations.ts";

/** How much of the house can serve: all, some, or none of the targets of enabled providers. */
export type Readiness = "healthy" | "degraded" | "unhealthy";

/** Judges by what health knows now; `nowWall` is in milliseconds since the epoch. What was never called counts as healthy. */
export function readinessOf(desk: ProviderDesk, nowWall: number): Readiness {
  let usable = false;
  let impaired = false;
  for (const provider of desk.list()) {
    if (provider.state !== ProviderState.ENABLED) continue;
    const health = desk.health(provider.id);
    const targets = usableTargets(health, nowWall);
    if (targets.usable > 0) usable = true;
    if (targets.usable < targets.all || health.status === HealthStatus.DEGRADED) impaired = true;
  }
  if (!usable) return "unhealthy";
  return impaired ? "degraded" : "healthy";
}

/** Whether a new call may be sent anywhere now. Open breakers do not keep calls from the last targets that are left. */
export function canRoute(desk: ProviderDesk, nowWall: number): boolean {
  return desk.list().some(({ id, state }) => {
    if (state !== ProviderState.ENABLED) return false;
    const health = desk.health(id);
    return health.targets.length === 0 || health.targets.some((target) => isFree(target, nowWall));
  });
}

/** Whether new calls may go to the provider now. */
export function canServe(provider: ProviderView, health: ProviderHealth, nowWall: number): boolean {
  return provider.state === ProviderState.ENABLED && usableTargets(health, nowWall).usable > 0;
}

/** A provider that nobody knows the targets of yet is one itself. */
function usableTargets(health: ProviderHealth, nowWall: number): { usable: number; all: number } {
  const parts = health.targets.length > 0 ? health.targets : [health];
  if (health.status === HealthStatus.UNHEALTHY) return { usable: 0, all: parts.length };
  const usable = parts.filter((part) => part.breaker !== BreakerState.OPEN && isFree(part, nowWall)).length;
  return { usable, all: parts.length };
}

/** Neither rate-limited nor without a credential. What a target cannot do concerns some calls only. */
function isFree(part: ProviderHealth | TargetHealth, nowWall: number): boolean {
  if (part.cooldownUntil !== undefined && timestampMs(part.cooldownUntil) > nowWall) return false;
  return !("bars" in part) || part.bars.every(({ axis }) => axis !== HealthAxis.CREDENTIAL);
}
