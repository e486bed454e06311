import type { Operations } from "../core/operations.ts";
import type { Log } from "./log.ts";

/** A listener, as its start-up line tells of it. */
export interface ListenerFacts {
  /** Where it can be reached, with the port it really has. */
  readonly url: string;
  /** What is served there: data, admin, metrics. */
  readonly doors: readonly string[];
  readonly version: string;
  /** Whether only simulated providers answer. */
  readonly simulated: boolean;
  /** Path of the file that holds the minted admin token; undefined: the token is configured, or admin is elsewhere. */
  readonly adminTokenFile: string | undefined;
}

/** One per listener, at once: scripts wait for it. */
export function startupLine(log: Log, { url, simulated, adminTokenFile, doors, version }: ListenerFacts): void {
  log.info({ url, simulated, doors, version, admin_token_file: adminTokenFile }, "listening");
  log.flush();
}

/** The trace a change by an operator leaves. */
export function auditLine(log: Log): Operations["audit"] {
  return ({ action, subject, author, comment }) => log.info({ action, subject, author, comment }, "audit");
}
