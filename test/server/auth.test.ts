import { describe, expect, test } from "vitest";

import type { KeyId } from "../../src/core/call.ts";
import { Priority } from "../../src/core/chat.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import { Secret } from "../../src/core/secret.ts";
import { type AdminCaller, createAdminGate, createKeyRing, type Credentials, type KeyEntry } from "../../src/server/auth.ts";
import { createThrottle } from "../../src/server/throttle.ts";

const clock = { now: () => 0, wall: () => 0, after: () => () => {} };
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

function credentials(authorization?: string, xApiKey?: string): Credentials {
  return { authorization, xApiKey };
}

describe("a key ring", () => {
  const keys = [entry("a", "sk-a"), entry("b", "sk-b b")];
  const required = createKeyRing({ keys, required: true, throttle: newThrottle() });
  const optional = createKeyRing({ keys, required: false, throttle: newThrottle() });
  const empty = createKeyRing({ keys: [], required: false, throttle: newThrottle() });
  const locked = createKeyRing({ keys: [], required: true, throttle: newThrottle() });

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
      const failure = failureOf(() => (id = ring.authenticate(shown, "10.0.0.1").id));
      expect(failure ?? id).toBe(outcome);
    });
  }

  test("the key it answers with holds no secret", () => {
    const key = required.authenticate(credentials("Bearer sk-a"), "10.0.0.1");
    expect(Object.keys(key).toSorted()).toEqual(["id", "models", "name", "priority"]);
  });
  test("two keys with one secret are refused", () => {
    expect(() => createKeyRing({ keys: [entry("a", "x"), entry("b", "x")], required: true, throttle: newThrottle() })).toThrow(
      "keys a and b have the same secret",
    );
  });
  test("an empty secret is refused", () => {
    expect(() => createKeyRing({ keys: [entry("a", "")], required: true, throttle: newThrottle() })).toThrow("key a has an empty secret");
  });
  test("no refusal repeats what was shown", () => {
    try {
      required.authenticate(credentials("Bearer sk-very-wrong"), "10.0.0.2");
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain("very-wrong");
    }
  });
  test("an address that guesses is slowed down, and its good keys still work", () => {
    let nowMs = 0;
    const throttle = createThrottle({ clock: { ...clock, now: () => nowMs } });
    const ring = createKeyRing({ keys, required: true, throttle });
    const guess = () => failureOf(() => ring.authenticate(credentials("Bearer nope"), "10.0.0.3"));
    for (let i = 0; i < 10; i++) expect(guess()).toBe("CALLER_UNAUTHENTICATED");
    expect(guess()).toBe("CALLER_RATE_LIMITED");
    expect(ring.authenticate(credentials("Bearer sk-a"), "10.0.0.3").id).toBe("cfg_a");
    expect(failureOf(() => ring.authenticate(credentials(), "10.0.0.3"))).toBe("CALLER_UNAUTHENTICATED");
    expect(failureOf(() => ring.authenticate(credentials("Bearer nope"), "10.0.0.4"))).toBe("CALLER_UNAUTHENTICATED");
    nowMs = 1000;
    expect(guess()).toBe("CALLER_UNAUTHENTICATED");
    expect(guess()).toBe("CALLER_RATE_LIMITED");
  });
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
