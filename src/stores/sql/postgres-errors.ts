import { DatabaseError } from "pg";

/** Whose fault a failure is. */
export type PostgresFault =
  /** Nobody answers, or a connection broke: whatever is asked next will fail as well. */
  | "away"
  /** It answers, and cannot do it now: it is full, read-only, busy. */
  | "unable"
  /** What it was given: it will not take it later, either. */
  | "input"
  /** It refuses us: a wrong password, no such database, no right, a certificate. */
  | "refusal";

/** The database, or its pooler, is going down, coming up, or not to be reached. */
const awayStates = /^(?:08|57P)/;
/** Resources, I/O, what another transaction is in the way of, a standby that takes no writes; `57014` is a statement's time limit. */
const unableStates = /^(?:25006|53|55|57014|58|40)/;
const inputStates = /^(?:22|23|54)/;
/** What Node says of a network or a host; a socket file that is missing is ENOENT. */
const networkCodes =
  /^(?:ECONN\w+|EPIPE|ETIMEDOUT|EHOST\w+|ENET\w+|EADDRNOTAVAIL|EAI_AGAIN|ENOTFOUND|ENOENT|EMFILE|ENFILE|ERR_SOCKET_\w+|ERR_STREAM_\w+)$/;
/** What `pg` says without a code. */
const awayTexts =
  /^(?:Connection terminated|Query read timeout|timeout exceeded|timeout expired|Client has encountered a connection error)/;

/** What no error of a known kind is, is taken for a refusal. */
export function faultOf(error: unknown): PostgresFault {
  if (!(error instanceof Error)) return "refusal";
  if (error instanceof AwayError) return "away";
  const code = codeOf(error);
  if (error instanceof DatabaseError) {
    if (awayStates.test(code)) return "away";
    if (unableStates.test(code)) return "unable";
    return inputStates.test(code) ? "input" : "refusal";
  }
  if (networkCodes.test(code) || awayTexts.test(error.message)) return "away";
  return code === "" && isOurs(error) ? "input" : "refusal";
}

/** What we could not make a statement of, as of a row that another version wrote. */
function isOurs(error: Error): boolean {
  return error instanceof SyntaxError || error instanceof TypeError || error instanceof RangeError;
}

/** Whether it answered at all in its time; what was slow may have been the question. */
export function isTimeout(error: unknown): boolean {
  return error instanceof Error && /^(?:Query read timeout|timeout exceeded when trying to connect)/.test(error.message);
}

/** Nobody was asked: it was away a moment ago. */
export class AwayError extends Error {
  override readonly name = "AwayError";
}

const reasons: readonly (readonly [RegExp, string])[] = [
  [/^ECONNREFUSED$/, "nobody listens there"],
  [/^ENOTFOUND$/, "its host is not known"],
  [/^EAI_AGAIN$/, "its host's name cannot be looked up"],
  [/^(?:ECONNRESET|EPIPE)$/, "it broke the connection off"],
  [/^(?:ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/, "it cannot be reached"],
  [/^ENOENT$/, "its socket is not there"],
  [/^28/, "it refuses the user or the password"],
  [/^3D000$/, "it has no database of that name"],
  [/^42501$/, "it does not let this user do that"],
  [/^53300$/, "it has no connection to spare"],
  [/^53100$/, "its disk is full"],
  [/^25006$/, "it takes no writes"],
  [/^08/, "it, or a pooler before it, gives no connection"],
  [/^57P/, "it is going down or coming up"],
  [/^ERR_INVALID_URL$/, "the URL cannot be read"],
  [/^ERR_TLS_CERT_ALTNAME/, "its certificate is for another host"],
  [/^CERT_HAS_EXPIRED/, "its certificate has expired"],
  [/^(?:CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_TLS)/, "its certificate is not trusted"],
];

/** In words, without what the database quotes. */
export function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown reason";
  if (error instanceof AwayError) return error.message;
  const code = codeOf(error);
  const known = reasons.find(([pattern]) => pattern.test(code));
  if (known !== undefined) return known[1];
  if (awayTexts.test(error.message)) return /time/i.test(error.message) ? "it does not answer in time" : "it broke the connection off";
  if (/does not support SSL/.test(error.message)) return "it does not speak TLS";
  if (code === "") return isOurs(error) ? "it is not as rows are" : "unknown reason";
  return `it says ${code}`;
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
