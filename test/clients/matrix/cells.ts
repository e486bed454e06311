/** Cells of the matrix, as data: what a run reports, and what a page is made of. */

/** One client's call at one column. */
export interface Cell {
  /** The package's name. */
  readonly client: string;
  /** How it is called. */
  readonly call: string;
  readonly column: string;
}

/** A cell and what came of it. */
export interface CellResult extends Cell {
  readonly result: "pass" | "n.a." | "fail";
  /** Why there is nothing to do, or the first line of what went wrong; empty: it passed. */
  readonly note: string;
}

declare module "vitest" {
  interface TaskMeta {
    /** The cell that a test of the matrix plays. */
    matrix?: Cell;
  }
}
