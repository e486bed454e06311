/** A call whose target is late is sent to a second one; the first content wins, and the loser is closed and accounted for. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunk, completion, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { doorClients } from "./doors.ts";
import { createScene, expectNothingInFlight, fails, isStreamed, says, type Scene, soon, tracked } from "./scene.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await createScene({
    policy: "cost_based",
    more: "resilience: {hedge: {enabled: true, max_extra_cost_ratio: 1}}\ncache: {enabled: false}",
  });
});
afterAll(() => scene[Symbol.asyncDispose]());

/** Answers well so often, and then never. */
function falterAfter(calls: number): UpstreamHandler {
  const well = says("from first");
  let asked = 0;
  return (reply, request, ordinal) => {
    asked += 1;
    if (asked <= calls) return well(reply, request, ordinal);
    if (isStreamed(request)) reply.sse().data(chunk({ role: "assistant", content: "" }));
    return undefined;
  };
}

describe.each(doorClients)("$name", (door) => {
  test("a late target loses to the next, and is closed", async () => {
    // So long that the first has certainly run longer than it ever did.
    const second: UpstreamHandler = async (reply, request, ordinal) => {
      await soon(150);
      return says("from second")(reply, request, ordinal);
    };
    const part = scene.part(falterAfter(10), second);
    for (let i = 0; i < 10; i++) expect((await door.ask(scene.url, { model: part.model })).text).toBe("from first");
    const { headers, line } = tracked(scene.server);
    const answer = await door.ask(scene.url, { model: part.model, headers });
    expect([answer.text, answer.headers.get("x-semaroute-provider")]).toEqual(["from second", "second"]);
    expect(await part.asked("first").at(-1)?.closed).toBe("cut");
    expect([part.asked("first").length, part.asked("second").length]).toEqual([11, 1]);
    expect(await line()).toMatchObject({
      status: 200,
      attempts: 2,
      tries: [
        { target: `first/${part.model}`, reason: "CANCELLED" },
        { target: `second/${part.model}`, status: 200 },
      ],
    });
    const metrics = await scene.metrics();
    expect(metrics.sum("attempts_total", { provider: "second", model: part.model, kind: "hedge", outcome: "ok" })).toBe(1);
    expect(metrics.sum("attempts_total", { provider: "first", model: part.model, kind: "primary", outcome: "cancelled" })).toBe(1);
    await expectNothingInFlight(scene);
    // It was slower than its own 95th percentile: that is a failure, and one alone opens no breaker.
    const health = await scene.adminJson("/admin/providers/first/health");
    expect(JSON.stringify(health)).toContain(part.model);
    expect(health.health[0].targets.find(({ model }: { model: string }) => model === part.model)).toMatchObject({
      breaker: "BREAKER_STATE_CLOSED",
      successRatio: 10 / 11,
    });
  });
});

test("a hedge that fails leaves the call to the first", async () => {
  let release = (): void => {};
  let asked = 0;
  const part = scene.part(
    async (reply, request, ordinal) => {
      asked += 1;
      if (asked === 11) await new Promise<void>((resolve) => (release = resolve));
      await says("from first")(reply, request, ordinal);
    },
    (reply, request, ordinal) => {
      void fails(500)(reply, request, ordinal);
      release();
    },
  );
  const [rest] = doorClients;
  if (rest === undefined) throw new Error("there is a REST door");
  for (let i = 0; i < 10; i++) await rest.ask(scene.url, { model: part.model });
  const answer = await rest.ask(scene.url, { model: part.model });
  expect([answer.text, answer.headers.get("x-semaroute-attempts")]).toEqual(["from first", "2"]);
});

test("without ten answers to compare with nobody is hedged", async () => {
  const part = scene.part(async (reply) => {
    // Much longer than any hedge here has waited: time for one that must not come.
    await new Promise((resolve) => setTimeout(resolve, 150));
    reply.json(completion("late"));
  }, says("never"));
  const [rest] = doorClients;
  expect((await rest?.ask(scene.url, { model: part.model }))?.text).toBe("late");
  expect(part.asked("second")).toEqual([]);
});
