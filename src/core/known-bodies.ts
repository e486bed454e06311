import type { Failure } from "./error.ts";

/** An error body that a vendor tells apart by its words alone. */
export interface KnownBody {
  /** Who answers so. */
  readonly vendor: string;
  /** Where one was seen, or documented. */
  readonly source: string;
  /** HTTP statuses it comes with. */
  readonly status: readonly number[];
  /** How its message begins. Always anchored: what follows may quote the prompt, and no prompt may choose its own error. */
  readonly says: RegExp;
  /** What it means here. */
  readonly means: Failure;
  /** The parameter at fault; default: the group `field` of `says`, if it has one. */
  readonly field?: string;
  /** It is about sealed state of earlier turns (ChatErrorOptions.staleState). */
  readonly stale?: true;
}

/** What an error answer says in words. */
export interface Words {
  /** HTTP status; 200: an error inside an answer, which has none of its own, so that any row may fit. */
  readonly status: number;
  /** The message, and what it wraps; each is compared from its start. */
  readonly messages: readonly string[];
}

/** What a row says. */
export interface KnownMeaning {
  readonly means: Failure;
  readonly field: string | undefined;
  readonly stale: boolean;
}

/** What a row of the table says of these words; undefined: no row fits. */
export function knownBody(rows: readonly KnownBody[], { status, messages }: Words): KnownMeaning | undefined {
  for (const row of rows) {
    if (status !== 200 && !row.status.includes(status)) continue;
    for (const message of messages) {
      const found = row.says.exec(message);
      if (found !== null) return { means: row.means, field: row.field ?? found.groups?.["field"], stale: row.stale === true };
    }
  }
  return undefined;
}
