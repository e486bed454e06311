/** Digits, the order of keys and characters of tool calls, from each language to each door and back. */
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ChatRequestSchema, Role } from "../../src/core/chat.ts";
import { openTraps, type TrapScene } from "../traps/scene.ts";
import { chunk, completion, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { isStreamed } from "../traps/scene.ts";
import { routerClient } from "./doors.ts";

const args = '{"z":1,"b":9007199254740993,"a":"\u{1f9a6}","n":-9223372036854775808}';
const raw = { z: 1, b: JSON.rawJSON("9007199254740993"), a: "\u{1f9a6}", n: JSON.rawJSON("-9223372036854775808") };

const openai: UpstreamHandler = (reply, { body }) => {
  const call = { id: "call_1", type: "function", function: { name: "f", arguments: args } };
  if (!isStreamed(body)) {
    const message = { role: "assistant", content: null, tool_calls: [call] };
    return reply.json(completion("", { choices: [{ index: 0, message, finish_reason: "tool_calls" }] }));
  }
  const sse = reply.sse();
  sse.data(chunk({ tool_calls: [{ index: 0, ...call, function: { name: "f", arguments: "" } }] }));
  // Cut within digits and within a pair of surrogates.
  for (let at = 0; at < args.length; at += 5)
    sse.data(chunk({ tool_calls: [{ index: 0, function: { arguments: args.slice(at, at + 5) } }] }));
  return sse.data(chunk({}, "tool_calls")).done();
};
const anthropic: UpstreamHandler = (reply, { body }) => {
  const message = {
    id: "m",
    type: "message",
    role: "assistant",
    model: "c",
    content: [],
    stop_reason: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  };
  const block = { type: "tool_use", id: "toolu_1", name: "f" };
  if (!isStreamed(body)) return reply.json({ ...message, content: [{ ...block, input: raw }], stop_reason: "tool_use" });
  const sse = reply.sse().data({ type: "message_start", message });
  sse.data({ type: "content_block_start", index: 0, content_block: { ...block, input: {} } });
  for (let at = 0; at < args.length; at += 5)
    sse.data({ type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: args.slice(at, at + 5) } });
  return sse
    .data({ type: "content_block_stop", index: 0 })
    .data({ type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 2 } })
    .data({ type: "message_stop" })
    .end();
};

let scene: TrapScene;
beforeAll(async () => {
  scene = await openTraps();
});
afterAll(() => scene[Symbol.asyncDispose]());

describe.each([
  { name: "openai", play: openai, to: "up" },
  { name: "anthropic", play: anthropic, to: "claude" },
] as const)("arguments from $name", ({ play, to }) => {
  test.each([true, false])("reach a REST caller as they are, streamed: %s", async (stream) => {
    const { calls, finish } = await scene.ask(play, { to, stream });
    expect(calls.map((call) => call.arguments)).toEqual([args]);
    expect(finish).toBe("tool_calls");
  });

  test.each(["grpc", "grpc-web", "connect"] as const)("reach a %s caller as they are, and come back", async (protocol) => {
    const model = scene.play(play, to);
    const client = routerClient(scene.url, protocol);
    const question = { role: Role.USER, text: "q" };
    const { choices } = await client.chat({ model, messages: [question] });
    const [message] = choices.map((choice) => choice.message);
    const part = message?.content[0]?.part;
    expect(part).toMatchObject({ case: "toolCall", value: { argumentsJson: args } });

    let text = "";
    for await (const { event } of client.streamChat({ model, messages: [question] }))
      if (event.case === "partDelta" && event.value.delta.case === "argumentsJson") {
        expect(event.value.delta.value.isWellFormed()).toBe(true);
        text += event.value.delta.value;
      }
    expect(text).toBe(args);

    if (message === undefined) throw new Error("no message");
    const result = { part: { case: "toolResult" as const, value: { toolCallId: to === "up" ? "call_1" : "toolu_1" } } };
    const history = create(ChatRequestSchema, { model, messages: [question, message, { role: Role.TOOL, content: [result] }] });
    await client.chat(history);
    const sent = JSON.stringify(scene.asked(model).at(-1)?.body);
    // What a test reads of it has doubles; that the bytes have all digits is a law of the encoders (dialects/laws).
    expect(sent).toContain(to === "up" ? JSON.stringify(args) : '"input":{"z":1,"b":');
  });
});
