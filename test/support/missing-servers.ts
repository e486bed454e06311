import { noOwnPostgres, noPostgres } from "./postgres.ts";

/** Says once before all tests which of them are skipped, and why. */
export function setup(): void {
  const why = noPostgres ?? noOwnPostgres;
  if (why !== undefined) process.stderr.write(`tests are skipped: ${why}\n`);
}
