/** The official `openai` package, unchanged but for its base URL, over each kind of upstream. */
import { LLMock } from "@copilotkit/aimock";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { completion, createUpstream, type Upstream } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

const prompt = "say this just as it stands";
const user = (content: string) => ({ role: "user", content }) as const;
const weather = z.object({ city: z.string(), celsius: z.int() });

const open = new AsyncDisposableStack();
let mock: LLMock;
/** Shows what came over the wire as it came, where the mock shows its own reading of it. */
let upstream: Upstream;
let server: ServerProcess;
let openai: OpenAI;

beforeAll(async () => {
  mock = new LLMock({ port: 0, chunkSize: 7 });
  // The mock counts nothing by itself for Anthropic, whose words for usage differ from OpenAI's.
  const usage = { prompt_tokens: 9, completion_tokens: 5, input_tokens: 9, output_tokens: 5 };
  mock.onMessage(prompt, { content: prompt, usage });
  mock.onMessage("as json", { content: '{"city":"Paris","celsius":21}' });
  const round = (results: number) => (request: { messages: readonly { role: string }[] }) =>
    request.messages.filter(({ role }) => role === "tool").length === results;
  mock.on(
    { userMessage: "compare", predicate: round(0) },
    {
      toolCalls: [
        { id: "call_p", name: "celsius", arguments: '{"city":"Paris"}' },
        { id: "call_r", name: "celsius", arguments: '{"city":"Rome"}' },
      ],
    },
  );
  mock.on(
    { userMessage: "compare", predicate: round(2) },
    { toolCalls: [{ id: "call_d", name: "difference", arguments: '{"of":[21,30]}' }] },
  );
  mock.on({ userMessage: "compare", predicate: round(3) }, { content: "Rome is 9 degrees warmer" });
  await mock.start();
  open.defer(() => mock.stop());
  upstream = open.use(
    await createUpstream((reply, { path }) =>
      reply.json(
        path === "/v1/messages" ? anthropicMessage("a dot") : path.startsWith("/v1beta/") ? geminiAnswer("a dot") : completion("a dot"),
      ),
    ),
  );
  server = open.use(
    await startServer(`
health: { probe: none }
models: { "team/any": { targets: [sim/sim-chat] } }
providers:
  sim: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
  compatible: { type: openai_compatible, base_url: "${mock.url}/v1", models: [gpt-4o] }
  claude: { type: anthropic, base_url: "${mock.url}", api_key: test, models: [claude-haiku-4-5] }
  google: { type: gemini, base_url: "${mock.url}", api_key: test, models: [gemini-2.5-flash] }
  seen-openai: { type: openai_compatible, base_url: "${upstream.url}/v1", models: [gpt-4o] }
  seen-anthropic: { type: anthropic, base_url: "${upstream.url}", api_key: test, models: [claude-haiku-4-5] }
  seen-gemini: { type: gemini, base_url: "${upstream.url}", api_key: test, models: [gemini-2.5-flash] }
`),
  );
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any" });
});

afterAll(() => open.disposeAsync());

describe.each(["sim/sim-chat", "compatible/gpt-4o", "claude/claude-haiku-4-5", "google/gemini-2.5-flash"])("over %s", (model) => {
  test("create answers with text, usage and the request's id", async () => {
    const answer = await openai.chat.completions.create({ model, messages: [user(prompt)] });
    expect(answer).toMatchObject({ object: "chat.completion", choices: [{ index: 0, finish_reason: "stop" }] });
    expect(answer.id).toMatch(/^chatcmpl-/);
    expect(answer.choices[0]?.message).toMatchObject({ role: "assistant", content: prompt, refusal: null });
    const { prompt_tokens: input = 0, completion_tokens: output = 0, total_tokens: total } = answer.usage ?? {};
    expect(input).toBeGreaterThan(0);
    expect(output).toBeGreaterThan(0);
    expect(total).toBe(input + output);
    expect(answer["_request_id"]).toMatch(/^[\da-f]{8}-[\da-f]{4}-7/);
  });

  test("create streams the text, then the finish, then the usage that was asked for", async () => {
    const stream = await openai.chat.completions.create({
      model,
      messages: [user(prompt)],
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await Array.fromAsync(stream);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant");
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(prompt);
    expect(chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual(["stop"]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: expect.any(Number) } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  test("a stream without stream_options has no usage and no chunk without choices", async () => {
    const chunks = await Array.fromAsync(await openai.chat.completions.create({ model, messages: [user(prompt)], stream: true }));
    expect(chunks.every(({ choices, usage }) => choices.length === 1 && usage === undefined)).toBe(true);
  });

  test("the streaming helper folds it into one completion", async () => {
    const stream = openai.chat.completions.stream({ model, messages: [user(prompt)] });
    const deltas: string[] = [];
    stream.on("content", (delta) => deltas.push(delta));
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]).toMatchObject({ message: { role: "assistant", content: prompt }, finish_reason: "stop" });
    expect(deltas.join("")).toBe(prompt);
    expect(deltas.length).toBeGreaterThan(1);
  });

  test("parse gives an object of the schema", async () => {
    const response_format = zodResponseFormat(weather, "weather");
    const answer = await openai.chat.completions.parse({ model, messages: [user("the weather as json")], response_format });
    expect(weather.safeParse(answer.choices[0]?.message.parsed)).toMatchObject({ success: true });
  });

  test("the streaming helper parses, too", async () => {
    const response_format = zodResponseFormat(weather, "weather");
    const stream = openai.chat.completions.stream({ model, messages: [user("the weather as json")], response_format });
    const { choices } = await stream.finalChatCompletion();
    expect(weather.safeParse(choices[0]?.message.parsed)).toMatchObject({ success: true });
  });
});

describe.each(["compatible/gpt-4o", "claude/claude-haiku-4-5", "google/gemini-2.5-flash"])("tools over %s", (model) => {
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
          return JSON.stringify(z.object({ city: z.string() }).parse(input).city === "Rome" ? 30 : 21);
        },
      },
    },
    {
      type: "function" as const,
      function: {
        name: "difference",
        description: "Difference of two numbers",
        parameters: { type: "object", properties: { of: { type: "array", items: { type: "number" } } }, required: ["of"] },
        parse: JSON.parse,
        function: (input: unknown) => {
          called.push(input);
          return "9";
        },
      },
    },
  ];

  for (const stream of [false, true] as const) {
    test(`runTools goes two rounds, the first with two calls at once, ${stream ? "streamed" : "whole"}`, async () => {
      called.length = 0;
      const body = { model, messages: [user("compare Paris and Rome")], tools };
      const runner = stream ? openai.chat.completions.runTools({ ...body, stream }) : openai.chat.completions.runTools(body);
      expect(await runner.finalContent()).toBe("Rome is 9 degrees warmer");
      expect(called).toEqual([{ city: "Paris" }, { city: "Rome" }, { of: [21, 30] }]);
      const results = runner.messages.flatMap((message) => (message.role === "tool" ? message.tool_call_id : []));
      expect(results).toEqual(["call_p", "call_r", "call_d"]);
    });
  }
});

test("a simulated model calls the tool it is forced to call", async () => {
  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const runner = openai.chat.completions.runTools({
    model: "sim/sim-chat",
    messages: [user("where?")],
    tool_choice: { type: "function", function: { name: "find" } },
    tools: [{ type: "function", function: { name: "find", description: "Finds", parameters, parse: JSON.parse, function: () => "found" } }],
  });
  const call = await runner.finalFunctionToolCall();
  expect(call?.name).toBe("find");
  expect(JSON.parse(call?.arguments ?? "")).toMatchObject({ city: expect.any(String) });
  expect(await runner.finalFunctionToolCallResult()).toBe("found");
});

test("models are listed and found, slashes in their ids included", async () => {
  const ids = (await Array.fromAsync(await openai.models.list())).map(({ id }) => id);
  expect(ids).toContain("team/any");
  expect(ids).toContain("gpt-4o");
  expect(await openai.models.retrieve("team/any")).toMatchObject({ id: "team/any", object: "model" });
  expect((await fetch(`${server.url}/v1/models/team/any`)).status).toBe(200);
});

test("an alias with a slash can be asked", async () => {
  const answer = await openai.chat.completions.create({ model: "team/any", messages: [user("hi")] });
  expect(answer.choices[0]?.message.content).toBe("hi");
});

test("n gives as many choices, whole and streamed", async () => {
  const body = { model: "sim/sim-chat", messages: [user(prompt)], n: 3 };
  const answer = await openai.chat.completions.create(body);
  expect(answer.choices.map(({ index, message }) => [index, message.content])).toEqual([0, 1, 2].map((index) => [index, prompt]));
  const texts = ["", "", ""];
  for await (const { choices } of await openai.chat.completions.create({ ...body, stream: true }))
    for (const { index, delta } of choices) texts[index] += delta.content ?? "";
  expect(texts).toEqual([prompt, prompt, prompt]);
});

const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** As OpenAI's callers write it, and as each upstream must read it. */
const image = { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } } as const;
const inMessages = (content: unknown[]) => ({ messages: [{ content }] });
const imagesOnTheWire = [
  { model: "seen-openai/gpt-4o", part: image, said: inMessages },
  {
    model: "seen-anthropic/claude-haiku-4-5",
    part: { type: "image", source: { type: "base64", media_type: "image/png", data: png } },
    said: inMessages,
  },
  {
    model: "seen-gemini/gemini-2.5-flash",
    part: { inlineData: { mimeType: "image/png", data: png } },
    said: (parts: unknown[]) => ({ contents: [{ parts }] }),
  },
];

for (const { model, part, said } of imagesOnTheWire) {
  test(`an image reaches ${model}`, async () => {
    const messages = [{ role: "user" as const, content: [{ type: "text" as const, text: "what is it?" }, image] }];
    const answer = await openai.chat.completions.create({ model, messages });
    expect(answer.choices[0]?.message.content).toBe("a dot");
    expect(upstream.requests.at(-1)?.body).toMatchObject(said([{ text: "what is it?" }, part]));
  });
}

test("headers tell the route through withResponse", async () => {
  const { response, request_id: id } = await openai.chat.completions
    .create({ model: "compatible/gpt-4o", messages: [user(prompt)] }, { headers: { "x-request-id": "mine-1" } })
    .withResponse();
  expect(id).toBe("mine-1");
  expect(response.headers.get("x-semaroute-provider")).toBe("compatible");
});

function geminiAnswer(text: string): object {
  const usageMetadata = { promptTokenCount: 268, candidatesTokenCount: 2, totalTokenCount: 270 };
  return { candidates: [{ content: { role: "model", parts: [{ text }] }, finishReason: "STOP", index: 0 }], usageMetadata };
}

function anthropicMessage(text: string): object {
  const usage = { input_tokens: 20, output_tokens: 2 };
  return {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude-haiku-4-5",
    content: [{ type: "text", text }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage,
  };
}
