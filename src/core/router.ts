import type { Call, Key, Snapshot } from "./call.ts";
import type { ExplainCandidate, Model, RoutingPolicy } from "./chat.ts";
import type { ChatError } from "./error.ts";
import type { Handler } from "./handler.ts";
import type { Allowances } from "./limits.ts";

/** What Explain tells. */
export interface Explanation {
  readonly resolvedModel: string;
  readonly policyRevision: string;
  readonly rule: string;
  /** Empty: none. */
  readonly arm: string;
  /** Rules whose condition could not be evaluated. */
  readonly failedRules: string[];
  readonly candidates: readonly ExplainCandidate[];
  readonly estimatedInputTokens: number;
  /** Which prices the costs were reckoned by; empty: not known. */
  readonly priceVersion: string;
}

/** How many input tokens a request has. */
export interface TokenCount {
  readonly inputTokens: number;
  /** True: our estimate, and not the provider's own count. */
  readonly estimated: boolean;
  /** Who would serve the request; empty: nobody could now. */
  readonly provider: string;
}

/** What doors stand on: the data plane without a protocol. */
export interface Router {
  /** Rooms 2 to 9. */
  readonly chat: Handler<Call>;
  /** Why no call of this key would be served now, before one is read; undefined: it may be. */
  refusal(key: Key): ChatError | undefined;
  /** Why a limit of the key refuses its next call for certain, before it is read; undefined: perhaps none does. */
  exhausted(this: void, key: Key): ChatError | undefined;
  /** How the key's limits a minute stand; undefined: it has none. */
  allowances(this: void, key: Key): Allowances | undefined;
  /** What a call that begins now sees. */
  snapshot(): Snapshot;
  /** The plan `chat` would follow, as if `policy` were active where one is given. Rejects with what `chat` would. */
  explain(call: Call, policy: RoutingPolicy | undefined): Promise<Explanation>;
  /** Input tokens, by the counter of the provider that would serve the call, else by our estimate. Throws what `chat` would of the model. */
  countTokens(call: Call): Promise<TokenCount>;
  /** Models and aliases the key may use, aliases first, then by name. */
  models(key: Key): readonly Model[];
  /** One of them, or any other name the key may ask for: `auto`, `provider/model`. */
  model(id: string, key: Key): Model | undefined;
}
