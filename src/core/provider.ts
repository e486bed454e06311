import type { Attempt } from "./call.ts";
import type { Target } from "./catalog.ts";
import type { CallRequest, ChatRequest, ChatEvent, ProviderDialect, TranslationNote } from "./chat.ts";
import type { UpstreamHead } from "./handler.ts";

/** What a provider yields: first the head, once; then the answer's events. */
export type ProviderEvent = ChatEvent | { readonly case: "head"; readonly value: UpstreamHead };

/** Who is called. Knows nothing of retries, caches or limits. */
export interface Provider {
  /** The configuration's name. */
  readonly name: string;
  /**
   * One try, at a chat or at embeddings, as the attempt's request says. Ends normally only after `completed`, `whole` or
   * `embedded`; throws a ChatError on anything else. Leaving the iteration, or aborting the attempt's signal, closes the
   * upstream socket.
   */
  chat(attempt: Attempt): AsyncIterator<readonly ProviderEvent[]>;
  /** Present where it translates. */
  readonly translator?: Translator;
  /** Present where it can be asked, unbilled, whether it is there. */
  readonly probing?: Probing;
  /** Present where it can be asked, unbilled, how many tokens a request has. */
  readonly counting?: Counting;
}

/** A provider that translates, and can tell beforehand what it would change. Pure. */
export interface Translator {
  notes(request: Readonly<CallRequest>, target: Target, streamed: boolean): readonly TranslationNote[];
}

/** A provider that can be asked, unbilled, whether it is there. */
export interface Probing {
  /** Resolves with the ids it lists, or undefined where it answers but has no list; rejects with a ChatError. */
  probe(signal: AbortSignal): Promise<readonly string[] | undefined>;
}

/** A provider that can be asked, unbilled, how many tokens a request has. */
export interface Counting {
  /** Input tokens of the request at the target; rejects with a ChatError. The signal's reason ends it. */
  countTokens(request: Readonly<ChatRequest>, target: Target, signal: AbortSignal): Promise<number>;
}

/** A provider as operators see it; no secrets. */
export interface ProviderFacts {
  readonly dialect: ProviderDialect;
  /** Family for Opaque.issuer. */
  readonly issuer: string;
  readonly baseUrl: string;
  /** `env:NAME`, `file`, `config`, or empty. */
  readonly credentialSource: string;
}
