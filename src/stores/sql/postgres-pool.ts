import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from "kysely";
import { Pool, type PoolClient, types } from "pg";
import type { Clock } from "../../core/clock.ts";
import { Breaker } from "../breaker.ts";
import { AwayError, faultOf, isTimeout, wordsOf } from "./postgres-errors.ts";

/** Where the database is, and who hears of it. */
export interface PostgresPoolOptions {
  /** `postgres://…`, with a password. */
  readonly url: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** It is away; told once until it is back. Must not throw. */
  readonly onAway: (reason: string) => void;
  /** Must not throw. */
  readonly onBack: () => void;
}

/** Connections of one process. Writes go one at a time, many rows each; the rest is for who asks. */
const connectionsMax = 5;
/** A new connection, or a free one. */
const connectMs = 2000;
/** One statement, the database's queue included. */
const statementMs = 5000;
const keepAliveMs = 10_000;
const idleMs = 30_000;
/** After a failover no connection is the old one's for longer. */
const lifeSeconds = 900;

/** One failure opens it: whoever comes next would wait as long for the same answer. */
const breakerOptions = {
  consecutiveFailures: 1,
  failureRatio: 1,
  callsMin: Number.POSITIVE_INFINITY,
  windowMs: 10_000,
  openMs: 500,
  openMsMax: 5000,
};

/** So many statements in a row that were not answered in time, and it is the database and not the question. */
const timeoutsMax = 2;

/**
 * Connections to a PostgreSQL that may go away: while it is, everybody is refused at once but the one who tries. A reading
 * statement whose connection turns out to be dead is asked once more, on a fresh one.
 */
export function createPostgresPool(options: PostgresPoolOptions): PostgresPool {
  const pool = new Pool({
    connectionString: withSslModes(options.url),
    application_name: "semaroute",
    max: connectionsMax,
    connectionTimeoutMillis: connectMs,
    // Ours and not the server's: a pooler refuses parameters of a session that it does not know.
    query_timeout: statementMs,
    idleTimeoutMillis: idleMs,
    maxLifetimeSeconds: lifeSeconds,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    types: { getTypeParser },
  });
  // A connection that breaks while nobody uses it: the pool has let go of it already. One that breaks between two statements says
  // so at the next one, too; unheard it would be an exception that nobody catches.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  const reach = new Reach(options);
  return {
    async connect() {
      const ticket = reach.admit();
      try {
        return new Lease(await pool.connect(), { another: () => pool.connect(), reach, ticket });
      } catch (thrown) {
        reach.failed(ticket, thrown);
        throw thrown;
      }
    },
    end: () => pool.end(),
    options: {},
  };
}

/** Whether the database can be reached, as far as was seen. */
class Reach {
  readonly #options: PostgresPoolOptions;
  readonly #breaker: Breaker;
  #reason = "";
  #isAway = false;
  #timeouts = 0;

  constructor(options: PostgresPoolOptions) {
    this.#options = options;
    this.#breaker = new Breaker(breakerOptions, options.random);
  }

  admit(): number {
    const ticket = this.#breaker.admit(this.#options.clock.now());
    if (ticket === undefined) throw new AwayError(this.#reason);
    return ticket;
  }

  answered(ticket: number): void {
    this.#timeouts = 0;
    this.#breaker.succeeded(ticket, this.#options.clock.now());
    if (!this.#isAway || this.#breaker.barredUntilMs(this.#options.clock.now()) !== undefined) return;
    this.#isAway = false;
    this.#options.onBack();
  }

  failed(ticket: number, error: unknown): void {
    if (isTimeout(error) && !this.#isAway && ++this.#timeouts < timeoutsMax) {
      this.#breaker.abandoned(ticket);
      return;
    }
    this.#timeouts = 0;
    this.#reason = wordsOf(error);
    this.#breaker.failed(ticket, this.#options.clock.now());
    if (this.#isAway) return;
    this.#isAway = true;
    this.#options.onAway(this.#reason);
  }

  unused(ticket: number): void {
    this.#breaker.abandoned(ticket);
  }
}

const commands = ["INSERT", "UPDATE", "DELETE", "MERGE", "COMMIT", "ROLLBACK"] as const;

/** What a connection is leased with. */
interface LeaseParts {
  readonly another: () => Promise<PoolClient>;
  readonly reach: Reach;
  readonly ticket: number;
}

/** A connection for one statement or one transaction. */
class Lease implements PostgresPoolClient {
  readonly #parts: LeaseParts;
  /** Undefined: it was of no use, and was given back. */
  #client: PoolClient | undefined;
  /** Why. */
  #broken: unknown;
  #isFresh = true;
  #isTold = false;

  constructor(client: PoolClient, parts: LeaseParts) {
    this.#client = client;
    this.#parts = parts;
  }

  query<R>(text: string, values: ReadonlyArray<unknown>): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query<R>(what: string | PostgresCursor<R>, values: ReadonlyArray<unknown> = []): Promise<PostgresQueryResult<R>> | PostgresCursor<R> {
    if (typeof what !== "string") throw new Error("rows are not streamed");
    return this.#ask(what, values.map(storable));
  }

  release(destroy?: boolean): void {
    this.#client?.release(destroy);
    if (!this.#isTold) this.#parts.reach.unused(this.#parts.ticket);
  }

  async #ask<R>(text: string, values: unknown[]): Promise<PostgresQueryResult<R>> {
    // A transaction begins with another word: what reads and comes first stands alone.
    const isRepeatable = this.#isFresh && text.startsWith("select ");
    this.#isFresh = false;
    try {
      return await this.#once(text, values);
    } catch (thrown) {
      if (this.#client !== undefined) throw thrown;
      if (!isRepeatable || isTimeout(thrown)) throw this.#failed(thrown);
    }
    try {
      this.#client = await this.#parts.another();
      return await this.#once(text, values);
    } catch (thrown) {
      throw this.#client === undefined ? this.#failed(thrown) : thrown;
    }
  }

  async #once<R>(text: string, values: unknown[]): Promise<PostgresQueryResult<R>> {
    const client = this.#client;
    // A rollback, for one, would wait as long again.
    if (client === undefined) throw this.#broken;
    try {
      const { command, rowCount, rows } = await client.query(text, values);
      this.#answered();
      return { command: commands.find((each) => each === command) ?? "SELECT", rowCount: rowCount ?? 0, rows };
    } catch (thrown) {
      if (faultOf(thrown) === "away") {
        this.#client = undefined;
        this.#broken = thrown;
        client.release(true);
      } else this.#answered();
      throw thrown;
    }
  }

  #answered(): void {
    this.#isTold = true;
    this.#parts.reach.answered(this.#parts.ticket);
  }

  #failed(thrown: unknown): unknown {
    if (this.#broken !== thrown || !this.#isTold) this.#parts.reach.failed(this.#parts.ticket, thrown);
    this.#isTold = true;
    this.#broken = thrown;
    return thrown;
  }
}

/** PostgreSQL's texts hold no NUL, and a caller may have sent one. */
function storable(value: unknown): unknown {
  return typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\u{fffd}") : value;
}

/** What `bigint` columns and their sums come as. */
const int8 = 20;
const numeric = 1700;

/** Numbers as SQLite gives them; else texts, which is what `pg` does with wide ones. */
function getTypeParser(oid: number, format?: "text" | "binary") {
  return oid === int8 || oid === numeric ? numberFrom : types.getTypeParser(oid, format);
}

function numberFrom(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) throw new RangeError("a number is too large");
  return number;
}

/** `sslmode` as everything else that speaks to PostgreSQL takes it; `pg` has a meaning of its own for some. */
function withSslModes(url: string): string {
  return /[?&]sslmode=/.test(url) && !url.includes("uselibpqcompat=") ? `${url}&uselibpqcompat=true` : url;
}
