import { describe, expect, test } from "vitest";
import type { ChatError } from "../../src/core/error.ts";
import type { KeyStore } from "../../src/core/keys.ts";
import type { KeyDirectory } from "../../src/stores/key-directory.ts";
import { digestOf, isSecret, prefixOf, secretFrom } from "../../src/stores/key-secrets.ts";
import { createMemoryKeys } from "../../src/stores/memory-keys.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { createDirectory, keyInit } from "../support/issued-keys.ts";
import { createLocalNews } from "../support/news.ts";

/** A store for two replicas, whose way to one of them can be cut. */
function setUp() {
  const clock = createFakeClock();
  const store = createMemoryKeys();
  const state: { way: "open" | "cut" | "silent"; looks: number } = { way: "open", looks: 0 };
  const through = <T>(act: () => Promise<T>): Promise<T> => {
    if (state.way === "cut") return Promise.reject(new Error("connection refused"));
    return state.way === "silent" ? new Promise(() => {}) : act();
  };
  const wire: KeyStore = {
    changes(afterVersion, limit) {
      state.looks++;
      return through(() => store.changes(afterVersion, limit));
    },
    noteConfigured: () => through(() => store.noteConfigured()),
    add: (key, sinceWall) => through(() => store.add(key, sinceWall)),
    update: (id, change) => through(() => store.update(id, change)),
    revoke: (id, wall) => through(() => store.revoke(id, wall)),
  };
  const told: string[] = [];
  const here = createDirectory({ clock, store: wire, told });
  const elsewhere = createDirectory({ clock, store });
  return { clock, state, told, here, elsewhere, wire };
}

async function issue(directory: KeyDirectory, name = "team", more: Partial<Parameters<KeyDirectory["issue"]>[0]> = {}) {
  const made = await directory.issue({ ...keyInit, name, ...more });
  if (made.kind !== "issued") throw new Error(made.kind);
  return { ...made.key, secret: made.secret };
}

const kindOf = (directory: KeyDirectory, digest: string): string | undefined => directory.standing(digest)?.kind;

/** Lets promises settle. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a secret", () => {
  const secret = secretFrom(Uint8Array.from({ length: 32 }, (_, i) => i));

  test("has its mark, 32 bytes and six characters that follow from them", () => {
    expect(secret).toMatch(/^sr_[\w-]{43}[\w-]{6}$/);
    expect(Buffer.from(secret.slice(3, 46), "base64url")).toEqual(Buffer.from(Array.from({ length: 32 }, (_, i) => i)));
    expect([isSecret(secret), prefixOf(secret), digestOf(secret)]).toEqual([
      true,
      secret.slice(0, 9),
      expect.stringMatching(/^[0-9a-f]{64}$/),
    ]);
  });
  test("is told from every text that differs in one character, and from what is longer or shorter", () => {
    for (let at = 0; at < secret.length; at++) {
      const other = secret[at] === "x" ? "y" : "x";
      expect(isSecret(secret.slice(0, at) + other + secret.slice(at + 1)), String(at)).toBe(false);
    }
    for (const text of ["", "sr_", secret.slice(0, -1), `${secret}A`, `${secret}\n`, ` ${secret}`]) expect(isSecret(text)).toBe(false);
  });
});

describe("directories that tell each other", () => {
  test("see within a fifth of a second what was made, changed and revoked elsewhere, and are told nothing of it", async () => {
    const { clock, here, elsewhere } = setUp();
    const news = createLocalNews();
    await Promise.all([here.start(), elsewhere.start()]);
    for (const each of [here, elsewhere]) each.shareNews(news);
    const heard = async (): Promise<void> => {
      clock.advance(200);
      await settled();
    };
    const key = await issue(elsewhere);
    await heard();
    expect(kindOf(here, key.digest)).toBe("good");
    await elsewhere.update(key.id, { name: "other" });
    await heard();
    expect(here.standing(key.digest)?.key.name).toBe("other");
    const revoked: string[] = [];
    here.onRevoked((id) => revoked.push(id));
    await elsewhere.revoke(key.id);
    await heard();
    expect([kindOf(here, key.digest), revoked]).toEqual(["revoked", [key.id]]);
    expect(news.told).toEqual([1, 2, 3].map(() => ({ channel: "semaroute:keys", text: "" })));
  });

  test("look where something may have been missed, and once for a flood of news", async () => {
    const { clock, here, elsewhere, state } = setUp();
    const news = createLocalNews();
    await Promise.all([here.start(), elsewhere.start()]);
    for (const each of [here, elsewhere]) each.shareNews(news);
    news.cut();
    const key = await issue(elsewhere);
    clock.advance(200);
    await settled();
    expect(kindOf(here, key.digest)).toBeUndefined();
    news.mend();
    clock.advance(200);
    await settled();
    expect(kindOf(here, key.digest)).toBe("good");
    const before = state.looks;
    for (let each = 0; each < 1000; each++) news.tell("semaroute:keys", "whatever");
    clock.advance(200);
    await settled();
    expect(state.looks - before).toBe(1);
  });

  test("tell nothing of a change that the store did not take, and look no more once they are closed", async () => {
    const { clock, here, state } = setUp();
    const news = createLocalNews();
    await here.start();
    here.shareNews(news);
    state.way = "cut";
    await expect(issue(here)).rejects.toThrow("the store of keys does not take changes");
    expect(news.told).toEqual([]);
    state.way = "open";
    here.close();
    const before = state.looks;
    news.tell("semaroute:keys", "");
    clock.advance(60_000);
    await settled();
    expect(state.looks).toBe(before);
  });
});

describe("a directory", () => {
  test("sees within twelve seconds what was made, changed and revoked elsewhere", async () => {
    const { clock, here, elsewhere } = setUp();
    await Promise.all([here.start(), elsewhere.start()]);
    const key = await issue(elsewhere);
    expect(kindOf(here, key.digest)).toBeUndefined();
    clock.advance(12_000);
    await settled();
    expect(kindOf(here, key.digest)).toBe("good");
    await elsewhere.update(key.id, { name: "other", models: ["m"] });
    clock.advance(12_000);
    await settled();
    expect(here.standing(key.digest)?.key).toMatchObject({ name: "other", models: new Set(["m"]) });
    const revoked: string[] = [];
    here.onRevoked((id) => revoked.push(id));
    await elsewhere.revoke(key.id);
    expect(revoked).toEqual([]);
    clock.advance(12_000);
    await settled();
    expect(kindOf(here, key.digest)).toBe("revoked");
    expect(revoked).toEqual([key.id]);
    clock.advance(60_000);
    await settled();
    expect(revoked).toHaveLength(1);
  });

  test("tells of a revocation of its own at once, and once", async () => {
    const { here } = setUp();
    await here.start();
    const key = await issue(here);
    const revoked: string[] = [];
    const forget = here.onRevoked((id) => revoked.push(id));
    expect(here.refusal({ ...key, models: undefined, limits: undefined })).toBeUndefined();
    const first = await here.revoke(key.id);
    expect(await here.revoke(key.id)).toEqual(first);
    expect(revoked).toEqual([key.id]);
    expect(here.standing(key.digest)).toMatchObject({ kind: "revoked" });
    forget();
    await here.revoke((await issue(here)).id);
    expect(revoked).toHaveLength(1);
  });

  test("looks once for all who ask meanwhile, and never at a moment before they asked", async () => {
    const { here, elsewhere, state } = setUp();
    await here.start();
    const keys = [await issue(elsewhere), await issue(elsewhere)];
    const before = state.looks;
    const found = await Promise.all(Array.from({ length: 50 }, (_, i) => here.look(keys[i % 2]?.digest ?? "")));
    expect(found.every((standing) => standing?.kind === "good")).toBe(true);
    expect(state.looks - before).toBe(2);
  });

  test("remembers for five seconds what the store does not know", async () => {
    const { clock, here } = setUp();
    await here.start();
    expect(await here.look("strange")).toBeUndefined();
    clock.advance(4999);
    expect(here.isMissing("strange")).toBe(true);
    clock.advance(2);
    expect(here.isMissing("strange")).toBe(false);
  });

  test.for(["cut", "silent"] as const)("keeps what it has while the way to the store is %s, and says so once", async (way) => {
    const { clock, here, elsewhere, state, told } = setUp();
    await here.start();
    const key = await issue(here);
    state.way = way;
    for (let each = 0; each < 100; each++) {
      clock.advance(1000);
      await settled();
    }
    expect(told).toEqual(["away"]);
    expect(kindOf(here, key.digest)).toBe("good");
    expect(here.unreadable()).toMatchObject({ failure: "STORE_UNAVAILABLE", retryAfterMs: 2000 });
    expect(here.ever()).toBe(true);
    const failures: unknown[] = [];
    for (const act of [
      () => here.look("x"),
      () => here.list(),
      () => here.update(key.id, { name: "n" }),
      () => here.revoke(key.id),
      () => issue(here),
    ])
      void act().catch((error: ChatError) => failures.push(error.failure));
    for (let each = 0; each < 12; each++) {
      clock.advance(1000);
      await settled();
    }
    expect(failures).toEqual(Array(5).fill("STORE_UNAVAILABLE"));
    expect(kindOf(here, key.digest)).toBe("good");
    const made = await issue(elsewhere);
    state.way = "open";
    for (let each = 0; each < 10; each++) {
      clock.advance(1000);
      await settled();
    }
    expect(told).toEqual(["away", "back"]);
    expect([here.unreadable(), kindOf(here, made.digest)]).toEqual([undefined, "good"]);
  });

  test("reads a store of many keys to its end", async () => {
    const { here, elsewhere } = setUp();
    for (let each = 0; each < 2500; each++) await issue(elsewhere, `team-${each}`);
    await here.start();
    expect((await here.list()).length).toBe(2500);
  });

  test("asks the store no more once it is closed", async () => {
    const { clock, here, state } = setUp();
    await here.start();
    here.close();
    clock.advance(100_000);
    expect([state.looks, clock.pending()]).toEqual([1, 0]);
  });

  test("answers a repeated request for a key with the same key, for a day and without its secret", async () => {
    const { clock, here, elsewhere } = setUp();
    await Promise.all([here.start(), elsewhere.start()]);
    const key = await issue(here, "team", { requestId: "r" });
    clock.advance(86_399_000);
    for (const directory of [here, elsewhere]) {
      const again = await directory.issue({ ...keyInit, name: "team", requestId: "r" });
      expect(again).toMatchObject({ kind: "known", key: { id: key.id } });
      expect(again).not.toHaveProperty("secret");
    }
    clock.advance(1001);
    expect(await here.issue({ ...keyInit, name: "team", requestId: "r" })).toMatchObject({ kind: "issued" });
    expect(await here.issue({ ...keyInit, name: "team" })).toMatchObject({ kind: "issued" });
  });

  test("holds so many keys and no more", async () => {
    const here = createDirectory({ clock: createFakeClock(), keysMax: 2 });
    await here.start();
    await issue(here);
    await here.revoke((await issue(here)).id);
    expect(await here.issue({ ...keyInit, name: "third" })).toEqual({ kind: "full", max: 2 });
  });

  test("knows after a restart, and elsewhere, that there ever was a key, be it the configuration's", async () => {
    const { here, elsewhere } = setUp();
    expect(here.ever()).toBeUndefined();
    await here.start();
    expect(here.ever()).toBe(false);
    here.noteConfigured();
    expect(here.ever()).toBe(true);
    await elsewhere.start();
    expect(elsewhere.ever()).toBe(true);
  });

  test("has no key of which nobody knows, and says so of changes", async () => {
    const { here } = setUp();
    await here.start();
    expect([await here.update("key_none", { name: "n" }), await here.revoke("key_none"), here.find("key_none")]).toEqual(
      Array(3).fill(undefined),
    );
  });
});
