import type { JsonObject } from "../../core/json-fields.ts";

/** Collects the events of a stream as text, each with its number. */
export class EventSink {
  readonly #silent: boolean;
  #text = "";
  #sequence = 0;

  /** `silent`: nobody listens, as where an answer leaves whole. */
  constructor(silent: boolean) {
    this.#silent = silent;
  }

  /** An event of this type. */
  emit(type: string, fields: JsonObject): void {
    if (this.#silent) return;
    this.#text += `event: ${type}\ndata: ${JSON.stringify({ type, ...fields, sequence_number: this.#sequence++ })}\n\n`;
  }

  /** The event that comes most, made of its constant beginning and its text. */
  delta(head: string, text: string): void {
    if (!this.#silent) this.#text += `${head}${this.#sequence++},"delta":${JSON.stringify(text)}}\n\n`;
  }

  /** What has been collected since the last time. */
  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }
}

/** The beginning of a `delta` event, up to its number. */
export function deltaHead(type: string, fields: JsonObject): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields }).slice(0, -1)},"sequence_number":`;
}
