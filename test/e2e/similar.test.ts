/** The semantic cache, through the program itself: who gets a similar question's answer, who never does, and what it costs. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  completion,
  createGate,
  createUpstream,
  embeddings,
  streamText,
  type Upstream,
  type UpstreamHandler,
} from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClients } from "./doors.ts";
import { isStreamed, metricsFrom, soon, tracked, until } from "./scene.ts";

/** Directions by what is asked: the first two differ by a cosine of 0.98. */
const directions: Readonly<Record<string, readonly number[]>> = {
  "What is the capital of France?": [1, 0, 0],
  "Tell me France's capital.": [0.98, 0.199, 0],
  "How tall is a giraffe?": [0, 1, 0],
  "Void?": [0, 0, 0],
};
const near = Object.keys(directions).slice(0, 2);

let upstream: Upstream;
let server: ServerProcess;
let embeds: UpstreamHandler;
const embedsWell: UpstreamHandler = (reply, { body }) => {
  const text = JSON.stringify(body);
  const known = Object.keys(directions).find((each) => text.includes(JSON.stringify(each)));
  reply.json(embeddings([directions[known ?? ""] ?? [0, 0, 1]]));
};

beforeAll(async () => {
  upstream = await createUpstream((reply, request, ordinal) => {
    if (request.path === "/v1/embeddings") return embeds(reply, request, ordinal);
    const text = `answer ${ordinal}`;
    return isStreamed(request) ? streamText(reply, ["answer ", String(ordinal)]) : reply.json(completion(text));
  });
  server = await startServer(`
server: {port: 0, drain_timeout: 1s}
health: {probe: none}
auth: {keys: [{name: one, key: sk-one-0123456789}, {name: two, key: sk-two-0123456789}, {name: few, key: sk-few-0123456789, models: [up/chat], limits: {budget_usd: 1}}]}
providers:
  up:
    type: openai_compatible
    base_url: "${upstream.url}/v1"
    models: [{id: chat, input_price: 1, output_price: 1}, {id: vectors, kind: embedding, input_price: 1000000}]
resilience: {retry: {base_delay: 1ms}}
cache: {mode: all, semantic: {enabled: true, model: up/vectors}}
`);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await upstream.close();
});
beforeEach(async () => {
  embeds = embedsWell;
  await admin("/admin/cache/purge", { method: "POST", body: `{"all":true}` });
});

// oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse, and looked at by the matchers.
const adminJson = async (path: string): Promise<any> => (await admin(path)).json();
const admin = (path: string, init: RequestInit = {}) =>
  fetch(`${server.url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${server.adminToken ?? ""}`, "content-type": "application/json" },
  });
const looked = async (result: string): Promise<number> =>
  metricsFrom(await (await fetch(`${server.url}/metrics`)).text()).sum("cache_semantic_total", { result });

interface Asked {
  readonly cache: string | null;
  readonly similarity: string | null;
  readonly notes: string | null;
  readonly attempts: string | null;
  readonly cost: string | null;
  readonly text: string;
}

async function ask(
  content: unknown,
  more: object = {},
  { key = "one", headers = {} }: { readonly key?: string; readonly headers?: Record<string, string> } = {},
): Promise<Asked> {
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer sk-${key}-0123456789`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "up/chat", messages: [{ role: "user", content }], ...more }),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  const header = (name: string) => response.headers.get(`x-semaroute-${name}`);
  return {
    cache: header("cache"),
    similarity: header("similarity"),
    notes: header("notes"),
    attempts: header("attempts"),
    cost: header("cost-usd"),
    text,
  };
}

const contentOf = ({ text }: Asked): unknown => JSON.parse(text).choices[0].message.content;

test("a similar question gets the answer that is known, marked as such, for nothing", async () => {
  const first = await ask(near[0]);
  expect(first).toMatchObject({ cache: "miss", similarity: null, notes: null });
  const hits = await looked("hit");
  const { headers, line } = tracked(server);
  const second = await ask(near[1], {}, { headers });
  expect(second).toMatchObject({ cache: "hit", similarity: "0.9800", notes: "approximated:messages", attempts: "0", cost: "0" });
  expect(contentOf(second)).toBe(contentOf(first));
  expect(await looked("hit")).toBe(hits + 1);
  expect(await line()).toMatchObject({ cache: "hit", similarity: expect.closeTo(0.98, 3), attempts: 0, cost_usd: "0" });
});

test("a stream gets the answer to a similar whole question, and the other way round", async () => {
  await ask(near[0]);
  const streamed = await ask(near[1], { stream: true });
  expect(streamed).toMatchObject({ cache: "hit", similarity: "0.9800" });
  expect(streamed.text).toContain("data: [DONE]");
});

test.each(doorClients)("$name marks a similar question's answer", async (door) => {
  const headers = { authorization: "Bearer sk-one-0123456789" };
  const first = await door.ask(server.url, { model: "up/chat", content: near[0] ?? "", headers });
  const second = await door.ask(server.url, { model: "up/chat", content: near[1] ?? "", headers });
  expect(second.text).toBe(first.text);
  expect(Object.fromEntries(second.headers)).toMatchObject({
    "x-semaroute-cache": "hit",
    "x-semaroute-similarity": "0.9800",
    "x-semaroute-notes": "approximated:messages",
  });
});

test("equal questions at once embed once, and share what comes of it", async () => {
  await ask(near[0]);
  const before = upstream.requests.length;
  const gate = createGate();
  embeds = async (...parts) => {
    await gate.opened;
    await embedsWell(...parts);
  };
  const asked = [ask(near[1]), ask(near[1]), ask(near[1])];
  await until(async () => metricsFrom(await (await fetch(`${server.url}/metrics`)).text()).sum("calls_in_flight") === 3, "all are there");
  gate.open();
  expect((await Promise.all(asked)).map(({ similarity }) => similarity)).toEqual(["0.9800", "0.9800", "0.9800"]);
  expect(upstream.requests).toHaveLength(before + 1);
});

test("the decision tells whose answer it was, and how similar", async () => {
  await ask(near[0]);
  const { headers } = tracked(server);
  await ask(near[1], {}, { headers });
  const { decisions } = await adminJson(`/admin/decisions?requestId=${headers["x-request-id"]}`);
  expect(decisions).toMatchObject([
    { cache: "CACHE_STATUS_HIT", candidates: [{ provider: "up", terms: [{ name: "similarity" }], notes: [{ field: "messages" }] }] },
  ]);
});

test("an equal question is no similar one, and is not embedded", async () => {
  await ask(near[0]);
  const before = upstream.requests.length;
  expect(await ask(near[0])).toMatchObject({ cache: "hit", similarity: null, notes: null });
  expect(upstream.requests).toHaveLength(before);
});

test.for([
  { what: "of another key", more: {}, options: { key: "two" } },
  { what: "with another temperature", more: { temperature: 0.5 } },
  { what: "with another limit", more: { max_tokens: 77 } },
  { what: "with another format", more: { response_format: { type: "json_object" } } },
  { what: "for another model", more: { model: "up/other-chat" } },
])("a similar question $what gets an answer of its own", async ({ more, options }) => {
  await ask(near[0]);
  expect(await ask(near[1], more, options)).toMatchObject({ cache: "miss", similarity: null });
});

test("a question with another number is not similar, however near", async () => {
  embeds = (reply) => reply.json(embeddings([[1, 0, 0]]));
  await ask("What is 12 and 12?");
  expect(await ask("What is 12 and 13?")).toMatchObject({ cache: "miss" });
  expect(await ask("What's 12 and 12?")).toMatchObject({ cache: "hit", similarity: "1.0000" });
});

test("a question that is not similar enough is asked", async () => {
  await ask(near[0]);
  expect(await ask("How tall is a giraffe?")).toMatchObject({ cache: "miss" });
});

test.for([
  { what: "tools", content: near[1], more: { tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }] } },
  {
    what: "an image",
    content: [
      { type: "text", text: near[1] },
      { type: "image_url", image_url: { url: "https://example.com/a.png" } },
    ],
    more: {},
  },
  { what: "several answers", content: near[1], more: { n: 2 } },
  { what: "a field that we do not know", content: near[1], more: { some_vendors_tool: { x: 1 } } },
])("a call with $what is never compared", async ({ content, more }) => {
  const before = upstream.requests.filter(({ path }) => path === "/v1/embeddings").length;
  expect(await ask(content, more)).toMatchObject({ similarity: null });
  expect(upstream.requests.filter(({ path }) => path === "/v1/embeddings")).toHaveLength(before);
});

test.for(["no-store", "no-cache"])("a call that says %s is not compared", async (wish) => {
  await ask(near[0]);
  const before = upstream.requests.length;
  const headers = { "cache-control": wish };
  expect(await ask(near[1], {}, { headers })).toMatchObject({ cache: "bypass", similarity: null });
  expect(upstream.requests.slice(before).map(({ path }) => path)).toEqual(["/v1/chat/completions"]);
});

test("the time of an embedding is an upstream's, not ours", async () => {
  embeds = async (...parts) => {
    await soon(150);
    await embedsWell(...parts);
  };
  for (const question of near) {
    const { headers, line } = tracked(server);
    await ask(question, {}, { headers });
    const { duration_ms: duration, overhead_ms: overhead } = await line();
    expect(Number(duration)).toBeGreaterThan(150);
    expect(Number(overhead)).toBeLessThan(Number(duration) - 145);
  }
});

test("a key whose list has not the embedder is served all the same, and its limits do not hear of it", async () => {
  const before = upstream.requests.length;
  expect(await ask(near[0], {}, { key: "few" })).toMatchObject({ cache: "miss" });
  expect(await ask(near[1], {}, { key: "few" })).toMatchObject({ cache: "hit", similarity: "0.9800" });
  expect(upstream.requests.slice(before).map(({ path }) => path)).toEqual(["/v1/embeddings", "/v1/chat/completions", "/v1/embeddings"]);
  const key = (await adminJson("/admin/keys")).keys.find(({ id }: { id: string }) => id === "cfg_few");
  // What the chat cost, 12 tokens at a dollar a million; an embedding costs two dollars.
  expect(Number(key.spentMicroUsd)).toBe(12);
});

test("a purge of the key takes what is similar with it", async () => {
  await ask(near[0]);
  await admin("/admin/cache/purge", { method: "POST", body: `{"keyId":"cfg_two"}` });
  expect(await ask(near[1])).toMatchObject({ cache: "hit" });
  await admin("/admin/cache/purge", { method: "POST", body: `{"keyId":"cfg_one"}` });
  expect(await ask(near[1])).toMatchObject({ cache: "miss" });
});

test("what embedding costs stands in the ledger under the key, and in the metrics, and is no call of the key's", async () => {
  const usage = async () =>
    (await adminJson("/admin/usage?groupBy=model&keyId=cfg_one")).rows.find(({ group }: { group: string[] }) => group[0] === "vectors");
  const cost = async () => metricsFrom(await (await fetch(`${server.url}/metrics`)).text()).sum("cost_usd_total", { model: "vectors" });
  const [before, spent] = [await usage(), await cost()];
  await ask(near[0]);
  const after = await usage();
  // Two tokens at a dollar.
  expect(Number(after.usage.costMicroUsd) - Number(before?.usage.costMicroUsd ?? 0)).toBe(2_000_000);
  expect((await cost()) - spent).toBeCloseTo(2, 6);
  expect(Number(after.calls)).toBe(0);
});

test("a direction that is none is a failure, and the call goes on", async () => {
  const failed = await looked("failed");
  expect(await ask("Void?")).toMatchObject({ cache: "miss", attempts: "1" });
  expect(await looked("failed")).toBe(failed + 1);
  // Whose turn it is again to be found well.
  await ask(near[0]);
});

test("an embedder that hangs costs a call a third of a second, and five of them are left alone", async () => {
  embeds = () => {};
  const [late, out] = [await looked("timeout"), await looked("left_out")];
  for (let i = 0; i < 5; i++) {
    const startMs = performance.now();
    expect(await ask(`Does number-less question ${"x".repeat(i + 1)} hang?`)).toMatchObject({ cache: "miss" });
    expect(performance.now() - startMs).toBeLessThan(3000);
  }
  expect(await looked("timeout")).toBe(late + 5);
  embeds = embedsWell;
  expect(await ask(near[0])).toMatchObject({ cache: "miss" });
  expect(await ask(near[1])).toMatchObject({ cache: "miss" });
  expect(await looked("left_out")).toBe(out + 2);
  await until(
    async () => metricsFrom(await (await fetch(`${server.url}/metrics`)).text()).sum("calls_in_flight") === 0,
    "no call is in flight",
  );
});
