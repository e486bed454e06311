/** What the rooms have to agree on when policies come and go. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { loadConfiguration } from "../src/config/load.ts";
import type { RoutingPolicy } from "../src/core/chat.ts";
import { durationFromMs } from "../src/core/clock.ts";
import type { CallRecord } from "../src/core/telemetry.ts";
import { createGateway } from "../src/gateway.ts";
import { systemClock } from "../src/stores/system-clock.ts";
import { build } from "./config/workspace.ts";
import { policyOf } from "./policies/candidates.ts";
import { callOf } from "./stages/support.ts";
import { chatRequest } from "./support/attempt.ts";

const latency = (decayMs: number): RoutingPolicy => policyOf({ case: "latency", value: { decay: durationFromMs(decayMs) } });
const leastBusy = policyOf({ case: "leastBusy", value: {} });
const config = `
health: {probe: none}
cache: {enabled: false}
routing_policy: {type: latency, config: {decay: 3s}}
providers:
  one: {type: simulated, models: [{id: m, input_price: 1, output_price: 1}], first_token: 1ms, tokens_per_second: 100000}`;

async function settingsOf(text: string) {
  const folder = await mkdtemp(join(tmpdir(), "semaroute-"));
  await writeFile(join(folder, "config.yaml"), text);
  const loaded = loadConfiguration({ ...build, explicitPath: undefined, environment: {}, cwd: folder });
  await rm(folder, { recursive: true });
  if (loaded.kind === "refused") throw new Error(JSON.stringify(loaded.problems));
  return loaded.settings;
}

async function running() {
  const settings = await settingsOf(config);
  const records: CallRecord[] = [];
  const observers = [{ began() {}, ended: (record: CallRecord) => void records.push(record) }];
  const gateway = createGateway({ settings, clock: systemClock, random: () => 0.5, observers });
  onTestFinished(() => gateway.close());
  const swap = async (policy: RoutingPolicy, share = 1): Promise<void> => {
    const verdict = await gateway.policies.swap({ policy, expectedRevision: "", author: "ann", comment: "", dryRun: false, share });
    expect(verdict.kind).toBe("swapped");
  };
  /** The view of the one target that a call is planned by. */
  const view = async () => {
    const now = systemClock.now();
    const call = callOf(chatRequest("hi", { model: "m" }), {
      snapshot: gateway.router.snapshot(),
      receivedMs: now,
      deadline: now + 10_000,
    });
    const { batches } = await gateway.router.chat(call);
    for (let next = await batches.next(); next.done !== true; next = await batches.next());
    return records.at(-1)?.plan?.ranked[0]?.candidate.health;
  };
  const decays = async (): Promise<number[]> => [...((await view())?.otherMeans.keys() ?? [])];
  return { gateway, settings, swap, view, decays };
}

describe("the means that latency goes by", () => {
  test("are those of what is in force and what is tried beside it, and of nothing else", async () => {
    const { gateway, swap, decays } = await running();
    expect(await decays()).toEqual([3000]);
    await swap(latency(7000), 0.5);
    expect(await decays()).toEqual([3000, 7000]);
    await swap(leastBusy, 0.5);
    expect(await decays()).toEqual([3000]);
    await swap(latency(7000), 0.5);
    await gateway.policies.rollback({ number: 0n, author: "ann", comment: "" });
    expect(await decays()).toEqual([3000]);
    await swap(latency(7000));
    expect(await decays()).toEqual([7000]);
    await gateway.policies.rollback({ number: 0n, author: "ann", comment: "" });
    expect(await decays()).toEqual([3000]);
    await swap(leastBusy);
    expect(await decays()).toEqual([]);
  });

  test("go on while another policy is tried", async () => {
    const { swap, view } = await running();
    await view();
    const before = (await view())?.otherMeans.get(3000)?.firstTokenMs;
    expect(before).toBeGreaterThan(0);
    await swap(leastBusy, 0.5);
    expect((await view())?.otherMeans.get(3000)?.firstTokenMs).toBeGreaterThan(0);
  });

  test("do not pile up, however many policies come and go", async () => {
    const { gateway, swap, decays } = await running();
    for (let decayMs = 4000; decayMs < 4100; decayMs++) await swap(latency(decayMs), 0.5);
    expect(await decays()).toEqual([3000, 4099]);
    const dry = { policy: latency(9000), expectedRevision: "", author: "ann", comment: "", dryRun: true };
    expect((await gateway.policies.swap(dry)).kind).toBe("swapped");
    expect(await decays()).toEqual([3000, 4099]);
  });
});

describe("a reload", () => {
  test("whose policy says what it said leaves the canary and an operator's policy in force", async () => {
    const { gateway, swap } = await running();
    await swap(leastBusy);
    await swap(latency(7000), 0.5);
    const [active, canary] = [gateway.policies.active(), gateway.policies.canary()];
    expect(gateway.apply(await settingsOf(`${config}\n  two: {type: simulated}`))).toEqual([]);
    expect([gateway.policies.active(), gateway.policies.canary()]).toEqual([active, canary]);
    const snapshot = gateway.router.snapshot();
    expect(snapshot.policy.revision).toBe(active.revision);
    expect(snapshot.canary?.snapshot.policy.revision).toBe(canary?.revision);
    // Both sides see the new catalogue.
    expect(snapshot.canary?.snapshot.catalog).toBe(snapshot.catalog);
    expect(snapshot.catalog.targets.map(({ provider }) => provider)).toContain("two");
  });

  test("whose policy says something else puts that in force for all, and ends the canary", async () => {
    const { gateway, swap } = await running();
    await swap(latency(7000), 0.5);
    expect(gateway.apply(await settingsOf(config.replace("type: latency, config: {decay: 3s}", "type: least_busy")))).toEqual([]);
    expect(gateway.policies.active().policy?.kind.case).toBe("leastBusy");
    expect([gateway.policies.canary(), gateway.router.snapshot().canary]).toEqual([undefined, undefined]);
  });
});
