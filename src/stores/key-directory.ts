import { LRUCache } from "lru-cache";
import type { Key } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { type IssuedKey, type IssuedKeys, type KeyDesk, keyRevoked, type KeyStanding, type KeyStore } from "../core/keys.ts";
import type { News } from "../core/news.ts";
import { HeldKeys } from "./held-keys.ts";
import { createKeyDesk } from "./key-desk.ts";
import { isSecret } from "./key-secrets.ts";
import { createKeyWatch } from "./key-watch.ts";
import { lookOnNews } from "./look-on-news.ts";

/** The issued keys of this process, as doors and operators see them. */
export interface KeyDirectory extends IssuedKeys, KeyDesk {
  /** Reads the store for the first time, and then again and again. Settles once it was tried. */
  start(): Promise<void>;
  /** Takes over what other processes changed, now. Rejects with STORE_UNAVAILABLE. */
  renew(): Promise<void>;
  /** Calls back with each key that is changed, by whichever process. */
  onChanged(listener: (key: Key) => void): void;
  /** From now on other processes are told of changes, and theirs are looked at as soon as they tell. To be called once. */
  shareNews(news: News): void;
  close(): void;
}

/** What it needs. */
export interface KeyDirectoryOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Chance that nobody can guess. */
  readonly randomBytes: (count: number) => Uint8Array;
  readonly store: KeyStore;
  /** The store cannot be read; told once until it can be again. Must not throw. */
  readonly onUnreadable: (cause: unknown) => void;
  /** It can be read again. Must not throw. */
  readonly onReadable: () => void;
  /** Default 100,000, revoked ones included. */
  readonly keysMax?: number;
}

/** How long the store is not asked again for a secret that it does not know, and how many of those are remembered. */
const missingMs = 5000;
const missingMax = 10_000;
const keysMaxDefault = 100_000;
const channel = "semaroute:keys";

/**
 * All keys of the store in memory, so that a call asks nobody. What other processes change is read every ten seconds, and at once
 * when somebody shows a secret that is not known here, or another process tells of a change. While the store is away, what is in memory goes on to hold.
 */
export function createKeyDirectory(options: KeyDirectoryOptions): KeyDirectory {
  const { clock, random, randomBytes, store, onUnreadable, onReadable, keysMax = keysMaxDefault } = options;
  const held = new HeldKeys();
  const missing = new LRUCache<string, true>({
    max: missingMax,
    ttl: missingMs,
    // The library reads a start of 0 as "never expires".
    perf: { now: () => clock.now() + 1 },
    // Else it would remember the time for a millisecond by a timer of its own.
    ttlResolution: 0,
  });
  let configuredEver = false;
  let sharing: { readonly tell: () => void; readonly stop: () => void } | undefined;
  const watch = createKeyWatch({
    clock,
    random,
    onUnreadable,
    onReadable,
    async read(afterVersion, limit) {
      const changes = await store.changes(afterVersion, limit);
      configuredEver ||= changes.configuredEver;
      for (const key of changes.keys) held.learn(key);
      return changes.keys;
    },
  });
  const look = (): void => void watch.refresh().catch(() => undefined);
  const standing = (digest: string): KeyStanding | undefined => {
    const found = held.byDigest(digest);
    return found && { kind: kindOf(found.issued, clock), key: found.key };
  };
  return {
    ...createKeyDesk({ clock, randomBytes, store, held, refresh: () => watch.refresh(), onKept: () => sharing?.tell(), keysMax }),
    start: () => watch.start(),
    renew: () => watch.refresh(),
    onChanged: (listener) => held.onChanged(listener),
    shareNews(news) {
      sharing = { tell: () => news.tell(channel, ""), stop: lookOnNews(channel, { news, clock, random, look }) };
    },
    close() {
      sharing?.stop();
      watch.close();
    },
    standing,
    mayBeIssued: isSecret,
    isMissing: (digest) => missing.has(digest),
    async look(digest) {
      await watch.refresh();
      const found = standing(digest);
      if (found === undefined) missing.set(digest, true);
      return found;
    },
    unreadable: () => watch.unreadable(),
    ever: () => (configuredEver || held.size > 0 ? true : watch.wasRead() ? false : undefined),
    refusal: ({ id }) => (held.byId(id)?.revokeWall === undefined ? undefined : keyRevoked()),
    noteConfigured() {
      if (configuredEver) return;
      configuredEver = true;
      // In this process it holds anyway; a store that is away now hears of it at the next start with keys.
      store.noteConfigured().catch(() => undefined);
    },
    onRevoked: (listener) => held.onRevoked(listener),
  };
}

function kindOf({ revokeWall, expireWall }: IssuedKey, clock: Clock): KeyStanding["kind"] {
  if (revokeWall !== undefined) return "revoked";
  return expireWall !== undefined && expireWall <= clock.wall() ? "expired" : "good";
}
