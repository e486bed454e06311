import type { Operations } from "../core/operations.ts";
import type { Pressures, Resource } from "../core/overload.ts";
import type { Log } from "./log.ts";

/** An open listener. */
export interface Listening {
  /** Where it can be reached, with the port it really has. */
  readonly url: string;
  /** What is served there: data, admin, metrics. */
  readonly doors: readonly string[];
}

/** A listener, as its start-up line tells of it. */
export interface ListenerFacts extends Listening {
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

/** The trace a change by an operator leaves: at once, and whatever levels the log shows. */
export function auditLine(log: Log): Operations["audit"] {
  return ({ requestId, ...entry }) => {
    const level = levels.find((each) => log.writes(each)) ?? "error";
    log[level]({ ...entry, request_id: requestId }, "audit");
    log.flush();
  };
}

const levels = ["info", "warn", "error"] as const;

/** A change of how much load is shed. */
export interface OverloadFacts {
  /** 0: everybody is served; 1: LOW is refused at least in part; 2: NORMAL too; 3: HIGH too. */
  readonly level: number;
  /** What made it so. */
  readonly resource: Resource;
  readonly pressures: Pressures;
}

/** One for each change; info once everybody is served again. */
export function overloadLine(log: Log, { level, resource, pressures }: OverloadFacts): void {
  if (level === 0) log.info({}, "overload is over");
  else log.warn({ sheds: shedWords.slice(0, level), resource, pressures }, "overloaded, calls are shed");
}

const shedWords = ["low", "normal", "high"];
