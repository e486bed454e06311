/** Rows 12 to 15 of the conformance checklist (wire protocols, 10): what translation keeps, and how it names an answer's end. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ChatResponseSchema, type MessageSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import { ChatRequestSchema, FinishReason, Role } from "../../src/core/chat.ts";
import type { DoorDialect } from "../../src/core/dialect.ts";
import { ChatError } from "../../src/core/error.ts";
import { parseJson } from "../../src/core/json.ts";
import { anthropicDoor } from "../../src/dialects/anthropic-messages/door.ts";
import { openaiChatDoor } from "../../src/dialects/openai-chat/door.ts";
import { openaiResponsesDoor } from "../../src/dialects/openai-responses/door.ts";
import { chatTarget } from "../support/attempt.ts";
import { folded, meaning } from "./fixtures.ts";
import { type Said, type Vendor, vendors } from "./vendors.ts";

type MessageInit = MessageInitShape<typeof MessageSchema>;
const none = (): undefined => undefined;
const hello: Said = { kind: "text", text: "Bonjour" };
const call = (text: string): Said => ({ kind: "calls", calls: [{ id: "call_1", name: "f", arguments: text }] });
const vendorOf = (name: string): Vendor => {
  const found = vendors.find((vendor) => vendor.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
};
const targetOf = ({ issuer, model }: Vendor) => chatTarget({ issuer, upstreamModel: model.slice(model.indexOf("/") + 1) });

/** 6.7, upstream to neutral: what stands in an answer's place for its end, and what it means. */
const ends: Readonly<Record<string, { readonly at: string; readonly words: Readonly<Record<string, keyof typeof FinishReason>> }>> = {
  "openai-chat": {
    at: '"finish_reason":"stop"',
    words: {
      stop: "STOP",
      length: "LENGTH",
      content_filter: "CONTENT_FILTER",
      tool_calls: "STOP",
      model_length: "LENGTH",
      eos: "STOP",
      COMPLETE: "STOP",
      "": "STOP",
      anything: "OTHER",
    },
  },
  anthropic: {
    at: '"stop_reason":"end_turn"',
    words: {
      end_turn: "STOP",
      stop_sequence: "STOP",
      max_tokens: "LENGTH",
      refusal: "REFUSAL",
      model_context_window_exceeded: "CONTEXT_WINDOW",
      pause_turn: "PAUSE",
      tool_use: "STOP",
    },
  },
  gemini: {
    at: '"finishReason":"STOP"',
    words: {
      STOP: "STOP",
      MAX_TOKENS: "LENGTH",
      SAFETY: "CONTENT_FILTER",
      RECITATION: "CONTENT_FILTER",
      BLOCKLIST: "CONTENT_FILTER",
      PROHIBITED_CONTENT: "CONTENT_FILTER",
      SPII: "CONTENT_FILTER",
      LANGUAGE: "CONTENT_FILTER",
      CONTINUATION: "PAUSE",
      MALFORMED_FUNCTION_CALL: "MALFORMED_TOOL_CALL",
      UNEXPECTED_TOOL_CALL: "MALFORMED_TOOL_CALL",
      TOO_MANY_TOOL_CALLS: "MALFORMED_TOOL_CALL",
    },
  },
  cohere: {
    at: '"finish_reason":"COMPLETE"',
    words: { COMPLETE: "STOP", STOP_SEQUENCE: "STOP", MAX_TOKENS: "LENGTH", TOOL_CALL: "STOP" },
  },
  bedrock: {
    at: '"stopReason":"end_turn"',
    words: {
      end_turn: "STOP",
      stop_sequence: "STOP",
      max_tokens: "LENGTH",
      content_filtered: "CONTENT_FILTER",
      guardrail_intervened: "CONTENT_FILTER",
      model_context_window_exceeded: "CONTEXT_WINDOW",
      malformed_tool_use: "MALFORMED_TOOL_CALL",
      malformed_model_output: "MALFORMED_TOOL_CALL",
      tool_use: "STOP",
    },
  },
  "openai-responses": {
    at: '"incomplete_details":null,"status":"completed"',
    words: {
      '"incomplete_details":null,"status":"completed"': "STOP",
      '"incomplete_details":{"reason":"max_output_tokens"},"status":"incomplete"': "LENGTH",
      '"incomplete_details":{"reason":"content_filter"},"status":"incomplete"': "CONTENT_FILTER",
    },
  },
};

/** With another word for its end. */
const endedBy = (text: string, at: string, word: string): string => {
  expect(text).toContain(at);
  return text.replace(at, at.includes(",") ? word : at.replace(/:".*/, `:${JSON.stringify(word)}`));
};

describe("10.12 the end of an answer, as vendors name it", () => {
  const rows = Object.entries(ends).flatMap(([name, { at, words }]) => Object.entries(words).map(([word, is]) => ({ name, at, word, is })));
  test.each(rows)("10.12 $name: $word is $is", ({ name, at, word, is }) => {
    const { dialect, whole } = vendorOf(name);
    const [choice] = dialect.decodeResponse(parseJson(endedBy(whole(hello), at, word)), {}).choices;
    expect(choice?.finishReason).toBe(FinishReason[is]);
  });

  test.each(["cohere ERROR", "cohere TIMEOUT", "openai-chat error"])("10.12 %s is an error, and no answer", (which) => {
    const [name = "", word = ""] = which.split(" ");
    const { dialect, whole } = vendorOf(name);
    expect(() => dialect.decodeResponse(parseJson(endedBy(whole(hello), ends[name]?.at ?? "", word)), {})).toThrow(ChatError);
  });

  test.each(vendors)("10.12 $name: calls are believed where the word says that it just stopped", (vendor) => {
    const stops: Readonly<Record<string, readonly [string, string]>> = {
      "openai-chat": ['"finish_reason":"tool_calls"', '"finish_reason":"stop"'],
      anthropic: ['"stop_reason":"tool_use"', '"stop_reason":"end_turn"'],
      cohere: ['"finish_reason":"TOOL_CALL"', '"finish_reason":"COMPLETE"'],
      bedrock: ['"stopReason":"tool_use"', '"stopReason":"end_turn"'],
    };
    const [from, to] = stops[vendor.name] ?? ["", ""];
    const whole = vendor.whole(call("{}")).replace(from, to);
    expect(vendor.dialect.decodeResponse(parseJson(whole), {}).choices[0]?.finishReason).toBe(FinishReason.TOOL_CALLS);
  });
});

describe("10.12 the end of an answer, as doors name it", () => {
  const doors: Readonly<Record<string, { readonly door: DoorDialect; readonly body: object; readonly at: (answer: never) => unknown }>> = {
    chat: {
      door: openaiChatDoor,
      body: { model: "m", messages: [{ role: "user", content: "hello" }] },
      at: ({ choices }: { choices: { finish_reason: string }[] }) => choices[0]?.finish_reason,
    },
    responses: {
      door: openaiResponsesDoor,
      body: { model: "m", input: "hello" },
      at: ({ status, incomplete_details: why }: { status: string; incomplete_details: { reason: string } | null }) =>
        why === null ? status : why.reason,
    },
    messages: {
      door: anthropicDoor,
      body: { model: "m", max_tokens: 9, messages: [{ role: "user", content: "hello" }] },
      at: ({ stop_reason: reason }: { stop_reason: string }) => reason,
    },
  };
  test.each([
    ["STOP", "stop", "completed", "end_turn"],
    ["LENGTH", "length", "max_output_tokens", "max_tokens"],
    ["TOOL_CALLS", "tool_calls", "completed", "tool_use"],
    ["CONTENT_FILTER", "content_filter", "content_filter", "refusal"],
    ["REFUSAL", "content_filter", undefined, "refusal"],
    ["CONTEXT_WINDOW", "length", "max_output_tokens", "model_context_window_exceeded"],
    ["PAUSE", "stop", "completed", "pause_turn"],
    ["MALFORMED_TOOL_CALL", "stop", "completed", "end_turn"],
  ] as const)("10.12 %s is %s, %s, %s", (reason, ...words) => {
    const said = reason === "TOOL_CALLS" ? call("{}") : hello;
    const response = create(
      ChatResponseSchema,
      vendorOf("openai-chat").dialect.decodeResponse(parseJson(vendorOf("openai-chat").whole(said)), {}),
    );
    for (const choice of response.choices) {
      choice.finishReason = FinishReason[reason];
      choice.nativeFinishReason = "";
    }
    for (const [i, { door, body, at }] of Object.values(doors).entries()) {
      const word = words[i];
      const answer: unknown = JSON.parse(door.decodeRequest(body, none).whole(response));
      if (word !== undefined) expect(at(answer as never)).toBe(word);
    }
  });
});

describe.each(vendors)("10.13 a conversation for $name", (vendor) => {
  const issuers = [...new Set([...vendors.map(({ issuer }) => issuer), "xai"])];
  const text = (value: string) => ({ part: { case: "text" as const, value: { text: value } } });
  const sealed = (issuer: string) => ({
    part: {
      case: "reasoning" as const,
      value: { text: "Hm.", opaque: [kindOf(issuer)].map((kind) => ({ issuer, kind, value: `c2VhbGVk${issuer}==` })) },
    },
  });
  const turn = (n: number): MessageInit[] => [
    { role: Role.USER, text: `question ${n}` },
    {
      role: Role.ASSISTANT,
      content: [
        ...issuers.map(sealed),
        text("Let me see."),
        { part: { case: "toolCall", value: { id: `call_${n}`, name: "f", argumentsJson: '{"b":1,"a":9007199254740993}' } } },
      ],
    },
    { role: Role.TOOL, content: [{ part: { case: "toolResult", value: { toolCallId: `call_${n}`, content: [text("ok")] } } }] },
    { role: Role.ASSISTANT, text: `answer ${n}` },
  ];
  const encoded = (turns: number): string => {
    const messages = [...Array.from({ length: turns }, (_, n) => turn(n)).flat(), { role: Role.USER, text: "go on" }];
    const tools = [
      { kind: { case: "function" as const, value: { name: "f", parametersJsonSchema: '{"type":"object","properties":{}}' } } },
    ];
    return vendor.dialect.encodeRequest(create(ChatRequestSchema, { model: "m", messages, tools }), targetOf(vendor), {}, false).body;
  };

  test("10.13 has the bytes of its shorter self at its start", () => {
    const asked = JSON.stringify("go on");
    const [shorter = "", longer = ""] = [encoded(3), encoded(4)].map((body) => body.slice(0, body.lastIndexOf(asked)));
    // Up to the last question: its own frame, which differs from a middle one's by nothing.
    const common = shorter.slice(0, shorter.lastIndexOf("answer 2"));
    expect(common.length).toBeGreaterThan(200);
    expect(longer.startsWith(common)).toBe(true);
  });

  test("10.13 holds no token of another issuer", () => {
    const body = encoded(3);
    for (const issuer of issuers) if (issuer !== vendor.issuer) expect(body).not.toContain(`c2VhbGVk${issuer}==`);
    // A rule about nothing would hold, too: those who take reasoning back got theirs.
    expect(body.includes(`c2VhbGVk${vendor.issuer}==`)).toBe(["anthropic", "openai-responses", "bedrock", "gemini"].includes(vendor.name));
  });
});

/** What each issuer calls its tokens of reasoning. */
function kindOf(issuer: string): string {
  return issuer === "google" ? "thought_signature" : issuer === "openai" ? "encrypted_content" : "signature";
}

describe("10.14 there and back in one language", () => {
  const image = { url: "https://example.com/a.png", detail: "low" };
  const schema = {
    type: "object",
    properties: { b: { type: "string" }, a: { type: "integer" } },
    required: ["b"],
    additionalProperties: false,
  };
  const cases: readonly { readonly name: string; readonly door: DoorDialect; readonly body: object }[] = [
    {
      name: "openai-chat",
      door: openaiChatDoor,
      body: {
        model: "gpt-4o",
        messages: [
          { role: "developer", content: "Be brief." },
          {
            role: "user",
            content: [
              { type: "text", text: "what is it?" },
              { type: "image_url", image_url: image },
            ],
            name: "ann",
          },
          {
            role: "assistant",
            content: "Let me see.",
            tool_calls: [{ id: "call_1", type: "function", function: { name: "f", arguments: '{"b":1,"a":9007199254740993}' } }],
          },
          { role: "tool", tool_call_id: "call_1", content: "ok" },
        ],
        tools: [{ type: "function", function: { name: "f", description: "F", parameters: schema, strict: true } }],
        tool_choice: { type: "function", function: { name: "f" } },
        parallel_tool_calls: false,
        response_format: { type: "json_schema", json_schema: { name: "s", schema, strict: true } },
        temperature: 0.5,
        top_p: 0.9,
        max_completion_tokens: 99,
        stop: ["END"],
        n: 2,
        seed: 7,
        presence_penalty: 0.1,
        frequency_penalty: 0.2,
        logit_bias: { "50256": -100 },
        logprobs: true,
        top_logprobs: 3,
        reasoning_effort: "low",
        verbosity: "low",
        service_tier: "flex",
        x_unknown: { kept: [1, null] },
      },
    },
    {
      name: "anthropic",
      door: anthropicDoor,
      body: {
        model: "claude-sonnet-4-5",
        max_tokens: 4000,
        system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "what is it?" },
              { type: "image", source: { type: "url", url: image.url } },
            ],
          },
          {
            role: "assistant",
            content: [
              { type: "thinking", thinking: "Hm.", signature: "sealed==" },
              { type: "tool_use", id: "toolu_1", name: "f", input: { b: 1, a: "9007199254740993" } },
            ],
          },
          { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: [{ type: "text", text: "ok" }] }] },
        ],
        tools: [{ name: "f", description: "F", input_schema: schema, cache_control: { type: "ephemeral" } }],
        tool_choice: { type: "auto", disable_parallel_tool_use: true },
        thinking: { type: "enabled", budget_tokens: 1024 },
        stop_sequences: ["END"],
        metadata: { user_id: "u-1" },
        service_tier: "auto",
        x_unknown: { kept: [1, null] },
      },
    },
  ];
  test.each(cases)("10.14 $name", ({ name, door, body }) => {
    const { request } = door.decodeRequest(parseJson(JSON.stringify(body)), none);
    const vendor = vendorOf(name);
    const encoded = vendor.dialect.encodeRequest(request, targetOf(vendor), {}, false);
    const { stream: _stream, ...sent } = JSON.parse(encoded.body);
    expect(sent).toEqual(body);
    expect(encoded.notes).toEqual([]);
  });
});

/** Arguments of a call, and what a caller reads. */
const argumentTexts = [
  { what: "whole numbers beyond 2^53, and the order of keys", text: '{"b":1,"a":9007199254740993,"c":-9223372036854775808}' },
  { what: "characters beyond the first plane", text: '{"a":"🦦 é"}' },
  { what: "half a character", text: String.raw`{"a":"\ud83e"}` },
  { what: "nothing", text: "", is: "{}" },
  { what: "no JSON", text: '{"a":', broken: true },
] as const;

describe.each(vendors)("10.15 arguments that $name makes", (vendor) => {
  const argumentsOf = (response: ReturnType<typeof folded>): unknown =>
    JSON.parse(openaiChatDoor.decodeRequest({ model: "m", messages: [{ role: "user", content: "q" }] }, none).whole(response)).choices[0]
      .message.tool_calls[0].function.arguments;

  test.each(argumentTexts)("10.15 keep $what", (row) => {
    const { text } = row;
    const is = "is" in row ? row.is : text;
    const isBroken = "broken" in row;
    const { begun, ending } = vendor.stream(call(isBroken && vendor.objects === true ? "{}" : text));
    if (!isBroken || vendor.objects !== true)
      expect([is, text]).toContain(argumentsOf(folded(meaning(vendor.dialect, [...begun, ...ending]).events)));
    // Whole answers of these hold objects, which cannot be broken.
    if (isBroken && ["anthropic", "bedrock", "gemini"].includes(vendor.name)) return;
    expect([is, text]).toContain(argumentsOf(vendor.dialect.decodeResponse(parseJson(vendor.whole(call(text))), {})));
  });

  test.each(argumentTexts)("10.15 said back, keep $what, or the call at least", ({ text, what }) => {
    const messages = [
      { role: "user", content: "q" },
      { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "f", arguments: text } }] },
      { role: "tool", tool_call_id: "call_1", content: "ok" },
    ];
    const { request } = openaiChatDoor.decodeRequest({ model: "m", messages }, none);
    const { body } = vendor.dialect.encodeRequest(request, targetOf(vendor), {}, false);
    expect(() => parseJson(body)).not.toThrow();
    const plain = body.replaceAll(String.raw`\"`, '"').replaceAll("\\\\", "\\");
    if (what === "no JSON") expect(plain).toMatch(/\{"a":/);
    else if (text !== "") expect(plain).toContain(text);
    expect(body).toMatch(/"f"/);
  });
});
