/** Traps in routing and trying again (wire protocols, 8.4), by number: through real sockets. 8.4.9 and 8.4.10 are tests of their own rooms. */
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ChatRequestSchema } from "../../src/core/chat.ts";
import { routerClient } from "../e2e/doors.ts";
import { chunk, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { openTraps, type TrapScene, well } from "./scene.ts";

let scene: TrapScene;
beforeAll(async () => {
  scene = await openTraps({ settings: "timeout: 500ms" });
});
afterAll(() => scene[Symbol.asyncDispose]());

const soon = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const refuses =
  (status: number, error: Readonly<Record<string, unknown>>, headers: Readonly<Record<string, string>> = {}): UpstreamHandler =>
  (reply) =>
    reply.json({ error: { message: "no", type: "server_error", param: null, code: null, ...error } }, status, headers);

describe("8.4.1 two layers that try again", () => {
  test.each([
    { what: "an upstream that is down", play: refuses(500, {}), status: 502, again: "false", wait: null },
    { what: "a credential that is refused", play: refuses(401, { code: "invalid_api_key" }), status: 502, again: "false", wait: null },
    { what: "credit that is used up", play: refuses(429, { code: "insufficient_quota" }), status: 502, again: "false", wait: null },
    {
      what: "an answer that cannot be read",
      play: ((reply) => reply.json([1])) as UpstreamHandler,
      status: 502,
      again: "false",
      wait: null,
    },
    {
      what: "a rate limit",
      play: refuses(429, { code: "rate_limit_exceeded" }, { "retry-after": "7" }),
      status: 429,
      again: null,
      wait: "7",
    },
    {
      what: "an overload",
      play: refuses(503, { code: "server_is_overloaded" }, { "retry-after": "9" }),
      status: 503,
      again: null,
      wait: "9",
    },
    {
      what: "a wait without end, which is cut",
      play: refuses(429, { code: "rate_limit_exceeded" }, { "retry-after": "86400" }),
      status: 429,
      again: null,
      wait: "300",
    },
  ])("8.4.1 $what is $status, and SDKs are told whether to ask again", async ({ play, status, again, wait }) => {
    const told = await scene.ask(play, { stream: false });
    expect([told.status, told.headers.get("x-should-retry"), told.headers.get("retry-after")]).toEqual([status, again, wait]);
  });
});

describe("8.4.2 nobody tries again once content has left", () => {
  const call = { tool_calls: [{ index: 0, id: "x", type: "function", function: { name: "f", arguments: '{"a"' } }] };
  test.each([
    { what: "text", delta: { content: "a" } },
    { what: "reasoning", delta: { reasoning_content: "Hm." } },
    { what: "a refusal", delta: { refusal: "No" } },
    { what: "a tool call", delta: call },
  ])("8.4.2 not after $what", async ({ delta }) => {
    const told = await scene.ask(
      async (reply) => {
        reply.sse().data(chunk(delta));
        await soon(50);
        reply.reset();
      },
      { to: "pair" },
    );
    expect(told).toMatchObject({ status: 200, error: "stream_interrupted", done: false, content: expect.not.stringContaining("well") });
    expect(told.asked).toHaveLength(1);
  });

  test("8.4.2 but after a role, and for whole answers", async () => {
    const role: UpstreamHandler = async (reply) => {
      reply.sse().data(chunk({ role: "assistant", content: "" }));
      await soon(20);
      reply.reset();
    };
    expect(await scene.ask(role, { to: "pair" })).toMatchObject({ content: "well", done: true });
    expect(await scene.ask((reply) => reply.reset(), { to: "pair", stream: false })).toMatchObject({ content: "well" });
  });
});

test("8.4.3 what timed out is not asked again of the same target", async () => {
  const lone = await scene.ask(() => soon(3000), { stream: false });
  expect([lone.status, lone.error, lone.asked.length]).toEqual([504, "upstream_timeout", 1]);
  expect(await scene.ask(() => soon(3000), { to: "pair" })).toMatchObject({ content: "well" });
});

test("8.4.4 one request above a limit per minute is too large, not too early", async () => {
  const message = "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 342389.";
  const told = await scene.ask(refuses(429, { message, type: "tokens", code: "rate_limit_exceeded" }), { stream: false });
  expect(told.asked).toHaveLength(1);
  expect(told.status).toBeOneOf([400, 413]);
  expect(told.headers.get("retry-after")).toBeNull();
});

test("8.4.5 a quota of the day is not waited for", async () => {
  const details = [
    {
      "@type": "type.googleapis.com/google.rpc.QuotaFailure",
      violations: [{ quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier" }],
    },
    { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "2s" },
  ];
  const daily: UpstreamHandler = (reply) =>
    reply.json([{ error: { code: 429, message: "quota", status: "RESOURCE_EXHAUSTED", details } }], 429);
  const startMs = performance.now();
  const told = await scene.ask(daily, { stream: false });
  expect(performance.now() - startMs).toBeLessThan(1500);
  expect([told.status, told.asked.length]).toEqual([429, 1]);
  expect(Number(told.headers.get("retry-after"))).toBeGreaterThan(60);
  expect(await scene.ask(daily, { to: "pair" })).toMatchObject({ content: "well" });
});

test.each([
  { what: "a caller's mistake", play: refuses(400, { type: "invalid_request_error" }), open: false },
  { what: "a rate limit", play: refuses(429, { code: "rate_limit_exceeded" }, { "retry-after-ms": "1" }), open: false },
  { what: "a failure", play: refuses(500, {}), open: true },
])("8.4.6 the breaker counts $what: $open", async ({ play, open }) => {
  const model = scene.play(play, "pair");
  for (let i = 0; i < 8; i++) {
    const body = JSON.stringify({ model, messages: [{ role: "user", content: `q ${i}` }] });
    await (
      await fetch(`${scene.url}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body })
    ).text();
    await soon(5);
  }
  const targets = scene.house.gateway.providers.health("up")?.targets ?? [];
  const found = targets.find((each) => each.model === model);
  // 1 is closed, 3 is open.
  expect(found?.breaker).toBe(open ? 3 : 1);
});

describe("8.4.7 and 8.4.8 sealed state", () => {
  const sealed = "sealed-by-anthropic==";
  const block = { type: "thinking", thinking: "Hm.", signature: sealed };
  const loop = [
    { role: "user", content: "q" },
    {
      role: "assistant",
      content: null,
      thinking_blocks: [block],
      tool_calls: [
        {
          id: "toolu_1",
          type: "function",
          function: { name: "f", arguments: "{}" },
          extra_content: { google: { thought_signature: "sealed-by-google" } },
        },
      ],
    },
    { role: "tool", tool_call_id: "toolu_1", content: "done" },
  ];
  const tools = [{ type: "function", function: { name: "f" } }];
  const answers: UpstreamHandler = (reply) =>
    reply.json({
      id: "m",
      type: "message",
      role: "assistant",
      model: "claude",
      content: [{ type: "text", text: "from claude" }],
      stop_reason: "end_turn",
      usage: { input_tokens: 1, output_tokens: 1 },
    });
  const post = async (house: TrapScene, body: object) => {
    const response = await fetch(`${house.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { headers: response.headers, status: response.status, answer: JSON.parse(await response.text()) };
  };

  test("8.4.7 8.4.8 an open tool loop goes on at its issuer, before a cheaper one, and Explain says why", async () => {
    await using house = await openTraps({ more: "models: {both: {targets: [up/pair-0, claude/claude-sonnet-4-5-1]}}" });
    house.play(well);
    const claude = house.play(answers, "claude");
    const asks = async (messages: readonly object[]) =>
      (await post(house, { model: "both", messages, tools })).answer.choices[0].message.content;
    expect(await asks(loop.slice(0, 1))).toBe("well");
    expect(await asks(loop)).toBe("from claude");
    expect(await asks([...loop, { role: "assistant", content: "so" }, { role: "user", content: "q" }])).toBe("well");
    expect(house.asked(claude)[0]?.body).toMatchObject({ messages: [{}, { content: [block, { type: "tool_use" }] }, {}] });
    expect(JSON.stringify(house.asked(claude)[0]?.body)).not.toContain("sealed-by-google");

    const request = create(ChatRequestSchema, {
      model: "both",
      messages: [
        { role: 2, text: "q" },
        {
          role: 3,
          content: [
            { part: { case: "reasoning", value: { opaque: [{ issuer: "anthropic", kind: "signature", value: sealed }] } } },
            { part: { case: "toolCall", value: { id: "toolu_1", name: "f" } } },
          ],
        },
        { role: 4, content: [{ part: { case: "toolResult", value: { toolCallId: "toolu_1" } } }] },
      ],
    });
    const { candidates } = await routerClient(house.url, "grpc").explain({ request });
    expect(candidates.map(({ provider }) => provider)).toEqual(["claude", "up"]);
    expect(candidates[0]?.terms.map(({ name }) => name)).toContain("reads the open tool loop's anthropic tokens");
  });

  test("8.4.8 elsewhere foreign tokens are stripped, and that is told", async () => {
    const model = scene.play(well);
    const { headers, status } = await post(scene, { model, messages: loop, tools });
    expect(status).toBe(200);
    const sent = JSON.stringify(scene.asked(model)[0]?.body);
    expect(sent).not.toContain("sealed");
    expect(sent).toContain("toolu_1");
    expect(headers.get("x-semaroute-notes")).toBe("dropped:messages[1].content[1].opaque, dropped:messages[1].content[0].reasoning");
  });

  test("8.4.8 2.8.4 a signature that the issuer refuses is left out once, at the same target", async () => {
    let asked = 0;
    const model = scene.play((reply, request, ordinal) => {
      if (asked++ > 0) return answers(reply, request, ordinal);
      return reply.json(
        {
          type: "error",
          error: { type: "invalid_request_error", message: "messages.1.content.0: Invalid `signature` in `thinking` block" },
        },
        400,
      );
    }, "claude");
    scene.house.forget();
    const { status, headers, answer } = await post(scene, { model, messages: loop, tools });
    expect([status, answer.choices?.[0].message.content]).toEqual([200, "from claude"]);
    expect(scene.asked(model).map(({ body }) => JSON.stringify(body).includes(sealed))).toEqual([true, false]);
    expect(headers.get("x-semaroute-attempts")).toBe("2");
    expect(headers.get("x-semaroute-notes")).toContain("dropped:messages.content.reasoning");
    expect(scene.house.records[0]?.attempts).toMatchObject([
      { status: 400, error: { failure: "INVALID_REQUEST" } },
      { status: 200, won: true },
    ]);
  });
});
