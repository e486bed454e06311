import type { Ears } from "../../core/news.ts";
import type { RedisClient } from "./client.ts";

/** Who listens to what. */
export interface NewsDesk {
  listen(channel: string, ears: Ears): void;
  /** The connection to ask by is new. */
  missed(): void;
  close(): void;
}

/**
 * Channels on a connection of their own, made when the first is listened on: old servers take no other command on such a one. In a
 * cluster the library does so itself.
 */
export function openNews(client: RedisClient, another: () => RedisClient): NewsDesk {
  const channels = new Map<string, Ears[]>();
  let listener: RedisClient | undefined;
  /** Each time the connection is new; that it was subscribed before changes nothing. */
  const subscribe = (): void => {
    for (const [channel, ears] of channels) {
      listener?.subscribe(channel).then(
        () => ears.forEach((each) => each.missed()),
        // The connection went again; its successor tries again.
        () => undefined,
      );
    }
  };
  const open = (): RedisClient => {
    const opened = another();
    opened.on("error", () => undefined);
    opened.on("ready", subscribe);
    opened.on("message", (channel: string, text: string) => channels.get(channel)?.forEach((ears) => ears.said(text)));
    return opened;
  };
  return {
    listen(channel, ears) {
      channels.set(channel, [...(channels.get(channel) ?? []), ears]);
      listener ??= open();
      if (listener.status === "ready") subscribe();
    },
    missed() {
      for (const ears of [...channels.values()].flat()) ears.missed();
    },
    close() {
      if (listener !== undefined && listener !== client) listener.disconnect();
    },
  };
}
