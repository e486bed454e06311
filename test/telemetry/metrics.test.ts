import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import type { TargetId } from "../../src/core/catalog.ts";
import {
  AttemptKind,
  BreakerState,
  CacheStatus,
  HealthAxis,
  HealthStatus,
  Priority,
  type TargetBar,
  usageOf,
} from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { RedisState, SharedReport } from "../../src/core/redis.ts";
import { createCommonMetrics } from "../../src/telemetry/common-metrics.ts";
import { createMetrics, type MetricsOptions } from "../../src/telemetry/metrics.ts";
import { attempt, call, canaries, observe, record, source, target } from "./records.ts";

const gpt = target("openai", "gpt");
const claude = target("anthropic", "claude");
const configured = new Set<TargetId>([gpt.id, claude.id]);

function metrics(overrides: Partial<MetricsOptions> = {}) {
  return createMetrics({
    version: "1.2.3",
    isKnown: (id) => configured.has(id),
    providers: () => [],
    logLinesDropped: () => 0,
    bugs: () => 0,
    pressures: () => ({ event_loop: 0, heap: 0, memory: 0, connections: 0 }),
    shed: () => 0,
    ...overrides,
  });
}

/** Series and values of our own metrics, labels in alphabetical order. */
async function scrape(of: ReturnType<typeof metrics>): Promise<Map<string, number>> {
  const { body } = await of.render();
  const series = body.split("\n").filter((line) => line.startsWith("semaroute_"));
  return new Map(
    series.map((line) => {
      const [, name = "", labels = "", value = ""] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      return [`${name}{${labels.split(",").toSorted().join(",")}}`, Number(value)];
    }),
  );
}

function shared(state: RedisState): SharedReport {
  const mode = state === "up" ? "shared" : "local";
  return { redis: { state, breaker: state === "silent" ? "open" : "closed", reason: undefined }, cache: mode, limits: mode, budgets: mode };
}

const failure = new ChatError("OVERLOADED", "target openai/gpt answered 503");

describe("a call", () => {
  test("that went well moves each of its series once", async () => {
    const of = metrics();
    observe(of.observer, record({ attempts: [attempt(gpt, { usage: { ...usageOf(100, 20), cacheReadTokens: 40, reasoningTokens: 7 } })] }));
    const seen = await scrape(of);
    const at = 'model="gpt",provider="openai"';
    expect(seen.get(`semaroute_calls_total{door="openai",model="gpt",outcome="ok",provider="openai"}`)).toBe(1);
    expect(seen.get(`semaroute_call_duration_seconds_sum{door="openai",${at}}`)).toBeCloseTo(0.101);
    expect(seen.get(`semaroute_first_content_seconds_sum{${at}}`)).toBeCloseTo(0.0505);
    expect(seen.get(`semaroute_overhead_seconds_sum{door="openai"}`)).toBeCloseTo(0.002);
    expect(seen.get(`semaroute_upstream_duration_seconds_sum{${at}}`)).toBeCloseTo(0.099);
    expect(seen.get(`semaroute_attempts_total{kind="primary",model="gpt",outcome="ok",provider="openai"}`)).toBe(1);
    for (const [kind, tokens] of [
      ["input", 100],
      ["output", 20],
      ["cache_read", 40],
      ["reasoning", 7],
    ] as const)
      expect(seen.get(`semaroute_tokens_total{kind="${kind}",${at}}`), kind).toBe(tokens);
    expect(seen.has(`semaroute_tokens_total{kind="cache_write",${at}}`)).toBe(false);
    expect(seen.get(`semaroute_cost_usd_total{${at}}`)).toBeCloseTo(0.0004, 9);
    expect(seen.get(`semaroute_cache_total{result="miss"}`)).toBe(1);
    expect(seen.get(`semaroute_cache_total{result="hit"}`)).toBe(0);
  });

  test("counts again after a scrape, not anew", async () => {
    const of = metrics();
    const series = `semaroute_calls_total{door="openai",model="gpt",outcome="ok",provider="openai"}`;
    observe(of.observer, record());
    observe(of.observer, record());
    expect((await scrape(of)).get(series)).toBe(2);
    expect((await scrape(of)).get(series)).toBe(2);
    observe(of.observer, record());
    expect((await scrape(of)).get(series)).toBe(3);
  });

  test("that failed over is counted for who answered, and the failover for who did not", async () => {
    const of = metrics();
    const attempts = [
      attempt(gpt, { error: failure, won: false }),
      attempt(gpt, { error: failure, won: false, kind: AttemptKind.RETRY }),
      attempt(claude, { kind: AttemptKind.FAILOVER }),
    ];
    observe(of.observer, record({ attempts }));
    const seen = await scrape(of);
    expect(seen.get(`semaroute_calls_total{door="openai",model="claude",outcome="ok",provider="anthropic"}`)).toBe(1);
    expect(seen.get(`semaroute_failovers_total{model="gpt",provider="openai"}`)).toBe(1);
    expect(seen.get(`semaroute_attempts_total{kind="retry",model="gpt",outcome="overloaded",provider="openai"}`)).toBe(1);
    expect(seen.get(`semaroute_attempts_total{kind="failover",model="claude",outcome="ok",provider="anthropic"}`)).toBe(1);
  });

  test("that nothing answered is counted for the target tried last, by its reason", async () => {
    const of = metrics();
    observe(
      of.observer,
      record({ attempts: [attempt(gpt, { error: failure })], source: undefined, firstContentMs: undefined, error: failure }),
    );
    const seen = await scrape(of);
    expect(seen.get(`semaroute_calls_total{door="openai",model="gpt",outcome="overloaded",provider="openai"}`)).toBe(1);
    expect([...seen.keys()].filter((name) => name.startsWith("semaroute_cache_total") && seen.get(name) !== 0)).toEqual([]);
    expect([...seen.keys()].some((name) => name.startsWith("semaroute_first_content_seconds_count"))).toBe(false);
  });

  test("that was refused before any target is counted for none", async () => {
    const of = metrics();
    const error = new ChatError("CALLER_RATE_LIMITED", "too many calls");
    observe(of.observer, record({ call: call({ door: "grpc" }), attempts: [], source: undefined, usage: undefined, error }));
    expect((await scrape(of)).get(`semaroute_calls_total{door="grpc",model="none",outcome="caller_rate_limited",provider="none"}`)).toBe(1);
  });

  test("from the cache uses no tokens and costs nothing", async () => {
    const of = metrics();
    observe(of.observer, record({ attempts: [], source: source([], gpt, CacheStatus.HIT) }));
    const seen = await scrape(of);
    expect(seen.get(`semaroute_cache_total{result="hit"}`)).toBe(1);
    expect([...seen.keys()].filter((name) => /tokens_total|cost|unpriced|attempts/.test(name))).toEqual([]);
  });

  test("is in flight between its beginning and its end", async () => {
    const of = metrics();
    const streaming = record({ call: call({ door: "connect" }) });
    of.observer.began(streaming.call);
    expect((await scrape(of)).get(`semaroute_calls_in_flight{door="connect"}`)).toBe(1);
    of.observer.ended(streaming);
    const seen = await scrape(of);
    for (const door of ["openai", "grpc", "grpc-web", "connect"]) expect(seen.get(`semaroute_calls_in_flight{door="${door}"}`)).toBe(0);
  });

  test("at an unpriced target is unpriced, and not free", async () => {
    const of = metrics();
    const local = { ...gpt, price: undefined };
    observe(of.observer, record({ attempts: [attempt(local, { usage: usageOf(1, 1) }), attempt(local)] }));
    const seen = await scrape(of);
    expect(seen.get(`semaroute_unpriced_calls_total{model="gpt",provider="openai"}`)).toBe(1);
    expect(seen.has(`semaroute_cost_usd_total{model="gpt",provider="openai"}`)).toBe(false);
  });

  test("that skipped a target made no attempt there", async () => {
    const of = metrics();
    const skipped = new ChatError("NO_TARGET", "target openai/gpt is not called", { skipped: "open" });
    observe(of.observer, record({ attempts: [attempt(gpt, { error: skipped }), attempt(claude)] }));
    expect([...(await scrape(of)).keys()].filter((name) => name.startsWith("semaroute_attempts_total"))).toEqual([
      `semaroute_attempts_total{kind="primary",model="claude",outcome="ok",provider="anthropic"}`,
    ]);
  });
});

describe("labels", () => {
  test("names that callers made up never become labels", async () => {
    const of = metrics();
    for (let i = 0; i < 100; i++) observe(of.observer, record({ attempts: [attempt(target("openai", `made-up-${i}`))] }));
    const { body } = await of.render();
    expect(body).not.toContain("made-up");
    expect((await scrape(of)).get(`semaroute_calls_total{door="openai",model="other",outcome="ok",provider="other"}`)).toBe(100);
  });

  test("a target that a reload brought is counted by name from then on, and one that left goes on with its series", async () => {
    const known = new Set<TargetId>();
    const of = metrics({ isKnown: (id) => known.has(id) });
    const series = `semaroute_calls_total{door="openai",model="gpt",outcome="ok",provider="openai"}`;
    observe(of.observer, record());
    expect((await scrape(of)).has(series)).toBe(false);
    known.add(gpt.id);
    observe(of.observer, record());
    known.delete(gpt.id);
    observe(of.observer, record());
    expect((await scrape(of)).get(series)).toBe(2);
  });

  test("prompt, secret, key and tenant of a call do not appear", async () => {
    const of = metrics();
    const error = new ChatError("UPSTREAM_PROTOCOL", `bad: ${canaries[0]}`, { cause: new Error(canaries[1]) });
    observe(of.observer, record({ error, attempts: [attempt(gpt, { error }), attempt(claude, { error, kind: AttemptKind.FAILOVER })] }));
    const { body } = await of.render();
    for (const word of [...canaries, "team-a", "caller-1", "0193-call"]) expect(body).not.toContain(word);
  });
});

const bar = (axis: HealthAxis): TargetBar => ({ $typeName: "semaroute.v1.TargetBar", axis, reason: 0, feature: "" });

describe("a scrape", () => {
  test("reads health, breakers and slots as they are now, and forgets providers that left", async () => {
    let there = true;
    const of = metrics({
      providers: () =>
        there
          ? [
              {
                provider: "a",
                health: HealthStatus.UNHEALTHY,
                inFlight: 3,
                targets: [
                  {
                    model: "m",
                    breaker: BreakerState.OPEN,
                    concurrencyLimit: 81,
                    bars: [bar(HealthAxis.BREAKER), bar(HealthAxis.CREDENTIAL)],
                  },
                ],
              },
              {
                provider: "b",
                health: HealthStatus.DEGRADED,
                inFlight: 0,
                targets: [{ model: "m", breaker: BreakerState.HALF_OPEN, bars: [bar(HealthAxis.RATE_LIMIT), bar(HealthAxis.CAPABILITY)] }],
              },
              {
                provider: "c",
                health: HealthStatus.UNKNOWN,
                inFlight: 0,
                targets: [{ model: "m", breaker: BreakerState.CLOSED, bars: [] }],
              },
              { provider: "d", health: HealthStatus.HEALTHY, inFlight: 0, targets: [] },
            ]
          : [],
    });
    const seen = await scrape(of);
    expect(["a", "b", "c", "d"].map((name) => seen.get(`semaroute_provider_health{provider="${name}"}`))).toEqual([0, 0.5, 1, 1]);
    expect(["a", "b", "c"].map((name) => seen.get(`semaroute_target_breaker_open{model="m",provider="${name}"}`))).toEqual([1, 0.5, 0]);
    expect(seen.get(`semaroute_provider_in_flight{provider="a"}`)).toBe(3);
    expect(seen.get(`semaroute_target_concurrency_limit{model="m",provider="a"}`)).toBe(81);
    const barred = [...seen.keys()].filter((name) => name.startsWith("semaroute_target_barred"));
    expect(
      barred.map((name) =>
        /axis="(\w+)".*provider="(\w)"|provider="(\w)".*axis="(\w+)"/.exec(name)?.slice(1).filter(Boolean).toSorted().join(" "),
      ),
    ).toEqual(["a credential", "b rate_limit", "b capability"]);
    there = false;
    expect([...(await scrape(of)).keys()].filter((name) => /provider_|semaroute_target_/.test(name))).toEqual([]);
  });

  test("tells how full each resource is, what was shed for it, and of bugs", async () => {
    const shed = new Map<Priority, number>([
      [Priority.LOW, 7],
      [Priority.HIGH, 1],
    ]);
    const of = metrics({
      bugs: () => 2,
      pressures: () => ({ event_loop: 0.25, heap: 0.5, memory: 0.75, connections: 1 }),
      shed: (priority) => shed.get(priority) ?? 0,
    });
    const seen = await scrape(of);
    const pressures = ["event_loop", "heap", "memory", "connections"].map((name) => `semaroute_overload_pressure{resource="${name}"}`);
    expect(pressures.map((name) => seen.get(name))).toEqual([0.25, 0.5, 0.75, 1]);
    expect(["low", "normal", "high"].map((word) => seen.get(`semaroute_shed_total{priority="${word}"}`))).toEqual([7, 0, 1]);
    expect(seen.get("semaroute_bugs_total{}")).toBe(2);
    expect((await scrape(of)).get(`semaroute_shed_total{priority="low"}`)).toBe(7);
  });

  test("tells the version, the reloads, lost log lines and the process", async () => {
    const of = metrics({ logLinesDropped: () => 5 });
    of.reloaded("applied");
    of.reloaded("refused");
    of.reloaded("refused");
    const seen = await scrape(of);
    expect(seen.get(`semaroute_build_info{version="1.2.3"}`)).toBe(1);
    expect(["applied", "unchanged", "refused"].map((result) => seen.get(`semaroute_config_reloads_total{result="${result}"}`))).toEqual([
      1, 0, 2,
    ]);
    expect(seen.get("semaroute_log_lines_dropped_total{}")).toBe(5);
    expect((await scrape(of)).get("semaroute_log_lines_dropped_total{}")).toBe(5);
    const { body, contentType } = await of.render();
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(body).toMatch(/^process_resident_memory_bytes \d+/m);
  });

  test("shows how it stands with Redis, and nothing of it where replicas share nothing", async () => {
    let state: RedisState = "up";
    const one = metrics({ shared: () => shared(state) });
    one.redisRan("cache_read", 0.7, undefined);
    one.redisRan("cache_read", 20, "timeout");
    one.sharedCache("hit");
    const seen = await scrape(one);
    expect(seen.get("semaroute_redis_up{}")).toBe(1);
    for (const part of ["cache", "limits", "budgets"]) expect(seen.get(`semaroute_shared_mode{mode="shared",part="${part}"}`)).toBe(1);
    expect(seen.get('semaroute_redis_command_seconds_count{use="cache_read"}')).toBe(2);
    expect(seen.get('semaroute_redis_failures_total{failure="timeout",use="cache_read"}')).toBe(1);
    expect(seen.get('semaroute_cache_shared_total{result="hit"}')).toBe(1);
    state = "silent";
    const later = await scrape(one);
    expect([later.get("semaroute_redis_up{}"), later.get("semaroute_redis_breaker_open{}")]).toEqual([0, 1]);
    for (const part of ["cache", "limits", "budgets"]) {
      expect(later.get(`semaroute_shared_mode{mode="local",part="${part}"}`)).toBe(1);
      expect(later.has(`semaroute_shared_mode{mode="shared",part="${part}"}`)).toBe(false);
    }
    expect([...(await scrape(metrics())).keys()].filter((name) => /redis|shared_mode/.test(name))).toEqual([]);
  });

  test("two sets of metrics live in one process", async () => {
    const [one, two] = [metrics(), metrics()];
    observe(one.observer, record());
    const series = `semaroute_calls_total{door="openai",model="gpt",outcome="ok",provider="openai"}`;
    expect((await scrape(one)).get(series)).toBe(1);
    expect((await scrape(two)).has(series)).toBe(false);
  });

  test("every metric of ours is told of in the documentation, and none that is not there", async () => {
    const page = await readFile(new URL("../../docs/observability.md", import.meta.url), "utf8");
    const documented = new Set([...page.matchAll(/^\| `(semaroute_\w+)`/gm)].map(([, name]) => name));
    const none = (): number => 0;
    const workers = { workers: () => 1, restarts: none, limitRefusals: none, decisionsLost: none, logLinesDropped: none };
    const { body } = await createCommonMetrics({ ...workers, store: () => ({ waits: false, refused: 0 }) }).page([
      await metrics({ shared: () => shared("up") }).report(),
    ]);
    expect(documented).toEqual(new Set([...body.matchAll(/^# TYPE (semaroute_\w+)/gm)].map(([, name]) => name)));
  });
});
