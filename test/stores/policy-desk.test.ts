import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import type { ActivePolicy } from "../../src/core/call.ts";
import { type RoutingPolicy, RoutingPolicySchema } from "../../src/core/chat.ts";
import type { PolicyChange, PolicyVerdict } from "../../src/core/operations.ts";
import { examinePolicy } from "../../src/policies/examine.ts";
import { createPolicy, withDefaults } from "../../src/policies/index.ts";
import type { KeptPolicies } from "../../src/core/store.ts";
import { createPolicyDesk, revisionOf } from "../../src/stores/policy-desk.ts";
import type { TriedPolicy } from "../../src/stores/policy-register.ts";
import { createFakeClock } from "../support/fake-clock.ts";

function policy(kind: NonNullable<MessageInitShape<typeof RoutingPolicySchema>["kind"]>, name = ""): RoutingPolicy {
  return create(RoutingPolicySchema, { name, kind });
}

const cheap = policy({ case: "costBased", value: {} });
const backup = policy({ case: "failover", value: { primaryProvider: "openai", backupProviders: ["groq"] } });
const bad = policy({ case: "failover", value: { primaryProvider: "nobody" } });

interface SetUp {
  readonly revisionsMax?: number;
  readonly initial?: RoutingPolicy;
  readonly kept?: KeptPolicies | undefined;
  readonly keep?: (change: KeptPolicies) => Promise<void>;
  readonly providers?: readonly string[];
}

function setUp({ revisionsMax = 1000, initial = cheap, kept, keep, providers = ["openai", "groq"] }: SetUp = {}) {
  const clock = createFakeClock();
  const activated: ActivePolicy[] = [];
  const tried: (TriedPolicy | undefined)[] = [];
  let isBroken = false;
  const desk = createPolicyDesk({
    clock,
    initial,
    author: "config.yaml",
    examine: (given) =>
      examinePolicy(given, { providers, unpricedTargets: [], servesTogether: () => true, isEnabled: () => true, models: [] }),
    withDefaults,
    createPolicy,
    revisionsMax,
    kept,
    keep,
    onActive: (active, canary) => {
      if (isBroken) throw new Error("cannot swap");
      activated.push(active);
      tried.push(canary);
    },
  });
  const swap = (given: RoutingPolicy, change: Partial<PolicyChange> = {}): PolicyVerdict =>
    desk.swap({ policy: given, expectedRevision: "", author: "ada", comment: "", dryRun: false, ...change });
  return { clock, desk, swap, activated, tried, breakOnActive: () => (isBroken = true) };
}

describe("at the start", () => {
  test("the file's policy is revision number 1, with its defaults, and in force", () => {
    const { desk, activated } = setUp();
    expect(desk.active()).toMatchObject({
      number: 1n,
      author: "config.yaml",
      comment: "",
      share: 1,
      revision: revisionOf(withDefaults(cheap)),
      activateTime: { seconds: BigInt(Date.UTC(2026, 0, 1) / 1000) },
      policy: { name: "cost_based", kind: { value: { costWeight: 0.6 } } },
    });
    expect(activated.map(({ revision, name }) => ({ revision, name }))).toEqual([{ revision: desk.active().revision, name: "cost_based" }]);
  });

  test("a bad policy of the file is refused", () => {
    expect(() => setUp({ initial: bad })).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST" }));
  });
});

describe("a swap", () => {
  test("puts the new policy in force before it answers", () => {
    const { clock, desk, swap, activated } = setUp();
    const before = desk.active();
    clock.advance(5_000);
    const verdict = swap(backup, { comment: "failing over" });
    expect(verdict).toMatchObject({
      kind: "swapped",
      previousRevision: before.revision,
      policy: { number: 2n, author: "ada", comment: "failing over" },
    });
    expect(desk.active()).toMatchObject({ number: 2n, activateTime: { seconds: (before.activateTime?.seconds ?? 0n) + 5n } });
    expect(activated.at(-1)?.name).toBe("failover");
  });

  test("is refused where another revision is active than was expected, and changes nothing", () => {
    const { desk, swap, activated } = setUp();
    const first = desk.active().revision;
    expect(swap(backup, { expectedRevision: first }).kind).toBe("swapped");
    const second = desk.active().revision;
    expect(swap(cheap, { expectedRevision: first })).toEqual({ kind: "conflict", activeRevision: second });
    expect(desk.active().revision).toBe(second);
    expect(activated).toHaveLength(2);
  });

  test("of two that expect the same revision lets one win", () => {
    const { desk, swap } = setUp();
    const expectedRevision = desk.active().revision;
    const kinds = [backup, policy({ case: "costBased", value: { costWeight: 1 } })].map((each) => swap(each, { expectedRevision }).kind);
    expect(kinds).toEqual(["swapped", "conflict"]);
  });

  test("to a bad policy is refused with its issues, and changes nothing", () => {
    const { desk, swap, activated } = setUp();
    const verdict = swap(bad);
    expect(verdict).toMatchObject({
      kind: "invalid",
      issues: [{ field: "failover.primary_provider" }, { field: "failover.backup_providers" }],
    });
    expect(desk.revisions()).toHaveLength(1);
    expect(activated).toHaveLength(1);
  });

  test("with warnings only goes through, and tells them", () => {
    const { swap } = setUp();
    const lonely = policy({ case: "failover", value: { primaryProvider: "openai" } });
    expect(swap(lonely)).toMatchObject({ kind: "swapped", issues: [{ field: "failover.backup_providers" }] });
  });

  for (const { name, given, change, kind } of [
    { name: "a good policy", given: backup, change: {}, kind: "swapped" },
    { name: "a bad policy", given: bad, change: {}, kind: "invalid" },
    { name: "a wrong expectation", given: backup, change: { expectedRevision: "other" }, kind: "conflict" },
  ] as const) {
    test(`that is a dry run of ${name} says ${kind} and changes nothing`, () => {
      const { desk, swap, activated } = setUp();
      const before = desk.active();
      const verdict = swap(given, { ...change, dryRun: true });
      expect(verdict.kind).toBe(kind);
      if (verdict.kind === "swapped") expect(verdict.policy).toMatchObject({ number: 2n, activateTime: undefined });
      expect(desk.active()).toBe(before);
      expect(desk.revisions()).toHaveLength(1);
      expect(activated).toHaveLength(1);
    });
  }

  test("that cannot be put in force leaves everything as it was", () => {
    const { desk, swap, breakOnActive } = setUp();
    const before = desk.active();
    breakOnActive();
    expect(() => swap(backup)).toThrow("cannot swap");
    expect(desk.active()).toBe(before);
  });
});

describe("revisions", () => {
  test("count activations, newest first, so that A, B, A are 1, 2, 3", () => {
    const { desk, swap } = setUp();
    swap(backup);
    swap(cheap);
    const [third, second, first] = desk.revisions();
    expect([first, second, third].map((each) => each?.number)).toEqual([1n, 2n, 3n]);
    expect(third?.revision).toBe(first?.revision);
    expect(desk.find(first?.revision ?? "")?.number).toBe(3n);
    expect(desk.find("nothing")).toBeUndefined();
  });

  test("are forgotten beyond the maximum, oldest first, and go on counting", () => {
    const { desk, swap } = setUp({ revisionsMax: 3 });
    for (let each = 1; each <= 5; each += 1) swap(policy({ case: "costBased", value: { costWeight: each } }));
    expect(desk.revisions().map((each) => each.number)).toEqual([6n, 5n, 4n]);
  });

  test("are known by content: twelve digits, the same with defaults written out, another for another policy", () => {
    const { desk } = setUp();
    const explicit = policy({ case: "costBased", value: { costWeight: 0.6, latencyWeight: 0.3, healthWeight: 0.1 } }, "cost_based");
    expect(desk.examine(explicit).revision).toBe(desk.active().revision);
    expect(desk.active().revision).toMatch(/^[0-9a-f]{12}$/);
    expect(desk.examine(backup).revision).not.toBe(desk.active().revision);
  });

  test("do not depend on fields a newer client sent", () => {
    const { desk } = setUp();
    const newer = fromBinary(RoutingPolicySchema, Uint8Array.from([...toBinary(RoutingPolicySchema, cheap), 0xc8, 0x3e, 1]));
    expect(newer.$unknown).toHaveLength(1);
    expect(desk.examine(newer).revision).toBe(desk.active().revision);
  });
});

describe("the file's policy", () => {
  test("that did not change leaves an operator's choice in force", () => {
    const { desk, swap } = setUp();
    swap(backup);
    expect(desk.install(cheap, "config.yaml", "reload")).toBeUndefined();
    expect(desk.active()).toMatchObject({ number: 2n, author: "ada" });
  });

  test("that changed is activated, once", () => {
    const { desk, swap } = setUp();
    swap(policy({ case: "costBased", value: { costWeight: 1 } }));
    expect(desk.install(backup, "config.yaml", "reload")).toMatchObject({
      kind: "swapped",
      policy: { number: 3n, author: "config.yaml", comment: "reload" },
    });
    expect(desk.install(backup, "config.yaml", "reload")).toBeUndefined();
    expect(desk.active().number).toBe(3n);
  });

  test("that writes a default out has changed", () => {
    const { desk } = setUp();
    expect(desk.install(policy({ case: "costBased", value: { costWeight: 0.6 } }), "config.yaml", "reload")?.kind).toBe("swapped");
  });

  test("that is bad is refused, again and again", () => {
    const { desk } = setUp();
    expect(desk.install(bad, "config.yaml", "reload")?.kind).toBe("invalid");
    expect(desk.install(bad, "config.yaml", "reload")?.kind).toBe("invalid");
    expect(desk.active().number).toBe(1n);
  });
});

describe("a canary", () => {
  test("is tried beside the active policy, and is part of the history", () => {
    const { desk, swap, activated, tried } = setUp();
    const first = desk.active();
    expect(swap(backup, { share: 0.1 })).toMatchObject({
      kind: "swapped",
      previousRevision: first.revision,
      policy: { share: 0.1, number: 2n },
    });
    expect(desk.active()).toBe(first);
    expect(desk.canary()).toMatchObject({ number: 2n, share: 0.1 });
    expect(activated.at(-1)?.revision).toBe(first.revision);
    expect(tried.at(-1)).toMatchObject({ share: 0.1, policy: { revision: desk.canary()?.revision } });
    expect(desk.revisions().map(({ number }) => number)).toEqual([2n, 1n]);
  });

  test("grows by another swap, and is promoted by one for all", () => {
    const { desk, swap, tried } = setUp();
    swap(backup, { share: 0.1 });
    swap(backup, { share: 0.5, expectedRevision: desk.active().revision });
    expect(desk.canary()).toMatchObject({ number: 3n, share: 0.5 });
    swap(backup);
    expect(desk.active()).toMatchObject({ number: 4n, share: 1 });
    expect(desk.canary()).toBeUndefined();
    expect(tried.at(-1)).toBeUndefined();
  });

  test("goes by a rollback, which leaves the active policy as it is", () => {
    const { desk, swap, tried } = setUp();
    const first = desk.active();
    swap(backup, { share: 0.1 });
    expect(desk.rollback({ number: 0n, author: "ada", comment: "" })).toMatchObject({ kind: "swapped", policy: { number: 1n } });
    expect(desk.active()).toBe(first);
    expect(desk.canary()).toBeUndefined();
    expect(tried.at(-1)).toBeUndefined();
  });

  test("that is a dry run changes nothing", () => {
    const { desk, swap } = setUp();
    expect(swap(backup, { share: 0.1, dryRun: true })).toMatchObject({ kind: "swapped", policy: { share: 0.1 } });
    expect(desk.canary()).toBeUndefined();
  });

  test("that is bad is refused", () => {
    const { desk, swap } = setUp();
    expect(swap(bad, { share: 0.1 }).kind).toBe("invalid");
    expect(desk.canary()).toBeUndefined();
  });
});

describe("a way back", () => {
  const back = (desk: ReturnType<typeof setUp>["desk"], number = 0n) => desk.rollback({ number, author: "ada", comment: "" });

  test("without a number leads to the one before the active one, as a new activation", () => {
    const { desk, swap } = setUp();
    const first = desk.active().revision;
    swap(backup);
    expect(back(desk)).toMatchObject({
      kind: "swapped",
      policy: { number: 3n, revision: first, author: "ada", comment: "back to number 1" },
    });
    expect(desk.active().revision).toBe(first);
  });

  test("passes over canaries that nobody promoted", () => {
    const { desk, swap } = setUp();
    const first = desk.active().revision;
    swap(policy({ case: "costBased", value: { costWeight: 1 } }), { share: 0.1 });
    swap(backup);
    back(desk);
    expect(desk.active().revision).toBe(first);
  });

  test("by number leads to any activation that is known, and to no other", () => {
    const { desk, swap } = setUp();
    swap(backup);
    swap(cheap);
    back(desk, 2n);
    expect(desk.active()).toMatchObject({ number: 4n, policy: { kind: { case: "failover" } } });
    expect(back(desk, 9n)).toEqual({ kind: "missing" });
  });

  test("from the first one there is none", () => {
    expect(back(setUp().desk)).toEqual({ kind: "missing" });
  });
});

describe("over a restart", () => {
  /** A store in memory. */
  function journal() {
    let kept: KeptPolicies | undefined;
    return {
      kept: () => kept,
      keep: (change: KeptPolicies): Promise<void> => {
        kept = { ...change, revisions: [...change.revisions, ...(kept?.revisions ?? [])] };
        return Promise.resolve();
      },
    };
  }

  test("the last activated policy, its canary and the history stay, as long as the file says the same", async () => {
    const { kept, keep } = journal();
    const before = setUp({ keep });
    before.swap(backup, { comment: "night" });
    before.swap(policy({ case: "costBased", value: { costWeight: 1 } }), { share: 0.2 });
    expect(await before.desk.kept()).toBe(true);
    const { desk, tried, swap } = setUp({ keep, kept: kept() });
    expect(desk.active()).toEqual(before.desk.active());
    expect(desk.canary()).toEqual(before.desk.canary());
    expect(desk.revisions()).toEqual(before.desk.revisions());
    expect(tried).toMatchObject([{ share: 0.2 }]);
    expect(swap(cheap)).toMatchObject({ policy: { number: 4n } });
  });

  test("the file's policy is a new activation where its text changed meanwhile", async () => {
    const { kept, keep } = journal();
    const before = setUp({ keep });
    before.swap(policy({ case: "costBased", value: { costWeight: 1 } }));
    await before.desk.kept();
    const { desk } = setUp({ keep, kept: kept(), initial: backup });
    expect(desk.active()).toMatchObject({ number: 3n, author: "config.yaml" });
    await desk.kept();
    // And it stays from now on.
    expect(setUp({ keep, kept: kept(), initial: backup }).desk.active().number).toBe(3n);
  });

  test("a policy that no longer fits the configuration gives way to the file's", async () => {
    const { kept, keep } = journal();
    const before = setUp({ keep });
    before.swap(backup);
    await before.desk.kept();
    const { desk } = setUp({ keep, kept: kept(), providers: ["groq"] });
    expect(desk.active()).toMatchObject({ number: 3n, author: "config.yaml", policy: { kind: { case: "costBased" } } });
  });

  test("what the store did not take is told, and kept with the next change", async () => {
    const { kept, keep } = journal();
    let isFull = false;
    const { desk, swap } = setUp({ keep: (change) => (isFull ? Promise.reject(new Error("full")) : keep(change)) });
    expect(await desk.kept()).toBe(true);
    isFull = true;
    swap(backup);
    expect(await desk.kept()).toBe(false);
    isFull = false;
    swap(cheap);
    expect(await desk.kept()).toBe(true);
    expect(kept()?.revisions.map(({ number }) => number)).toEqual([3n, 2n, 1n]);
  });
});
