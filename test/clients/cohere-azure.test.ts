/** Cohere and Azure OpenAI through the running server: the official `openai` package, a gRPC client, and what goes wrong. */
import { LLMock } from "@copilotkit/aimock";
import { status } from "@grpc/grpc-js";
import OpenAI, { APIError } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  chunk,
  completion,
  createGate,
  createUpstream,
  type Gate,
  type Upstream,
  type UpstreamHandler,
  usageChunk,
} from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { chat, createGrpcClient, type GrpcClient, refused, textOf } from "./grpc-client.ts";

const prompt = "say this just as it stands";
const user = (content: string) => ({ role: "user", content }) as const;
const weather = z.object({ city: z.string(), celsius: z.int() });

const open = new AsyncDisposableStack();
let mock: LLMock;
let first: Upstream;
let second: Upstream;
let server: ServerProcess;
let openai: OpenAI;
let grpc: GrpcClient;
/** What the two scripted upstreams do next. */
const plays: { first: UpstreamHandler; second: UpstreamHandler } = { first: () => {}, second: () => {} };

beforeAll(async () => {
  mock = new LLMock({ port: 0, chunkSize: 7 });
  const usage = { prompt_tokens: 9, completion_tokens: 5 };
  mock.onMessage(prompt, { content: prompt, usage });
  mock.onMessage("as json", { content: '{"city":"Paris","celsius":21}', usage });
  const round = (results: number) => (request: { messages: readonly { role: string }[] }) =>
    request.messages.filter(({ role }) => role === "tool").length === results;
  const calls = ["Paris", "Rome"].map((city) => ({ id: `call_${city}`, name: "celsius", arguments: JSON.stringify({ city }) }));
  mock.on({ userMessage: "compare", predicate: round(0) }, { toolCalls: calls });
  mock.on({ userMessage: "compare", predicate: round(2) }, { content: "Rome is 9 degrees warmer" });
  await mock.start();
  open.defer(() => mock.stop());
  first = open.use(await createUpstream((...args) => plays.first(...args)));
  second = open.use(await createUpstream((...args) => plays.second(...args)));
  server = open.use(
    await startServer(`
health: { probe: none }
resilience: { retry: { base_delay: 1ms } }
routing_policy: { type: failover, config: { primary_provider: first, backup_providers: [second], failover_delay: 1ms } }
models:
  either: { targets: [first/command-a-03-2025, second/gpt-4o] }
providers:
  command: { type: cohere, base_url: "${mock.url}", api_key: test, models: [command-a-03-2025] }
  azure: { type: azure_openai, base_url: "${mock.url}", api_key: test, api_version: "2024-10-21", models: [{ id: gpt-4o, upstream: prod-4o }] }
  first: { type: cohere, base_url: "${first.url}/v2", api_key: test-first, models: [command-a-03-2025] }
  second: { type: azure_openai, base_url: "${second.url}", api_key: test-second, models: [{ id: gpt-4o, upstream: prod }] }
`),
  );
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any", maxRetries: 0 });
  const channel = createGrpcClient(server.port, "any");
  open.defer(() => channel[Symbol.dispose]());
  grpc = channel;
});

afterAll(() => open.disposeAsync());

describe.each(["command/command-a-03-2025", "azure/gpt-4o"])("the openai package over %s", (model) => {
  test("creates an answer, with its usage", async () => {
    const answer = await openai.chat.completions.create({ model, messages: [user(prompt)] });
    expect(answer.choices).toMatchObject([{ index: 0, finish_reason: "stop", message: { role: "assistant", content: prompt } }]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 });
  });

  test("streams one, and folds it", async () => {
    const stream = openai.chat.completions.stream({ model, messages: [user(prompt)], stream_options: { include_usage: true } });
    const deltas: string[] = [];
    stream.on("content", (delta) => deltas.push(delta));
    const { choices, usage } = await stream.finalChatCompletion();
    expect(choices).toMatchObject([{ message: { content: prompt }, finish_reason: "stop" }]);
    expect(deltas.length).toBeGreaterThan(1);
    expect(usage).toMatchObject({ total_tokens: 14 });
  });

  test("parses a schema's object", async () => {
    const response_format = zodResponseFormat(weather, "weather");
    const answer = await openai.chat.completions.parse({ model, messages: [user("the weather as json")], response_format });
    expect(answer.choices[0]?.message.parsed).toEqual({ city: "Paris", celsius: 21 });
  });

  test.each([false, true])("runs two tools at once, and answers with what they found; streamed: %s", async (stream) => {
    const called: unknown[] = [];
    const celsius = {
      type: "function" as const,
      function: {
        name: "celsius",
        description: "Temperature of a city",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
        parse: JSON.parse,
        function: (input: unknown) => {
          called.push(input);
          return "21";
        },
      },
    };
    const body = { model, messages: [user("compare Paris and Rome")], tools: [celsius] };
    const runner = stream ? openai.chat.completions.runTools({ ...body, stream }) : openai.chat.completions.runTools(body);
    expect(await runner.finalContent()).toBe("Rome is 9 degrees warmer");
    expect(called).toEqual([{ city: "Paris" }, { city: "Rome" }]);
  });

  test("is one of many: a gRPC client reads the same, whole and streamed", async () => {
    expect((await grpc.unary("Chat", chat(model, prompt))).response).toMatchObject({
      choices: [{ message: { text: prompt }, finishReason: "FINISH_REASON_STOP" }],
      usage: { inputTokens: 9, totalTokens: 14 },
    });
    const { events } = await grpc.stream(chat(model, prompt));
    expect(events.map(textOf).join("")).toBe(prompt);
    expect(events.at(-1)).toHaveProperty("completed");
  });
});

const cohereEvents = (...words: readonly string[]) => [
  { type: "message-start", id: "x", delta: { message: { role: "assistant" } } },
  { type: "content-start", index: 0, delta: { message: { content: { type: "text", text: "" } } } },
  ...words.map((text) => ({ type: "content-delta", index: 0, delta: { message: { content: { text } } } })),
];
const cohereEnd = {
  type: "message-end",
  delta: {
    finish_reason: "COMPLETE",
    usage: { tokens: { input_tokens: 9, output_tokens: 2 }, billed_units: { input_tokens: 1, output_tokens: 2 } },
  },
};
const cohereWhole = (text: string) => ({
  id: "x",
  finish_reason: "COMPLETE",
  message: { role: "assistant", content: [{ type: "text", text }] },
  usage: cohereEnd.delta.usage,
});

/** As a vendor that works. */
const cohereWorks: UpstreamHandler = (reply, { body }) => {
  if (!JSON.stringify(body).includes('"stream":true')) return reply.json(cohereWhole("Hello"));
  const sse = reply.sse();
  for (const event of [...cohereEvents("Hel", "lo"), cohereEnd]) sse.data(event, event.type);
  return sse.end();
};
const azureWorks: UpstreamHandler = (reply, { body }) => {
  if (!JSON.stringify(body).includes('"stream":true')) return reply.json(completion("Hello"), 200, { "apim-request-id": "apim-1" });
  const filters = { choices: [], created: 0, id: "", model: "", object: "", prompt_filter_results: [{ prompt_index: 0 }] };
  reply
    .sse()
    .data(filters)
    .data(chunk({ role: "assistant", content: "" }))
    .data(chunk({ content: "Hello" }))
    .data(chunk({}, "stop"))
    .data(usageChunk(9, 2))
    .done();
};

describe.each([false, true])("where Cohere answers 503, streamed: %s", (stream) => {
  test("Azure serves the call", async () => {
    plays.first = (reply) => reply.json({ id: "x", message: "the service is overloaded" }, 503);
    plays.second = azureWorks;
    const { data, response } = await openai.chat.completions.create({ model: "either", messages: [user("hi")], stream }).withResponse();
    const text =
      Symbol.asyncIterator in data
        ? (await Array.fromAsync(data)).map(({ choices }) => choices[0]?.delta.content ?? "").join("")
        : data.choices[0]?.message.content;
    expect(text).toBe("Hello");
    expect(response.headers.get("x-semaroute-provider")).toBe("second");
    expect(Number(response.headers.get("x-semaroute-attempts"))).toBeGreaterThan(1);
    expect(first.requests.at(-1)).toMatchObject({ path: "/v2/chat", headers: { authorization: "Bearer test-first" } });
    expect(second.requests.at(-1)).toMatchObject({
      path: "/openai/v1/chat/completions",
      headers: { "api-key": "test-second" },
      body: { model: "prod" },
    });
  });
});

test("where Azure answers 503, Cohere serves the call", async () => {
  plays.first = cohereWorks;
  plays.second = (reply) => reply.error(503);
  const answer = await openai.chat.completions.create({ model: "first/command-a-03-2025", messages: [user("hi")] });
  expect(answer.choices[0]?.message.content).toBe("Hello");
  await expect(openai.chat.completions.create({ model: "second/gpt-4o", messages: [user("hi")] })).rejects.toMatchObject({ status: 503 });
});

/** What comes before the caller has read the first words, and what comes then. */
const breaks: readonly { readonly model: string; readonly what: string; readonly words: object[]; readonly end: object[] }[] = [
  { model: "first/command-a-03-2025", what: "is cut", words: cohereEvents("half"), end: [] },
  {
    model: "first/command-a-03-2025",
    what: "ends in an error of its own",
    words: cohereEvents("half"),
    end: [{ type: "message-end", delta: { finish_reason: "ERROR", error: "internal" } }],
  },
  { model: "second/gpt-4o", what: "is cut", words: [chunk({ role: "assistant", content: "half" })], end: [] },
  {
    model: "second/gpt-4o",
    what: "ends in an error",
    words: [chunk({ role: "assistant", content: "half" })],
    end: [{ error: { code: "500", message: "internal" } }],
  },
];

describe.each(breaks)("a stream of $model that $what after its first words", ({ model, words, end }) => {
  /** Plays it; the gate is opened by who has read the words. */
  const play = (): Gate => {
    const gate = createGate();
    plays[model.startsWith("first") ? "first" : "second"] = async (reply) => {
      const sse = reply.sse();
      for (const event of words) sse.data(event);
      await gate.opened;
      for (const event of end) sse.data(event);
      sse.end();
    };
    return gate;
  };

  test("gives the caller its words, then an error, and no end", async () => {
    const gate = play();
    const body = JSON.stringify({ model, messages: [user("hi")], stream: true });
    const answer = await fetch(`${server.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    let text = "";
    for await (const piece of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += piece;
      if (text.includes('"content":"half"')) gate.open();
    }
    expect(text).toContain('"code":"stream_interrupted"');
    expect(text).not.toContain("[DONE]");
    expect(text).not.toMatch(/"finish_reason":"/);
  });

  test("is UNAVAILABLE by gRPC", async () => {
    const gate = play();
    const reading = async (): Promise<void> => {
      for await (const event of grpc.startStream(chat(model, "hi"))) if (textOf(event) === "half") gate.open();
    };
    expect(await refused(reading())).toMatchObject({ code: status.UNAVAILABLE, message: expect.stringContaining("broke off") });
  });
});

test.each(["first/command-a-03-2025", "second/gpt-4o"])("who leaves %s stops the upstream's work", async (model) => {
  const side = model.startsWith("first") ? "first" : "second";
  const upstream = { first, second }[side];
  plays[side] = (reply) => {
    const sse = reply.sse();
    if (side === "first") for (const event of cohereEvents("a")) sse.data(event, event.type);
    else sse.data(chunk({ role: "assistant", content: "a" }));
  };
  const ordinal = upstream.requests.length;
  for await (const _ of await openai.chat.completions.create({ model, messages: [user("hi")], stream: true })) break;
  expect(await (await upstream.request(ordinal)).closed).toBe("cut");
});

test("a refusal of Azure's filters is told as such, and not tried elsewhere", async () => {
  plays.second = (reply) =>
    reply.json(
      {
        error: {
          message: "The response was filtered due to the prompt",
          param: "prompt",
          code: "content_filter",
          innererror: { code: "ResponsibleAIPolicyViolation" },
        },
      },
      400,
    );
  const error = await openai.chat.completions.create({ model: "second/gpt-4o", messages: [user("hi")] }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(APIError);
  expect(error).toMatchObject({ status: 400, code: "content_policy_violation", param: "prompt" });
});

test("what Cohere had to be told otherwise stands in the notes", async () => {
  plays.first = cohereWorks;
  const { response } = await openai.chat.completions
    .create({ model: "first/command-a-03-2025", messages: [user("hi")], top_p: 1, user: "u", logit_bias: { "1": 1 } })
    .withResponse();
  expect(response.headers.get("x-semaroute-notes")?.split(", ").toSorted()).toEqual([
    "clamped:sampling.top_p",
    "dropped:end_user_id",
    "dropped:sampling.logit_bias",
  ]);
  expect(first.requests.at(-1)?.body).toMatchObject({ p: 0.99 });
});

test("a deployment costs what the model is known to cost that callers ask for", async () => {
  plays.second = azureWorks;
  const { response } = await openai.chat.completions.create({ model: "second/gpt-4o", messages: [user("hi")] }).withResponse();
  // 10 tokens in and 2 out, at 2.50 and 10 dollars a million.
  expect(Number(response.headers.get("x-semaroute-cost-usd"))).toBeCloseTo(0.000045, 9);
  const cohere = openai.chat.completions.create({ model: "first/command-a-03-2025", messages: [user("hi")] });
  expect(Number((await cohere.withResponse()).response.headers.get("x-semaroute-cost-usd"))).toBeGreaterThan(0);
});
