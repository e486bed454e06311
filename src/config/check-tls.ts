import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";

import type { Report } from "./report.ts";
import type { Settings } from "./schema.ts";
import { reasonOf } from "./secret-files.ts";

const names = ["cert_file", "key_file", "client_ca_file"] as const;

/** Certificate and key belong together, can be read, and fit. */
export function checkTls(tls: Settings["server"]["tls"], report: Report): void {
  if (names.every((name) => tls[name] === undefined)) return;
  const texts: Partial<Record<(typeof names)[number], string>> = {};
  for (const name of names) {
    const file = tls[name];
    if (file === undefined) {
      if (name !== "client_ca_file") report.error(["server", "tls", name], "is required for TLS");
      continue;
    }
    try {
      texts[name] = readFileSync(file, "utf8");
    } catch (error) {
      report.error(["server", "tls", name], `cannot be read: ${reasonOf(error)}`);
    }
  }
  const { cert_file: cert, key_file: key, client_ca_file: ca } = texts;
  if (cert === undefined || key === undefined) return;
  try {
    createSecureContext({ cert, key, ...(ca !== undefined && { ca }) });
  } catch (error) {
    // OpenSSL names the fault, never the content.
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
    report.error(["server", "tls"], `certificate and key cannot be used: ${code}`);
  }
}
