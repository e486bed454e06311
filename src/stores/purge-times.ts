/** Purges that are remembered apart; more are remembered as a purge of everybody. */
const purgesMax = 100;
/** A call that began before is over: no deadline is that long. */
const rememberMs = 2 * 3_600_000;

/** When whose answers were purged, so that one that was asked for before is not kept behind. */
export interface PurgeTimes {
  /** `nowMs`: monotonic milliseconds. */
  purged(nowMs: number, isMeant: (tenant: string) => boolean): void;
  /** Whether a tenant's answers were purged at that time or since. */
  isSince(tenant: string, sinceMs: number): boolean;
}

/** None yet. */
export function createPurgeTimes(): PurgeTimes {
  let purges: { readonly atMs: number; readonly isMeant: (tenant: string) => boolean }[] = [];
  return {
    purged(nowMs, isMeant) {
      purges = purges.filter(({ atMs }) => nowMs - atMs < rememberMs);
      if (purges.length >= purgesMax) purges = [{ atMs: nowMs, isMeant: () => true }];
      else purges.push({ atMs: nowMs, isMeant });
    },
    isSince: (tenant, sinceMs) => purges.some(({ atMs, isMeant }) => atMs >= sinceMs && isMeant(tenant)),
  };
}
