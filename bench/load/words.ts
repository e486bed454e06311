/** One run of the load generator, sent to it by the runner. */
export interface Load {
  /** How the contender is spoken to. */
  readonly protocol: "rest" | "grpc";
  /** Port of the contender, on 127.0.0.1. */
  readonly port: number;
  /** Whether the answer is a stream of events. */
  readonly streamed: boolean;
  /** Calls in flight at any time. */
  readonly concurrency: number;
  /** How long new calls are begun; the ones then in flight are waited for. */
  readonly seconds: number;
  /** Bytes of padding in the prompt. */
  readonly promptBytes: number;
  /** Headers beyond content type and length; REST only. */
  readonly headers: Readonly<Record<string, string>>;
  /** What the head of every answer must contain, lower case; empty: nothing special. REST only. */
  readonly headContains: string;
}

/** What came of a run. */
export interface LoadResult {
  /** Calls that were answered as they should. */
  readonly calls: number;
  /** Calls that were not. */
  readonly failures: number;
  /** What was wrong with the first failure. */
  readonly failure: string | undefined;
  /** From the first call's start to the last one's end. */
  readonly seconds: number;
  /** Pieces of body a call was read in; for streams it says whether events came one by one. */
  readonly piecesPerCall: number;
  /** Time to the first content: the whole answer of a unary call, the first content event of a stream. */
  readonly firstMs: { readonly p50: number; readonly p99: number };
}

/** One finished call, as the protocols report it. */
export interface CallOutcome {
  /** What was wrong; undefined if nothing was. */
  readonly failure: string | undefined;
  readonly pieces: number;
  /** Milliseconds from the request to the first content. */
  readonly firstMs: number;
}

/** One place of the closed loop: begins a call, and is told when it is over. */
export type Caller = (done: (outcome: CallOutcome) => void) => void;

/** The callers of a run, and how to let go of their connections. */
export interface Callers {
  readonly callers: readonly Caller[];
  close(): void;
}
