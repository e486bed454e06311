import { test } from "vitest";
import { type Cell, titleOf } from "./cells.ts";
import type { Skipped } from "./table.ts";

/** A cell of a fault that no upstream plays a part in. */
export type OwnCell = Omit<Cell, "layout">;

/** One test of the table, or why it cannot be one. */
export function cell(own: OwnCell, body: (() => Promise<void>) | Skipped, timeout?: number): void {
  const whole: Cell = { ...own, layout: "-" };
  test(titleOf(whole), { meta: { cell: whole }, ...(timeout !== undefined && { timeout }) }, async (context) => {
    if (typeof body === "function") await body();
    else context.skip(body.skip);
  });
}

/** Makes a test that stands elsewhere a cell of the table. */
export function asCell(id: string, fault: string, protocol = "process"): { readonly meta: { readonly cell: Cell } } {
  return { meta: { cell: { id, fault, protocol, layout: "-" } } };
}
