import type { Ears, News } from "../../src/core/news.ts";

/** News within a process, heard in the moment in which they are told. */
export interface LocalNews extends News {
  /** What was told, in order. */
  readonly told: readonly { readonly channel: string; readonly text: string }[];
  /** From now on what is told is lost, until it is mended. */
  cut(): void;
  /** Tells all who listen that they may have missed something. */
  mend(): void;
}

/** Nobody listens yet. */
export function createLocalNews(): LocalNews {
  const listening: { readonly channel: string; readonly ears: Ears }[] = [];
  const told: { readonly channel: string; readonly text: string }[] = [];
  let isCut = false;
  return {
    told,
    tell(channel, text) {
      told.push({ channel, text });
      if (isCut) return;
      for (const each of listening) if (each.channel === channel) each.ears.said(text);
    },
    listen: (channel, ears) => void listening.push({ channel, ears }),
    cut: () => void (isCut = true),
    mend() {
      isCut = false;
      for (const { ears } of listening) ears.missed();
    },
  };
}
