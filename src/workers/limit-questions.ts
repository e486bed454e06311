import type { Key } from "../core/call.ts";
import type { ChatError } from "../core/error.ts";
import type { LimitedKey, PrimaryLink, Verdict } from "./protocol.ts";

/** How a worker asks for limits. */
export interface LimitQuestions {
  readonly link: PrimaryLink;
  /** Numbers questions. */
  next(this: void): number;
  /** The answer as rooms know it; undefined: yes. */
  refusal(this: void, key: Key, verdict: Verdict): ChatError | undefined;
  /** Nobody said anything. What was asked for is not wanted any more. */
  unanswered(this: void, asked: { readonly id: number; readonly key: Key }, cause: unknown): ChatError;
}

/** As far as limits go by it. */
export function limitedKey({ id, name, priority, limits }: Key): LimitedKey {
  return { id, name, priority, limits };
}
