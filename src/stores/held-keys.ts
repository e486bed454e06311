import type { Key, KeyId } from "../core/call.ts";
import { Priority } from "../core/chat.ts";
import type { IssuedKey } from "../core/keys.ts";

/** A key as operators see it, and as doors need it: made when it changed and not for each call. */
export interface HeldKey {
  readonly issued: IssuedKey;
  readonly key: Key;
}

/** The issued keys in this process's memory. */
export class HeldKeys {
  readonly #byDigest = new Map<string, HeldKey>();
  readonly #byId = new Map<string, HeldKey>();
  readonly #listeners = new Set<(id: KeyId) => void>();
  readonly #changeListeners = new Set<(key: Key) => void>();

  get size(): number {
    return this.#byId.size;
  }

  byDigest(digest: string): HeldKey | undefined {
    return this.#byDigest.get(digest);
  }

  byId(id: string): IssuedKey | undefined {
    return this.#byId.get(id)?.issued;
  }

  /** Newest first. */
  all(): readonly IssuedKey[] {
    const all = [...this.#byId.values()].map(({ issued }) => issued);
    return all.toSorted((a, b) => b.createWall - a.createWall || (a.id < b.id ? 1 : -1));
  }

  /** Takes over a key as a store knows it; what is older than what is held changes nothing. */
  learn(issued: IssuedKey): void {
    const before = this.byId(issued.id);
    if (before !== undefined && before.version >= issued.version) return;
    const held = { issued, key: keyFrom(issued) };
    this.#byId.set(issued.id, held);
    this.#byDigest.set(issued.digest, held);
    if (before !== undefined) for (const listener of this.#changeListeners) listener(held.key);
    if (issued.revokeWall === undefined || before?.revokeWall !== undefined) return;
    for (const listener of this.#listeners) listener(issued.id);
  }

  /** Calls back with each key that turns out to be another than it was. */
  onChanged(listener: (key: Key) => void): void {
    this.#changeListeners.add(listener);
  }

  /** Calls back with each key that turns out to be revoked; the answer unsubscribes. */
  onRevoked(listener: (id: KeyId) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
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
