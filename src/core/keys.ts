import type { Key, KeyId, KeyLimits } from "./call.ts";
import type { Priority } from "./chat.ts";
import { ChatError } from "./error.ts";

/** A key that was issued, as operators see it and a store keeps it. Its secret is with its owner and nowhere else. */
export interface IssuedKey {
  /** `key_…`. */
  readonly id: KeyId;
  /** SHA-256 of the secret, in hexadecimal. */
  readonly digest: string;
  /** First characters of the secret, to recognise it by. */
  readonly prefix: string;
  readonly name: string;
  /** Milliseconds since the epoch, as all times here. */
  readonly createWall: number;
  /** Undefined: it does not expire. */
  readonly expireWall: number | undefined;
  /** Undefined: it was not revoked. */
  readonly revokeWall: number | undefined;
  /** Models, aliases and `provider/model` allowed; empty: all. */
  readonly models: readonly string[];
  readonly priority: Priority;
  /** Undefined: none. */
  readonly limits: KeyLimits | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** The operator's id of the request that made it; empty: none. */
  readonly requestId: string;
  /** Number of its last change. All changes of all keys are numbered in one row, in the order in which they were kept. */
  readonly version: number;
}

/** What an operator says of a new key. */
export type KeyInit = Pick<IssuedKey, "name" | "expireWall" | "models" | "priority" | "limits" | "labels" | "requestId">;

/** What becomes different; a field that is present and undefined is taken away. */
export type KeyChange = Partial<Pick<IssuedKey, "name" | "expireWall" | "models" | "priority" | "limits" | "labels">>;

/** What a store has to tell. */
export interface KeyChanges {
  /** In the order of their versions. */
  readonly keys: readonly IssuedKey[];
  /** Whether the configuration ever had a key. */
  readonly configuredEver: boolean;
}

/** Keys that last. None is ever deleted, so that one that was revoked stays known. */
export interface KeyStore {
  /** Keys whose last change has a larger number, at most `limit`. */
  changes(afterVersion: number, limit: number): Promise<KeyChanges>;
  /** Keeps that the configuration had a key. */
  noteConfigured(): Promise<void>;
  /** Keeps a new key; where the same request made one since then, that one is the answer and nothing is kept. */
  add(key: Omit<IssuedKey, "version">, sinceWall: number): Promise<IssuedKey>;
  /** Undefined: there is no such key. */
  update(id: string, change: KeyChange): Promise<IssuedKey | undefined>;
  /** One that was revoked before stays as it is. Undefined: there is no such key. */
  revoke(id: string, wall: number): Promise<IssuedKey | undefined>;
}

/** How a secret stands that belongs to an issued key. */
export type KeyStanding =
  | { readonly kind: "good"; readonly key: Key }
  | { readonly kind: "expired"; readonly key: Key }
  | { readonly kind: "revoked"; readonly key: Key };

/** Issued keys, as doors ask for them. */
export interface IssuedKeys {
  /** What is known of the secret with this digest, without asking anybody. */
  standing(digest: string): KeyStanding | undefined;
  /** Whether a secret could be one that was issued: whatever else is shown needs no look into the store. */
  mayBeIssued(secret: string): boolean;
  /** Whether the store said a moment ago that it knows nothing of it. */
  isMissing(digest: string): boolean;
  /** Looks into the store, once for all that ask meanwhile. Rejects with STORE_UNAVAILABLE. */
  look(digest: string): Promise<KeyStanding | undefined>;
  /** Why nobody can be told now that a key is not known: the store could not be read when it was last tried. */
  unreadable(): ChatError | undefined;
  /** Whether a key was ever issued or configured, revoked ones included; undefined: the store was never read. */
  ever(): boolean | undefined;
  /** Why a key that was let in may begin nothing more; undefined: it may. */
  refusal(key: Key): ChatError | undefined;
  /** The configuration has keys: from now on there was one. */
  noteConfigured(): void;
  /** Calls back with each key that is revoked, by whichever process; the answer unsubscribes. */
  onRevoked(listener: (id: KeyId) => void): () => void;
}

/** Why a revoked key is refused, and its calls end; one for each, for errors collect what became of their calls. */
export function keyRevoked(): ChatError {
  return new ChatError("CALLER_UNAUTHENTICATED", "the key was revoked");
}

/** What came of the wish for a key. */
export type KeyIssue =
  | { readonly kind: "issued"; readonly key: IssuedKey; readonly secret: string }
  /** The same request made it before; its secret was told then. */
  | { readonly kind: "known"; readonly key: IssuedKey }
  /** There are as many as are held in memory. */
  | { readonly kind: "full"; readonly max: number };

/** Issued keys, as operators change them. All reject with STORE_UNAVAILABLE where nothing could be read or kept. */
export interface KeyDesk {
  /** Newest first, revoked ones included. */
  list(): Promise<readonly IssuedKey[]>;
  /** As far as it is known without asking the store. */
  find(id: string): IssuedKey | undefined;
  issue(init: KeyInit): Promise<KeyIssue>;
  /** Undefined: there is no such key. */
  update(id: string, change: KeyChange): Promise<IssuedKey | undefined>;
  /** Undefined: there is no such key. */
  revoke(id: string): Promise<IssuedKey | undefined>;
}
