import type { KeyId } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";

/** A key that a target answered, and when it last did; monotonic milliseconds. */
interface Answered {
  readonly key: KeyId;
  readonly ms: number;
}

/** Whom targets have answered: of each the key that was answered last, and the last one that was another. */
export class Witnesses {
  readonly #latest = new WeakMap<Target, { readonly last: Answered; readonly other: Answered | undefined }>();

  /** The target gave a call of the key its first content. */
  answered(target: Target, key: KeyId, ms: number): void {
    const known = this.#latest.get(target);
    const other = known === undefined || known.last.key === key ? known?.other : known.last;
    this.#latest.set(target, { last: { key, ms }, other });
  }

  /** Whether it has answered anybody but this key since. */
  hasOtherSince(target: Target, key: KeyId, sinceMs: number): boolean {
    const known = this.#latest.get(target);
    const other = known?.last.key === key ? known.other : known?.last;
    return other !== undefined && other.ms > sinceMs;
  }
}
