/** The official `@anthropic-ai/sdk` of two generations, unchanged but for its base URL, over each kind of upstream. */
import Anthropic from "@anthropic-ai/sdk";
import { LLMock } from "@copilotkit/aimock";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { anthropicMessage, endMessage, streamBlocks } from "../support/anthropic-messages.ts";
import {
  chunk,
  completion,
  createUpstream,
  type Upstream,
  type UpstreamReply,
  type UpstreamRequest,
  usageChunk,
} from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { generations, type MessagesClient } from "./anthropic-clients.ts";

const prompt = "say this just as it stands";
const user = (content: string) => ({ role: "user", content }) as const;
const ask = (model: string, content = prompt) => ({ model, max_tokens: 300, messages: [user(content)] });

const open = new AsyncDisposableStack();
let mock: LLMock;
/** Shows what came over the wire as it came, and says what Anthropic's and OpenAI's models say when they think. */
let upstream: Upstream;
let server: ServerProcess;

beforeAll(async () => {
  mock = new LLMock({ port: 0, chunkSize: 7 });
  const usage = { prompt_tokens: 9, completion_tokens: 5, input_tokens: 9, output_tokens: 5 };
  mock.onMessage(prompt, { content: prompt, usage });
  const round = (results: number) => (request: { messages: readonly { role: string }[] }) =>
    request.messages.filter(({ role }) => role === "tool").length === results;
  const both = [
    { id: "call_p", name: "celsius", arguments: '{"city":"Paris"}' },
    { id: "call_r", name: "celsius", arguments: '{"city":"Rome"}' },
  ];
  mock.on({ userMessage: "compare", predicate: round(0) }, { toolCalls: both });
  mock.on(
    { userMessage: "compare", predicate: round(2) },
    { toolCalls: [{ id: "call_d", name: "difference", arguments: '{"of":[21,30]}' }] },
  );
  mock.on({ userMessage: "compare", predicate: round(3) }, { content: "Rome is 9 degrees warmer" });
  await mock.start();
  open.defer(() => mock.stop());
  upstream = open.use(await createUpstream((reply, request) => answer(reply, request)));
  server = open.use(
    await startServer(`
health: { probe: none }
models: { "team/any": { targets: [sim/sim-chat] } }
providers:
  sim: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
  compatible: { type: openai_compatible, base_url: "${mock.url}/v1", models: [gpt-4o] }
  claude: { type: anthropic, base_url: "${mock.url}", api_key: test, models: [claude-haiku-4-5] }
  seen-openai: { type: openai_compatible, base_url: "${upstream.url}/v1", models: [gpt-4o] }
  seen-anthropic: { type: anthropic, base_url: "${upstream.url}", api_key: test, models: [claude-opus-4-6] }
`),
  );
});

afterAll(() => open.disposeAsync());

describe.each(generations)("$name", ({ client, compare, version }) => {
  let anthropic: MessagesClient;
  const options = () => ({ baseURL: server.url, apiKey: "any" });

  beforeEach(() => {
    anthropic = client(options());
  });

  describe.each(["sim/sim-chat", "compatible/gpt-4o", "claude/claude-haiku-4-5"])("over %s", (model) => {
    test("create answers with text and usage", async () => {
      const message = await anthropic.messages.create(ask(model));
      expect(message).toMatchObject({
        type: "message",
        role: "assistant",
        content: [{ type: "text", text: prompt }],
        stop_reason: "end_turn",
      });
      expect(message.id).toMatch(/^msg_/);
      expect(message.usage.input_tokens).toBeGreaterThan(0);
      expect(message.usage.output_tokens).toBeGreaterThan(0);
    });

    test("stream tells the text as it comes, and folds it into one message", async () => {
      const stream = anthropic.messages.stream(ask(model));
      const pieces: string[] = [];
      stream.on("text", (piece) => pieces.push(piece));
      const message = await stream.finalMessage();
      expect(message).toMatchObject({ content: [{ type: "text", text: prompt }], stop_reason: "end_turn" });
      expect(pieces.join("")).toBe(prompt);
      expect(pieces.length).toBeGreaterThan(1);
      expect(message.usage.input_tokens).toBeGreaterThan(0);
      expect(message.usage.output_tokens).toBeGreaterThan(0);
    });
  });

  test.each(["compatible/gpt-4o", "claude/claude-haiku-4-5"])(
    "the tool runner goes two rounds over %s, the first with two calls at once",
    async (model) => {
      const called: unknown[] = [];
      const answered = await compare(options(), model, (input) => {
        called.push(input);
        return JSON.stringify(input).includes("Rome") ? "30" : "21";
      });
      expect(answered).toBe("Rome is 9 degrees warmer");
      expect(called).toEqual([{ city: "Paris" }, { city: "Rome" }, { of: [21, 30] }]);
    },
  );

  test.each([false, true])("a simulated model calls the tool it is forced to call (stream: %s)", async (streamed) => {
    const tools = [
      { name: "find", input_schema: { type: "object" as const, properties: { city: { type: "string" } }, required: ["city"] } },
    ];
    const body = { ...ask("sim/sim-chat", "where?"), tools, tool_choice: { type: "tool" as const, name: "find" } };
    const message = streamed ? await anthropic.messages.stream(body).finalMessage() : await anthropic.messages.create(body);
    expect(message).toMatchObject({
      stop_reason: "tool_use",
      content: [{ type: "tool_use", name: "find", input: { city: expect.any(String) } }],
    });
  });

  test.each([false, true])("thinking comes, and goes back to the model that signed it (stream: %s)", async (streamed) => {
    const body = { ...ask("seen-anthropic/claude-opus-4-6", "think"), thinking: { type: "adaptive" as const } };
    const message = streamed ? await anthropic.messages.stream(body).finalMessage() : await anthropic.messages.create(body);
    const thought = [
      { type: "thinking", thinking: "Hm.", signature: "c2ln" },
      { type: "redacted_thinking", data: "c2Vh" },
    ];
    expect(message.content).toMatchObject([...thought, { type: "text", text: "so" }]);
    expect(message.usage).toMatchObject({ input_tokens: 20, cache_creation_input_tokens: 5, cache_read_input_tokens: 7 });
    await anthropic.messages.create({
      ...body,
      messages: [...body.messages, { role: "assistant", content: message.content }, user("go on")],
    });
    expect(upstream.requests.at(-1)?.body).toMatchObject({
      thinking: { type: "adaptive" },
      messages: [{}, { content: [...thought, {}] }, {}],
    });
  });

  test.each([false, true])("reasoning of another vendor comes, and goes to no Anthropic model (stream: %s)", async (streamed) => {
    const body = ask("seen-openai/gpt-4o", "think");
    const message = streamed ? await anthropic.messages.stream(body).finalMessage() : await anthropic.messages.create(body);
    expect(message.content).toMatchObject([
      { type: "thinking", thinking: "Hm." },
      { type: "text", text: "so" },
    ]);
    const messages = [...body.messages, { role: "assistant" as const, content: message.content }, user("go on")];
    await anthropic.messages.create({ ...body, model: "seen-anthropic/claude-opus-4-6", messages });
    expect(upstream.requests.at(-1)?.body).toMatchObject({ messages: [{}, { content: [{ type: "text", text: "so" }] }, {}] });
  });

  test("tokens are counted by the provider that would answer, else estimated", async () => {
    const { max_tokens: _, ...body } = ask("seen-anthropic/claude-opus-4-6");
    expect(await anthropic.messages.countTokens(body)).toEqual({ input_tokens: 4711 });
    const { path, body: asked } = upstream.requests.at(-1) ?? {};
    expect([path, asked]).toEqual([
      "/v1/messages/count_tokens",
      { model: "claude-opus-4-6", messages: [{ role: "user", content: [{ type: "text", text: prompt }] }] },
    ]);
    expect(await anthropic.messages.countTokens({ ...body, model: "sim/sim-chat" })).toEqual({ input_tokens: 14 });
  });

  test("models are listed page by page, and found, slashes in their ids included", async () => {
    const ids: string[] = [];
    for await (const { id } of anthropic.models.list({ limit: 2 })) ids.push(id);
    expect(ids).toEqual(["team/any", "claude-haiku-4-5", "claude-opus-4-6", "gpt-4o", "sim-chat", "sim-embed"]);
    expect(await anthropic.models.retrieve("team/any")).toMatchObject({ id: "team/any", type: "model" });
  });

  test("betas go along to Anthropic, and what the SDK sends of itself does not", async () => {
    await client({ ...options(), defaultHeaders: { "anthropic-beta": "context-1m-2025-08-07" } }).messages.create(
      ask("seen-anthropic/claude-opus-4-6"),
    );
    const { headers } = upstream.requests.at(-1) ?? {};
    expect(headers).toMatchObject({ "anthropic-beta": "context-1m-2025-08-07", "anthropic-version": "2023-06-01", "x-api-key": "test" });
    expect(Object.keys(headers ?? {}).filter((name) => name.startsWith("x-stainless"))).toEqual([]);
  });

  test("sampling is refused where the version of the API refuses it", async () => {
    const asking = anthropic.messages.create({ ...ask("sim/sim-chat"), ...sampling });
    if (version === "2023-06-01") expect((await asking).content).toHaveLength(1);
    else
      await expect(asking).rejects.toMatchObject({
        status: 400,
        error: { error: { message: "temperature: Extra inputs are not permitted" } },
      });
  });
});

test("CountTokens asks the same counter", async () => {
  const request = { model: "seen-anthropic/claude-opus-4-6", messages: [{ role: "ROLE_USER", text: "hi" }] };
  const response = await fetch(`${server.url}/semaroute.v1.RouterService/CountTokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ request }),
  });
  expect(await response.json()).toEqual({ inputTokens: 4711, provider: "seen-anthropic" });
});

test.each(["compatible/gpt-4o", "claude/claude-haiku-4-5"])(
  "a conversation that the SDK would have kept at the server goes on over %s",
  async (model) => {
    const thread = new Anthropic({ baseURL: server.url, apiKey: "any" }).beta.messages.thread({ model, max_tokens: 300 });
    for (let turn = 1; turn <= 3; turn++) {
      expect((await thread.send(user(prompt))).content).toMatchObject([{ type: "text", text: prompt }]);
      expect(thread.messages).toHaveLength(2 * turn);
    }
    // Whoever answers gets all of it each time.
    expect(mock.getRequests().at(-1)?.body?.messages).toHaveLength(5);
  },
);

/** The newer types know nothing of it. */
const sampling: object = { temperature: 0 };

function answer(reply: UpstreamReply, { path, body }: UpstreamRequest): void {
  const streamed = JSON.stringify(body).includes('"stream":true');
  if (path === "/v1/messages/count_tokens") reply.json({ input_tokens: 4711 });
  else if (path === "/v1/messages" && streamed) {
    const blocks = [
      {
        start: { type: "thinking", thinking: "", signature: "" },
        deltas: [
          { type: "thinking_delta", thinking: "Hm." },
          { type: "signature_delta", signature: "c2ln" },
        ],
      },
      { start: { type: "redacted_thinking", data: "c2Vh" }, deltas: [] },
      { start: { type: "text", text: "" }, deltas: [{ type: "text_delta", text: "so" }] },
    ];
    endMessage(streamBlocks(reply, blocks));
  } else if (path === "/v1/messages") {
    const thought = [
      { type: "thinking", thinking: "Hm.", signature: "c2ln" },
      { type: "redacted_thinking", data: "c2Vh" },
    ];
    reply.json(anthropicMessage([...thought, { type: "text", text: "so" }]));
  } else if (streamed) {
    const sse = reply
      .sse()
      .data(chunk({ role: "assistant", reasoning_content: "Hm." }))
      .data(chunk({ content: "so" }));
    sse.data(chunk({}, "stop")).data(usageChunk(10, 2)).done();
  } else {
    const message = { role: "assistant", content: "so", reasoning_content: "Hm.", refusal: null };
    reply.json(completion("so", { choices: [{ index: 0, message, logprobs: null, finish_reason: "stop" }] }));
  }
}
