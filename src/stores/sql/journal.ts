/** Rows of one write that the database has not confirmed. */
export interface JournalEntry {
  readonly id: number;
  /** Whose rows. */
  readonly kind: string;
  /** As `node:v8` serializes them. */
  readonly rows: Uint8Array;
}

/** A row that the database will never take. */
export interface RefusedRow {
  readonly kind: string;
  /** Why, in words that hold nothing of it. */
  readonly reason: string;
  /** As JSON, for people. */
  readonly row: string;
  /** Milliseconds since the epoch. */
  readonly wall: number;
}

/** Where rows wait while the database is away; bounded. */
export interface Journal {
  /** Whether what it holds outlives the process. */
  readonly lasts: boolean;
  /** Answers the entry's id. Rejects where it does not fit. */
  keep(kind: string, rows: Uint8Array): Promise<number>;
  /** So many, at most. */
  oldest(limit: number): Promise<readonly JournalEntry[]>;
  /** Sets aside, in the same step, what of it the database refuses for good; a journal that does not last keeps nothing of that. */
  forget(id: number, refused?: readonly RefusedRow[]): Promise<void>;
  /** Whether it holds rows of a kind. */
  holds(kind: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Bytes of rows that wait in memory, where there is no file for them. */
const bytesMaxDefault = 64 * 2 ** 20;

/** A journal that ends with the process. */
export function createMemoryJournal(bytesMax = bytesMaxDefault): Journal {
  const entries = new Map<number, JournalEntry>();
  let count = 0;
  let bytes = 0;
  return {
    lasts: false,
    keep(kind, rows) {
      if (bytes + rows.byteLength > bytesMax) return Promise.reject(new Error("too much waits for the store"));
      const id = count++;
      entries.set(id, { id, kind, rows });
      bytes += rows.byteLength;
      return Promise.resolve(id);
    },
    oldest: (limit) => Promise.resolve(entries.values().take(limit).toArray()),
    forget(id) {
      bytes -= entries.get(id)?.rows.byteLength ?? 0;
      entries.delete(id);
      return Promise.resolve();
    },
    holds: (kind) => Promise.resolve(entries.values().some((entry) => entry.kind === kind)),
    close: () => Promise.resolve(),
  };
}
