import { deserialize, serialize } from "node:v8";
import { type Clock, within } from "../../core/clock.ts";
import type { Journal, JournalEntry, RefusedRow } from "./journal.ts";
import { faultOf, wordsOf } from "./postgres-errors.ts";

/** Brings rows to the database; what it does not take now waits in a journal, and nobody else waits. */
export interface Courier {
  /**
   * Makes of a write that may be done twice one that resolves as soon as its rows are in the database or in the journal. It
   * rejects where they are in neither.
   */
  carry<Row>(kind: string, write: (rows: readonly Row[]) => Promise<void>): (rows: readonly Row[]) => Promise<void>;
  /** Whether rows of a kind, of earlier processes, too, may be in the journal and not in the database yet. */
  waits(kind: string): Promise<boolean>;
  /** From now on what the journal holds is brought, what earlier processes left included. */
  start(): void;
  /** Brings what can be brought within two seconds. */
  close(): Promise<void>;
}

/** What it needs. */
export interface CourierOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** The database answers, and does not take rows: it is full, read-only, or refuses us. Told once until it takes all of them. Must not throw. */
  readonly onUnable: (reason: string) => void;
  /** It has all of them. Must not throw. */
  readonly onAble: () => void;
  /** Rows that it refuses for good were set aside in the journal, and those beside them were not. Must not throw. */
  readonly onRefused: (refused: RefusedRows) => void;
  /** Told of what can neither be written nor be set aside, and of what a journal in memory still holds at the end. Must not throw. */
  readonly onLost: (lost: LostRows) => void;
}

/** Rows of one kind that the operator has to look after. */
export interface RefusedRows {
  readonly kind: string;
  readonly rows: number;
  /** Of the first of them, in words that hold nothing of it. */
  readonly reason: string;
}

/** Rows of one kind that are nowhere. */
export interface LostRows {
  readonly kind: string;
  readonly rows: number;
  readonly cause: unknown;
}

/** A write that takes longer goes into the journal as well: what a killed process loses. */
const hesitateMs = 100;
/** Between two tries of the oldest rows. */
const tryMs = 250;
const tryMsMax = 5000;
const closeMs = 2000;

type Write = (rows: readonly unknown[]) => Promise<void>;

/** What came of a write. */
type Outcome = { readonly kind: "written" } | { readonly kind: "refused"; readonly cause: unknown };

/** Writes are brought in the order of the journal, one at a time; those of a healthy database never see it. */
export function createCourier(options: CourierOptions): Courier {
  return new JournalCourier(options);
}

class JournalCourier implements Courier {
  readonly #options: CourierOptions;
  readonly #writes = new Map<string, Write>();
  /** In the journal, and on their way by themselves. */
  readonly #underWay = new Set<number>();
  #isOver = false;
  #cancel: (() => void) | undefined;
  #bringing: Promise<void> | undefined;
  /** Something was kept since the last look. */
  #isWanted = false;
  #waitMs = tryMs;
  #isUnable = false;

  constructor(options: CourierOptions) {
    this.#options = options;
  }

  carry<Row>(kind: string, write: (rows: readonly Row[]) => Promise<void>): (rows: readonly Row[]) => Promise<void> {
    // Its rows come back out of the journal as they went in.
    this.#writes.set(kind, (rows) => write(rows as readonly Row[]));
    return (rows) => this.#carry(kind, rows, write(rows));
  }

  waits(kind: string): Promise<boolean> {
    return this.#options.journal.holds(kind);
  }

  start(): void {
    this.#plan();
  }

  async close(): Promise<void> {
    const { journal, clock, onLost } = this.#options;
    this.#cancel?.();
    this.#isOver = true;
    await within<unknown>(clock, closeMs, this.#bringing ?? this.#bring());
    if (!journal.lasts) {
      const cause = new Error("the store could not be reached before the end");
      for (const { kind, rows } of await journal.oldest(Number.MAX_SAFE_INTEGER))
        onLost({ kind, rows: rowsFrom(rows)?.length ?? 1, cause });
    }
    await journal.close();
  }

  async #carry(kind: string, rows: readonly unknown[], writing: Promise<void>): Promise<void> {
    const written: Promise<Outcome> = writing.then(
      () => ({ kind: "written" }),
      (cause: unknown) => ({ kind: "refused", cause }),
    );
    const first = await within(this.#options.clock, hesitateMs, written);
    if (first?.kind === "written") return;
    if (first?.kind === "refused") {
      // Also what it will never take: out of the journal its good rows find their way without it.
      await this.#keep(kind, rows);
      return;
    }
    const id = await this.#keep(kind, rows).catch(() => undefined);
    if (id !== undefined) {
      this.#underWay.add(id);
      void this.#settle(id, written);
      return;
    }
    const last = await written;
    if (last.kind === "refused") throw last.cause;
  }

  async #keep(kind: string, rows: readonly unknown[]): Promise<number> {
    const id = await this.#options.journal.keep(kind, serialize(rows));
    this.#plan();
    return id;
  }

  async #settle(id: number, written: Promise<Outcome>): Promise<void> {
    const { kind } = await written;
    // What cannot be forgotten is brought a second time, and is there already.
    if (kind === "written") await this.#options.journal.forget(id).catch(() => undefined);
    this.#underWay.delete(id);
    this.#plan();
  }

  #plan(): void {
    const { clock, random } = this.#options;
    this.#isWanted = true;
    if (this.#isOver || this.#cancel !== undefined || this.#bringing !== undefined) return;
    this.#cancel = clock.after(this.#waitMs * (0.8 + 0.4 * random()), () => {
      this.#cancel = undefined;
      this.#isWanted = false;
      this.#bringing = this.#bring().then((isDone) => {
        this.#bringing = undefined;
        if (!isDone || this.#isWanted) this.#plan();
      });
    });
  }

  /** Until nothing waits, or the first refusal, which is false. Never rejects. */
  async #bring(): Promise<boolean> {
    try {
      for (let entry = await this.#next(); entry !== undefined; entry = await this.#next()) {
        await this.#deliver(entry);
        this.#waitMs = tryMs;
      }
      if (this.#isUnable) this.#options.onAble();
      this.#isUnable = false;
      return true;
    } catch (cause) {
      if (!this.#isUnable && faultOf(cause) !== "away") {
        this.#isUnable = true;
        this.#options.onUnable(wordsOf(cause));
      }
      this.#waitMs = Math.min(this.#waitMs * 2, tryMsMax);
      return false;
    }
  }

  async #next(): Promise<JournalEntry | undefined> {
    const oldest = await this.#options.journal.oldest(this.#underWay.size + 1);
    return oldest.find(({ id }) => !this.#underWay.has(id));
  }

  async #deliver({ id, kind, rows: bytes }: JournalEntry): Promise<void> {
    const { journal, clock, onLost, onRefused } = this.#options;
    const rows = rowsFrom(bytes);
    if (rows === undefined) {
      await journal.forget(id);
      onLost({ kind, rows: 1, cause: new Error("an entry of the journal cannot be read") });
      return;
    }
    const bad = await sifted(rows, this.#writes.get(kind) ?? unknown);
    const refused = bad.map(({ row, cause }): RefusedRow => ({ kind, reason: wordsOf(cause), row: textFrom(row), wall: clock.wall() }));
    await journal.forget(id, refused);
    const [first] = bad;
    if (first === undefined) return;
    if (journal.lasts) onRefused({ kind, rows: bad.length, reason: wordsOf(first.cause) });
    else onLost({ kind, rows: bad.length, cause: first.cause });
  }
}

/** A row, and why it was not taken. */
interface BadRow {
  readonly row: unknown;
  readonly cause: unknown;
}

/** Of another version. */
const unknown: Write = () => Promise.reject(new TypeError("nobody knows such rows"));

/** Writes all that can be written, half by half, and answers the rest. Rejects where that is not the rows' fault. */
async function sifted(rows: readonly unknown[], write: Write): Promise<readonly BadRow[]> {
  try {
    await write(rows);
    return [];
  } catch (cause) {
    if (faultOf(cause) !== "input") throw cause;
    if (rows.length <= 1) return rows.map((row) => ({ row, cause }));
    const middle = rows.length >> 1;
    return [...(await sifted(rows.slice(0, middle), write)), ...(await sifted(rows.slice(middle), write))];
  }
}

/** Written by this process or an earlier one of the same product; undefined: it is none of ours. */
function rowsFrom(bytes: Uint8Array): readonly unknown[] | undefined {
  try {
    const rows: unknown = deserialize(bytes);
    return Array.isArray(rows) ? rows : undefined;
  } catch {
    return undefined;
  }
}

/** Rows of the ledger are JSON already. */
function textFrom(row: unknown): string {
  if (typeof row === "string") return row;
  return JSON.stringify(row, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)) ?? "";
}
