/** A coding agent that speaks Anthropic's language, over vendors that do and do not. */
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { completion, createUpstream, type Upstream, type UpstreamHandler } from "../../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../../support/server.ts";
import { type Fields, Session, tools } from "./session.ts";
import { claude, compatible, google, seals, turnFor } from "./vendors.ts";

const open = new AsyncDisposableStack();
const upstreams = new Map<string, Upstream>();
let server: ServerProcess;
let session: Session;

const vendors = { claude, compatible, google, small: (reply) => reply.json(completion("A title")) } satisfies Record<
  string,
  UpstreamHandler
>;

beforeAll(async () => {
  for (const [name, play] of Object.entries(vendors)) upstreams.set(name, open.use(await createUpstream(play)));
  const url = (name: keyof typeof vendors): string => upstreams.get(name)?.url ?? "";
  server = open.use(
    await startServer(`
health: { probe: none }
resilience: { max_attempts: 1 }
models: { claude-small: { targets: [small/tiny] } }
providers:
  claude: { type: anthropic, base_url: "${url("claude")}", api_key: test, models: [claude-opus-4-8] }
  compatible: { type: openai_compatible, base_url: "${url("compatible")}/v1", models: [gpt-oss] }
  google: { type: gemini, base_url: "${url("google")}", api_key: test, models: [gemini-3.5-flash] }
  small: { type: openai_compatible, base_url: "${url("small")}/v1", models: [tiny] }
`),
  );
});

afterAll(() => open.disposeAsync());

beforeEach(() => {
  session = new Session(server.url);
});

/** Bodies of chats that a vendor got, from the n-th on. */
function bodiesOf(vendor: string, from = 0): readonly Fields[] {
  const asked = upstreams.get(vendor)?.requests.filter(({ path }) => !/count/i.test(path)) ?? [];
  return asked.slice(from).map(({ body }) => body as Fields);
}

/** A vendor's place for turns and tools, and one tool as it must arrive. */
const wires = [
  {
    vendor: "claude",
    model: "claude/claude-opus-4-8",
    turns: "messages",
    tokens: 4711,
    toolsIn: ({ tools: found }: Fields) => withoutMarks(found),
    asTool: ({ name, description, input_schema }: Anthropic.Tool) => ({ name, description, input_schema }),
  },
  {
    vendor: "compatible",
    model: "compatible/gpt-oss",
    turns: "messages",
    tokens: undefined,
    toolsIn: ({ tools: found }: Fields) => found,
    asTool: ({ name, description, input_schema }: Anthropic.Tool) => ({
      type: "function",
      function: { name, description, parameters: input_schema },
    }),
  },
  {
    vendor: "google",
    model: "google/gemini-3.5-flash",
    turns: "contents",
    tokens: 815,
    toolsIn: ({ tools: found }: Fields) => (found as readonly { functionDeclarations: unknown }[])[0]?.functionDeclarations,
    asTool: ({ name, description, input_schema }: Anthropic.Tool) => ({ name, description, parametersJsonSchema: input_schema }),
  },
] as const;

describe.each(wires)("over $vendor", ({ vendor, model, turns, tokens, toolsIn, asTool }) => {
  let from: number;

  beforeEach(() => {
    from = bodiesOf(vendor).length;
  });

  test("a session goes over three turns, with two calls at once and one", async () => {
    const answer = await session.ask(model, "is all well?");
    expect(answer).toMatchObject({ stop_reason: "end_turn", model: model.split("/")[1] });
    expect(answer.content.filter(({ type }) => type === "text")).toMatchObject([{ text: "All is well." }]);
    expect(session.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant", "user", "assistant"]);
    const prefix = { claude: "toolu", compatible: "call", google: "fc" }[vendor];
    const calls = [turnFor(prefix, 0), turnFor(prefix, 2)].map((turn) => turn.calls);
    expect([1, 3].map((i) => blocksOf(session.messages[i], "tool_use"))).toMatchObject(calls);
    expect([1, 3, 5].map((i) => blocksOf(session.messages[i], "thinking"))).toMatchObject(
      [0, 2, 3].map((results) => [{ thinking: turnFor("", results).thought }]),
    );
  });

  test("the upstream gets each turn behind the bytes of the one before, and all else the same", async () => {
    await session.ask(model, "is all well?");
    await session.ask(model, "and now?");
    const bodies = bodiesOf(vendor, from);
    expect(bodies).toHaveLength(4);
    for (const [i, body] of bodies.entries()) {
      const before = bodies[i - 1];
      if (before === undefined) continue;
      const { [turns]: said, ...rest } = body;
      const { [turns]: saidBefore, ...restBefore } = before;
      // What is cached is read up to a breakpoint, which is no part of it.
      const [now, then] = [said, saidBefore].map((each) => JSON.stringify(withoutMarks(each)));
      expect(now?.startsWith(then?.slice(0, -1) ?? "-"), `turn ${i}`).toBe(true);
      expect(JSON.stringify(rest)).toBe(JSON.stringify(restBefore));
    }
  });

  test("all tools arrive, whole and in order", async () => {
    await session.ask(model, "is all well?");
    for (const body of bodiesOf(vendor, from)) expect(toolsIn(body)).toMatchObject(tools.map((tool) => asTool(tool)));
  });

  test("the client sees blocks one after another, in one message with one id, and calls as they are told at last", async () => {
    await session.ask(model, "is all well?");
    expect(session.events).toHaveLength(3);
    for (const events of session.events) {
      const kinds = events.map(({ type }) => type);
      expect([kinds[0], ...kinds.slice(-2)]).toEqual(["message_start", "message_delta", "message_stop"]);
      let openBlock = -1;
      let blocks = 0;
      for (const event of events) {
        if (event.type === "content_block_start") {
          expect([openBlock, event.index]).toEqual([-1, blocks++]);
          openBlock = event.index;
        }
        if (event.type === "content_block_delta") expect(event.index).toBe(openBlock);
        if (event.type === "content_block_stop") {
          expect(event.index).toBe(openBlock);
          openBlock = -1;
        }
      }
      expect(openBlock).toBe(-1);
    }
    const ids = session.events.flatMap((events) => events.flatMap((event) => (event.type === "message_start" ? event.message.id : [])));
    expect([ids.length, new Set(ids).size]).toEqual([3, 3]);
    const started = session.events.flatMap((events) =>
      events.flatMap((event) =>
        event.type === "content_block_start" && event.content_block.type === "tool_use" ? event.content_block.id : [],
      ),
    );
    const inHistory = session.messages.flatMap((message) => blocksOf(message, "tool_use").map((block) => (block as Fields)["id"]));
    expect(started).toEqual(inHistory);
    expect(new Set(started).size).toBe(3);
  });

  test("tokens are counted by the vendor, else estimated", async () => {
    await session.ask(model, "is all well?");
    session.messages.push({ role: "user", content: [{ type: "text", text: "more" }] });
    const counted = await session.count(model);
    if (tokens === undefined) expect(counted).toBeGreaterThan(3000);
    else expect(counted).toBe(tokens);
  });
});

test("Anthropic gets its cache breakpoints, thinking, effort and betas as the agent wrote them", async () => {
  await session.ask("claude/claude-opus-4-8", "is all well?");
  const body = bodiesOf("claude").at(-1);
  expect(body).toMatchObject({
    thinking: { type: "adaptive" },
    output_config: { effort: "medium" },
    metadata: { user_id: "user_1_session_2" },
    system: [{}, { cache_control: { type: "ephemeral" } }],
  });
  expect([...JSON.stringify(body).matchAll(/"cache_control"/g)]).toHaveLength(3);
  expect(upstreams.get("claude")?.requests.at(-1)?.headers).toMatchObject({ "anthropic-beta": "interleaved-thinking-2025-05-14" });
});

test("a session that wanders from vendor to vendor takes no seal where it was not made, and brings each one home", async () => {
  const starts = Object.keys(vendors).map((vendor) => [vendor, bodiesOf(vendor).length] as const);
  const since = (vendor: string) => JSON.stringify(bodiesOf(vendor, starts.find(([name]) => name === vendor)?.[1]));
  await session.ask("claude/claude-opus-4-8", "is all well?");
  await session.ask("google/gemini-3.5-flash", "and there?");
  await session.ask("compatible/gpt-oss", "and elsewhere?");
  await session.ask("claude/claude-opus-4-8", "and home again?");
  const own = [0, 2, 3].map((results) => seals.claude(turnFor("", results)));
  const googles = [0, 2].map((results) => seals.google(turnFor("", results)));
  for (const seal of own) {
    expect(since("google")).not.toContain(seal);
    expect(since("compatible")).not.toContain(seal);
    expect(JSON.stringify(bodiesOf("claude").at(-1))).toContain(seal);
  }
  for (const seal of googles) {
    expect(since("claude")).not.toContain(seal);
    expect(since("compatible")).not.toContain(seal);
  }
  for (const vendor of ["claude", "google", "compatible"]) expect(since(vendor)).not.toContain("sr1.");
});

test("Google gets its seals back on the calls they came on", async () => {
  const from = bodiesOf("google").length;
  await session.ask("google/gemini-3.5-flash", "is all well?");
  const last = bodiesOf("google", from).at(-1);
  expect(last).toMatchObject({
    contents: [
      { role: "user" },
      {
        role: "model",
        parts: expect.arrayContaining([
          expect.objectContaining({ functionCall: expect.anything(), thoughtSignature: seals.google(turnFor("", 0)) }),
        ]),
      },
      { role: "user" },
      {
        role: "model",
        parts: expect.arrayContaining([
          expect.objectContaining({ functionCall: expect.anything(), thoughtSignature: seals.google(turnFor("", 2)) }),
        ]),
      },
      { role: "user" },
    ],
  });
});

test("the small model is an alias, for what agents do on the side", async () => {
  const anthropic = new Anthropic({ baseURL: server.url, apiKey: "any", maxRetries: 0 });
  const message = await anthropic.messages.create({
    model: "claude-small",
    max_tokens: 50,
    system: [{ type: "text", text: "Find a title." }],
    messages: [{ role: "user", content: "is all well?" }],
  });
  expect(message).toMatchObject({ content: [{ type: "text", text: "A title" }], stop_reason: "end_turn" });
  expect(bodiesOf("small").at(-1)).toMatchObject({ model: "tiny" });
});

/** Without cache breakpoints, wherever they stand. */
function withoutMarks(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, each: unknown) => (key === "cache_control" ? undefined : each)));
}

function blocksOf(message: Anthropic.MessageParam | undefined, type: string): readonly unknown[] {
  if (message === undefined || typeof message.content === "string") return [];
  return message.content.filter((block) => block.type === type);
}
