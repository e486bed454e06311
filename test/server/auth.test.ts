import { describe, expect, test } from "vitest";

import type { Key, KeyId } from "../../src/core/call.ts";
import { Priority } from "../../src/core/chat.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import { Secret } from "../../src/core/secret.ts";
import { type AdminCaller, createAdminGate, createKeyRing, type Credentials, type KeyEntry } from "../../src/server/auth.ts";
import { createThrottle } from "../../src/server/throttle.ts";
import type { KeyDirectory } from "../../src/stores/key-directory.ts";
import { createMemoryKeys } from "../../src/stores/memory-keys.ts";
import { createDirectory, keyInit } from "../support/issued-keys.ts";

const clock = { now: () => 0, wall: () => 0, after: () => () => {} };
const nobody = createDirectory({ clock });
await nobody.start();
const newThrottle = () => createThrottle({ clock });

function entry(name: string, secret: string): KeyEntry {
  return { id: `cfg_${name}` as KeyId, name, models: undefined, priority: Priority.NORMAL, secret: new Secret(secret, "config") };
}

function failureOf(act: () => unknown): Failure | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof ChatError) return error.failure;
    throw error;
  }
  return undefined;
}

/** A key that is known is told without a wait. */
function atOnce(caller: Key | Promise<Key>): Key {
  if (caller instanceof Promise) throw new Error("the store was asked");
  return caller;
}

async function failureIn(act: () => unknown): Promise<Failure | undefined> {
  try {
    await act();
  } catch (error) {
    if (error instanceof ChatError) return error.failure;
    throw error;
  }
  return undefined;
}

function credentials(authorization?: string, xApiKey?: string): Credentials {
  return { authorization, xApiKey };
}

describe("a key ring", () => {
  const keys = [entry("a", "sk-a"), entry("b", "sk-b b")];
  const required = createKeyRing({ keys, required: true, issued: nobody, throttle: newThrottle() });
  const optional = createKeyRing({ keys, required: false, issued: nobody, throttle: newThrottle() });
  const empty = createKeyRing({ keys: [], required: false, issued: nobody, throttle: newThrottle() });
  const locked = createKeyRing({ keys: [], required: true, issued: nobody, throttle: newThrottle() });

  const table: readonly [what: string, ring: typeof required, shown: Credentials, outcome: string][] = [
    ["a bearer key is known", required, credentials("Bearer sk-a"), "cfg_a"],
    ["the scheme's case and spaces do not matter", required, credentials("bEARER   sk-b b "), "cfg_b"],
    ["x-api-key is known", required, credentials(undefined, "sk-a"), "cfg_a"],
    ["both with the same key are one", required, credentials("Bearer sk-a", "sk-a"), "cfg_a"],
    ["both with different keys are refused", required, credentials("Bearer sk-a", "sk-b b"), "INVALID_REQUEST"],
    ["different keys are refused where none is needed", empty, credentials("Bearer sk-a", "sk-b"), "INVALID_REQUEST"],
    ["no key is refused", required, credentials(), "CALLER_UNAUTHENTICATED"],
    ["an empty key is refused", required, credentials("Bearer "), "CALLER_UNAUTHENTICATED"],
    ["an empty x-api-key is refused", required, credentials(undefined, ""), "CALLER_UNAUTHENTICATED"],
    ["a wrong key is refused", required, credentials("Bearer sk-c"), "CALLER_UNAUTHENTICATED"],
    ["a prefix of a key is refused", required, credentials("Bearer sk-"), "CALLER_UNAUTHENTICATED"],
    ["a key in another case is refused", required, credentials("Bearer SK-A"), "CALLER_UNAUTHENTICATED"],
    ["another scheme is refused", required, credentials("Basic sk-a"), "CALLER_UNAUTHENTICATED"],
    ["a bare key without a scheme is refused", required, credentials("sk-a"), "CALLER_UNAUTHENTICATED"],
    ["two keys in one header are refused", required, credentials("Bearer sk-a, Bearer sk-b b"), "CALLER_UNAUTHENTICATED"],
    ["where keys are optional, none is the anonymous tenant", optional, credentials(), "anonymous"],
    ["where keys are optional, a good one still counts", optional, credentials("Bearer sk-a"), "cfg_a"],
    ["where keys are optional, a wrong one is refused", optional, credentials("Bearer sk-c"), "CALLER_UNAUTHENTICATED"],
    ["without any key, what SDKs send is ignored", empty, credentials("Bearer not-needed"), "anonymous"],
    ["keys required and none configured lets nobody in", locked, credentials("Bearer x"), "CALLER_UNAUTHENTICATED"],
  ];
  for (const [what, ring, shown, outcome] of table) {
    test(what, () => {
      let id: string | undefined;
      const failure = failureOf(() => (id = atOnce(ring.authenticate(shown, "10.0.0.1")).id));
      expect(failure ?? id).toBe(outcome);
    });
  }

  test("the key it answers with holds no secret", () => {
    const key = required.authenticate(credentials("Bearer sk-a"), "10.0.0.1");
    expect(Object.keys(key).toSorted()).toEqual(["id", "models", "name", "priority"]);
  });
  test("two keys with one secret are refused", () => {
    expect(() =>
      createKeyRing({ keys: [entry("a", "x"), entry("b", "x")], required: true, issued: nobody, throttle: newThrottle() }),
    ).toThrow("keys a and b have the same secret");
  });
  test("an empty secret is refused", () => {
    expect(() => createKeyRing({ keys: [entry("a", "")], required: true, issued: nobody, throttle: newThrottle() })).toThrow(
      "key a has an empty secret",
    );
  });
  test("no refusal repeats what was shown", () => {
    try {
      void required.authenticate(credentials("Bearer sk-very-wrong"), "10.0.0.2");
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain("very-wrong");
    }
  });
  test("an address that guesses is slowed down, and its good keys still work", () => {
    let nowMs = 0;
    const throttle = createThrottle({ clock: { ...clock, now: () => nowMs } });
    const ring = createKeyRing({ keys, required: true, issued: nobody, throttle });
    const guess = () => failureOf(() => ring.authenticate(credentials("Bearer nope"), "10.0.0.3"));
    for (let i = 0; i < 10; i++) expect(guess()).toBe("CALLER_UNAUTHENTICATED");
    expect(guess()).toBe("CALLER_RATE_LIMITED");
    expect(atOnce(ring.authenticate(credentials("Bearer sk-a"), "10.0.0.3")).id).toBe("cfg_a");
    expect(failureOf(() => ring.authenticate(credentials(), "10.0.0.3"))).toBe("CALLER_UNAUTHENTICATED");
    expect(failureOf(() => ring.authenticate(credentials("Bearer nope"), "10.0.0.4"))).toBe("CALLER_UNAUTHENTICATED");
    nowMs = 1000;
    expect(guess()).toBe("CALLER_UNAUTHENTICATED");
    expect(guess()).toBe("CALLER_RATE_LIMITED");
  });
});

describe("a key ring over issued keys", () => {
  const address = "10.0.0.5";
  const bearer = (secret: string) => credentials(`Bearer ${secret}`);
  /** A secret of the right shape that nobody has. */
  const strange = async (): Promise<string> => (await issue(createDirectory({ clock }), "strange")).secret;
  async function issue(directory: KeyDirectory, name: string, more: Partial<Parameters<KeyDirectory["issue"]>[0]> = {}) {
    const made = await directory.issue({ ...keyInit, name, ...more });
    if (made.kind !== "issued") throw new Error(made.kind);
    return { id: made.key.id, secret: made.secret };
  }
  async function setUp(required: boolean | "auto" = "auto") {
    const store = createMemoryKeys();
    const told: string[] = [];
    const state = { broken: false, looks: 0 };
    const flaky: typeof store = {
      ...store,
      changes(afterVersion, limit) {
        state.looks++;
        return state.broken ? Promise.reject(new Error("away")) : store.changes(afterVersion, limit);
      },
    };
    const issued = createDirectory({ clock, store: flaky, told });
    const ring = createKeyRing({ keys: [], required, issued, throttle: newThrottle() });
    return { issued, ring, state, elsewhere: createDirectory({ clock, store }) };
  }

  test("an issued key is known at once where it was issued", async () => {
    const { issued, ring } = await setUp();
    await issued.start();
    const { id, secret } = await issue(issued, "team", { models: ["m"], labels: { tier: "gold" } });
    const key = atOnce(ring.authenticate(bearer(secret), address));
    expect(key).toEqual({ id, name: "team", models: new Set(["m"]), priority: Priority.NORMAL, labels: { tier: "gold" } });
    expect(JSON.stringify(issued.find(id))).not.toContain(secret);
  });
  test("the first key closes the door, and so does one that is revoked", async () => {
    const { issued, ring } = await setUp();
    await issued.start();
    expect(atOnce(ring.authenticate(credentials(), address)).id).toBe("anonymous");
    const { id } = await issue(issued, "first");
    expect(failureOf(() => ring.authenticate(credentials(), address))).toBe("CALLER_UNAUTHENTICATED");
    await issued.revoke(id);
    expect(failureOf(() => ring.authenticate(credentials(), address))).toBe("CALLER_UNAUTHENTICATED");
    expect(failureOf(() => ring.authenticate(bearer("whatever"), address))).toBe("CALLER_UNAUTHENTICATED");
  });
  test("where keys are not needed, none is anonymous, and what only we can have issued is not", async () => {
    const { issued, ring } = await setUp(false);
    await issued.start();
    expect(atOnce(ring.authenticate(bearer("sk-none"), address)).id).toBe("anonymous");
    expect(await failureIn(async () => ring.authenticate(bearer(await strange()), address))).toBe("CALLER_UNAUTHENTICATED");
  });
  test("a key that was made elsewhere is known after one look, and costs no guess", async () => {
    const { issued, ring, state, elsewhere } = await setUp();
    await issued.start();
    for (let each = 0; each < 20; each++) {
      const { id, secret } = await issue(elsewhere, "team");
      expect((await ring.authenticate(bearer(secret), address)).id).toBe(id);
      expect(atOnce(ring.authenticate(bearer(secret), address)).id).toBe(id);
    }
    expect(state.looks).toBe(21);
  });
  test("a wrong key is looked for once", async () => {
    const { issued, ring, state } = await setUp();
    await issued.start();
    await issue(issued, "team");
    const wrong = await strange();
    for (let each = 0; each < 5; each++)
      expect(await failureIn(() => ring.authenticate(bearer(wrong), address))).toBe("CALLER_UNAUTHENTICATED");
    for (const text of ["sk-other", "sr_short", `${wrong.slice(0, -1)}!`, `${wrong.slice(0, -7)}A${wrong.slice(-6)}`])
      expect(
        failureOf(() => ring.authenticate(bearer(text), "10.0.0.6")),
        text,
      ).toBe("CALLER_UNAUTHENTICATED");
    expect(state.looks).toBe(2);
  });
  test("an address that guesses is stopped before the store is asked", async () => {
    const { issued, ring, state } = await setUp();
    await issued.start();
    const failures: (Failure | undefined)[] = [];
    for (let each = 0; each < 15; each++) {
      const guess = await strange();
      failures.push(await failureIn(() => ring.authenticate(bearer(guess), address)));
    }
    expect(failures.slice(0, 10)).toEqual(Array(10).fill("CALLER_UNAUTHENTICATED"));
    expect(failures.slice(10)).toEqual(Array(5).fill("CALLER_RATE_LIMITED"));
    expect(state.looks).toBe(11);
  });
  test("a revoked key hears so however often it comes: its holder does not guess", async () => {
    const { issued, ring } = await setUp();
    await issued.start();
    const { id, secret } = await issue(issued, "team");
    await issued.revoke(id);
    for (let each = 0; each < 20; each++)
      expect(failureOf(() => ring.authenticate(bearer(secret), address))).toBe("CALLER_UNAUTHENTICATED");
    expect(() => ring.authenticate(bearer(secret), address)).toThrow("the key was revoked");
  });
  test("an expired key hears so", async () => {
    let wall = 1000;
    const issued = createDirectory({ clock: { ...clock, wall: () => wall } });
    await issued.start();
    const ring = createKeyRing({ keys: [], required: "auto", issued, throttle: newThrottle() });
    const { secret } = await issue(issued, "team", { expireWall: 2000 });
    wall = 1999;
    expect(atOnce(ring.authenticate(bearer(secret), address)).name).toBe("team");
    wall = 2000;
    expect(() => ring.authenticate(bearer(secret), address)).toThrow("the key has expired");
  });
  test("while the store is away, known keys go on and nobody is called unknown", async () => {
    const { issued, ring, state, elsewhere } = await setUp();
    await issued.start();
    const { id, secret } = await issue(issued, "here");
    const other = await issue(elsewhere, "elsewhere");
    state.broken = true;
    expect(await failureIn(() => ring.authenticate(bearer(other.secret), address))).toBe("STORE_UNAVAILABLE");
    for (let each = 0; each < 20; each++)
      for (const shown of [other.secret, "sk-wrong"])
        expect(failureOf(() => ring.authenticate(bearer(shown), address))).toBe("STORE_UNAVAILABLE");
    expect(atOnce(ring.authenticate(bearer(secret), address)).id).toBe(id);
    expect(failureOf(() => ring.authenticate(credentials(), address))).toBe("CALLER_UNAUTHENTICATED");
    state.broken = false;
    await issued.list();
    expect(atOnce(ring.authenticate(bearer(other.secret), address)).id).toBe(other.id);
  });
  test("a store that was never read keeps even those without a key waiting, unless none is needed", async () => {
    const { issued, ring, state } = await setUp();
    state.broken = true;
    await issued.start();
    for (const shown of [credentials(), bearer("sk-any"), bearer(await strange())])
      expect(failureOf(() => ring.authenticate(shown, address))).toBe("STORE_UNAVAILABLE");
    const open = createKeyRing({ keys: [], required: false, issued, throttle: newThrottle() });
    expect(atOnce(open.authenticate(credentials(), address)).id).toBe("anonymous");
    const own = createKeyRing({ keys, required: "auto", issued, throttle: newThrottle() });
    expect(atOnce(own.authenticate(bearer("sk-a"), address)).id).toBe("cfg_a");
  });
  const keys = [entry("a", "sk-a")];
});

describe("a throttle", () => {
  test("says how long until the next one is tolerated", () => {
    let nowMs = 0;
    const throttle = createThrottle({ clock: { ...clock, now: () => nowMs }, burst: 2 });
    expect([throttle.take("a"), throttle.take("a"), throttle.take("a")]).toEqual([0, 0, 1000]);
    nowMs = 400;
    expect(throttle.take("a")).toBe(600);
    nowMs = 10_000;
    expect([throttle.take("a"), throttle.take("a"), throttle.take("a")]).toEqual([0, 0, 1000]);
  });
  test("remembers a bounded number of addresses", () => {
    const throttle = createThrottle({ clock, burst: 1, addressesMax: 2 });
    expect([throttle.take("a"), throttle.take("b"), throttle.take("a"), throttle.take("c")]).toEqual([0, 0, 1000, 0]);
    // b was not seen for the longest.
    expect([throttle.take("a"), throttle.take("b")]).toEqual([1000, 0]);
  });
  for (const [one, other, same] of [
    ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true],
    ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
    ["2001:db8::1", "2001:db8:0:0:5::1", true],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.2", false],
  ] as const) {
    test(`${one} and ${other} are ${same ? "one network" : "two networks"}`, () => {
      const throttle = createThrottle({ clock, burst: 1 });
      throttle.take(one);
      expect(throttle.take(other)).toBe(same ? 1000 : 0);
    });
  }
});

describe("the admin gate", () => {
  const token = new Secret("admin-secret", "file");
  const minted = createAdminGate({ token, configured: false, throttle: newThrottle() });
  const configured = createAdminGate({ token, configured: true, throttle: newThrottle() });
  const local: AdminCaller = { authorization: undefined, remoteAddress: "127.0.0.1", host: "localhost:8080", headerNames: ["accept"] };
  const readings = [
    "ListProviders",
    "GetProvider",
    "GetProviderHealth",
    "WatchProviderHealth",
    "GetPolicy",
    "ListPolicyRevisions",
    "GetStats",
  ];
  const changes = [
    "SetProviderState",
    "SwapPolicy",
    "ValidatePolicy",
    "ReloadConfig",
    "ListKeys",
    "CreateKey",
    "GetUsage",
    "ListDecisions",
  ];

  test.each([...readings, ...changes])("%s is for whoever has the token, from anywhere", (method) => {
    const caller = { ...local, authorization: "Bearer admin-secret", remoteAddress: "203.0.113.9", host: "example.com" };
    for (const gate of [minted, configured]) expect(failureOf(() => gate.admit(method, caller))).toBeUndefined();
  });
  test.each(readings)("%s is for this machine where no token is configured", (method) => {
    expect(failureOf(() => minted.admit(method, local))).toBeUndefined();
    expect(failureOf(() => configured.admit(method, local))).toBe("CALLER_UNAUTHENTICATED");
  });
  test.each(changes)("%s needs the token on this machine too", (method) => {
    expect(failureOf(() => minted.admit(method, local))).toBe("CALLER_UNAUTHENTICATED");
  });
  for (const wrong of ["Bearer admin-secre", "Bearer admin-secret2", "admin-secret", "Basic admin-secret", "Bearer"]) {
    test(`${JSON.stringify(wrong)} is not the token`, () => {
      expect(failureOf(() => configured.admit("GetStats", { ...local, authorization: wrong }))).toBe("CALLER_UNAUTHENTICATED");
    });
  }

  const elsewhere: readonly [what: string, caller: Partial<AdminCaller>, admitted: boolean][] = [
    ["::1", { remoteAddress: "::1", host: "[::1]:8080" }, true],
    ["127.9.8.7", { remoteAddress: "127.9.8.7", host: "127.0.0.1" }, true],
    ["an IPv4 loopback address on an IPv6 socket", { remoteAddress: "::ffff:127.0.0.1" }, true],
    ["localhost in capitals", { host: "LOCALHOST:1" }, true],
    ["a neighbour", { remoteAddress: "192.168.1.2" }, false],
    ["an address that only begins like loopback", { remoteAddress: "127.0.0.1.evil" }, false],
    ["an unknown peer", { remoteAddress: undefined }, false],
    ["a foreign host name (DNS rebinding)", { host: "evil.example:8080" }, false],
    ["a host that only begins like ours", { host: "localhost.evil.example" }, false],
    ["user info before a host", { host: "localhost:80@evil.example" }, false],
    ["no host", { host: undefined }, false],
    ...["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via", "cf-connecting-ip", "true-client-ip"].map(
      (name): [string, Partial<AdminCaller>, boolean] => [`a proxy that sends ${name}`, { headerNames: ["host", name] }, false],
    ),
  ];
  test.each(elsewhere)("without a token, %s: admitted or not", (_what, caller, admitted) => {
    expect(failureOf(() => minted.admit("GetStats", { ...local, ...caller }))).toBe(admitted ? undefined : "CALLER_UNAUTHENTICATED");
  });
  test("guessing the token is slowed down", () => {
    const gate = createAdminGate({ token, configured: true, throttle: newThrottle() });
    const guess = () => failureOf(() => gate.admit("GetStats", { ...local, authorization: "Bearer x" }));
    for (let i = 0; i < 10; i++) expect(guess()).toBe("CALLER_UNAUTHENTICATED");
    expect(guess()).toBe("CALLER_RATE_LIMITED");
    expect(failureOf(() => gate.admit("GetStats", { ...local, authorization: "Bearer admin-secret" }))).toBeUndefined();
  });
});
