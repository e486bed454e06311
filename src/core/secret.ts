/** A value that no printer shows: `String`, `JSON.stringify`, `util.inspect` and the log all say `***`. */
export class Secret {
  /** Where it comes from: `env:NAME`, `file:NAME`, or `config`; may be shown. */
  readonly source: string;
  readonly #value: string;

  constructor(value: string, source: string) {
    this.#value = value;
    this.source = source;
  }

  /** The value itself, for the one header it belongs in. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "***";
  }

  toJSON(): string {
    return "***";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "***";
  }
}
