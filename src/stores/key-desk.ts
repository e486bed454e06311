import type { KeyId } from "../core/call.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import type { IssuedKey, KeyDesk, KeyStore } from "../core/keys.ts";
import type { HeldKeys } from "./held-keys.ts";
import { digestOf, prefixOf, secretBytes, secretFrom } from "./key-secrets.ts";
import { within } from "./within.ts";

/** What it needs. */
export interface KeyDeskOptions {
  readonly clock: Clock;
  /** Chance that nobody can guess. */
  readonly randomBytes: (count: number) => Uint8Array;
  readonly store: KeyStore;
  readonly held: HeldKeys;
  /** Takes over what other processes changed. Rejects with STORE_UNAVAILABLE. */
  readonly refresh: () => Promise<void>;
  /** Called after each change that the store took. Must not throw. */
  readonly onKept: () => void;
  /** Keys there may be, revoked ones included. */
  readonly keysMax: number;
}

/** How long a store may take for a change. Milliseconds. */
const answerMs = 5000;
/** How long a repeated request for a key is answered with the same. Milliseconds. */
const repeatMs = 86_400_000;
/** Bytes of chance in an id. */
const idBytes = 12;

/** Changes go into the store first, and then hold here: what the store did not take did not happen. */
export function createKeyDesk({ clock, randomBytes, store, held, refresh, onKept, keysMax }: KeyDeskOptions): KeyDesk {
  const kept = async <K extends IssuedKey | undefined>(change: Promise<K>): Promise<K> => {
    const key = await within(clock, answerMs, change).catch((cause: unknown) => {
      throw new ChatError("STORE_UNAVAILABLE", "the store of keys does not take changes", { cause });
    });
    if (key !== undefined) {
      held.learn(key);
      onKept();
    }
    return key;
  };
  return {
    async list() {
      await refresh();
      return held.all();
    },
    find: (id) => held.byId(id),
    async issue(init) {
      if (held.size >= keysMax) return { kind: "full", max: keysMax };
      const secret = secretFrom(randomBytes(secretBytes));
      const createWall = clock.wall();
      // The one place where this brand is made up for issued keys.
      const id = `key_${Buffer.from(randomBytes(idBytes)).toString("hex")}` as KeyId;
      const made = { ...init, id, digest: digestOf(secret), prefix: prefixOf(secret), createWall, revokeWall: undefined };
      const key = await kept(store.add(made, createWall - repeatMs));
      return key.id === id ? { kind: "issued", key, secret } : { kind: "known", key };
    },
    update: (id, change) => kept(store.update(id, change)),
    revoke: (id) => kept(store.revoke(id, clock.wall())),
  };
}
