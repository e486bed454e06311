/** Callers who are in a hurry open nobody's breaker; a target that has fallen silent is found out all the same, and left. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunk, streamText, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { createScene, expectNothingInFlight, isSilent, says, type Scene, soon, until } from "./scene.ts";
import { frame } from "./wire.ts";

let plain: Scene;
let hedged: Scene;
beforeAll(async () => {
  const noCache = "cache: {enabled: false}";
  plain = await createScene({ more: `resilience: {retry: {base_delay: 1ms}, timeouts: {total: 2s}}\n${noCache}` });
  hedged = await createScene({
    more: `resilience: {retry: {base_delay: 1ms}, hedge: {enabled: true, max_extra_cost_ratio: 1}}\n${noCache}`,
  });
});
afterAll(async () => {
  await plain[Symbol.asyncDispose]();
  await hedged[Symbol.asyncDispose]();
});

/** What operators see of the first provider's target. */
async function first(scene: Scene, model: string) {
  const { health } = await scene.adminJson("/admin/providers/first/health");
  return health[0].targets.find((target: { model: string }) => target.model === model) ?? { model, breaker: "untried", successRatio: 1 };
}

/** Statuses of whole calls, one after the other. */
async function ask(scene: Scene, model: string, times: number, headers: Readonly<Record<string, string>> = {}): Promise<number[]> {
  const statuses: number[] = [];
  for (let each = 0; each < times; each += 1) {
    const response = await fetch(`${scene.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }),
    });
    await response.text();
    statuses.push(response.status);
  }
  return statuses;
}

const inHurry = { "x-semaroute-timeout-ms": "100" };

describe("a caller in a hurry", () => {
  test("who wishes for the first token within a millisecond moves on, and opens no breaker", async () => {
    const late: UpstreamHandler = async (reply) => {
      await soon(60);
      streamText(reply, ["late"]);
    };
    const part = plain.part(late, says("quick"));
    const question = JSON.stringify({
      model: part.model,
      messages: [{ role: "ROLE_USER", text: "hi" }],
      routing: { firstTokenTimeout: "0.001s" },
    });
    for (let each = 0; each < 8; each += 1) {
      const response = await fetch(`${plain.url}/semaroute.v1.RouterService/StreamChat`, {
        method: "POST",
        headers: { "content-type": "application/connect+json" },
        body: new Uint8Array(frame(question)),
      });
      await response.arrayBuffer();
    }
    const tried = { provider: "first", model: part.model, kind: "primary" };
    expect((await plain.metrics()).sum("attempts_total", tried)).toBe(8);
    expect(await first(plain, part.model)).toMatchObject({ successRatio: 1 });
    expect((await first(plain, part.model)).breaker).not.toBe("BREAKER_STATE_OPEN");
  });

  test("whose deadline a target does not meet that mostly takes longer opens no breaker", async () => {
    const slow: UpstreamHandler = async (reply, request, ordinal) => {
      await soon(160);
      await says("slow")(reply, request, ordinal);
    };
    const part = plain.part(slow, says("quick"));
    await ask(plain, part.model, 10);
    expect(await ask(plain, part.model, 6, inHurry)).toEqual(Array(6).fill(504));
    expect(part.asked("second")).toEqual([]);
    expect(await first(plain, part.model)).toMatchObject({ breaker: "BREAKER_STATE_CLOSED", successRatio: 1 });
  });

  test("finds out a target that answered well, and has fallen silent: after five the next one is asked", async () => {
    const part = plain.part(says("well"), says("from second"));
    expect(await ask(plain, part.model, 12)).toEqual(Array(12).fill(200));
    part.plays("first", isSilent);
    const statuses = await ask(plain, part.model, 10, inHurry);
    expect(statuses).toEqual([...Array(5).fill(504), ...Array(5).fill(200)]);
    expect(await first(plain, part.model)).toMatchObject({ breaker: "BREAKER_STATE_OPEN" });
    expect([part.asked("first").length, part.asked("second").length]).toEqual([17, 5]);
  });
});

test("hedges that answer in the place of a silent target find it out: calls stop waiting for it", async () => {
  const part = hedged.part(says("well"), says("from second"));
  expect(await ask(hedged, part.model, 12)).toEqual(Array(12).fill(200));
  part.plays("first", isSilent);
  expect(await ask(hedged, part.model, 12)).toEqual(Array(12).fill(200));
  expect(await first(hedged, part.model)).toMatchObject({ breaker: "BREAKER_STATE_OPEN" });
  // One more than the breaker needs, at most: the last loser may still be on its way out.
  expect(part.asked("first").length).toBeLessThanOrEqual(12 + 6);
  await expectNothingInFlight(hedged);
});

test("a reader that has stopped reading holds no slot once the call's time is over, and says nothing about its target", async () => {
  const pours: UpstreamHandler = async (reply, request) => {
    const sse = reply.sse();
    const caller = { isThere: true };
    void request.closed.then(() => (caller.isThere = false));
    for (let each = 0; caller.isThere && each < 4000; each += 1) {
      sse.data(chunk({ content: "x".repeat(8192) }));
      if (each % 50 === 0) await soon(1);
    }
  };
  const part = plain.part(pours);
  const held = async (): Promise<number> => (await plain.metrics()).sum("provider_in_flight");
  const leave = new AbortController();
  const responses = await Promise.all(
    Array.from({ length: 5 }, () =>
      fetch(`${plain.url}/v1/chat/completions`, {
        method: "POST",
        signal: leave.signal,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: part.model, stream: true, messages: [{ role: "user", content: "hi" }] }),
      }),
    ),
  );
  expect(responses.map(({ status }) => status)).toEqual(Array(5).fill(200));
  expect(await held()).toBe(5);
  await until(async () => (await held()) === 0, "the slots are free", 10_000);
  expect(await Promise.all(part.asked("first").map(({ closed }) => closed))).toEqual(Array(5).fill("cut"));
  expect(await first(plain, part.model.slice("first/".length))).toMatchObject({ breaker: "BREAKER_STATE_CLOSED", successRatio: 1 });
  leave.abort();
});
