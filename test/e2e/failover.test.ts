/** A call that any healthy target can serve is served: failover is invisible until the first content has been sent. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createUpstream, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { startServer } from "../support/server.ts";
import { doorClients, mainDoors, refusal, routerClient } from "./doors.ts";
import { breaksOff, breaksOffInContent, createScene, fails, type Part, says, type Scene, soon, tracked } from "./scene.ts";

const failures: readonly { readonly what: string; readonly plays: UpstreamHandler; readonly reason: string; readonly status: number }[] = [
  { what: "breaks off before the first content", plays: breaksOff, reason: "UPSTREAM_UNAVAILABLE", status: 0 },
  { what: "answers 500", plays: fails(500), reason: "UPSTREAM_UNAVAILABLE", status: 500 },
  { what: "answers 429 with retry-after", plays: fails(429, { "retry-after": "7" }), reason: "RATE_LIMITED", status: 429 },
  // A 401 would put out all of the provider's targets, and each test has its own.
  { what: "answers 403", plays: fails(403), reason: "UPSTREAM_AUTH", status: 403 },
];

describe.concurrent.each(["failover", "cost_based"] as const)("under %s", (policy) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await createScene({ policy });
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  for (const door of mainDoors) {
    for (const { what, plays, reason, status } of failures) {
      test(`${door.name}: a preferred provider that ${what} is not noticed by the caller`, async () => {
        const part = scene.part(plays, says("from ", "second"));
        const { headers, line } = tracked(scene.server);
        const answer = await door.ask(scene.url, { model: part.model, headers });
        expect(answer.text).toBe("from second");
        expect(Object.fromEntries(answer.headers)).toMatchObject({ "x-semaroute-attempts": "2", "x-semaroute-provider": "second" });
        expect([part.asked("first").length, part.asked("second").length]).toEqual([1, 1]);

        expect(await line()).toMatchObject({
          level: "info",
          door: door.door,
          provider: "second",
          status: 200,
          attempts: 2,
          tries: [
            { target: `first/${part.model}`, reason, ...(status !== 0 && { status }) },
            { target: `second/${part.model}`, status: 200 },
          ],
        });
        const metrics = await scene.metrics();
        const first = { provider: "first", model: part.model };
        expect(metrics.sum("failovers_total", first)).toBe(1);
        expect(metrics.sum("attempts_total", { ...first, kind: "primary", outcome: reason.toLowerCase() })).toBe(1);
        expect(metrics.sum("attempts_total", { provider: "second", model: part.model, kind: "failover", outcome: "ok" })).toBe(1);
      });
    }

    if (door.streamed) {
      test(`${door.name}: after the first content the stream ends with an error, and nobody else is asked`, async () => {
        const part = scene.part(breaksOffInContent, says("never"));
        const { headers, line } = tracked(scene.server);
        const refused = await refusal(door.ask(scene.url, { model: part.model, headers }));
        expect(refused.text).toBe("half");
        expect(refused.word.toUpperCase()).toBe("STREAM_INTERRUPTED");
        expect(refused.status).toBe(door.rest ? 200 : 14);
        expect(refused.body).not.toContain("[DONE]");
        expect(part.asked("second")).toEqual([]);
        expect(await line()).toMatchObject({ level: "warn", reason: "STREAM_INTERRUPTED", provider: "first", attempts: 1 });
      });
    }
  }

  test("a killed upstream is gone between two calls by each door, and no caller notices", async () => {
    const dying = await createUpstream(says("from first"));
    await using living = await createUpstream(says("from second"));
    const ids = doorClients.map((_, i) => `m${i}`).join(", ");
    await using server = await startServer(`
server: {port: 0}
health: {probe: none}
routing_policy: ${policy === "failover" ? "{type: failover, config: {primary_provider: first, backup_providers: [second]}}" : "{type: cost_based}"}
providers:
  first: {type: openai_compatible, base_url: "${dying.url}/v1", models: [${ids}]}
  second: {type: openai_compatible, base_url: "${living.url}/v1", models: [${ids}]}
`);
    const ask = (i: number) => doorClients[i]?.ask(server.url, { model: `m${i}` });
    for (const i of doorClients.keys()) expect((await ask(i))?.text).toBe("from first");
    await dying.close();
    for (const i of doorClients.keys()) {
      const answer = await ask(i);
      expect(answer?.text).toBe("from second");
      expect(answer?.headers.get("x-semaroute-attempts")).toBe("2");
    }
  });
});

describe("what operators see", () => {
  let scene: Scene;
  beforeAll(async () => {
    const breaker = "circuit_breaker: {consecutive_failures: 5, open: 600ms, max_open: 600ms}";
    scene = await createScene({ policy: "cost_based", more: `resilience: {retry: {base_delay: 1ms}, ${breaker}}` });
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  const explained = async ({ model }: Part) => {
    const { candidates } = await routerClient(scene.url, "grpc").explain({ request: { model } });
    return candidates.map(({ provider, rank, excludedBy }) => ({ provider, rank, excludedBy }));
  };
  const breakerOf = async (provider: string, { model }: Part) => {
    const { health } = await scene.adminJson(`/admin/providers/${provider}/health`);
    return health[0].targets.find((target: { model: string }) => target.model === model)?.breaker;
  };

  test("after five failures in a row the breaker opens, the dead upstream is left alone, and one trial closes it", async () => {
    const part = scene.part(fails(500), says("from second"));
    const ask = async () => (await mainDoors[0]?.ask(scene.url, { model: part.model }))?.headers.get("x-semaroute-attempts");
    expect(await explained(part)).toEqual([
      { provider: "first", rank: 1, excludedBy: "" },
      { provider: "second", rank: 2, excludedBy: "" },
    ]);
    for (let i = 0; i < 5; i++) expect(await ask()).toBe("2");
    expect(await breakerOf("first", part)).toBe("BREAKER_STATE_OPEN");
    expect(await ask()).toBe("1");
    expect(part.asked("first")).toHaveLength(5);
    expect(await explained(part)).toEqual([
      { provider: "second", rank: 1, excludedBy: "" },
      { provider: "first", rank: 0, excludedBy: "breaker open" },
    ]);
    const { providers } = await scene.adminJson("/health");
    expect(providers.first.breaker).toBe("open");
    expect((await scene.metrics()).sum("target_breaker_open", { provider: "first", model: part.model })).toBe(1);

    part.plays("first", says("from first"));
    let text: string | undefined;
    for (let i = 0; i < 400 && text !== "from first"; i++) {
      text = (await mainDoors[0]?.ask(scene.url, { model: part.model }))?.text;
      await soon(5);
    }
    expect(text).toBe("from first");
    expect(await breakerOf("first", part)).toBe("BREAKER_STATE_CLOSED");
    expect((await scene.metrics()).sum("target_breaker_open", { provider: "first", model: part.model })).toBe(0);
  });

  test("a provider's health names its last error, and none of its words about the request", async () => {
    const part = scene.part(fails(403, {}, "key sk-canary is wrong"), says("from second"));
    await mainDoors[0]?.ask(scene.url, { model: part.model });
    const { health } = await scene.adminJson("/admin/providers/first/health");
    expect(health[0]).toMatchObject({ provider: "first", lastErrorReason: "ERROR_REASON_UPSTREAM_AUTH" });
    expect(JSON.stringify(health)).not.toContain("sk-canary");
    expect(await explained(part)).toContainEqual({ provider: "first", rank: 0, excludedBy: "credential refused" });
  });
});

test("a target whose key is refused is asked once, is told of in one line, and comes back by an operator's word", async () => {
  await using scene = await createScene();
  const part = scene.part(fails(401), says("from second"));
  const ask = async () => (await mainDoors[0]?.ask(scene.url, { model: part.model }))?.text;
  for (let i = 0; i < 5; i++) expect(await ask()).toBe("from second");
  expect(part.asked("first").length).toBe(1);
  const { health } = await scene.adminJson("/admin/providers/first/health");
  expect(
    health[0].targets.map(({ bars }: { bars: { axis: string; reason: string }[] }) => bars.map(({ axis, reason }) => [axis, reason])),
  ).toContainEqual([["HEALTH_AXIS_CREDENTIAL", "ERROR_REASON_UPSTREAM_AUTH"]]);
  part.plays("first", says("from first"));
  const body = JSON.stringify({ resetBreaker: true });
  await scene.admin("/admin/providers/first/state", { method: "POST", body, headers: { "content-type": "application/json" } });
  expect(await ask()).toBe("from first");
  // A line, and not one for each call.
  await scene.server.logged(({ message }) => message === "provider credential is taken again");
  const told = scene.server.lines.filter(({ message }) => String(message).startsWith("provider credential"));
  expect(told.map(({ message, level, target }) => [level, message, target])).toEqual([
    ["warn", "provider credential is refused", `first/${part.model}`],
    ["info", "provider credential is taken again", `first/${part.model}`],
  ]);
});
