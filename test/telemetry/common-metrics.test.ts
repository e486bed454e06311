import { expect, test } from "vitest";
import { HealthStatus } from "../../src/core/chat.ts";
import { createCommonMetrics } from "../../src/telemetry/common-metrics.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { metricsFrom } from "../e2e/scene.ts";
import { attempt, observe, record, source, target } from "./records.ts";

const gpt = target("openai", "gpt");

function answered() {
  const attempts = [attempt(gpt)];
  return record({ source: source(attempts, gpt), attempts });
}

function worker(health: HealthStatus, eventLoop: number) {
  return createMetrics({
    version: "1",
    isKnown: () => true,
    providers: () => [{ provider: "openai", health, inFlight: 2, targets: [] }],
    logLinesDropped: () => 1,
    bugs: () => 0,
    pressures: () => ({ event_loop: eventLoop, heap: 0, memory: 0, connections: 0 }),
    shed: () => 0,
  });
}

function common() {
  const metrics = createCommonMetrics({
    workers: () => 2,
    restarts: () => 5,
    limitRefusals: (kind) => (kind === "tokens" ? 3 : 0),
    decisionsLost: () => 0,
    store: () => ({ waits: false, refused: 0 }),
    logLinesDropped: () => 10,
  });
  const page = async (reports: Parameters<typeof metrics.page>[0]) => metricsFrom((await metrics.page(reports)).body);
  return { metrics, page };
}

test("a page sums what is counted, and shows of states the worst", async () => {
  const [one, two] = [worker(HealthStatus.HEALTHY, 0.2), worker(HealthStatus.UNHEALTHY, 0.7)];
  observe(one.observer, answered());
  observe(two.observer, answered());
  const { page } = common();
  const sums = await page([await one.report(), await two.report()]);
  expect(sums.sum("calls_total", { outcome: "ok" })).toBe(2);
  expect(sums.sum("call_duration_seconds_count")).toBe(2);
  expect(sums.sum("provider_in_flight")).toBe(4);
  expect(sums.sum("log_lines_dropped_total")).toBe(12);
  expect(sums.sum("provider_health")).toBe(0);
  expect(sums.sum("overload_pressure", { resource: "event_loop" })).toBe(0.7);
  expect(sums.sum("build_info")).toBe(1);
  expect([sums.sum("workers"), sums.sum("worker_restarts_total"), sums.sum("limit_refusals_total", { kind: "tokens" })]).toEqual([2, 5, 3]);
});

test("what a worker had counted stays counted when it is gone, and its states go with it", async () => {
  const [one, two] = [worker(HealthStatus.UNHEALTHY, 0.9), worker(HealthStatus.HEALTHY, 0.1)];
  for (let at = 0; at < 3; at++) observe(one.observer, answered());
  const { metrics, page } = common();
  metrics.retire(await one.report());
  metrics.retire(await one.report());
  observe(two.observer, answered());
  const sums = await page([await two.report()]);
  expect(sums.sum("calls_total", { outcome: "ok" })).toBe(7);
  expect(sums.sum("call_duration_seconds_count")).toBe(7);
  expect(sums.sum("provider_in_flight")).toBe(2);
  expect(sums.sum("provider_health")).toBe(1);
});
