import { ChatError } from "../../core/error.ts";

/** Errors of sockets, names and undici by code, after "provider NAME"; the code itself goes along. Others are a broken connection. */
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refused the connection",
  ECONNRESET: "reset the connection",
  EPIPE: "closed the connection",
  ENOTFOUND: "has a host name that is not known",
  EAI_AGAIN: "has a host name that could not be looked up",
  EAI_FAIL: "has a host name that could not be looked up",
  ENODATA: "has a host name without an address",
  ETIMEDOUT: "did not answer on the network",
  EHOSTUNREACH: "is on a host that cannot be reached",
  ENETUNREACH: "is on a network that cannot be reached",
  EADDRNOTAVAIL: "could not be called: no local port is free",
  EMFILE: "could not be called: this process has no file descriptor left",
  ENFILE: "could not be called: this machine has no file descriptor left",
  ENOBUFS: "could not be called: this machine has no buffer left",
  ENOMEM: "could not be called: this machine has no memory left",
  UND_ERR_CONNECT_TIMEOUT: "could not be connected to in time",
  UND_ERR_SOCKET: "closed the connection",
  UND_ERR_HEADERS_TIMEOUT: "sent no headers in time",
  UND_ERR_BODY_TIMEOUT: "fell silent in its answer",
};

/** Names and codes of answers that are not HTTP; undici's parser gives its errors a code only sometimes. */
const notHttp: ReadonlySet<string> = new Set(["HTTPParserError", "UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"]);

/** What this process or its machine has none left of. */
const lacking: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS", "ENOMEM"]);

/** OpenSSL's and Node's codes for handshakes and certificates. */
const tls = /^(?:CERT_|CRL_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$|HOSTNAME_MISMATCH$|INVALID_(?:CA|PURPOSE)$)|SELF_SIGNED|UNABLE_TO_/;

/** Where an exchange was when its transport failed. */
export interface TransportScene {
  /** Who was called, in the words of a message: `provider NAME`. */
  readonly who: string;
  /** Something of the answer had come, but not its whole head. */
  readonly inHead: boolean;
}

/** What a transport error means. Its own text is kept as the cause only: it may hold addresses or header values. */
export function failureFromTransport(error: Error & { readonly code?: string | undefined }, { who, inHead }: TransportScene): ChatError {
  if (error instanceof ChatError) return error;
  const code = typeof error.code === "string" ? error.code : error.name;
  const cause = error;
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT")
    return new ChatError("TIMEOUT", `${who} ${words[code] ?? ""} (${code})`, { cause });
  // A connection that ends in the middle of a head, or that switches to another protocol: not an answer, however orderly.
  if (code.startsWith("HPE_") || notHttp.has(code) || (inHead && code === "UND_ERR_SOCKET"))
    return new ChatError("UPSTREAM_PROTOCOL", `${who} sent an answer that is not valid HTTP (${code})`, { cause });
  // The same certificate is there at the next try.
  if (tls.test(code))
    return new ChatError("UPSTREAM_UNAVAILABLE", `the TLS handshake with ${who} failed (${code})`, { cause, final: true });
  // Of the provider nothing is known: it was never asked.
  if (lacking.has(code))
    return new ChatError("SHED", `${who} ${words[code] ?? "could not be called"} (${code})`, { cause, retryAfterMs: 1000 });
  return new ChatError("UPSTREAM_UNAVAILABLE", `${who} ${words[code] ?? "could not be called: its connection broke"} (${code})`, { cause });
}
