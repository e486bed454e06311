import { expect, test } from "vitest";

import { budgetPeriodAt } from "../../src/stores/budget-period.ts";

const at = (text: string): number => Date.parse(text);

test.each([
  { period: "day", now: "2026-12-31T23:59:59.999Z", start: "2026-12-31T00:00:00Z", end: "2027-01-01T00:00:00Z" },
  { period: "day", now: "2027-01-01T00:00:00Z", start: "2027-01-01T00:00:00Z", end: "2027-01-02T00:00:00Z" },
  { period: "month", now: "2028-02-29T12:00:00Z", start: "2028-02-01T00:00:00Z", end: "2028-03-01T00:00:00Z" },
  { period: "month", now: "2026-12-01T00:00:00Z", start: "2026-12-01T00:00:00Z", end: "2027-01-01T00:00:00Z" },
] as const)("at $now the $period in UTC is from $start to $end", ({ period, now, start, end }) => {
  expect(budgetPeriodAt(at(now), period)).toEqual({ startWall: at(start), endWall: at(end) });
});

test("a budget in total begins with time, and does not end", () => {
  expect(budgetPeriodAt(at("2026-12-01T00:00:00Z"), "total")).toEqual({ startWall: 0, endWall: Number.POSITIVE_INFINITY });
});
