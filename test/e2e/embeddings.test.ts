/** Embeddings by every door: failover, faults, leaving, deadlines, cache and what is told of them are those of whole chats. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGate, embeddings, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { embedClients, refusal } from "./doors.ts";
import { createScene, expectNothingInFlight, fails, isSilent, type Scene, soon, tracked, until } from "./scene.ts";

const canary = "the heron reads tax law at dusk";
const vector = (values: readonly number[]): UpstreamHandler => {
  return (reply) => reply.json(embeddings([values]));
};
const garbage = (body: unknown): UpstreamHandler => {
  return (reply) => reply.json(body);
};
const resets: UpstreamHandler = (reply) => reply.reset();
const breaksOff: UpstreamHandler = async (reply) => {
  reply.sse({ "content-type": "application/json", "content-length": "500" }).raw(`{"data":[{"embedding":[0.25,`);
  await soon();
  reply.reset();
};

let scene: Scene;
beforeAll(async () => {
  scene = await createScene({ kind: "embedding" });
});
afterAll(() => scene[Symbol.asyncDispose]());

const faults: readonly { readonly what: string; readonly plays: UpstreamHandler; readonly reason: string }[] = [
  { what: "answers 500", plays: fails(500), reason: "UPSTREAM_UNAVAILABLE" },
  { what: "answers 429", plays: fails(429, { "retry-after": "7" }), reason: "RATE_LIMITED" },
  { what: "resets", plays: resets, reason: "UPSTREAM_UNAVAILABLE" },
  { what: "breaks off in its answer", plays: breaksOff, reason: "UPSTREAM_PROTOCOL" },
  { what: "answers with an error in the place of vectors", plays: garbage({ error: { type: "overloaded_error" } }), reason: "OVERLOADED" },
  { what: "answers with too few vectors", plays: garbage(embeddings([])), reason: "UPSTREAM_PROTOCOL" },
  { what: "answers with what is no vector", plays: garbage(embeddings(["%%%"])), reason: "UPSTREAM_PROTOCOL" },
  { what: "answers with a chat", plays: garbage({ choices: [{ message: { content: canary } }] }), reason: "UPSTREAM_PROTOCOL" },
];

describe.each(embedClients)("$name", (door) => {
  const asked = (model: string, more = {}) => door.ask(scene.url, { model, content: canary, ...more });

  for (const { what, plays, reason } of faults) {
    test(`a preferred provider that ${what} is not noticed by the caller`, async () => {
      const part = scene.part(plays, vector([0.5, -1]));
      const { headers, line } = tracked(scene.server);
      const answer = await asked(part.model, { headers });
      expect(answer.text).toBe("[0.5,-1]");
      expect(Object.fromEntries(answer.headers)).toMatchObject({ "x-semaroute-attempts": "2", "x-semaroute-provider": "second" });
      expect(part.asked("second")).toMatchObject([{ path: "/v1/embeddings", body: { input: canary } }]);
      const told = await line();
      expect(told).toMatchObject({
        operation: "embeddings",
        door: door.door,
        provider: "second",
        status: 200,
        attempts: 2,
        input_tokens: 2,
      });
      expect(told["tries"]).toMatchObject([{ target: `first/${part.model}`, reason }, { target: `second/${part.model}` }]);
      const metrics = await scene.metrics();
      expect(metrics.sum("failovers_total", { provider: "first", model: part.model })).toBe(1);
      expect(metrics.sum("tokens_total", { provider: "second", model: part.model, kind: "input" })).toBe(2);
    });
  }

  test("with nobody else to ask the same target is asked again, and the error is the call's", async () => {
    const part = scene.part(fails(500));
    const refused = await refusal(asked(part.model));
    expect(refused.word.toUpperCase()).toBe("UPSTREAM_UNAVAILABLE");
    expect(refused.status).toBe(door.door === "openai" ? 502 : 14);
    expect(part.asked("first")).toHaveLength(3);
    expect(refused.body).not.toContain(canary);
  });

  test("an upstream's own 400 is the caller's, and goes to nobody else", async () => {
    const part = scene.part(fails(400, {}, "dimensions are too many"), vector([1]));
    const refused = await refusal(asked(part.model));
    expect([refused.word.toUpperCase(), part.asked("second").length]).toEqual(["INVALID_REQUEST", 0]);
    expect(refused.body).toContain("dimensions are too many");
  });

  test("a caller who leaves stops the upstream call", async () => {
    const part = scene.part(isSilent);
    const { headers, line } = tracked(scene.server);
    const leaving = new AbortController();
    const asking = asked(part.model, { headers, signal: leaving.signal });
    await until(() => part.asked("first").length === 1, "the upstream is asked");
    const leftMs = performance.now();
    leaving.abort();
    await expect(asking).rejects.toThrow();
    expect(await part.asked("first")[0]?.closed).toBe("cut");
    // 250 ms are promised; a machine that runs all tests at once has other worries.
    expect(performance.now() - leftMs).toBeLessThan(1500);
    expect(await line()).toMatchObject({ reason: "CANCELLED", status: 499, attempts: 1 });
    await expectNothingInFlight(scene);
  });

  test("a deadline is kept, and stops the upstream call", async () => {
    const part = scene.part(isSilent);
    const refused = await refusal(asked(part.model, { headers: { "x-semaroute-timeout-ms": "150" } }));
    expect(refused.word.toUpperCase()).toBe("DEADLINE_EXCEEDED");
    expect(await part.asked("first")[0]?.closed).toBe("cut");
  });

  test("the same again comes from the cache, for nothing", async () => {
    const part = scene.part(vector([0.25]), vector([0.5]));
    const first = await asked(part.model);
    expect(Object.fromEntries(first.headers)).toMatchObject({ "x-semaroute-cache": "miss", "x-semaroute-cost-usd": "0.000002" });
    const second = await asked(part.model);
    expect(second.text).toBe("[0.25]");
    expect(Object.fromEntries(second.headers)).toMatchObject({
      "x-semaroute-cache": "hit",
      "x-semaroute-attempts": "0",
      "x-semaroute-cost-usd": "0",
    });
    await asked(part.model, { content: "something else" });
    await asked(part.model, { headers: { "cache-control": "no-store" } });
    expect(part.asked("first")).toHaveLength(3);
  });

  test("equal calls at the same time are one upstream call", async () => {
    const gate = createGate();
    const part = scene.part(async (reply) => {
      await gate.opened;
      reply.json(embeddings([[0.75]]));
    });
    const asking = [asked(part.model), asked(part.model)];
    await until(async () => (await scene.metrics()).sum("calls_in_flight") === 2, "both calls run");
    gate.open();
    const answers = await Promise.all(asking);
    expect(answers.map(({ text }) => text)).toEqual(["[0.75]", "[0.75]"]);
    expect(part.asked("first")).toHaveLength(1);
  });

  test("a model of the other kind is not found", async () => {
    const part = scene.part(vector([1]), vector([1]));
    const chat = await fetch(`${scene.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: part.model, messages: [{ role: "user", content: "hi" }] }),
    });
    expect([chat.status, await chat.json()]).toMatchObject([404, { error: { code: "model_not_found" } }]);
    const refused = await refusal(asked("openai_compatible"));
    expect(refused.word.toUpperCase()).toBe("MODEL_NOT_FOUND");
    expect(part.asked("first")).toEqual([]);
  });
});

test("five failures open a target's breaker, and embeddings go elsewhere", async () => {
  const part = scene.part(fails(500), vector([1]));
  const [door] = embedClients;
  for (let i = 0; i < 7; i++) await door?.ask(scene.url, { model: part.model, content: `text ${i}` });
  expect([part.asked("first").length, part.asked("second").length]).toEqual([5, 7]);
});

test("nothing that was embedded, nor any of its numbers, is in the log", () => {
  const log = JSON.stringify(scene.server.lines);
  expect(log).not.toContain(canary);
  expect(log).not.toContain("[0.5,-1]");
});

test("a late target loses to a hedge, and is closed", async () => {
  const hedge = "resilience: {hedge: {enabled: true, max_extra_cost_ratio: 1}}\ncache: {enabled: false}";
  await using hedged = await createScene({ kind: "embedding", policy: "cost_based", more: hedge });
  const part = hedged.part(vector([1]), vector([2]));
  const [door] = embedClients;
  for (let i = 0; i < 10; i++) expect((await door?.ask(hedged.url, { model: part.model }))?.text).toBe("[1]");
  part.plays("first", isSilent);
  expect((await door?.ask(hedged.url, { model: part.model }))?.text).toBe("[2]");
  expect(await part.asked("first").at(-1)?.closed).toBe("cut");
  await expectNothingInFlight(hedged);
});
