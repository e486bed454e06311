/** Codex's traffic to `/v1/responses`, over Anthropic: stateless, sealed thoughts, a function and a free-form tool. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { endMessage, type StreamedBlock, streamBlocks } from "../../support/anthropic-messages.ts";
import { createUpstream, type Upstream, type UpstreamHandler } from "../../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../../support/server.ts";
import type { Fields } from "./session.ts";

const patchText = "*** Begin Patch\n+x = 9007199254740993\n*** End Patch";
const shell = {
  type: "function",
  name: "shell",
  description: "Runs a command.",
  strict: false,
  parameters: { type: "object", properties: { command: { type: "array", items: { type: "string" } } }, required: ["command"] },
};
const patch = {
  type: "custom",
  name: "apply_patch",
  description: "Edits files.",
  format: { type: "grammar", syntax: "lark", definition: 'start: "*** Begin Patch" /(.|\\n)+/' },
};

const thinking = (text: string): StreamedBlock => ({
  start: { type: "thinking", thinking: "", signature: "" },
  deltas: [
    { type: "thinking_delta", thinking: text },
    { type: "signature_delta", signature: btoa(text) },
  ],
});
const words = (text: string): StreamedBlock => ({ start: { type: "text", text: "" }, deltas: [{ type: "text_delta", text }] });
const call = (id: string, name: string, input: object): StreamedBlock => ({
  start: { type: "tool_use", id, name, input: {} },
  deltas: (JSON.stringify(input).match(/.{1,7}/gsu) ?? []).map((partial_json) => ({ type: "input_json_delta", partial_json })),
});

/** By the results that have come: two commands at once, a patch, words. */
const claude: UpstreamHandler = (reply, { body }) => {
  const results = [...JSON.stringify(body).matchAll(/"type":"tool_result"/g)].length;
  const said = {
    0: [
      thinking("I should look."),
      words("Looking."),
      call("toolu_1", "shell", { command: ["ls"] }),
      call("toolu_2", "shell", { command: ["pwd"] }),
    ],
    2: [thinking("Now I know."), call("toolu_3", "apply_patch", { input: patchText })],
    3: [thinking("Done, then."), words("Done.")],
  }[results];
  if (said === undefined) throw new Error(`${results} results are not in the script`);
  endMessage(streamBlocks(reply, said), { stop_reason: results < 3 ? "tool_use" : "end_turn" });
};

const open = new AsyncDisposableStack();
let upstream: Upstream;
let server: ServerProcess;

beforeAll(async () => {
  upstream = open.use(await createUpstream(claude));
  server = open.use(
    await startServer(`
health: { probe: none }
resilience: { max_attempts: 1 }
providers:
  claude: { type: anthropic, base_url: "${upstream.url}", api_key: test, models: [claude-opus-4-8] }
`),
  );
});

afterAll(() => open.disposeAsync());

/** One request, as Codex sends it: no ids of items. What it takes are items that are done. */
async function turn(input: readonly unknown[]): Promise<{ readonly items: readonly Fields[]; readonly events: readonly Fields[] }> {
  const body = {
    model: "claude-opus-4-8",
    instructions: `You are a coding agent. ${"Long instructions. ".repeat(500)}`,
    input,
    tools: [shell, patch],
    tool_choice: "auto",
    parallel_tool_calls: true,
    reasoning: { effort: "medium", summary: "auto" },
    store: false,
    stream: true,
    include: ["reasoning.encrypted_content"],
    prompt_cache_key: "0199-session",
  };
  const headers = { "content-type": "application/json", accept: "text/event-stream" };
  const response = await fetch(`${server.url}/v1/responses`, { method: "POST", headers, body: JSON.stringify(body) });
  expect(response.status).toBe(200);
  const events = (await response.text())
    .split("\n\n")
    .flatMap((each): Fields[] => (each.includes("data: ") ? [JSON.parse(each.slice(each.indexOf("data: ") + 6))] : []));
  const items = events.flatMap(({ type, item }) => (type === "response.output_item.done" ? [withoutId(item as Fields)] : []));
  return { items, events };
}

function withoutId({ id: _id, status: _status, ...rest }: Fields): Fields {
  return rest;
}

test("a session of three turns goes there and back", async () => {
  const history: unknown[] = [{ type: "message", role: "user", content: [{ type: "input_text", text: "fix it" }] }];
  const turns: (readonly Fields[])[] = [];
  for (let i = 0; i < 3; i++) {
    const { items, events } = await turn(history);
    turns.push(items);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at));
    expect([events[0]?.["type"], events.at(-1)?.["type"]]).toEqual(["response.created", "response.completed"]);
    history.push(...items);
    for (const item of items) {
      if (item["type"] === "function_call") history.push({ type: "function_call_output", call_id: item["call_id"], output: "src" });
      if (item["type"] === "custom_tool_call") history.push({ type: "custom_tool_call_output", call_id: item["call_id"], output: "ok" });
    }
  }

  const thought = (text: string) => ({
    type: "reasoning",
    summary: [{ type: "summary_text", text }],
    encrypted_content: expect.stringContaining(btoa(text)),
  });
  expect(turns).toMatchObject([
    [
      thought("I should look."),
      { type: "message", content: [{ text: "Looking." }] },
      { type: "function_call", call_id: "toolu_1", name: "shell", arguments: '{"command":["ls"]}' },
      { type: "function_call", call_id: "toolu_2", name: "shell", arguments: '{"command":["pwd"]}' },
    ],
    [thought("Now I know."), { type: "custom_tool_call", call_id: "toolu_3", name: "apply_patch", input: patchText }],
    [thought("Done, then."), { type: "message", content: [{ text: "Done." }] }],
  ]);

  const bodies = upstream.requests.map(({ body }) => body as Fields);
  expect(bodies).toHaveLength(3);
  // Each turn begins with the one before, and all else stays: the vendor reads it from its cache.
  for (const [i, { messages, ...rest }] of bodies.entries()) {
    const { messages: before, ...restBefore } = bodies[i - 1] ?? {};
    if (before === undefined) continue;
    expect(JSON.stringify(messages).startsWith(JSON.stringify(before).slice(0, -1)), `turn ${i}`).toBe(true);
    expect(JSON.stringify(rest)).toBe(JSON.stringify(restBefore));
  }
  const signed = (text: string) => ({ type: "thinking", thinking: text, signature: btoa(text) });
  expect(bodies.at(-1)).toMatchObject({
    thinking: { type: "adaptive" },
    output_config: { effort: "medium" },
    tools: [
      { name: "shell", input_schema: shell.parameters },
      { name: "apply_patch", input_schema: { type: "object", properties: { input: { type: "string" } } } },
    ],
    messages: [
      { role: "user", content: [{ type: "text", text: "fix it" }] },
      {
        role: "assistant",
        content: [
          signed("I should look."),
          { type: "text", text: "Looking." },
          { type: "tool_use", id: "toolu_1" },
          { type: "tool_use", id: "toolu_2" },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "toolu_1" },
          { type: "tool_result", tool_use_id: "toolu_2" },
        ],
      },
      {
        role: "assistant",
        content: [signed("Now I know."), { type: "tool_use", id: "toolu_3", name: "apply_patch", input: { input: patchText } }],
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_3" }] },
    ],
  });
});
