import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type ChatEvent, type ChatRequest, ChatRequestSchema, FinishReason, Role, ToolChoice_Mode } from "../../src/core/chat.ts";
import type { Quirks, UpstreamDialect } from "../../src/core/dialect.ts";
import { createFolder } from "../../src/core/fold.ts";
import { anthropicMessages } from "../../src/dialects/anthropic-messages/upstream.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { chatTarget } from "../support/attempt.ts";

// What the encoder did to a request is undone in the answer, whole and streamed alike.

interface Call {
  readonly name: string;
  readonly argumentsJson: string;
}

/** A dialect, and how its hosts call a tool. */
interface Row {
  readonly name: string;
  readonly dialect: UpstreamDialect;
  readonly issuer: string;
  readonly quirks: Quirks;
  readonly nameMax: number;
  readonly whole: (call: Call) => unknown;
  readonly events: (call: Call) => readonly unknown[];
}

const rows: readonly Row[] = [
  {
    name: "openai-chat",
    dialect: openaiChat,
    issuer: "vllm",
    quirks: { customTools: false },
    nameMax: 64,
    whole: ({ name, argumentsJson }) => {
      const tool_calls = [{ id: "a", type: "function", function: { name, arguments: argumentsJson } }];
      return { id: "x", choices: [{ index: 0, message: { role: "assistant", content: null, tool_calls }, finish_reason: "tool_calls" }] };
    },
    events: ({ name, argumentsJson }) => [
      openaiChunk({ tool_calls: [{ index: 0, id: "a", type: "function", function: { name, arguments: "" } }] }),
      ...Array.from(argumentsJson).map((each) => openaiChunk({ tool_calls: [{ index: 0, function: { arguments: each } }] })),
      openaiChunk({}, "tool_calls"),
      "[DONE]",
    ],
  },
  {
    name: "anthropic-messages",
    dialect: anthropicMessages,
    issuer: "anthropic",
    quirks: {},
    nameMax: 128,
    whole: ({ name, argumentsJson }) => ({
      content: [{ type: "tool_use", id: "a", name, input: JSON.parse(argumentsJson) }],
      stop_reason: "tool_use",
    }),
    events: ({ name, argumentsJson }) => [
      { type: "message_start", message: { model: "m", usage: { input_tokens: 1 } } },
      { type: "content_block_start", index: 0, content_block: { type: "tool_use", id: "a", name, input: {} } },
      ...Array.from(argumentsJson).map((each) => ({
        type: "content_block_delta",
        index: 0,
        delta: { type: "input_json_delta", partial_json: each },
      })),
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 1 } },
      { type: "message_stop" },
    ],
  },
];

function openaiChunk(delta: unknown, finish: string | null = null): unknown {
  return { id: "x", choices: [{ index: 0, delta, finish_reason: finish }] };
}

function request(init: MessageInitShape<typeof ChatRequestSchema>): ChatRequest {
  return create(ChatRequestSchema, { model: "m", messages: [{ role: Role.USER, text: "q" }], ...init });
}

/** The answer's only part and its end, whole and streamed, which must be the same. */
function answered({ dialect, issuer, quirks, whole, events }: Row, asked: ChatRequest, call: (wire: string) => Call) {
  const { body, answering } = dialect.encodeRequest(asked, chatTarget({ issuer, upstreamModel: "claude-opus-4-1" }), quirks, true);
  const wire = /"name":"([^"]*)"/.exec(body)?.[1] ?? "";
  const one = dialect.decodeResponse(whole(call(wire)), quirks, answering);
  const decoder = dialect.streamDecoder(quirks, answering);
  const out: ChatEvent[] = [];
  for (const each of events(call(wire))) decoder.push(typeof each === "string" ? each : JSON.stringify(each), undefined, out);
  decoder.end(out);
  const folder = createFolder();
  for (const event of out) folder.push(event);
  const streamed = folder.response();
  expect(streamed.choices[0]?.message?.content).toEqual(one.choices[0]?.message?.content);
  expect(streamed.choices[0]?.finishReason).toBe(one.choices[0]?.finishReason);
  return { wire, part: one.choices[0]?.message?.content[0]?.part, end: one.choices[0]?.finishReason };
}

describe.each(rows)("$name", (row) => {
  test("gives a shortened tool its name back", () => {
    const name = `tool.${"n".repeat(row.nameMax)}`;
    const asked = request({ tools: [{ kind: { case: "function", value: { name } } }] });
    const { wire, part } = answered(row, asked, (each) => ({ name: each, argumentsJson: `{"a":1}` }));
    expect(wire).toHaveLength(row.nameMax);
    expect(part).toMatchObject({ case: "toolCall", value: { name, argumentsJson: `{"a":1}`, custom: false } });
  });

  test("takes the input of a free-form tool out of its wrapping", () => {
    const asked = request({
      tools: [{ kind: { case: "custom", value: { name: "sh" } } }],
      toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["sh"] },
    });
    const { part } = answered(row, asked, (name) => ({ name, argumentsJson: JSON.stringify({ input: 'ls "x"\n' }) }));
    expect(part).toMatchObject({ case: "toolCall", value: { name: "sh", argumentsJson: 'ls "x"\n', custom: true } });
  });

  test("leaves a free-form tool's arguments as they are where the model did not wrap them", () => {
    const asked = request({ tools: [{ kind: { case: "custom", value: { name: "sh" } } }] });
    const { part } = answered(row, asked, (name) => ({ name, argumentsJson: `{"command":"ls"}` }));
    expect(part).toMatchObject({ case: "toolCall", value: { argumentsJson: `{"command":"ls"}`, custom: true } });
  });

  test("does not unwrap a function whose argument is called input", () => {
    const asked = request({ tools: [{ kind: { case: "function", value: { name: "f" } } }] });
    const { part } = answered(row, asked, (name) => ({ name, argumentsJson: `{"input":"x"}` }));
    expect(part).toMatchObject({ case: "toolCall", value: { name: "f", argumentsJson: `{"input":"x"}`, custom: false } });
  });
});

const [, anthropic] = rows;
const shaped = (jsonSchema: string) => request({ outputFormat: { format: { case: "jsonSchema", value: { name: "shape", jsonSchema } } } });

test("the forced tool of a JSON schema becomes the answer's text, and its end an ordinary one", () => {
  if (anthropic === undefined) throw new Error("no row");
  const { part, end } = answered(anthropic, shaped(`{"type":"object"}`), (name) => ({ name, argumentsJson: `{"a":1}` }));
  expect(part).toMatchObject({ case: "text", value: { text: `{"a":1}` } });
  expect(end).toBe(FinishReason.STOP);
});

test("a fence around JSON is taken off where it was asked for in words, and nowhere else", () => {
  const say = (text: string) => ({ content: [{ type: "text", text }], stop_reason: "end_turn" });
  const fenced = "```json\n{}\n```";
  const target = chatTarget({ issuer: "anthropic", upstreamModel: "claude-sonnet-4-5" });
  const json = request({ outputFormat: { format: { case: "jsonObject", value: {} } } });
  for (const [asked, text] of [
    [json, "{}"],
    [request({}), fenced],
  ] as const) {
    const { answering } = anthropicMessages.encodeRequest(asked, target, {}, true);
    expect(anthropicMessages.decodeResponse(say(fenced), {}, answering).choices[0]?.message?.text).toBe(text);
    const decoder = anthropicMessages.streamDecoder({}, answering);
    const out: ChatEvent[] = [];
    const events = [
      { type: "message_start", message: { model: "m" } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      ...Array.from(fenced).map((each) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: each } })),
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 1 } },
      { type: "message_stop" },
    ];
    for (const each of events) decoder.push(JSON.stringify(each), undefined, out);
    const folder = createFolder();
    for (const event of out) folder.push(event);
    expect(folder.response().choices[0]?.message?.text).toBe(text);
  }
});
