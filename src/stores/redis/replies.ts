/** What names an error: the system's code (`ECONNREFUSED`), or the word a server's error begins with (`OOM`). Never its text, which may quote an argument. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if ("code" in error && typeof error.code === "string") return error.code;
  return /^[A-Z][A-Z0-9_]+(?= |$)/.exec(error.message)?.[0] ?? (error.name === "ReplyError" ? "ERR" : "closed");
}

/** The server is there, but not for us: counts like silence. */
const outages: ReadonlySet<string> = new Set(["LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOAUTH", "WRONGPASS"]);

/** Whether an error that a server answered says that it is out of order. */
export function isOutage(code: string): boolean {
  return outages.has(code);
}

/** It answers, but would not write: it is a replica, full, alone, or its disk is. */
const writeRefusals: ReadonlySet<string> = new Set(["READONLY", "OOM", "NOREPLICAS", "MISCONF"]);

/** Whether an error says that nothing can be written now. */
export function refusesWrites(code: string): boolean {
  return writeRefusals.has(code);
}
