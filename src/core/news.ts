/** Who hears of a channel. Must not throw. */
export interface Ears {
  said(text: string): void;
  /** Somebody may have said something that was not heard, as after a connection was lost. */
  missed(): void;
}

/** What processes that work together tell each other. Nothing is sure to arrive: what must be known is looked up as well, now and then. */
export interface News {
  /** Waits for nothing, and never throws. Whoever tells hears it, too. */
  tell(channel: string, text: string): void;
  listen(channel: string, ears: Ears): void;
}
