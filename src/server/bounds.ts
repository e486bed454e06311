/** What one listener lets its callers do. Milliseconds, unless it says otherwise; told in docs/protocols.md. */
export interface Bounds {
  /** Connections at once; one more is closed as it comes. */
  readonly connections: number;
  /** Requests on one HTTP/1.1 connection. */
  readonly requestsPerConnection: number;
  /** For a connection's first bytes, for a TLS handshake, and for a request's headers; over HTTP/2 for the first request, too. */
  readonly headersMs: number;
  /** For a new connection's first request where connections are short. */
  readonly unheardMs: number;
  /** For a request over HTTP/1.1 to arrive whole; over HTTP/2 its door looks to that (`body.ts`, `rpc/adapter.ts`). */
  readonly requestMs: number;
  /** An HTTP/1.1 connection without a request. */
  readonly keepAliveMs: number;
  /** An HTTP/2 connection without a frame. */
  readonly sessionIdleMs: number;
  /** How often a peer with streams is asked by PING whether it still lives; NATs forget connections without telling. */
  readonly pingEveryMs: number;
  /** For its answer, or any other byte of it. */
  readonly pingAnswerMs: number;
  /** An answer of which its reader takes nothing, while more waits. */
  readonly readerStallMs: number;
  /** How often all these are looked at. */
  readonly sweepMs: number;
}

/** The bounds of the product; tests have shorter ones. */
export const boundsDefault: Bounds = {
  connections: 10_000,
  requestsPerConnection: 10_000,
  headersMs: 10_000,
  unheardMs: 1000,
  requestMs: 60_000,
  // Longer than a load balancer's usual 60 s, so that it is not us who closes under its request.
  keepAliveMs: 75_000,
  sessionIdleMs: 300_000,
  pingEveryMs: 60_000,
  pingAnswerMs: 20_000,
  readerStallMs: 30_000,
  sweepMs: 1000,
};
