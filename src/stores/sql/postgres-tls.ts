import { accessSync, constants } from "node:fs";
import { StoreError } from "../../core/store.ts";

const files = ["sslrootcert", "sslcert", "sslkey"] as const;

/** Throws a `StoreError` where files that the URL names cannot be read: the driver takes that for a server that is away, and would wait for it. */
export function refuseBadTls(url: string): void {
  // One that cannot be read at all is the pool's to refuse.
  const { searchParams } = URL.parse(url) ?? { searchParams: new URLSearchParams() };
  for (const name of files) {
    const path = searchParams.get(name);
    if (path !== null && !isReadable(path)) throw new StoreError(`${name} ${path} cannot be read`, false);
  }
  if (searchParams.get("sslmode") === "verify-ca" && !searchParams.has("sslrootcert"))
    throw new StoreError("sslmode=verify-ca needs sslrootcert: with public authorities use verify-full", false);
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
