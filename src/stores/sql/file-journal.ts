import type { Journal, JournalEntry, RefusedRow } from "./journal.ts";
import { startThread } from "./thread.ts";

/** Where the file is. */
export interface FileJournalOptions {
  /** Absolute; a second process on it gets a file beside it, with a number. */
  readonly path: string;
  /** Default 65,536: pages of 4 KiB that it may have. */
  readonly pagesMax?: number | undefined;
}

/** What the thread is asked. */
export type JournalCall =
  | { readonly kind: "keep"; readonly of: string; readonly rows: Uint8Array }
  | { readonly kind: "oldest"; readonly limit: number }
  | { readonly kind: "forget"; readonly id: number; readonly refused: readonly RefusedRow[] }
  | { readonly kind: "holds"; readonly of: string }
  | { readonly kind: "close" };

/** What it answers. */
export interface JournalAnswers {
  readonly keep: number;
  readonly oldest: readonly JournalEntry[];
  readonly forget: undefined;
  readonly holds: boolean;
  readonly close: undefined;
}

/**
 * A journal in a file of its own, which no crash of the process takes away; what files of ended processes beside it hold, it
 * takes over. Rejects with a `StoreError` where it cannot be opened.
 */
export async function openFileJournal(options: FileJournalOptions): Promise<Journal> {
  const { opened, ask, ended } = startThread<JournalCall, JournalAnswers>("journal-worker", options);
  await opened;
  return {
    lasts: true,
    keep: (of, rows) => ask({ kind: "keep", of, rows }),
    oldest: (limit) => ask({ kind: "oldest", limit }),
    forget: (id, refused = []) => ask({ kind: "forget", id, refused }),
    holds: (of) => ask({ kind: "holds", of }),
    async close() {
      await ask({ kind: "close" }).catch(() => undefined);
      await ended();
    },
  };
}
