import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Clock } from "../../src/core/clock.ts";
import { type RoutingPolicy, RoutingPolicySchema } from "../../src/core/chat.ts";
import type { News } from "../../src/core/news.ts";
import type { PolicyChange } from "../../src/core/operations.ts";
import { examinePolicy } from "../../src/policies/examine.ts";
import { createPolicy, withDefaults } from "../../src/policies/index.ts";
import { createPolicyDesk } from "../../src/stores/policy-desk.ts";
import { createSharedPolicyDesk, type SharedChange, type SharedPolicyDesk } from "../../src/stores/shared-policies.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { createLocalNews } from "../support/news.ts";
import { noOwnPostgres, type OwnPostgres, startPostgres } from "../support/postgres.ts";
import { openPostgres } from "./sql/postgres.ts";

let server: OwnPostgres;
beforeAll(async () => {
  if (noOwnPostgres === undefined) server = await startPostgres();
});
afterAll(() => server?.[Symbol.asyncDispose]());

function policy(kind: NonNullable<MessageInitShape<typeof RoutingPolicySchema>["kind"]>): RoutingPolicy {
  return create(RoutingPolicySchema, { kind });
}

const cheap = policy({ case: "costBased", value: {} });
const idle = policy({ case: "leastBusy", value: {} });
const backup = policy({ case: "failover", value: { primaryProvider: "openai", backupProviders: ["groq"] } });
const weighted = (weight: number): RoutingPolicy => policy({ case: "costBased", value: { costWeight: weight } });

/** Waits are a tenth of the product's. */
const quickClock: Clock = { ...systemClock, after: (ms, callback) => systemClock.after(ms / 10, callback) };

interface Replica extends SharedPolicyDesk {
  /** How often it has asked the store. */
  looks(): number;
  readonly shared: SharedChange[];
  /** Names of the policies that calls were given, in order. */
  readonly inForce: string[];
  change(this: void, given: RoutingPolicy, more?: Partial<PolicyChange>): ReturnType<SharedPolicyDesk["swap"]>;
}

/** A replica whose file says `file`; by default it knows both providers. */
async function startReplica(
  url: string,
  file = cheap,
  providers: readonly string[] = ["openai", "groq"],
  { clock, news }: { readonly clock: Clock; readonly news?: News } = { clock: quickClock },
): Promise<Replica> {
  const store = await openPostgres({ url });
  if (store.sharedPolicies === undefined) throw new Error("nothing is shared");
  const kept = await store.sharedPolicies.load().catch(() => undefined);
  const { sharedPolicies } = store;
  let looks = 0;
  const inForce: string[] = [];
  const desk = createPolicyDesk({
    clock: systemClock,
    initial: file,
    author: "file",
    examine: (given) =>
      examinePolicy(given, { providers, unpricedTargets: [], servesTogether: () => true, isEnabled: () => true, models: [] }),
    withDefaults,
    createPolicy,
    kept,
    onActive: ({ name }) => inForce.push(name),
  });
  const shared: SharedChange[] = [];
  const sharing = createSharedPolicyDesk({
    desk,
    store: {
      ...sharedPolicies,
      mark() {
        looks += 1;
        return sharedPolicies.mark();
      },
    },
    clock,
    random: Math.random,
    news,
    kept,
    onShared: (each) => shared.push(each),
  });
  onTestFinished(async () => {
    sharing.close();
    await store.close();
  });
  const change: Replica["change"] = (given, more) =>
    sharing.swap({ policy: given, expectedRevision: "", author: "ada", comment: "", dryRun: false, ...more });
  return { ...sharing, shared, inForce, change, looks: () => looks };
}

/** Longer than two looks at the store. */
const soon = { timeout: 10_000, interval: 50 };
const name = (each: Replica): string | undefined => each.active().policy?.name;

describe.skipIf(noOwnPostgres !== undefined)("replicas that share their policies", () => {
  test("all have a change soon after one took it, and go on with it when they start again", async () => {
    const url = await server.createDatabase();
    const [one, other] = [await startReplica(url), await startReplica(url)];
    expect(await one.change(idle, { comment: "night" })).toMatchObject({ kind: "swapped", policy: { number: 2n, author: "ada" } });
    expect(name(one)).toBe("least_busy");
    await expect.poll(() => name(other), soon).toBe("least_busy");
    expect(other.active()).toEqual(one.active());
    expect(other.shared).toEqual([{ kind: "adopted", revision: one.active().revision, author: "ada" }]);
    expect(one.shared).toEqual([]);
    const third = await startReplica(url);
    expect(third.inForce).toEqual(["least_busy"]);
    expect(third.revisions().map(({ number }) => number)).toEqual([2n, 1n]);
  });

  test("have a change at once where they tell each other, and tell nobody what it is", async () => {
    const url = await server.createDatabase();
    // Nobody looks of its own accord as long as this test runs.
    const clock: Clock = { ...systemClock, after: (ms, callback) => systemClock.after(ms > 1000 ? ms * 1000 : ms, callback) };
    const news = createLocalNews();
    const start = (): Promise<Replica> => startReplica(url, cheap, undefined, { clock, news });
    const [one, other] = [await start(), await start()];
    await one.change(idle);
    await expect.poll(() => name(other), soon).toBe("least_busy");
    await other.rollback({ number: 0n, author: "ada", comment: "" });
    await expect.poll(() => name(one), soon).toBe("cost_based");
    one.install(backup, "file", "the file changed");
    await expect.poll(() => name(other), soon).toBe("failover");
    expect(new Set(news.told.map(({ channel, text }) => `${channel} ${text}`))).toEqual(new Set(["semaroute:policies "]));
    // Who was told may have missed it.
    news.cut();
    await one.change(idle);
    news.mend();
    await expect.poll(() => name(other), soon).toBe("least_busy");
  });

  test("let one win of many changes that expect the same revision, whichever replica is asked", async () => {
    const url = await server.createDatabase();
    const replicas = [await startReplica(url), await startReplica(url), await startReplica(url)];
    for (let round = 0; round < 5; round++) {
      const expectedRevision = replicas[round % 3]?.active().revision ?? "";
      const verdicts = await Promise.all(replicas.map((each, at) => each.change(weighted(1 + round * 3 + at), { expectedRevision })));
      // Who has not heard of the last round may expect too little, and nobody more than one.
      expect(verdicts.map(({ kind }) => kind).toSorted()).toEqual(["conflict", "conflict", "swapped"]);
      const winner = verdicts.find((verdict) => verdict.kind === "swapped");
      for (const each of verdicts)
        if (each.kind === "conflict") expect(each.activeRevision).toBe(winner?.kind === "swapped" ? winner.policy.revision : "");
      await expect.poll(() => new Set(replicas.map((each) => each.active().number)).size, soon).toBe(1);
    }
    expect(replicas[0]?.active().number).toBe(6n);
  });

  test("take unconditional changes one after the other, each with a number of its own", async () => {
    const url = await server.createDatabase();
    const replicas = [await startReplica(url), await startReplica(url), await startReplica(url)];
    const verdicts = await Promise.all(replicas.flatMap((each) => [each.change(idle), each.change(backup)]));
    const numbers = verdicts.map((verdict) => (verdict.kind === "swapped" ? verdict.policy.number : 0n));
    expect(numbers.toSorted((a, b) => Number(a - b))).toEqual([2n, 3n, 4n, 5n, 6n, 7n]);
  });

  test("share a canary, and the way back from it", async () => {
    const url = await server.createDatabase();
    const [one, other] = [await startReplica(url), await startReplica(url)];
    await one.change(idle, { share: 0.25 });
    await expect.poll(() => other.canary()?.number, soon).toBe(2n);
    expect(name(other)).toBe("cost_based");
    const back = { number: 0n, author: "eve", comment: "" };
    expect(await other.rollback(back)).toMatchObject({ kind: "swapped", policy: { number: 1n } });
    await expect.poll(() => one.canary(), soon).toBeUndefined();
    await one.change(backup);
    expect(await other.rollback(back)).toMatchObject({ kind: "swapped", policy: { number: 4n, author: "eve" } });
    await expect.poll(() => one.active().number, soon).toBe(4n);
    expect(name(one)).toBe("cost_based");
  });

  test("say what a dry run would do, and do nothing", async () => {
    const url = await server.createDatabase();
    const one = await startReplica(url);
    expect(await one.change(idle, { dryRun: true })).toMatchObject({ kind: "swapped", policy: { number: 2n, activateTime: undefined } });
    expect(await one.change(idle, { expectedRevision: "x", dryRun: true })).toMatchObject({ kind: "conflict" });
    expect(name(one)).toBe("cost_based");
  });

  test("apply a file's change once, though each of them reads it", async () => {
    const url = await server.createDatabase();
    const [one, other] = [await startReplica(url), await startReplica(url)];
    for (const each of [one, other]) each.install(idle, "file", "");
    await expect.poll(() => [one.active().number, other.active().number], soon).toEqual([2n, 2n]);
    await one.change(backup);
    // The file says what it said when it was last applied: what came after it stays.
    const third = await startReplica(url, idle);
    expect(name(third)).toBe("failover");
  });

  test("do not change the others' policy to one's own when files differ", async () => {
    const url = await server.createDatabase();
    const one = await startReplica(url, cheap);
    await expect.poll(() => server.run(url, "select number from policy_revisions"), soon).toHaveLength(1);
    const other = await startReplica(url, idle);
    await expect.poll(() => name(one), soon).toBe("least_busy");
    const enough = Math.max(one.looks(), other.looks()) + 3;
    await expect.poll(() => Math.min(one.looks(), other.looks()), soon).toBeGreaterThan(enough);
    expect([name(one), name(other), one.active().number]).toEqual(["least_busy", "least_busy", 2n]);
  });

  test("keep their own where a policy does not fit, and take the next one that does", async () => {
    const url = await server.createDatabase();
    const [one, poor] = [await startReplica(url), await startReplica(url, cheap, ["openai"])];
    await one.change(backup);
    await expect.poll(() => poor.shared, soon).toMatchObject([{ kind: "unfit", author: "ada" }]);
    expect(name(poor)).toBe("cost_based");
    expect(await poor.change(idle, { expectedRevision: poor.active().revision })).toMatchObject({
      kind: "conflict",
      activeRevision: one.active().revision,
    });
    await one.change(idle);
    await expect.poll(() => name(poor), soon).toBe("least_busy");
  });

  test("refuse a change while the store is away, keep what they have, and put the file's in force at once", async () => {
    const url = await server.createDatabase();
    const one = await startReplica(url);
    await one.change(idle);
    await server.crash();
    expect(await one.change(backup)).toEqual({ kind: "unavailable" });
    expect(name(one)).toBe("least_busy");
    one.install(backup, "file", "");
    expect(name(one)).toBe("failover");
    await server.restart();
    const kept = "select number from policy_revisions where number = 3";
    await expect.poll(() => server.run(url, kept).catch(() => []), { timeout: 20_000 }).toHaveLength(1);
    expect(one.active()).toMatchObject({ number: 3n, author: "file" });
  });

  test("go by the file where the store is away at the start, and by the store as soon as it is back", async () => {
    const url = await server.createDatabase();
    const one = await startReplica(url);
    await one.change(idle);
    await server.crash();
    const started = await startReplica(url);
    expect(name(started)).toBe("cost_based");
    await server.restart();
    await expect.poll(() => name(started), { timeout: 20_000 }).toBe("least_busy");
    expect(started.active()).toEqual(one.active());
  });
});
