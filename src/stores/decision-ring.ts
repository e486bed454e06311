import type { DecisionQuery, DecisionRow } from "../core/store.ts";

/** Decisions in memory: the newest so many. */
export interface DecisionRing {
  add(row: DecisionRow): void;
  /** Newest first. */
  list(query: DecisionQuery): readonly string[];
  find(id: string): string | undefined;
  /** Forgets those before a time. */
  prune(beforeWall: number): void;
}

/** What a row takes beside its text, about. */
const rowBytes = 400;

/** Bounded in number and in bytes; the oldest go. */
export function createDecisionRing(rowsMax: number, bytesMax: number): DecisionRing {
  /** In the order in which calls ended, which is nearly that of their beginnings. */
  const rows = new Map<string, DecisionRow>();
  let bytes = 0;
  const drop = (row: DecisionRow): void => {
    rows.delete(row.id);
    bytes -= row.text.length + rowBytes;
  };
  return {
    add(row) {
      if (rows.has(row.id)) return;
      rows.set(row.id, row);
      bytes += row.text.length + rowBytes;
      for (const oldest of rows.values()) {
        if (rows.size <= rowsMax && bytes <= bytesMax) break;
        drop(oldest);
      }
    },
    list(query) {
      const found = [...rows.values()].filter((row) => fits(row, query));
      return found
        .toSorted(newestFirst)
        .slice(0, query.limit)
        .map(({ text }) => text);
    },
    find: (id) => rows.get(id)?.text,
    prune(beforeWall) {
      for (const row of rows.values()) if (row.wall < beforeWall) drop(row);
    },
  };
}

function fits(row: DecisionRow, query: DecisionQuery): boolean {
  const { key, model, failed, retried, provider, sinceWall, untilWall, requestId, after } = query;
  return (
    (key === undefined || row.key === key) &&
    (model === undefined || row.model === model) &&
    (failed === undefined || row.failed) &&
    (retried === undefined || row.retried) &&
    (provider === undefined || row.providers.includes(`,${provider},`)) &&
    (sinceWall === undefined || row.wall >= sinceWall) &&
    (untilWall === undefined || row.wall < untilWall) &&
    (requestId === undefined || row.requestId === requestId) &&
    (after === undefined || newestFirst(row, after) > 0)
  );
}

function newestFirst(one: Pick<DecisionRow, "wall" | "id">, other: Pick<DecisionRow, "wall" | "id">): number {
  return other.wall - one.wall || (one.id < other.id ? 1 : one.id > other.id ? -1 : 0);
}
