/** Gemini behind the running server: a scripted Google on a real socket, asked through REST, gRPC and the official `openai` package. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  completion,
  createGate,
  createUpstream,
  type Upstream,
  type UpstreamHandler,
  type UpstreamRequest,
} from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { mainDoors, refusal, routerClient } from "./doors.ts";

type Fields = Readonly<Record<string, unknown>>;

const usageMetadata = {
  promptTokenCount: 12,
  candidatesTokenCount: 5,
  thoughtsTokenCount: 3,
  cachedContentTokenCount: 8,
  totalTokenCount: 20,
};

function piece(parts: readonly Fields[], finishReason?: string): Fields {
  const candidate = { content: { role: "model", parts }, ...(finishReason !== undefined && { finishReason }), index: 0 };
  return { candidates: [candidate], usageMetadata, modelVersion: "gemini-3-flash-001", responseId: "r-1" };
}

const isStreamed = ({ path }: UpstreamRequest): boolean => path.endsWith(":streamGenerateContent?alt=sse");

/** Says it whole or in pieces, as it was asked for. */
function says(pieces: readonly (readonly Fields[])[]): UpstreamHandler {
  return (reply, request) => {
    if (!isStreamed(request)) return reply.json(piece(pieces.flat(), "STOP"));
    const sse = reply.sse();
    for (const [i, parts] of pieces.entries())
      sse.raw(`data: ${JSON.stringify(piece(parts, i === pieces.length - 1 ? "STOP" : undefined))}\r\n\r\n`);
    sse.end();
  };
}

const open = new AsyncDisposableStack();
let google: Upstream;
let other: Upstream;
let server: ServerProcess;
let plays: UpstreamHandler;

beforeAll(async () => {
  google = open.use(await createUpstream((...all) => plays(...all)));
  other = open.use(await createUpstream((reply) => reply.json(completion("from the other"))));
  server = open.use(
    await startServer(`
health: { probe: none }
cache: { enabled: false }
resilience: { max_attempts: 2, retry: { base_delay: 1ms } }
providers:
  google: { type: gemini, base_url: "${google.url}/v1beta", api_key: g-key-12345678, models: [gemini-3-flash-preview] }
  other: { type: openai_compatible, base_url: "${other.url}/v1", models: [x] }
models: { both: { targets: [google/gemini-3-flash-preview, other/x] } }
routing_policy: { type: failover, config: { primary_provider: google, backup_providers: [other], failover_delay: 1ms } }
`),
  );
});
afterAll(() => open.disposeAsync());

const model = "gemini-3-flash-preview";

function last(): UpstreamRequest {
  const found = google.requests.at(-1);
  if (found === undefined) throw new Error("nothing was asked");
  return found;
}

async function ask(body: Fields): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }> {
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "q" }], ...body }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

describe("a text", () => {
  for (const door of mainDoors) {
    test(`comes through ${door.name}, and is asked for as it is wanted`, async () => {
      plays = says([[{ text: "hm", thought: true }], [{ text: "Hel" }], [{ text: "lo" }, { text: "", thoughtSignature: "s" }]]);
      const answer = await door.ask(server.url, { model });
      expect([door.streamed ? answer.text : "Hello", answer.headers.get("x-semaroute-provider")]).toEqual(["Hello", "google"]);
      expect(last()).toMatchObject({
        method: "POST",
        path: `/v1beta/models/${model}:${door.streamed ? "streamGenerateContent?alt=sse" : "generateContent"}`,
        headers: { "x-goog-api-key": "g-key-12345678" },
        body: { contents: [{ role: "user", parts: [{ text: "hello" }] }] },
      });
      expect(last().headers.authorization).toBeUndefined();
    });
  }

  test("has OpenAI's shape, with inclusive usage", async () => {
    plays = says([[{ text: "hm", thought: true }, { text: "Hello" }]]);
    const { status, text, headers } = await ask({ reasoning_effort: "low", max_completion_tokens: 50, top_p: 0.5 });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      object: "chat.completion",
      choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Hello", reasoning_content: "hm" } }],
      usage: {
        prompt_tokens: 12,
        completion_tokens: 8,
        total_tokens: 20,
        prompt_tokens_details: { cached_tokens: 8 },
        completion_tokens_details: { reasoning_tokens: 3 },
      },
    });
    expect(last().body).toMatchObject({ generationConfig: { topP: 0.5, maxOutputTokens: 50, thinkingConfig: { thinkingLevel: "LOW" } } });
    expect(headers.get("x-semaroute-cost-usd")).toMatch(/^0\.0+\d/);
  });

  test("that Google streams as a list is understood", async () => {
    plays = (reply) => reply.json([piece([{ text: "Hel" }]), piece([{ text: "lo" }], "STOP")]);
    const { text } = await ask({ stream: true });
    expect(text).toContain(`"content":"Hello"`);
    expect(text.trimEnd().endsWith("data: [DONE]")).toBe(true);
  });

  test("through gRPC keeps parts, signatures and Google's own fields", async () => {
    plays = says([
      [
        { text: "hm", thought: true },
        { text: "Hello", thoughtSignature: "s" },
      ],
    ]);
    const { choices, extensionsJson } = await routerClient(server.url, "grpc").chat({ model, messages: [{ role: 2, text: "q" }] });
    expect(choices[0]?.message?.content).toMatchObject([
      { part: { case: "reasoning", value: { text: "hm" } } },
      { part: { case: "text", value: { text: "Hello" } }, opaque: [{ issuer: "google", kind: "thought_signature", value: "s" }] },
    ]);
    expect(extensionsJson["google"]).toBe(`{"responseId":"r-1"}`);
  });

  test("that a filter refuses is content_filter, whole and streamed", async () => {
    const blocked = { promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, usageMetadata: { promptTokenCount: 12, totalTokenCount: 12 } };
    plays = (reply, request) => (isStreamed(request) ? reply.sse().data(blocked).end() : reply.json(blocked));
    expect(JSON.parse((await ask({})).text)).toMatchObject({ choices: [{ finish_reason: "content_filter", message: { content: "" } }] });
    const { text } = await ask({ stream: true });
    expect(text).toContain(`"finish_reason":"content_filter"`);
    expect(text).toContain("data: [DONE]");
  });
});

describe("tools by the official openai package", () => {
  const city = z.object({ city: z.string() });
  const called: unknown[] = [];
  const tools = [
    {
      type: "function" as const,
      function: {
        name: "celsius",
        description: "Temperature of a city",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
        parse: JSON.parse,
        function: (input: unknown) => {
          called.push(input);
          return city.parse(input).city === "Rome" ? "30" : "21";
        },
      },
    },
  ];
  const calls = (of: readonly string[], signed: string): Fields[] =>
    of.map((name, i) => ({
      functionCall: { id: `fc-${name}`, name: "celsius", args: { city: name } },
      ...(i === 0 && { thoughtSignature: signed }),
    }));
  const rounds = [calls(["Paris", "Rome"], "sig1"), calls(["Oslo", "Bonn"], "sig2"), [{ text: "Rome is the warmest" }]];

  for (const stream of [false, true] as const) {
    test(`go two rounds of parallel calls, ${stream ? "streamed" : "whole"}, and the first of each has the word for a lost signature`, async () => {
      called.length = 0;
      const openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any" });
      const from = google.requests.length;
      plays = (reply, request, ordinal) => says([rounds[ordinal - from] ?? []])(reply, request, ordinal);
      const body = { model, messages: [{ role: "user" as const, content: "which is the warmest?" }], tools };
      const runner = stream ? openai.chat.completions.runTools({ ...body, stream }) : openai.chat.completions.runTools(body);
      expect(await runner.finalContent()).toBe("Rome is the warmest");
      expect(called).toEqual(["Paris", "Rome", "Oslo", "Bonn"].map((name) => ({ city: name })));

      // The package makes its messages anew, and leaves out what it does not know.
      const step = (of: readonly string[]) => [
        { role: "model", parts: calls(of, "skip_thought_signature_validator") },
        {
          role: "user",
          parts: of.map((name) => ({
            functionResponse: { id: `fc-${name}`, name: "celsius", response: { output: name === "Rome" ? "30" : "21" } },
          })),
        },
      ];
      expect(last().body).toMatchObject({
        tools: [{ functionDeclarations: [{ name: "celsius", parametersJsonSchema: { type: "object" } }] }],
        contents: [{ role: "user" }, ...step(["Paris", "Rome"]), ...step(["Oslo", "Bonn"])],
      });
    });
  }

  test("go back with their signatures where the message goes back as it came", async () => {
    plays = says([calls(["Paris", "Rome"], "sig1")]);
    const [choice] = JSON.parse((await ask({ tools: [{ type: "function", function: { name: "celsius" } }] })).text).choices;
    expect(choice.finish_reason).toBe("tool_calls");
    const results = ["Paris", "Rome"].map((name) => ({ role: "tool", tool_call_id: `fc-${name}`, content: "21" }));
    await ask({ messages: [{ role: "user", content: "q" }, choice.message, ...results] });
    expect(last().body).toMatchObject({ contents: [{}, { role: "model", parts: calls(["Paris", "Rome"], "sig1") }, {}] });
    const { text } = await ask({ stream: true });
    expect(text).toContain(`"extra_content":{"google":{"thought_signature":"sig1"}}`);
  });

  test("whose history lost its signatures still have the word that Google asks for", async () => {
    plays = says([[{ text: "21" }]]);
    const tool_calls = ["a", "b"].map((id) => ({ id, type: "function", function: { name: "celsius", arguments: "{}" } }));
    const results = ["b", "a"].map((id) => ({ role: "tool", tool_call_id: id, content: id }));
    await ask({ messages: [{ role: "user", content: "q" }, { role: "assistant", content: null, tool_calls }, ...results] });
    expect(last().body).toMatchObject({
      contents: [
        {},
        { parts: [{ functionCall: { id: "a" }, thoughtSignature: "skip_thought_signature_validator" }, { functionCall: { id: "b" } }] },
        { parts: [{ functionResponse: { id: "a" } }, { functionResponse: { id: "b" } }] },
      ],
    });
  });

  test("whose results answer no call are the caller's mistake, and nobody is asked", async () => {
    const from = google.requests.length;
    const { status, text } = await ask({
      messages: [
        { role: "user", content: "q" },
        { role: "tool", tool_call_id: "x", content: "y" },
      ],
    });
    expect([status, JSON.parse(text).error]).toMatchObject([400, { code: "invalid_request" }]);
    expect(google.requests.length).toBe(from);
  });
});

describe("trouble", () => {
  test.each([
    { what: "overload", status: 503, body: { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } } },
    { what: "an empty success", status: 200, body: piece([], "STOP") },
    {
      what: "a quota of the day",
      status: 429,
      body: {
        error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "m", details: [{ violations: [{ quotaId: "RequestsPerDay" }] }] },
      },
    },
  ])("before the first content ($what) is not noticed where another can serve", async ({ status, body }) => {
    plays = (reply, request) => {
      if (status !== 200 || !isStreamed(request)) return reply.json({ ...body, usageMetadata: { promptTokenCount: 1 } }, status);
      reply
        .sse()
        .data({ ...body, usageMetadata: { promptTokenCount: 1 } })
        .end();
    };
    for (const stream of [false, true]) {
      const { headers, text } = await ask({ model: "both", stream });
      expect([headers.get("x-semaroute-provider"), text.includes("from the other")]).toEqual(["other", true]);
    }
    const admin = await fetch(`${server.url}/admin/providers/google/state`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" },
      body: JSON.stringify({ resetBreaker: true }),
    });
    expect(admin.status).toBe(200);
  });

  test("after the first content ends the stream with an error, and no end mark", async () => {
    plays = (reply) =>
      reply
        .sse()
        .data(piece([{ text: "half" }]))
        .end();
    for (const door of mainDoors.filter(({ streamed }) => streamed)) {
      const refused = await refusal(door.ask(server.url, { model }));
      expect([refused.text, refused.word.toUpperCase(), refused.body.includes("[DONE]")]).toEqual(["half", "STREAM_INTERRUPTED", false]);
    }
  });

  test("told in the stream ends it with an error, too", async () => {
    const gate = createGate();
    plays = async (reply) => {
      const sse = reply.sse().data(piece([{ text: "half" }]));
      await gate.opened;
      sse.data({ error: { code: 500, message: "boom", status: "INTERNAL" } }).end();
    };
    const sse = mainDoors.find(({ name }) => name === "SSE");
    const refused = await refusal(Promise.resolve(sse?.ask(server.url, { model, onText: () => gate.open() })));
    expect([refused.text, refused.word, refused.body.includes("[DONE]")]).toEqual(["half", "stream_interrupted", false]);
  });

  test("with our key is the operator's, and the key is not shown", async () => {
    plays = (reply) =>
      reply.json(
        {
          error: {
            code: 400,
            message: "API key not valid: g-key-12345678",
            status: "INVALID_ARGUMENT",
            details: [{ reason: "API_KEY_INVALID" }],
          },
        },
        400,
      );
    await using lone = await startServer(
      `health: {probe: none}\nproviders:\n  google: { type: gemini, base_url: "${google.url}", api_key: g-key-12345678, models: [${model}] }\n`,
    );
    const response = await fetch(`${lone.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, messages: [{ role: "user", content: "q" }] }),
    });
    const text = await response.text();
    expect([response.status, JSON.parse(text).error.code, response.headers.get("x-should-retry")]).toEqual([502, "upstream_auth", "false"]);
    expect(text + JSON.stringify(lone.lines)).not.toContain("g-key-12345678");
  });

  test("a caller who leaves stops the upstream", async () => {
    const gate = createGate();
    const before = google.requests.length;
    plays = async (reply) => {
      reply.sse().data(piece([{ text: "a" }]));
      await gate.opened;
    };
    const leaving = new AbortController();
    const stream = mainDoors.find(({ name }) => name === "SSE");
    const asked = stream?.ask(server.url, { model, signal: leaving.signal, onText: () => leaving.abort() });
    await expect(asked).rejects.toThrow();
    expect(await (await google.request(before)).closed).toBe("cut");
    gate.open();
  });
});

test("a key in the environment enables the provider, and its models are the ones we know", async () => {
  plays = says([[{ text: "Hello" }]]);
  await using lone = await startServer(undefined, {
    GEMINI_API_KEY: "e-key-12345678",
    SEMAROUTE_PROVIDERS_GEMINI_BASE_URL: google.url,
    SEMAROUTE_HEALTH_PROBE: "none",
  });
  const [rest] = mainDoors;
  expect((await rest?.ask(lone.url, { model: "gemini-2.5-flash" }))?.text).toBe("Hello");
  expect(last()).toMatchObject({
    path: "/v1beta/models/gemini-2.5-flash:generateContent",
    headers: { "x-goog-api-key": "e-key-12345678" },
  });
  const { providers } = z.object({ providers: z.record(z.string(), z.unknown()) }).parse(await (await fetch(`${lone.url}/health`)).json());
  expect(Object.keys(providers)).toEqual(["gemini"]);
});
