import type { AnswerContext } from "../../core/dialect.ts";
import { ToolNames } from "../../core/tool-names.ts";

/** Most characters of a function's name at Google. */
const nameMax = 128;

/**
 * Names of one request's tools as Google takes them: those of all hosts (core/tool-names.ts), but the first character is a letter
 * or an underscore.
 */
export class FunctionNames {
  readonly #names = new ToolNames(nameMax);
  readonly #changed = new Map<string, string>();

  /** The name on the wire. */
  wire(name: string, custom: boolean): string {
    const begun = /^[A-Za-z_]/.test(name) ? name : `_${name}`;
    const wire = custom ? this.#names.freeform(begun) : this.#names.wire(begun);
    if (wire !== name) this.#changed.set(wire, name);
    return wire;
  }

  /** What the answer is to be read with; undefined where the names are the caller's own. */
  context(): AnswerContext | undefined {
    const context = { ...this.#names.context(), ...(this.#changed.size > 0 && { toolNames: this.#changed }) };
    return Object.keys(context).length === 0 ? undefined : context;
  }
}
