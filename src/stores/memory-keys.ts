import type { IssuedKey, KeyStore } from "../core/keys.ts";

/** Keys that end with the process. */
export function createMemoryKeys(): KeyStore {
  const keys = new Map<string, IssuedKey>();
  let version = 0;
  let configuredEver = false;
  const keep = (key: Omit<IssuedKey, "version">): IssuedKey => {
    const numbered = { ...key, version: ++version };
    keys.set(key.id, numbered);
    return numbered;
  };
  return {
    changes(afterVersion, limit) {
      const changed = [...keys.values()].filter((key) => key.version > afterVersion).toSorted((a, b) => a.version - b.version);
      return Promise.resolve({ keys: changed.slice(0, limit), configuredEver });
    },
    noteConfigured() {
      configuredEver = true;
      return Promise.resolve();
    },
    add(key, sinceWall) {
      const { requestId } = key;
      const known =
        requestId === "" ? undefined : keys.values().find((each) => each.requestId === requestId && each.createWall > sinceWall);
      return Promise.resolve(known ?? keep(key));
    },
    update(id, change) {
      const key = keys.get(id);
      return Promise.resolve(key && keep({ ...key, ...change }));
    },
    revoke(id, wall) {
      const key = keys.get(id);
      return Promise.resolve(key === undefined || key.revokeWall !== undefined ? key : keep({ ...key, revokeWall: wall }));
    },
  };
}
