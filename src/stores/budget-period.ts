import type { KeyLimits } from "../core/call.ts";

/** A span of time for which a budget is given; milliseconds since the epoch. */
export interface BudgetPeriod {
  readonly startWall: number;
  /** Infinity: it never ends. */
  readonly endWall: number;
}

/** The one that a moment lies in: days and months are those of UTC. */
export function budgetPeriodAt(wallMs: number, period: KeyLimits["budgetPeriod"]): BudgetPeriod {
  const date = new Date(wallMs);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  switch (period) {
    case "day":
      return { startWall: Date.UTC(year, month, day), endWall: Date.UTC(year, month, day + 1) };
    case "month":
      return { startWall: Date.UTC(year, month), endWall: Date.UTC(year, month + 1) };
    case "total":
      return { startWall: 0, endWall: Number.POSITIVE_INFINITY };
    default:
      return period satisfies never;
  }
}
