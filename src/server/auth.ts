import { hash, timingSafeEqual } from "node:crypto";

import type { Key, KeyId } from "../core/call.ts";
import { Priority } from "../core/chat.ts";
import { ChatError } from "../core/error.ts";
import { type IssuedKeys, keyRevoked, type KeyStanding } from "../core/keys.ts";
import type { Secret } from "../core/secret.ts";
import type { Throttle } from "./throttle.ts";

/** A caller's key as it is configured. */
export interface KeyEntry extends Key {
  readonly secret: Secret;
}

/** What a caller shows; the values of the headers, undefined where there are none. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly xApiKey: string | undefined;
}

/** Who calls. */
export interface KeyRing {
  /**
   * The key behind the credentials, or the anonymous one where none is needed; at once where it is known here, else as soon as the
   * store was asked. Throws, or rejects with, CALLER_UNAUTHENTICATED, INVALID_REQUEST for two different credentials,
   * CALLER_RATE_LIMITED to an address that guesses, and STORE_UNAVAILABLE where the store could know it and cannot be read.
   */
  authenticate(credentials: Credentials, address: string): Key | Promise<Key>;
}

/** What a key ring is made of. */
export interface KeyRingOptions {
  /** Those of the configuration. */
  readonly keys: readonly KeyEntry[];
  readonly issued: IssuedKeys;
  /** Whether a call needs a key; `auto`: as soon as there ever was one. */
  readonly required: boolean | "auto";
  /** Slows down addresses that show wrong keys; outlives the ring, so that a reload forgives nobody. */
  readonly throttle: Throttle;
}

/** All callers without a key are this one tenant. */
export const anonymousKey: Key = {
  // The one place where this brand is made up.
  id: "anonymous" as KeyId,
  name: "anonymous",
  models: undefined,
  priority: Priority.NORMAL,
};

/**
 * One ring over the configuration's keys and those that were issued. A wrong key is refused wherever any key exists, also where
 * none is needed: a typing error must not silently turn a tenant into the anonymous one. Where no key exists, credentials are
 * ignored, because OpenAI's SDKs always send some; but never one that only we can have issued.
 */
export function createKeyRing({ keys: entries, issued, required, throttle }: KeyRingOptions): KeyRing {
  const keys = configuredKeys(entries);
  /** Undefined: nobody knows, because the store was never read. */
  const isNeeded = (): boolean | undefined => (required === "auto" ? keys.size > 0 || issued.ever() : required);
  const withoutKey = (): Key => {
    const needed = isNeeded();
    if (needed === false) return anonymousKey;
    const unreadable = needed === undefined ? issued.unreadable() : undefined;
    throw unreadable ?? new ChatError("CALLER_UNAUTHENTICATED", "a key is needed: authorization: Bearer, or x-api-key");
  };
  return {
    authenticate(credentials, address) {
      const shown = shownSecret(credentials);
      if (shown === undefined) return withoutKey();
      const hasNone = keys.size === 0 && issued.ever() !== true;
      if (hasNone && isNeeded() === false && !issued.mayBeIssued(shown)) return anonymousKey;
      // Looked up by digest: how long that takes depends on the digest alone, which nobody can steer towards a secret
      // without inverting SHA-256. Secrets themselves are neither kept nor compared.
      const digest = digestOf(shown);
      const configured = keys.get(digest);
      if (configured !== undefined) return configured;
      const standing = issued.standing(digest);
      if (standing !== undefined) return goodKey(standing);
      const unreadable = issued.unreadable();
      if (unreadable !== undefined) throw unreadable;
      const waitMs = throttle.take(address);
      if (waitMs > 0) throw tooManyGuesses(waitMs);
      if (!issued.mayBeIssued(shown) || issued.isMissing(digest)) throw unknownKey();
      return lookedUp(issued.look(digest), () => throttle.forgive(address));
    },
  };
}

function configuredKeys(entries: readonly KeyEntry[]): ReadonlyMap<string, Key> {
  const keys = new Map<string, Key>();
  for (const { secret, ...key } of entries) {
    if (secret.reveal() === "") throw new Error(`key ${key.name} has an empty secret`);
    const digest = digestOf(secret.reveal());
    const other = keys.get(digest);
    if (other !== undefined) throw new Error(`keys ${other.name} and ${key.name} have the same secret`);
    keys.set(digest, key);
  }
  return keys;
}

/** Only what is no key counts as a guess. */
async function lookedUp(look: Promise<KeyStanding | undefined>, noGuess: () => void): Promise<Key> {
  let standing: KeyStanding | undefined;
  try {
    standing = await look;
  } catch (thrown) {
    noGuess();
    throw thrown;
  }
  if (standing === undefined) throw unknownKey();
  noGuess();
  return goodKey(standing);
}

/** Who shows the secret is its owner, or stole it: why it is refused is no news that helps a guesser. */
function goodKey({ kind, key }: KeyStanding): Key {
  if (kind === "good") return key;
  throw kind === "revoked" ? keyRevoked() : new ChatError("CALLER_UNAUTHENTICATED", "the key has expired");
}

function shownSecret({ authorization, xApiKey }: Credentials): string | undefined {
  const bearer = bearerOf(authorization);
  if (bearer !== undefined && xApiKey !== undefined && bearer !== xApiKey)
    throw new ChatError("INVALID_REQUEST", "authorization and x-api-key hold different keys");
  // Another scheme than Bearer shows no key, but does not make its sender nobody: an empty secret, which fits no key.
  return bearer ?? xApiKey ?? (authorization === undefined ? undefined : "");
}

/** Methods that only look. */
export const readingMethods: ReadonlySet<string> = new Set([
  "ListProviders",
  "GetProvider",
  "GetProviderHealth",
  "WatchProviderHealth",
  "GetPolicy",
  "ListPolicyRevisions",
  "GetStats",
]);

/** Where an admin call comes from. */
export interface AdminCaller {
  readonly authorization: string | undefined;
  /** Peer of the socket; undefined: not known, and therefore not loopback. */
  readonly remoteAddress: string | undefined;
  /** `host`, or HTTP/2's `:authority`. */
  readonly host: string | undefined;
  /** Lower-case names of all request headers. */
  readonly headerNames: Iterable<string>;
}

/** Who may operate. */
export interface AdminGate {
  /** Returns if the caller may use the method (`ListProviders`), else throws CALLER_UNAUTHENTICATED or CALLER_RATE_LIMITED. */
  admit(method: string, caller: AdminCaller): void;
}

/** What the admin gate is made of. */
export interface AdminGateOptions {
  /** The configured one, or the one minted at start. */
  readonly token: Secret;
  /** Whether it was configured; false opens the reading methods to this machine. */
  readonly configured: boolean;
  readonly throttle: Throttle;
}

/** A token always exists; without a configured one the reading methods also answer direct callers on loopback. */
export function createAdminGate(options: AdminGateOptions): AdminGate {
  const digest = Buffer.from(digestOf(options.token.reveal()), "hex");
  return {
    admit(method, caller) {
      const shown = bearerOf(caller.authorization);
      if (shown !== undefined && timingSafeEqual(Buffer.from(digestOf(shown), "hex"), digest)) return;
      if (!options.configured && readingMethods.has(method) && isDirectLoopback(caller)) return;
      if (shown === undefined)
        throw new ChatError("CALLER_UNAUTHENTICATED", `the admin token is needed as authorization: Bearer; ${whereTokenIs}`);
      throw refuseGuess(options.throttle, caller.remoteAddress ?? "", `the admin token is another; ${whereTokenIs}`);
    },
  };
}

const whereTokenIs = "it is admin.token, else in the file that the start-up line names (admin_token_file)";

const forwardingHeaders: ReadonlySet<string> = new Set(["forwarded", "x-real-ip", "via", "cf-connecting-ip", "true-client-ip"]);

/** Nobody in between: a proxy on this machine would lend its loopback address to the whole world. */
function isDirectLoopback(caller: AdminCaller): boolean {
  if (!isLoopbackAddress(caller.remoteAddress)) return false;
  // A page under a foreign name that resolves to 127.0.0.1 still sends its own name as host.
  if (!isLoopbackHost(caller.host)) return false;
  for (const name of caller.headerNames) if (forwardingHeaders.has(name) || name.startsWith("x-forwarded-")) return false;
  return true;
}

/** 127/8 or ::1, also in IPv6's clothes. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
  return plain === "::1" || /^127(?:\.\d{1,3}){3}$/.test(plain);
}

/** localhost, 127.0.0.1 or [::1], with any port. */
export function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined && /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i.test(host);
}

function bearerOf(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^bearer +(\S.*?) *$/i.exec(authorization)?.[1];
}

function digestOf(secret: string): string {
  return hash("sha256", secret, "hex");
}

function refuseGuess(throttle: Throttle, address: string, text: string): ChatError {
  const waitMs = throttle.take(address);
  return waitMs === 0 ? new ChatError("CALLER_UNAUTHENTICATED", text) : tooManyGuesses(waitMs);
}

function unknownKey(): ChatError {
  return new ChatError("CALLER_UNAUTHENTICATED", "the key is not known here");
}

function tooManyGuesses(retryAfterMs: number): ChatError {
  return new ChatError("CALLER_RATE_LIMITED", "too many wrong keys from this address", { retryAfterMs });
}
