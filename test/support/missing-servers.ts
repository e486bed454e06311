import { noOwnPostgres, noPostgres } from "./postgres.ts";
import { noSmallDisk } from "./small-disk.ts";

/** Says once before all tests which of them are skipped, and why. */
export function setup(): void {
  for (const why of [noPostgres ?? noOwnPostgres, noSmallDisk]) if (why !== undefined) process.stderr.write(`tests are skipped: ${why}\n`);
}
