import type { KeyId } from "./call.ts";

/** What a caller's answers of one model have been like. */
export interface OutputForecast {
  /** Expected tokens of an answer's choice, over all targets. */
  readonly tokens: number;
  /** The same of answers that this model wrote, which `tokens` stands in for; undefined: none yet. */
  of(writer: string): number | undefined;
}

/** Learns how long answers are, for each key and each model it asks for. Bounded, and forgets in time. */
export interface OutputForecasts {
  /** Undefined: nothing is known. `asked`: as the caller calls the model. */
  find(key: KeyId, asked: string): OutputForecast | undefined;
  learn(answer: FinishedAnswer): void;
}

/** An answer that came to its end. */
export interface FinishedAnswer {
  readonly key: KeyId;
  /** As the caller calls the model. */
  readonly asked: string;
  /** The model that wrote it. */
  readonly writer: string;
  /** Output tokens of a choice. */
  readonly tokens: number;
  /** A limit ended it: it would have been at least as long. */
  readonly cut: boolean;
}
