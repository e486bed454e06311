import type { Key } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { SpentSince, Standing } from "../core/limits.ts";
import type { KeySpending } from "../core/operations.ts";
import { roundedMicroUsd } from "../core/price.ts";
import { budgetPeriodAt } from "../stores/budget-period.ts";

/** Who knows what keys have spent. */
export interface SpendingParts {
  readonly clock: Pick<Clock, "wall">;
  /** Of keys with a budget that were called lately; undefined: of others. */
  readonly standing: (key: Pick<Key, "id" | "limits">) => Standing | undefined | Promise<Standing | undefined>;
  readonly spentSince: SpentSince;
}

/** What a key has spent in its budget's current period; without a budget, in this month. Rejects with STORE_UNAVAILABLE where nobody can say. */
export function keySpending({ clock, standing, spentSince }: SpendingParts): (key: Pick<Key, "id" | "limits">) => Promise<KeySpending> {
  return async ({ id, limits }) => {
    const known = await standing({ id, limits });
    if (known !== undefined)
      return { spentMicroUsd: roundedMicroUsd(known.spentPicoUsd), reservedMicroUsd: roundedMicroUsd(known.reservedPicoUsd) };
    const { startWall } = budgetPeriodAt(clock.wall(), limits?.budgetPeriod ?? "month");
    const spent = await spentSince(id, startWall).catch((cause: unknown) => {
      throw new ChatError("STORE_UNAVAILABLE", "the ledger cannot be read now", { cause, retryAfterMs: 1000 });
    });
    return { spentMicroUsd: roundedMicroUsd(spent), reservedMicroUsd: 0n };
  };
}
