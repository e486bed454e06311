/** What is asked by any door, and what comes of it. */

/** What is asked. */
export interface Question {
  readonly model: string;
  /** Default: `hello`. */
  readonly content?: string;
  /** Default: the request has none. */
  readonly temperature?: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Aborting is leaving. */
  readonly signal?: AbortSignal;
  /** Told of each piece of a stream as it comes. */
  readonly onText?: (text: string) => void;
}

/** A good end. */
export interface Answer {
  readonly text: string;
  readonly headers: Headers;
}

/** An end that was told to be bad. */
export class Refused extends Error {
  /** HTTP status of REST, numeric code of the others; 200 for an error inside an SSE stream. */
  readonly status: number;
  /** `error.code` of OpenAI's shape, `error.type` of Anthropic's, `ErrorInfo.reason` of the others. */
  readonly word: string;
  /** What had come before. */
  readonly text: string;
  readonly headers: Headers;
  /** The body as it came. */
  readonly body: string;
  /** Milliseconds of RetryInfo; undefined: there is none, as always by REST. */
  readonly retryMs: number | undefined;

  constructor(facts: Pick<Refused, "status" | "word" | "text" | "headers" | "body"> & { readonly retryMs?: number | undefined }) {
    super(`${facts.status} ${facts.word}: ${facts.body}`);
    this.status = facts.status;
    this.word = facts.word;
    this.text = facts.text;
    this.headers = facts.headers;
    this.body = facts.body;
    this.retryMs = facts.retryMs;
  }
}
