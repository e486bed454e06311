/** Callers of every kind over Amazon Bedrock: signed requests, binary frames, and what goes wrong with them. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { isJsonObject } from "../../src/core/json-fields.ts";
import {
  type BedrockCall,
  type BedrockHandler,
  converseAnswer,
  createBedrock,
  type ScriptedBedrock,
  streamConverse,
} from "../support/scripted-bedrock.ts";
import { createGate } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { chat, createGrpcClient, type Event, type GrpcClient, refused, textOf } from "./grpc-client.ts";

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const token = "session-token-CANARY==";
const apiKey = "bedrock-api-key-CANARY";
const arn = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
const by = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: secret, sessionToken: token, region: "eu-west-1" };
const user = (content: string) => ({ role: "user", content }) as const;

const open = new AsyncDisposableStack();
let bedrock: ScriptedBedrock;
let keyed: ScriptedBedrock;
let server: ServerProcess;
let openai: OpenAI;
let grpc: GrpcClient;

/** Two calls at first, one more when their results are there, then words. */
const playTools: BedrockHandler = (reply, call) => {
  const results = [...JSON.stringify(call.body).matchAll(/"toolResult"/g)].length;
  const use = (id: string, name: string, input: object) => ({ toolUse: { toolUseId: id, name, input } });
  const content =
    results === 0
      ? [use("tooluse_p", "celsius", { city: "Paris" }), use("tooluse_r", "celsius", { city: "Rome" })]
      : results === 2
        ? [use("tooluse_d", "difference", { of: [21, 30] })]
        : [{ text: "Rome is 9 degrees warmer" }];
  const stopReason = results === 3 ? "end_turn" : "tool_use";
  if (!call.streamed) return reply.json(converseAnswer("", { output: { message: { role: "assistant", content } }, stopReason }));
  const stream = reply.stream().event("messageStart", { role: "assistant" });
  for (const [contentBlockIndex, block] of content.entries()) {
    if ("toolUse" in block) {
      const { input, ...start } = block.toolUse;
      stream.event("contentBlockStart", { contentBlockIndex, start: { toolUse: start } });
      for (const piece of JSON.stringify(input).split(/(?=:)/))
        stream.event("contentBlockDelta", { contentBlockIndex, delta: { toolUse: { input: piece } } });
    } else stream.event("contentBlockDelta", { contentBlockIndex, delta: block });
    stream.event("contentBlockStop", { contentBlockIndex });
  }
  stream
    .event("messageStop", { stopReason })
    .event("metadata", { usage: { inputTokens: 5, outputTokens: 5, totalTokens: 10 } })
    .end();
};

/** Opened once the caller has what came before the trouble. */
let half = createGate();

/** What each model does. */
const plays: Readonly<Record<string, BedrockHandler>> = {
  [arn]: (reply, { streamed }) => (streamed ? streamConverse(reply, ["Bon", "jour"]) : reply.json(converseAnswer("Bonjour"))),
  tools: playTools,
  json: (reply) => reply.json(converseAnswer('{"city":"Paris","celsius":21}')),
  "openai.gpt-oss-120b-1:0": (reply) => reply.json(converseAnswer('{"city":"Paris","celsius":21}')),
  throttled: (reply) => reply.error(429, "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/", "Too many requests"),
  "throttled-alone": (reply) => reply.error(429, "ThrottlingException", "Too many requests", { "retry-after": "60" }),
  "throttled-inside": (reply) => reply.stream().exception("throttlingException", "Too many requests, please wait.").end(),
  // Says back all that it was sent or knows.
  echo: (reply, { headers }) =>
    reply.error(400, "ValidationException", `bad ${headers.authorization} ${token} ${apiKey} ${secret}`, { "x-amzn-requestid": token }),
  expired: (reply) =>
    reply.error(403, "InvalidSignatureException", "Signature expired: 20261130T195000Z is now earlier than 20261130T200500Z", {
      date: new Date(Date.now() + 600_000).toUTCString(),
    }),
  truncated: async (reply) => {
    const stream = reply.stream().event("messageStart", { role: "assistant" });
    stream.event("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Half" } });
    await half.opened;
    stream.end();
  },
  damaged: async (reply) => {
    const stream = reply.stream().event("messageStart", { role: "assistant" });
    stream.event("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Half" } });
    await half.opened;
    stream.raw(Buffer.alloc(64, 7)).end();
  },
  "broken-inside": async (reply) => {
    const stream = reply.stream().event("messageStart", { role: "assistant" });
    stream.event("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Half" } });
    await half.opened;
    stream.exception("modelStreamErrorException", "oh").end();
  },
  endless: (reply) => {
    const stream = reply.stream().event("messageStart", { role: "assistant" });
    stream.event("contentBlockDelta", { contentBlockIndex: 0, delta: { text: "Half" } });
  },
};

const play: BedrockHandler = (reply, call, ordinal) => plays[call.model]?.(reply, call, ordinal);

beforeAll(async () => {
  bedrock = open.use(await createBedrock(by, play));
  keyed = open.use(await createBedrock({ bearer: apiKey }, play));
  const signed = (more: string): string =>
    `{ type: bedrock, region: eu-west-1, base_url: "${bedrock.url}", access_key_id: AKIDEXAMPLE, session_token: "${token}", ${more} }`;
  server = open.use(
    await startServer(
      `
health: { probe: models }
resilience: { retry: { base_delay: 1ms, max_delay: 2ms } }
routing_policy: { type: failover, config: { primary_provider: bedrock, backup_providers: [sim] } }
models:
  claude: { targets: ["bedrock/${arn}"] }
  safe: { targets: [bedrock/throttled, sim/sim-chat] }
  safe-stream: { targets: [bedrock/throttled-inside, sim/sim-chat] }
providers:
  bedrock: ${signed('secret_access_key: "${TEST_SECRET}"')}
  expired: ${signed('secret_access_key: "${TEST_SECRET}"')}
  mistyped: ${signed("secret_access_key: another-secret-CANARY")}
  keyed: { type: bedrock, region: us-east-1, base_url: "${keyed.url}", api_key: "${apiKey}" }
  sim: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
`,
      { TEST_SECRET: secret },
    ),
  );
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any", maxRetries: 0 });
  grpc = open.use(createGrpcClient(server.port, "any"));
});

afterAll(() => open.disposeAsync());

const callsOf = (model: string): readonly BedrockCall[] => bedrock.calls.filter((call) => call.model === model);

describe("a signed call", () => {
  test("is answered whole, by REST", async () => {
    const { data, response } = await openai.chat.completions
      .create({ model: "claude", messages: [user("Salut")], max_tokens: 50 })
      .withResponse();
    expect(data.choices).toMatchObject([{ message: { content: "Bonjour" }, finish_reason: "stop" }]);
    expect(data.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 });
    expect(response.headers.get("x-semaroute-provider")).toBe("bedrock");
    // The family's price: 9 × 3.3 and 5 × 16.5 millionths of a dollar.
    expect(Number(response.headers.get("x-semaroute-cost-usd"))).toBeCloseTo(0.000_112_2, 9);
    const last = callsOf(arn).at(-1);
    expect(last).toMatchObject({
      streamed: false,
      body: { messages: [{ role: "user", content: [{ text: "Salut" }] }], inferenceConfig: { maxTokens: 50 } },
    });
    expect(last?.path).toBe(`/model/${encodeURIComponent(arn)}/converse`);
  });

  test("is streamed, by REST", async () => {
    const stream = await openai.chat.completions.create({
      model: "claude",
      messages: [user("Salut")],
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await Array.fromAsync(stream);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("Bonjour");
    expect(chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual(["stop"]);
    expect(chunks.at(-1)?.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 5 });
    expect(callsOf(arn).at(-1)).toMatchObject({ streamed: true });
  });

  test("is answered and streamed by gRPC, with the route and the upstream's id of the request", async () => {
    const { response } = await grpc.unary("Chat", chat(`bedrock/${arn}`, "Salut"));
    expect(response).toMatchObject({
      choices: [{ message: { text: "Bonjour" }, finishReason: "FINISH_REASON_STOP", nativeFinishReason: "end_turn" }],
      route: { provider: "bedrock", upstreamModel: arn, attempts: [{ upstreamRequestId: "0f1e2d3c-aws" }] },
      extensionsJson: { bedrock: '{"metrics":{"latencyMs":12}}' },
    });
    const { events } = await grpc.stream(chat(`bedrock/${arn}`, "Salut"));
    expect(events.map(textOf).join("")).toBe("Bonjour");
    expect(events.at(-1)).toMatchObject({ completed: { usage: { inputTokens: 9, outputTokens: 5 } } });
  });

  test("needs no probe: nothing was asked but for callers, and nobody was turned away", () => {
    expect(bedrock.turnedAway).toEqual([]);
    expect(bedrock.calls.every(({ path }) => path.startsWith("/model/"))).toBe(true);
  });
});

describe("a key of Bedrock's own", () => {
  test("is a bearer's, and nothing is signed", async () => {
    const answer = await openai.chat.completions.create({ model: `keyed/${arn}`, messages: [user("Salut")] });
    expect(answer.choices[0]?.message.content).toBe("Bonjour");
    expect(keyed.turnedAway).toEqual([]);
  });
});

describe("tools", () => {
  for (const stream of [false, true] as const) {
    test(`runTools goes two rounds, the first with two calls at once, ${stream ? "streamed" : "whole"}`, async () => {
      const called: unknown[] = [];
      const tool = (name: string, run: (input: unknown) => string) => ({
        type: "function" as const,
        function: {
          name,
          description: name,
          parameters: { type: "object", properties: {} },
          parse: JSON.parse,
          function: (input: unknown) => {
            called.push(input);
            return run(input);
          },
        },
      });
      const tools = [
        tool("celsius", (input) => (z.object({ city: z.string() }).parse(input).city === "Rome" ? "30" : "21")),
        tool("difference", () => "9"),
      ];
      const body = { model: "bedrock/tools", messages: [user("compare Paris and Rome")], tools };
      const runner = stream ? openai.chat.completions.runTools({ ...body, stream }) : openai.chat.completions.runTools(body);
      expect(await runner.finalContent()).toBe("Rome is 9 degrees warmer");
      expect(called).toEqual([{ city: "Paris" }, { city: "Rome" }, { of: [21, 30] }]);
      const last = callsOf("tools").at(-1)?.body;
      const messages = isJsonObject(last) ? last["messages"] : undefined;
      expect(messages).toMatchObject([
        { role: "user" },
        { role: "assistant", content: [{ toolUse: { toolUseId: "tooluse_p" } }, { toolUse: { toolUseId: "tooluse_r" } }] },
        { role: "user", content: [{ toolResult: { toolUseId: "tooluse_p" } }, { toolResult: { toolUseId: "tooluse_r" } }] },
        { role: "assistant", content: [{ toolUse: { toolUseId: "tooluse_d" } }] },
        { role: "user", content: [{ toolResult: { toolUseId: "tooluse_d", content: [{ text: "9" }] } }] },
      ]);
    });
  }
});

describe("what a request holds reaches Bedrock:", () => {
  test("an image as its bytes", async () => {
    const url = `data:image/png;base64,${Buffer.from([0x89, 0x50, 0x4e, 0x47]).toString("base64")}`;
    await openai.chat.completions.create({
      model: "claude",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "what is it?" },
            { type: "image_url", image_url: { url } },
          ],
        },
      ],
    });
    expect(callsOf(arn).at(-1)?.body).toMatchObject({
      messages: [{ content: [{ text: "what is it?" }, { image: { format: "png", source: { bytes: "iVBORw==" } } }] }],
    });
  });

  test("an image by URL is refused, for Bedrock fetches none", async () => {
    const content = [{ type: "image_url" as const, image_url: { url: "https://example.com/a.png" } }];
    const asking = openai.chat.completions.create({ model: "claude", messages: [{ role: "user", content }] });
    await expect(asking).rejects.toMatchObject({
      status: 400,
      code: "unsupported_parameter",
      message: expect.stringContaining("fetches no URLs"),
    });
  });

  test("a schema", async () => {
    const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
    const answer = await openai.chat.completions.create({
      model: "bedrock/openai.gpt-oss-120b-1:0",
      messages: [user("the weather")],
      response_format: { type: "json_schema", json_schema: { name: "weather", schema, strict: true } },
    });
    expect(JSON.parse(answer.choices[0]?.message.content ?? "")).toEqual({ city: "Paris", celsius: 21 });
    const body = callsOf("openai.gpt-oss-120b-1:0").at(-1)?.body;
    expect(body).toMatchObject({ outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema: { name: "weather" } } } } });
  });

  test("losses are told", async () => {
    const { response } = await openai.chat.completions
      .create({ model: "claude", messages: [user("hi")], seed: 7, temperature: 1.5 })
      .withResponse();
    expect(response.headers.get("x-semaroute-notes")).toBe("dropped:sampling.seed, clamped:sampling.temperature");
  });
});

describe("what fails at Bedrock", () => {
  test("by throttling is served by the next target, whole and streamed", async () => {
    for (const [model, stream] of [
      ["safe", false],
      ["safe", true],
      ["safe-stream", true],
    ] as const) {
      const answer = await fetch(`${server.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model, stream, messages: [user("say this")] }),
      });
      expect(answer.status).toBe(200);
      expect(answer.headers.get("x-semaroute-provider")).toBe("sim");
      expect(await answer.text()).toContain(stream ? "[DONE]" : "say this");
    }
  });

  test("by throttling alone is a 429", async () => {
    const asking = openai.chat.completions.create({ model: "bedrock/throttled-alone", messages: [user("hi")] });
    await expect(asking).rejects.toMatchObject({ status: 429, code: "upstream_rate_limited" });
  });

  for (const model of ["truncated", "damaged", "broken-inside"]) {
    test(`after content is an error at the end of the stream: ${model}`, async () => {
      half = createGate();
      const answer = await fetch(`${server.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: `bedrock/${model}`, stream: true, messages: [user("hi")] }),
      });
      expect(answer.status).toBe(200);
      let text = "";
      for await (const part of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += part;
        if (text.includes("Half")) half.open();
      }
      expect(text).toContain('"content":"Half"');
      expect(text).toContain('"code":"stream_interrupted"');
      expect(text).not.toContain("[DONE]");
      expect(text).not.toMatch(/"finish_reason":"/);
    });

    test(`after content is a status of the stream by gRPC: ${model}`, async () => {
      half = createGate();
      const call = grpc.startStream(chat(`bedrock/${model}`, "hi"));
      call.on("data", (event: Event) => {
        if (textOf(event) === "Half") half.open();
      });
      const error = await refused(new Promise((resolve, reject) => void call.on("end", resolve).on("error", reject)));
      expect(error.details).toMatch(/broke off/);
    });
  }

  test("because the secret is wrong is the operator's to hear, and tells no secret", async () => {
    const asking = openai.chat.completions.create({ model: "mistyped/tools", messages: [user("hi")] });
    await expect(asking).rejects.toMatchObject({ status: 502, code: "upstream_auth" });
    await asking.catch((error: unknown) => expect(String(error)).toContain("check secret_access_key and region"));
    expect(bedrock.turnedAway.splice(0)).toEqual(["the signature does not match"]);
  });

  test("because of the clock says so", async () => {
    const asking = openai.chat.completions.create({ model: "expired/expired", messages: [user("hi")] });
    await expect(asking).rejects.toMatchObject({
      status: 502,
      message: expect.stringMatching(/check this machine's clock; it is \d+ s behind/),
    });
  });
});

test("an upstream that says our credentials back is not quoted", async () => {
  for (const provider of ["bedrock", "keyed"]) {
    const answer = await fetch(`${server.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: `${provider}/echo`, messages: [user("hi")] }),
    });
    const mine = provider === "bedrock" ? [secret, token, "AKIDEXAMPLE"] : [apiKey];
    const text = await answer.text();
    expect(answer.status).toBe(400);
    expect(text).toContain("bad ");
    for (const each of mine) expect(text + JSON.stringify([...answer.headers])).not.toContain(each);
  }
});

test("a caller who leaves closes the upstream's stream", async () => {
  const leaving = new AbortController();
  const stream = await openai.chat.completions.create(
    { model: "bedrock/endless", messages: [user("hi")], stream: true },
    { signal: leaving.signal },
  );
  for await (const { choices } of stream) if (choices[0]?.delta.content === "Half") leaving.abort();
  expect(await callsOf("endless").at(-1)?.closed).toBe("cut");
});

test("health needs no list call", async () => {
  const health: unknown = await (await fetch(`${server.url}/health`)).json();
  expect(health).toMatchObject({ providers: { bedrock: { breaker: expect.any(String) } } });
});

test("the admin's view names the dialect and where the credential comes from, and no secret", async () => {
  const answer = await fetch(`${server.url}/admin/providers/bedrock`, { headers: { authorization: `Bearer ${server.adminToken}` } });
  const text = await answer.text();
  expect(JSON.parse(text)).toMatchObject({
    provider: { dialect: "PROVIDER_DIALECT_BEDROCK_CONVERSE", baseUrl: bedrock.url, credentialSource: "env:TEST_SECRET" },
  });
  expect(text).not.toMatch(/CANARY|wJalr/);
});

test("no secret is in the log, in metrics or on the standard error", async () => {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const all = [JSON.stringify(server.lines), metrics, server.complaints()].join("\n");
  expect(all).not.toMatch(/CANARY|wJalr/);
  expect(all).not.toContain("Signature=");
});
