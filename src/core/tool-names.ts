import type { AnswerContext } from "./dialect.ts";
import type { Notes } from "./notes.ts";
import { fnv1a, hex32 } from "./text-hash.ts";

/** An underscore and eight digits of the whole name's hash. */
const endLength = 9;

/**
 * The name as a host takes it that knows letters, digits, `_` and `-`, and `max` of them. A pure function of the name, so that
 * every turn says the same wherever it stands.
 */
export function legalToolName(name: string, max: number): string {
  if (name.length <= max && !/[^a-zA-Z0-9_-]/.test(name)) return name;
  return `${name.slice(0, max - endLength).replaceAll(/[^a-zA-Z0-9_-]/g, "_")}_${hex32(fnv1a(name))}`;
}

/** The names of one request's tools on their way to a host, and what is to be known of them on the way back. */
export class ToolNames {
  readonly #max: number;
  readonly #legal: typeof legalToolName;
  readonly #changed = new Map<string, string>();
  readonly #freeform = new Set<string>();

  /** `max`: most characters of a name at the host. `legal`: its own rule, where it knows fewer names. */
  constructor(max: number, legal = legalToolName) {
    this.#max = max;
    this.#legal = legal;
  }

  /** The name on the wire. */
  wire(name: string): string {
    const legal = this.#legal(name, this.#max);
    if (legal !== name) this.#changed.set(legal, name);
    return legal;
  }

  /** The name on the wire of a free-form tool that travels as a function (core/freeform.ts). */
  freeform(name: string): string {
    const wire = this.wire(name);
    this.#freeform.add(wire);
    return wire;
  }

  /** What the answer is to be read with; nothing where the names are the caller's own. */
  context(): AnswerContext {
    return {
      ...(this.#changed.size > 0 && { toolNames: this.#changed }),
      ...(this.#freeform.size > 0 && { freeformTools: this.#freeform }),
    };
  }
}

/** The name on the wire of a tool that is declared at `path`; `freeform`: it travels as a function of one string. */
export function declaredName(
  name: string,
  { path, freeform }: { readonly path: string; readonly freeform: boolean },
  { names, notes }: { readonly names: ToolNames; readonly notes: Notes },
): string {
  const wire = freeform ? names.freeform(name) : names.wire(name);
  if (wire !== name) notes.approximated(`${path}.name`, "the name is spelled otherwise on its way, and as it was in the answer");
  return wire;
}

/** Whose tool was called, in the caller's words; `custom`: its arguments are a free-form input in a wrapping. */
export function callerTool(wireName: string, context: AnswerContext): { readonly name: string; readonly custom: boolean } {
  return { name: context.toolNames?.get(wireName) ?? wireName, custom: context.freeformTools?.has(wireName) === true };
}
