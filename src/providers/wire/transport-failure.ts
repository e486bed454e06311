import { ChatError } from "../../core/error.ts";

/** Errors of sockets, TLS and undici by code, in words; the code itself goes along. Others are a broken connection. */
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the upstream refused the connection",
  ECONNRESET: "the upstream reset the connection",
  EPIPE: "the upstream closed the connection",
  ENOTFOUND: "the upstream's name is not known",
  EAI_AGAIN: "the upstream's name could not be looked up",
  EHOSTUNREACH: "the upstream's host is unreachable",
  ENETUNREACH: "the upstream's network is unreachable",
  UND_ERR_CONNECT_TIMEOUT: "connecting to the upstream took too long",
  UND_ERR_SOCKET: "the upstream closed the connection",
  UND_ERR_HEADERS_TIMEOUT: "the upstream sent no headers in time",
  UND_ERR_BODY_TIMEOUT: "the upstream's body stopped",
};

/** Names and codes of answers that are not HTTP; undici's parser gives its errors a code only sometimes. */
const notHttp: ReadonlySet<string> = new Set(["HTTPParserError", "UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"]);

/** What a transport error means. Its own text is kept as the cause only: it may hold addresses or header values. */
export function failureFromTransport(error: Error & { readonly code?: string | undefined }): ChatError {
  if (error instanceof ChatError) return error;
  const code = typeof error.code === "string" ? error.code : error.name;
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT")
    return new ChatError("TIMEOUT", `${words[code] ?? code} (${code})`, { cause: error });
  if (code.startsWith("HPE_") || notHttp.has(code)) {
    return new ChatError("UPSTREAM_PROTOCOL", `the upstream's answer is not valid HTTP (${code})`, { cause: error });
  }
  if (code.startsWith("CERT_") || code.startsWith("ERR_TLS") || code.startsWith("ERR_SSL") || /SELF_SIGNED|UNABLE_TO_/.test(code)) {
    return new ChatError("UPSTREAM_UNAVAILABLE", `the upstream's TLS failed (${code})`, { cause: error });
  }
  return new ChatError("UPSTREAM_UNAVAILABLE", `${words[code] ?? "the connection to the upstream broke"} (${code})`, { cause: error });
}
