import { test } from "vitest";
import { type Cell, titleOf } from "./cells.ts";
import type { Skipped } from "./table.ts";

/** A cell of a fault that no upstream plays a part in. */
export type OwnCell = Omit<Cell, "layout">;

/** One test of the table, or why it cannot be one. */
export function cell(own: OwnCell, body: (() => Promise<void>) | Skipped, timeout?: number): void {
  const whole: Cell = { ...own, layout: "-" };
  test(titleOf(whole), { meta: { cell: whole }, ...(timeout !== undefined && { timeout }) }, async (context) => {
    if (typeof body !== "function") return context.skip(body.skip);
    await body();
  });
}
