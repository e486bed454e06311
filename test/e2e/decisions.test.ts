import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CacheStatus, ChatRequestSchema, ErrorReason, Role } from "../../src/core/chat.ts";
import { adminClient } from "../support/admin-client.ts";
import { doorClient, doorClients, routerClient } from "./doors.ts";
import { type House, openHouse } from "./house.ts";

const config = `
cache: {mode: on_request}
health: {probe: none}
resilience: {retry: {base_delay: 1ms}}
providers:
  broken: {type: simulated, first_token: 1ms, failure_ratio: 1, models: [{id: both, input_price: 1, output_price: 1}, {id: doomed, input_price: 1, output_price: 1}]}
  good: {type: simulated, first_token: 1ms, tokens_per_second: 100000, models: [{id: both, input_price: 9, output_price: 9}, {id: fine, input_price: 9, output_price: 9}]}
`;
let house: House;
beforeAll(async () => {
  house = await openHouse(config);
});
afterAll(() => house[Symbol.asyncDispose]());

const admin = () => adminClient(house, "admin");
const decisionOf = async (id: string | null | undefined) => (await admin().getDecision({ id: id ?? "" })).decision;

describe("every call leaves a decision", () => {
  test.for(doorClients)("by $name", async (door) => {
    const { headers } = await door.ask(house.url, { model: "fine", content: "the heron reads tax law" });
    const { decisions } = await admin().listDecisions({ model: "fine", pageSize: 1 });
    const [decision] = decisions;
    if (door.name !== "WebSocket") expect(decision?.id).toBe(headers.get("x-semaroute-decision"));
    expect(decision).toMatchObject({
      keyId: "anonymous",
      policyRevision: house.gateway.policies.active().revision,
      streamed: door.streamed,
      errorReason: 0,
      replica: "house",
      attempts: [{ provider: "good", model: "fine", won: true }],
      candidates: [{ provider: "good", rank: 1, excludedBy: "", terms: [{ name: "cost" }, { name: "latency" }, { name: "health" }] }],
    });
    expect(decision?.usage?.costPicoUsd).toBeGreaterThan(0n);
    expect(decision?.firstToken).toBeDefined();
    expect(JSON.stringify(decision, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))).not.toContain("heron");
  });

  test("one that failed over, with both attempts", async () => {
    const { headers } = await doorClient("REST").ask(house.url, { model: "both" });
    const decision = await decisionOf(headers.get("x-semaroute-decision"));
    expect(decision?.attempts.map(({ provider, won }) => [provider, won])).toEqual([
      ["broken", false],
      ["good", true],
    ]);
    const { decisions } = await admin().listDecisions({ retried: true, provider: "broken", model: "both" });
    expect(decisions.map(({ id }) => id)).toEqual([decision?.id]);
  });

  test("one that failed, with its candidates", async () => {
    await doorClient("REST")
      .ask(house.url, { model: "doomed" })
      .catch(() => undefined);
    const { decisions } = await admin().listDecisions({ failed: true, model: "doomed" });
    expect(decisions).toHaveLength(1);
    expect(decisions[0]?.errorReason).not.toBe(ErrorReason.UNSPECIFIED);
    expect(decisions[0]?.candidates).toMatchObject([{ provider: "broken", rank: 1 }]);
  });

  test("one for a model that is not known", async () => {
    await doorClient("REST")
      .ask(house.url, { model: "nope" })
      .catch(() => undefined);
    expect((await admin().listDecisions({ model: "nope" })).decisions).toMatchObject([
      { errorReason: ErrorReason.MODEL_NOT_FOUND, candidates: [] },
    ]);
  });

  test("one that was answered from the cache", async () => {
    const question = { model: "fine", content: "once", headers: { "x-semaroute-cache": "use" } };
    await doorClient("REST").ask(house.url, question);
    const { headers } = await doorClient("REST").ask(house.url, question);
    expect(await decisionOf(headers.get("x-semaroute-decision"))).toMatchObject({ cache: CacheStatus.HIT, attempts: [], candidates: [] });
  });
});

test("Explain answers the same of a call that is not made", async () => {
  const request = create(ChatRequestSchema, { model: "fine", messages: [{ role: Role.USER, text: "Hello" }] });
  const { candidates } = await routerClient(house.url, "grpc").explain({ request });
  const response = await routerClient(house.url, "grpc").chat(request);
  const decision = await decisionOf(response.route?.decisionId);
  const shown = (list: typeof candidates) =>
    list.map(({ provider, upstreamModel, rank, excludedBy, estimatedCostMicroUsd, terms }) => ({
      provider,
      upstreamModel,
      rank,
      excludedBy,
      estimatedCostMicroUsd,
      terms: terms.map(({ name, weight }) => ({ name, weight })),
    }));
  expect(shown(decision?.candidates ?? [])).toEqual(shown(candidates));
});

describe("a list", () => {
  test("comes in pages that neither repeat nor skip, while it grows", async () => {
    for (let each = 0; each < 5; each++) await doorClient("REST").ask(house.url, { model: "good/fine" });
    const first = await admin().listDecisions({ model: "good/fine", pageSize: 2 });
    await doorClient("REST").ask(house.url, { model: "good/fine" });
    const second = await admin().listDecisions({ model: "good/fine", pageSize: 2, pageToken: first.nextPageToken });
    const third = await admin().listDecisions({ model: "good/fine", pageSize: 2, pageToken: second.nextPageToken });
    const ids = [first, second, third].flatMap(({ decisions }) => decisions.map(({ id }) => id));
    expect(new Set(ids).size).toBe(5);
    expect(third.nextPageToken).toBe("");
  });

  test("refuses a token that is not its own", async () => {
    await expect(admin().listDecisions({ pageToken: "x" })).rejects.toThrow("page_token");
  });

  test("is the same by REST, and so is one of them", async () => {
    const get = async (path: string): Promise<{ decisions: { id: string }[] }> =>
      JSON.parse(await (await fetch(`${house.url}${path}`, { headers: { authorization: "Bearer admin" } })).text());
    const { decisions } = await get("/admin/decisions?pageSize=1&model=good/fine");
    expect(decisions).toHaveLength(1);
    expect(await get(`/admin/decisions/${decisions[0]?.id}`)).toEqual({ decision: decisions[0] });
    expect(await get("/admin/decisions/nobody")).toMatchObject({ code: "not_found" });
  });

  test("needs the token, on loopback too", async () => {
    expect((await fetch(`${house.url}/admin/decisions`)).status).toBe(401);
  });
});

test("a watcher sees what it asked for, and leaves nothing behind", async () => {
  const leaving = new AbortController();
  const watch = admin().watchDecisions({ model: "both" }, { signal: leaving.signal });
  const seen = (async () => {
    for await (const { decision, dropped } of watch) return { model: decision?.model, dropped };
    return undefined;
  })();
  // The watch has to have arrived before the call: until it tells, calls go on.
  let told: unknown;
  void seen.then((value) => (told = value));
  await expect
    .poll(async () => {
      await doorClient("REST").ask(house.url, { model: "fine" });
      await doorClient("REST").ask(house.url, { model: "both" });
      return told;
    })
    .toEqual({ model: "both", dropped: 0n });
  leaving.abort();
});
