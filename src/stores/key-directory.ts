import { LRUCache } from "lru-cache";
import type { Key, KeyId } from "../core/call.ts";
import { Priority } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { IssuedKey, IssuedKeys, KeyDesk, KeyStanding, KeyStore } from "../core/keys.ts";
import { digestOf, isSecret, prefixOf, secretBytes, secretFrom } from "./key-secrets.ts";
import { createKeyWatch } from "./key-watch.ts";
import { within } from "./within.ts";

/** The issued keys of this process, as doors and operators see them. */
export interface KeyDirectory extends IssuedKeys, KeyDesk {
  /** Reads the store for the first time, and then again and again. Settles once it was tried. */
  start(): Promise<void>;
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

/** How long a store may take for a change. Milliseconds. */
const answerMs = 5000;
/** How long a repeated request for a key is answered with the same. Milliseconds. */
const repeatMs = 86_400_000;
/** How long the store is not asked again for a secret that it does not know, and how many of those are remembered. */
const missingMs = 5000;
const missingMax = 10_000;
const keysMaxDefault = 100_000;
/** Bytes of chance in an id. */
const idBytes = 12;

/** A key as doors need it, made when it changed and not for each call. */
interface Held {
  readonly issued: IssuedKey;
  readonly key: Key;
}

/**
 * All keys of the store in memory, so that a call asks nobody. What other processes change is read every ten seconds, and at once
 * when somebody shows a secret that is not known here. While the store is away, what is in memory goes on to hold.
 */
export function createKeyDirectory(options: KeyDirectoryOptions): KeyDirectory {
  const { clock, random, randomBytes, store, onUnreadable, onReadable, keysMax = keysMaxDefault } = options;
  const byDigest = new Map<string, Held>();
  const byId = new Map<string, Held>();
  const missing = new LRUCache<string, true>({
    max: missingMax,
    ttl: missingMs,
    // The library reads a start of 0 as "never expires".
    perf: { now: () => clock.now() + 1 },
    // Else it would remember the time for a millisecond by a timer of its own.
    ttlResolution: 0,
  });
  const listeners = new Set<(id: KeyId, reason: ChatError) => void>();
  let configuredEver = false;

  const learn = (issued: IssuedKey): void => {
    const before = byId.get(issued.id)?.issued;
    if (before !== undefined && before.version >= issued.version) return;
    const held = { issued, key: keyFrom(issued) };
    byId.set(issued.id, held);
    byDigest.set(issued.digest, held);
    missing.delete(issued.digest);
    if (issued.revokeWall === undefined || before?.revokeWall !== undefined) return;
    for (const listener of listeners) listener(issued.id, revoked());
  };
  const watch = createKeyWatch({
    clock,
    random,
    onUnreadable,
    onReadable,
    async read(afterVersion, limit) {
      const changes = await store.changes(afterVersion, limit);
      configuredEver ||= changes.configuredEver;
      for (const key of changes.keys) learn(key);
      return changes.keys;
    },
  });
  const standing = (digest: string): KeyStanding | undefined => {
    const held = byDigest.get(digest);
    return held && { kind: kindOf(held.issued, clock), key: held.key };
  };
  const noteConfigured = (): void => {
    if (configuredEver) return;
    configuredEver = true;
    // In this process it holds anyway; a store that is away now hears of it at the next start with keys.
    store.noteConfigured().catch(() => undefined);
  };
  /** A change in the store, and then here; what the store did not take did not happen. */
  const kept = async <K extends IssuedKey | undefined>(change: Promise<K>): Promise<K> => {
    const key = await within(clock, answerMs, change).catch((cause: unknown) => {
      throw new ChatError("STORE_UNAVAILABLE", "the store of keys does not take changes", { cause });
    });
    if (key !== undefined) learn(key);
    return key;
  };

  return {
    start: () => watch.start(),
    close: () => watch.close(),
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
    ever: () => (configuredEver || byId.size > 0 ? true : watch.wasRead() ? false : undefined),
    refusal: ({ id }) => (byId.get(id)?.issued.revokeWall === undefined ? undefined : revoked()),
    noteConfigured,
    onRevoked(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    async list() {
      await watch.refresh();
      return [...byId.values()].map(({ issued }) => issued).toSorted((a, b) => b.createWall - a.createWall || (a.id < b.id ? 1 : -1));
    },
    find: (id) => byId.get(id)?.issued,
    async issue(init) {
      if (byId.size >= keysMax) return { kind: "full", max: keysMax };
      const secret = secretFrom(randomBytes(secretBytes));
      const createWall = clock.wall();
      // The one place where this brand is made up.
      const id = `key_${Buffer.from(randomBytes(idBytes)).toString("hex")}` as KeyId;
      const made = { ...init, id, digest: digestOf(secret), prefix: prefixOf(secret), createWall, revokeWall: undefined };
      const key = await kept(store.add(made, createWall - repeatMs));
      return key.id === id ? { kind: "issued", key, secret } : { kind: "known", key };
    },
    update: (id, change) => kept(store.update(id, change)),
    revoke: (id) => kept(store.revoke(id, clock.wall())),
  };
}

function kindOf({ revokeWall, expireWall }: IssuedKey, clock: Clock): KeyStanding["kind"] {
  if (revokeWall !== undefined) return "revoked";
  return expireWall !== undefined && expireWall <= clock.wall() ? "expired" : "good";
}

function revoked(): ChatError {
  return new ChatError("CALLER_UNAUTHENTICATED", "the key was revoked");
}

function keyFrom({ id, name, models, priority, labels, limits }: IssuedKey): Key {
  return {
    id,
    name,
    models: models.length === 0 ? undefined : new Set(models),
    priority: priority === Priority.UNSPECIFIED ? Priority.NORMAL : priority,
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(limits !== undefined && { limits }),
  };
}
