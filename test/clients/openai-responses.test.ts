/** The official `openai` package's Responses API, unchanged but for its base URL, over each kind of upstream. */
import { LLMock } from "@copilotkit/aimock";
import { readFileSync } from "node:fs";
import { zstdCompressSync } from "node:zlib";
import OpenAI, { APIError, BadRequestError, NotFoundError } from "openai";
import { zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import type { ResponseInput, ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  chunk,
  createUpstream,
  type Upstream,
  type UpstreamReply,
  type UpstreamRequest,
  usageChunk,
} from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

const prompt = "say this just as it stands";
const weather = z.object({ city: z.string(), celsius: z.int() });

const open = new AsyncDisposableStack();
let mock: LLMock;
/** Plays recorded streams, and what a test tells it to. */
let upstream: Upstream;
let play: (reply: UpstreamReply, request: UpstreamRequest) => void;
let server: ServerProcess;
let openai: OpenAI;

beforeAll(async () => {
  mock = new LLMock({ port: 0, chunkSize: 7 });
  const usage = { prompt_tokens: 9, completion_tokens: 5, input_tokens: 9, output_tokens: 5 };
  mock.onMessage(prompt, { content: prompt, usage });
  mock.onMessage("as json", { content: '{"city":"Paris","celsius":21}' });
  await mock.start();
  open.defer(() => mock.stop());
  upstream = open.use(await createUpstream((reply, request) => play(reply, request)));
  server = open.use(
    await startServer(`
health: { probe: none }
resilience: { max_attempts: 1 }
providers:
  sim: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
  compatible: { type: openai_compatible, base_url: "${mock.url}/v1", models: [gpt-4o] }
  claude: { type: anthropic, base_url: "${mock.url}", api_key: test, models: [claude-haiku-4-5] }
  same: { type: openai, base_url: "${mock.url}/v1", api_key: test, models: [gpt-4o] }
  chat: { type: openai_compatible, base_url: "${upstream.url}/v1", models: [gpt-4o] }
  messages: { type: anthropic, base_url: "${upstream.url}", api_key: test, models: [claude-opus-4-8] }
  limited: { type: openai, base_url: "${upstream.url}/v1", api_key: test, models: [gpt-4o] }
  responses: { type: openai, base_url: "${upstream.url}/v1", api_key: test, models: [gpt-4o, gpt-5.5, gpt-5.4] }
`),
  );
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any", maxRetries: 0 });
});

afterAll(() => open.disposeAsync());

/** Plays a recorded stream. */
function playing(path: string): void {
  const sse = readFileSync(new URL(`../golden/answers/${path}.sse`, import.meta.url));
  play = (reply) => reply.sse().raw(sse).end();
}

/** An answer's items as the next request's; the SDK's types of the two differ in what only the vendor writes. */
function replayed(output: readonly object[]): ResponseInput {
  return JSON.parse(JSON.stringify(output));
}

function lastBody(): Readonly<Record<string, unknown>> {
  return upstream.requests.at(-1)?.body as Readonly<Record<string, unknown>>;
}

describe.each(["sim/sim-chat", "compatible/gpt-4o", "claude/claude-haiku-4-5", "same/gpt-4o"])("over %s", (model) => {
  test("create answers with text, usage and the request's id", async () => {
    const answer = await openai.responses.create({ model, input: prompt });
    expect(answer).toMatchObject({ object: "response", status: "completed", output_text: prompt, store: false, error: null });
    expect(answer.id).toMatch(/^resp_/);
    const { input_tokens: input = 0, output_tokens: output = 0, total_tokens: total } = answer.usage ?? {};
    expect(input).toBeGreaterThan(0);
    expect(output).toBeGreaterThan(0);
    expect(total).toBe(input + output);
    expect(answer["_request_id"]).toMatch(/^[\da-f]{8}-[\da-f]{4}-7/);
  });

  test("create streams typed events, numbered without a gap, to the whole response", async () => {
    const events: ResponseStreamEvent[] = [];
    for await (const event of await openai.responses.create({ model, input: prompt, stream: true })) events.push(event);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, i) => i));
    expect(events[0]?.type).toBe("response.created");
    expect(events.flatMap((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("")).toBe(prompt);
    expect(events.at(-1)).toMatchObject({ type: "response.completed", response: { status: "completed", output: [{ type: "message" }] } });
  });

  test("the streaming helper folds it into one response", async () => {
    const stream = openai.responses.stream({ model, input: [{ role: "user", content: prompt }], instructions: "be exact" });
    const deltas: string[] = [];
    stream.on("response.output_text.delta", ({ delta }) => deltas.push(delta));
    const answer = await stream.finalResponse();
    expect(answer).toMatchObject({ status: "completed", output_text: prompt, instructions: "be exact" });
    expect(deltas.join("")).toBe(prompt);
    expect(deltas.length).toBeGreaterThan(1);
  });

  test("parse gives an object of the schema, whole and streamed", async () => {
    const body = { model, input: "the weather as json", text: { format: zodTextFormat(weather, "weather") } };
    expect(weather.safeParse((await openai.responses.parse(body)).output_parsed)).toMatchObject({ success: true });
    expect(weather.safeParse((await openai.responses.stream(body).finalResponse()).output_parsed)).toMatchObject({ success: true });
  });
});

const tools = [zodResponsesFunction({ name: "get_weather", parameters: z.object({ city: z.string() }) })];

describe("a call of a function goes round", () => {
  test("at an upstream of the same language, with its sealed reasoning, and nothing is stored", async () => {
    playing("openai-responses/reasoning");
    const input: ResponseInput = [{ role: "user", content: "go" }];
    const first = await openai.responses
      .stream({ model: "responses/gpt-4o", input, tools, store: false, include: ["reasoning.encrypted_content"] })
      .finalResponse();
    expect(upstream.requests.at(-1)?.path).toBe("/v1/responses");
    expect(lastBody()).toMatchObject({
      store: false,
      stream: true,
      tools: [{ type: "function", name: "get_weather", strict: true }],
    });
    expect(first.output.map(({ type }) => type)).toEqual(["reasoning", "message", "reasoning", "function_call"]);
    expect(first.output[0]).toMatchObject({
      id: "rs_1",
      encrypted_content: "gAAAAABotherwise-opaque==",
      summary: [{ text: "**Thinking** about it" }, { text: "**More** thoughts" }],
    });

    playing("openai-responses/text");
    const output = { type: "function_call_output", call_id: "call_9", output: "saved" } as const;
    const second = await openai.responses
      .stream({ model: "responses/gpt-4o", input: [...input, ...replayed(first.output), output], tools, store: false })
      .finalResponse();
    expect(second.output_text).toBe("Hello wörld 🌍");
    expect(lastBody()["input"]).toEqual([
      { role: "user", content: "go" },
      {
        type: "reasoning",
        summary: [
          { type: "summary_text", text: "**Thinking** about it" },
          { type: "summary_text", text: "**More** thoughts" },
        ],
        encrypted_content: "gAAAAABotherwise-opaque==",
      },
      { type: "message", role: "assistant", phase: "final_answer", content: [{ type: "output_text", text: "Done." }] },
      { type: "reasoning", summary: [], encrypted_content: "gAAAAABsealed-only==" },
      { type: "function_call", call_id: "call_9", name: "save", arguments: "{}", namespace: "files" },
      { type: "function_call_output", call_id: "call_9", output: "saved" },
    ]);
  });

  test("at Anthropic, whose sealed thinking comes back to it and to nobody else", async () => {
    playing("anthropic-messages/reasoning");
    const input: ResponseInput = [{ role: "user", content: "6 times 7" }];
    const body = { reasoning: { effort: "low" as const }, store: false, include: ["reasoning.encrypted_content" as const] };
    const first = await openai.responses.stream({ ...body, model: "messages/claude-opus-4-8", input }).finalResponse();
    expect(first.output_text).toBe("42");
    expect(first.output[0]).toMatchObject({
      type: "reasoning",
      summary: [{ text: "Let me see." }],
      encrypted_content: "sr1.anthropic.signature.EqQB==",
    });

    const next: ResponseInput = [...input, ...replayed(first.output), { role: "user", content: "sure?" }];
    await openai.responses.stream({ ...body, model: "messages/claude-opus-4-8", input: next }).finalResponse();
    expect(lastBody()).toMatchObject({
      messages: [
        { role: "user" },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Let me see.", signature: "EqQB==" },
            { type: "redacted_thinking", data: "sealed==" },
            { type: "text", text: "42" },
          ],
        },
        { role: "user" },
      ],
    });
    playing("openai-responses/text");
    await openai.responses.stream({ ...body, model: "responses/gpt-4o", input: next }).finalResponse();
    expect(JSON.stringify(lastBody())).not.toMatch(/EqQB|sealed==|sr1\./);
  });

  test("at chat completions, with calls at once and a custom tool", async () => {
    play = (reply) => {
      const call = (index: number, more: object) => ({ tool_calls: [{ index, ...more }] });
      reply
        .sse()
        .data(chunk({ role: "assistant", content: null }))
        .data(chunk(call(0, { id: "call_a", type: "function", function: { name: "get_weather", arguments: "" } })))
        .data(chunk(call(0, { function: { arguments: '{"city":"Paris"}' } })))
        .data(chunk(call(1, { id: "call_b", type: "function", function: { name: "apply_patch", arguments: '{"input":"*** Begin"}' } })))
        .data(chunk({}, "tool_calls"))
        .data(usageChunk(10, 4))
        .done();
    };
    const patch = { type: "custom", name: "apply_patch", format: { type: "grammar", syntax: "lark", definition: "start: /.+/" } } as const;
    const input: ResponseInput = [{ role: "user", content: "go" }];
    const first = await openai.responses.stream({ model: "chat/gpt-4o", input, tools: [...tools, patch] }).finalResponse();
    expect(lastBody()["tools"]).toMatchObject([
      { type: "function", function: { name: "get_weather", strict: true } },
      // A host of this kind has no free-form tools: there it is a function of one string, its grammar in words.
      { type: "function", function: { name: "apply_patch", description: expect.stringContaining("start: /.+/") } },
    ]);
    expect(first.output).toMatchObject([
      { type: "function_call", call_id: "call_a", name: "get_weather", parsed_arguments: { city: "Paris" } },
      { type: "custom_tool_call", call_id: "call_b", name: "apply_patch", input: "*** Begin" },
    ]);
    const outputs: ResponseInput = [
      { type: "function_call_output", call_id: "call_a", output: "21" },
      { type: "custom_tool_call_output", call_id: "call_b", output: "done" },
    ];
    // What the SDK parsed of a call comes back beside it.
    await openai.responses
      .stream({ model: "chat/gpt-4o", input: [...input, ...replayed(first.output), ...outputs], tools })
      .finalResponse();
    expect(lastBody()["messages"]).toMatchObject([
      { role: "user", content: "go" },
      {
        role: "assistant",
        tool_calls: [
          { id: "call_a", function: { arguments: '{"city":"Paris"}' } },
          { id: "call_b", function: { name: "apply_patch", arguments: '{"input":"*** Begin"}' } },
        ],
      },
      { role: "tool", tool_call_id: "call_a", content: "21" },
      { role: "tool", tool_call_id: "call_b", content: "done" },
    ]);
  });
});

test("every recorded stream of the API folds to what its last event says", async () => {
  for (const name of ["text", "parallel-tools", "reasoning", "raw-reasoning", "refusal", "json-schema", "length", "hosted", "custom"]) {
    playing(`openai-responses/${name}`);
    const events: ResponseStreamEvent[] = [];
    const stream = openai.responses.stream({ model: "responses/gpt-4o", input: "x" });
    stream.on("event", (event) => events.push(event));
    const answer = await stream.finalResponse();
    const last = events.at(-1);
    const said = last?.type === "response.completed" || last?.type === "response.incomplete" ? last.response.output : undefined;
    expect(said?.length, name).toBeGreaterThan(0);
    expect(answer.output, name).toMatchObject(said ?? []);
  }
});

describe("chat completions that only the Responses API serves are sent there", () => {
  const get = { type: "function" as const, function: { name: "get_weather", parameters: { type: "object" } } };

  test("tools and an effort at gpt-5.5, and back", async () => {
    playing("openai-responses/parallel-tools");
    const stream = openai.chat.completions.stream({
      model: "responses/gpt-5.5",
      messages: [{ role: "user", content: "go" }],
      tools: [get],
      reasoning_effort: "high",
    });
    const { choices } = await stream.finalChatCompletion();
    expect(upstream.requests.at(-1)?.path).toBe("/v1/responses");
    expect(lastBody()).toMatchObject({
      model: "gpt-5.5",
      reasoning: { effort: "high" },
      tools: [{ type: "function", name: "get_weather", strict: false }],
      input: [{ role: "user", content: "go" }],
    });
    expect(choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { content: "Looking both up.", tool_calls: [{ id: "call_P4ris", function: { name: "get_weather" } }, { id: "call_R0me" }] },
    });
  });

  test.each([
    ["without tools", "responses/gpt-5.5", { reasoning_effort: "high" }],
    ["without an effort, where none is the default", "responses/gpt-5.4", { tools: [get] }],
    ["with no effort", "responses/gpt-5.5", { tools: [get], reasoning_effort: "none" }],
    ["at a model that takes both", "responses/gpt-4o", { tools: [get] }],
  ] as const)("%s they are not", async (_what, model, more) => {
    play = (reply) =>
      reply
        .sse()
        .data(chunk({ role: "assistant", content: "a" }))
        .data(chunk({}, "stop"))
        .done();
    const { tools: list, ...rest } = { tools: undefined, ...more };
    const body = { model, messages: [{ role: "user" as const, content: "go" }], ...rest, ...(list !== undefined && { tools: [...list] }) };
    await openai.chat.completions.stream(body).finalChatCompletion();
    expect(upstream.requests.at(-1)?.path).toBe("/v1/chat/completions");
  });
});

describe("errors have their classes", () => {
  test.each([
    [{ previous_response_id: "resp_1" }, BadRequestError, { status: 400, code: "unsupported_parameter", param: "previous_response_id" }],
    [{ store: true }, BadRequestError, { status: 400, code: "unsupported_parameter", param: "store" }],
    [{ background: true }, BadRequestError, { status: 400, code: "unsupported_parameter", param: "background" }],
    [{ model: "nobody/knows" }, NotFoundError, { status: 404, code: "model_not_found", param: "model" }],
    [{ temperature: 9 }, BadRequestError, { status: 400, code: "invalid_request", param: "temperature" }],
  ])("%j", async (fields, type, facts) => {
    const error: unknown = await openai.responses
      .create({ model: "sim/sim-chat", input: "x", ...fields })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject(facts);
  });

  test("an upstream's, before the stream and within it", async () => {
    play = (reply) =>
      reply.json({ error: { message: "too long", type: "invalid_request_error", code: "context_length_exceeded", param: "input" } }, 400);
    const ask = (model = "responses/gpt-4o") => openai.responses.create({ model, input: "x", stream: true });
    await expect(ask()).rejects.toMatchObject({
      status: 400,
      code: "context_length_exceeded",
      message: expect.stringContaining("too long"),
    });
    playing("openai-responses/error-first");
    await expect(ask("limited/gpt-4o")).rejects.toMatchObject({ status: 429, code: "upstream_rate_limited" });

    const { promise: read, resolve: hasRead } = Promise.withResolvers<void>();
    const sse = readFileSync(new URL("../golden/answers/openai-responses/error-inside.sse", import.meta.url), "utf8");
    const at = sse.indexOf("event: response.failed");
    play = (reply) => {
      const stream = reply.sse().raw(sse.slice(0, at));
      void read.then(() => stream.raw(sse.slice(at)).end());
    };
    const events: string[] = [];
    const reading = async () => {
      for await (const event of await ask()) {
        events.push(event.type);
        if (event.type === "response.output_text.delta") hasRead();
      }
    };
    await expect(reading()).rejects.toMatchObject({ status: undefined, code: "stream_interrupted", type: "server_error" });
    expect(events).toContain("response.output_text.delta");
    expect(events).not.toContain("response.completed");
    await expect(openai.responses.stream({ model: "responses/gpt-4o", input: "x" }).finalResponse()).rejects.toBeInstanceOf(APIError);
  });

  test("a stream that is cut never looks finished", async () => {
    const whole = readFileSync(new URL("../golden/answers/openai-responses/text.sse", import.meta.url), "utf8");
    play = (reply) =>
      reply
        .sse()
        .raw(whole.slice(0, whole.indexOf("event: response.completed")))
        .end();
    const stream = openai.responses.stream({ model: "responses/gpt-4o", input: "x" });
    await expect(stream.finalResponse()).rejects.toMatchObject({ code: "stream_interrupted" });
  });
});

describe("a coding agent's session", () => {
  /** As Codex sends them: no ids of items, a grammar, compressed. */
  const patch = {
    type: "custom",
    name: "apply_patch",
    description: "Edits files.",
    format: { type: "grammar", syntax: "lark", definition: 'start: "*** Begin Patch" /(.|\\n)+/' },
  };
  const shell = {
    type: "function",
    name: "shell",
    description: "Runs a command.",
    strict: false,
    parameters: { type: "object", properties: { command: { type: "array", items: { type: "string" } } }, required: ["command"] },
  };
  const turn = async (input: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]> => {
    const body = {
      model: "chat/gpt-4o",
      instructions: `You are a coding agent. ${"Long instructions. ".repeat(500)}`,
      input,
      tools: [shell, patch, { type: "web_search" }],
      tool_choice: "auto",
      parallel_tool_calls: true,
      reasoning: { effort: "medium", summary: "auto" },
      store: false,
      stream: true,
      include: ["reasoning.encrypted_content"],
      prompt_cache_key: "0199-session",
    };
    const headers = { "content-type": "application/json", "content-encoding": "zstd", accept: "text/event-stream" };
    const response = await fetch(`${server.url}/v1/responses`, { method: "POST", headers, body: zstdCompressSync(JSON.stringify(body)) });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const text = await response.text();
    const events = text
      .split("\n\n")
      .flatMap((each) => (each.includes("data: ") ? [JSON.parse(each.slice(each.indexOf("data: ") + 6)) as Record<string, unknown>] : []));
    expect(events.at(-1)).toMatchObject({
      type: "response.completed",
      response: { id: expect.stringMatching(/^resp_/), usage: { input_tokens: 10 } },
    });
    // It takes items when they are done, and strips their ids before it sends them back.
    return events
      .filter(({ type }) => type === "response.output_item.done")
      .map(({ item }) => {
        const { id: _id, status: _status, ...rest } = item as Record<string, unknown>;
        return rest;
      });
  };

  test("goes over many turns, each of which begins with the bytes of the one before", async () => {
    const sent: string[] = [];
    const answers: readonly (readonly object[])[] = [
      [
        { role: "assistant", reasoning_content: "I should look." },
        { content: "Looking." },
        { tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "shell", arguments: '{"command":["ls"]}' } }] },
      ],
      [
        {
          role: "assistant",
          tool_calls: [
            {
              index: 0,
              id: "call_2",
              type: "function",
              function: { name: "apply_patch", arguments: JSON.stringify({ input: "*** Begin Patch\n+x\n" }) },
            },
          ],
        },
      ],
      [{ role: "assistant", content: "Done." }],
    ];
    const history: unknown[] = [{ type: "message", role: "user", content: [{ type: "input_text", text: "fix it" }] }];
    for (const [i, deltas] of answers.entries()) {
      play = (reply, { body }) => {
        sent.push(JSON.stringify((body as { messages: unknown }).messages));
        const sse = reply.sse();
        for (const delta of deltas) sse.data(chunk({ ...delta }));
        sse
          .data(chunk({}, i === 2 ? "stop" : "tool_calls"))
          .data(usageChunk(10, 4))
          .done();
      };
      for (const item of await turn(history)) {
        history.push(item);
        if (item["type"] === "function_call") history.push({ type: "function_call_output", call_id: item["call_id"], output: "src" });
        if (item["type"] === "custom_tool_call") history.push({ type: "custom_tool_call_output", call_id: item["call_id"], output: "ok" });
      }
    }
    expect(history).toMatchObject([
      { type: "message", role: "user" },
      { type: "reasoning", summary: [{ type: "summary_text", text: "I should look." }] },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "Looking." }] },
      { type: "function_call", call_id: "call_1", name: "shell", arguments: '{"command":["ls"]}' },
      { type: "function_call_output", call_id: "call_1" },
      { type: "custom_tool_call", call_id: "call_2", name: "apply_patch", input: "*** Begin Patch\n+x\n" },
      { type: "custom_tool_call_output", call_id: "call_2" },
      { type: "message", role: "assistant", content: [{ text: "Done." }] },
    ]);
    expect(sent[1]?.startsWith(sent[0]?.slice(0, -1) ?? "-")).toBe(true);
    expect(sent[2]?.startsWith(sent[1]?.slice(0, -1) ?? "-")).toBe(true);
    expect(lastBody()).toMatchObject({
      prompt_cache_key: "0199-session",
      reasoning_effort: "medium",
      parallel_tool_calls: true,
      tools: [
        { type: "function", function: { name: "shell", strict: false } },
        { type: "function", function: { name: "apply_patch" } },
      ],
    });
  });
});
