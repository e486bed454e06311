/** Laws of all encoders towards a provider: a new dialect is one row. By fast-check. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { array, assert, type Arbitrary, boolean, constantFrom, oneof, option, property, record, string, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import { type ContentPartSchema, type MessageSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import { type ChatRequest, ChatRequestSchema, Role, ToolChoice_Mode } from "../../src/core/chat.ts";
import type { Quirks, UpstreamDialect } from "../../src/core/dialect.ts";
import { ChatError } from "../../src/core/error.ts";
import { parseJson } from "../../src/core/json.ts";
import { anthropicMessages } from "../../src/dialects/anthropic-messages/upstream.ts";
import { bedrockConverse } from "../../src/dialects/bedrock-converse/upstream.ts";
import { cohere } from "../../src/dialects/cohere/upstream.ts";
import { gemini as geminiDialect } from "../../src/dialects/gemini/upstream.ts";
import { openaiResponses } from "../../src/dialects/openai-responses/upstream.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { hosts } from "../../src/providers/hosts.ts";
import { chatTarget } from "../support/attempt.ts";

/** An encoder, and how its bodies hold a conversation. */
interface Row {
  readonly name: string;
  readonly dialect: UpstreamDialect;
  readonly issuer: string;
  readonly model: string;
  readonly quirks: Quirks;
  /** The parts of a body in which its prompt is read, in order; the last one is the list of turns. */
  readonly prompt: (body: Record<string, unknown>, hasTools: boolean) => readonly unknown[];
}

const openai = (name: string, issuer: string, quirks: Quirks): Row => ({
  name,
  dialect: openaiChat,
  issuer,
  model: "gpt-test",
  quirks,
  prompt: ({ tools, messages }) => [tools, messages],
});
const anthropic = (model: string): Row => ({
  name: `anthropic-messages for ${model}`,
  dialect: anthropicMessages,
  issuer: "anthropic",
  model,
  quirks: {},
  prompt: ({ tools, system, messages }) => [tools, system, messages],
});
const gemini = (model: string): Row => ({
  name: `gemini for ${model}`,
  dialect: geminiDialect,
  issuer: "google",
  model,
  quirks: {},
  prompt: ({ tools, systemInstruction, contents }) => [tools, systemInstruction, contents],
});
const bedrock = (model: string): Row => ({
  name: `bedrock-converse for ${model}`,
  dialect: bedrockConverse,
  issuer: "bedrock",
  model,
  quirks: {},
  // Converse takes no calls without their tools: where the caller lets none be called, its turns do, and more of them declare more.
  prompt: ({ toolConfig, system, messages }, hasTools) => [hasTools && toolConfig, system, messages],
});
const rows: readonly Row[] = [
  openai("openai-chat at OpenAI", "openai", hosts.openai.quirks),
  openai("openai-chat at Mistral", "mistral", hosts.mistral.quirks),
  openai("openai-chat at DeepSeek", "deepseek", hosts.deepseek.quirks),
  openai("openai-chat at OpenRouter", "openrouter", hosts.openrouter.quirks),
  openai("openai-chat at vLLM", "vllm", hosts.vllm.quirks),
  openai("openai-chat at Google's compatible endpoint", "google", hosts.openai_compatible.quirks),
  anthropic("claude-sonnet-4-5"),
  anthropic("claude-opus-4-8"),
  anthropic("claude-3-5-haiku-20241022"),
  gemini("gemini-2.5-flash"),
  gemini("gemini-3-flash-preview"),
  bedrock("us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
  bedrock("us.amazon.nova-pro-v1:0"),
  {
    name: "cohere",
    dialect: cohere,
    issuer: "cohere",
    model: "command-a-03-2025",
    quirks: {},
    prompt: ({ tools, messages }) => [tools, messages],
  },
  {
    name: "openai-responses",
    dialect: openaiResponses,
    issuer: "openai",
    model: "gpt-5.5",
    quirks: hosts.openai.quirks,
    prompt: ({ tools, instructions, input }) => [tools, instructions, input],
  },
];

type PartInit = MessageInitShape<typeof ContentPartSchema>;
type MessageInit = MessageInitShape<typeof MessageSchema>;

const issuers = ["anthropic", "openai", "google", "bedrock", "xai", "openrouter"] as const;
const kinds = ["signature", "redacted_thinking", "encrypted_content", "thought_signature", "reasoning_details"] as const;
/** Values name their issuer, so that a body shows whose tokens it holds. */
const token = tuple(constantFrom(...issuers), constantFrom(...kinds)).map(([issuer, kind]) => ({
  issuer,
  kind,
  value: `sealed-by-${issuer}`,
}));
const tokens = array(token, { maxLength: 3 });
const words = oneof(string({ maxLength: 12 }), constantFrom("", "caf\u00e9 \u{1f9a6}", "\u0000\u2028", "  "));
const text: Arbitrary<PartInit> = words.map((value) => ({ part: { case: "text", value: { text: value } } }));
const reasoning: Arbitrary<PartInit> = tuple(words, tokens).map(([value, opaque]) => ({
  part: { case: "reasoning", value: { text: value, opaque } },
}));
const argumentTexts = constantFrom(
  "",
  "null",
  "{}",
  '{"b":1,"a":9007199254740993}',
  '{"a":',
  "[1]",
  '"x"',
  '{"z":{"y":[1,{"x":-0.0}]},"a":"\\ud83e\\udda6"}',
);
const names = constantFrom("f", "g", "n".repeat(100));

/** One turn: a question, an answer, and perhaps calls with their results. */
const turn: Arbitrary<MessageInit[]> = record({
  question: array(text, { minLength: 1, maxLength: 2 }),
  system: option(words, { freq: 5 }),
  thoughts: array(reasoning, { maxLength: 2 }),
  said: array(text, { maxLength: 2 }),
  calls: array(tuple(names, argumentTexts, tokens, boolean()), { maxLength: 3 }),
}).map(({ question, system, thoughts, said, calls }) => {
  const called = calls.map(([name, argumentsJson, opaque, custom], i) => ({
    part: { case: "toolCall" as const, value: { id: `call:${name.length}-${i}`, name, argumentsJson, custom } },
    opaque,
  }));
  const results = called.map(({ part }) => ({
    part: {
      case: "toolResult" as const,
      value: { toolCallId: part.value.id, content: [{ part: { case: "text" as const, value: { text: "ok" } } }] },
    },
  }));
  const messages: MessageInit[] = [
    { role: Role.USER, content: [{ part: { case: "text", value: { text: "?" } } }, ...question] },
    { role: Role.ASSISTANT, content: [...thoughts, ...said, { part: { case: "text", value: { text: "." } } }, ...called] },
  ];
  if (results.length > 0) messages.push({ role: Role.TOOL, content: results });
  if (system !== null) messages.push({ role: Role.SYSTEM, text: system });
  return messages;
});
const conversation = record({
  system: option(array(words, { minLength: 1, maxLength: 2 })),
  turns: array(turn, { minLength: 1, maxLength: 4 }),
  tools: boolean(),
  choice: option(constantFrom(ToolChoice_Mode.AUTO, ToolChoice_Mode.NONE)),
});

/** The conversation up to a message, with one more line of the user's, since no model goes on with somebody else's. */
function requestOf(
  init: { system: string[] | null; tools: boolean; choice: ToolChoice_Mode | null },
  messages: readonly MessageInit[],
): ChatRequest {
  const custom = { kind: { case: "custom" as const, value: { name: "sh" } } };
  const tools = ["f", "g", "n".repeat(100)].map((name) => ({
    kind: {
      case: "function" as const,
      value: { name, parametersJsonSchema: '{"type":"object","properties":{"b":{},"a":{"const":9007199254740993}}}' },
    },
  }));
  return create(ChatRequestSchema, {
    model: "m",
    messages: [...(init.system ?? []).map((value) => ({ role: Role.SYSTEM, text: value })), ...messages],
    ...(init.tools && { tools: [...tools, custom] }),
    ...(init.tools && init.choice !== null && { toolChoice: { mode: init.choice } }),
  });
}

function encodedBy({ dialect, issuer, model, quirks }: Row, request: ChatRequest): string | undefined {
  try {
    return dialect.encodeRequest(request, chatTarget({ issuer, upstreamModel: model }), quirks, false).body;
  } catch (thrown) {
    // A conversation that a language cannot say is refused, and never said in part.
    if (thrown instanceof ChatError && (thrown.failure === "UNSUPPORTED_FEATURE" || thrown.failure === "INVALID_REQUEST")) return undefined;
    throw thrown;
  }
}

describe.each(rows)("$name", (row) => {
  test("never sends one issuer's tokens to another (8.4.8)", () => {
    let sealed = 0;
    assert(
      property(conversation, (init) => {
        const body = encodedBy(row, requestOf(init, init.turns.flat()));
        for (const [, issuer] of body?.matchAll(/sealed-by-(\w+)/g) ?? []) {
          expect(issuer).toBe(row.issuer);
          sealed++;
        }
      }),
      { numRuns: 300 },
    );
    // A law about nothing would hold, too: those who take tokens did.
    if (row.issuer === "anthropic" || row.issuer === "google") expect(sealed).toBeGreaterThan(0);
  });

  test("says a longer conversation with the bytes of the shorter one at its start (8.4.9)", () => {
    assert(
      property(conversation, (init) => {
        const { turns } = init;
        const ask: MessageInit = { role: Role.USER, text: "go on" };
        const shorter = encodedBy(row, requestOf(init, [...turns.slice(0, -1).flat(), ask]));
        const longer = encodedBy(
          row,
          requestOf(init, [...turns.slice(0, -1).flat(), ask, { role: Role.ASSISTANT, text: "well" }, ...(turns.at(-1) ?? []), ask]),
        );
        if (shorter === undefined || longer === undefined) return;
        const [one, other] = [shorter, longer].map((body) =>
          row.prompt(JSON.parse(body), init.tools && init.choice !== ToolChoice_Mode.NONE),
        );
        const [before, after] = [one?.at(-1), other?.at(-1)];
        expect(JSON.stringify(other?.slice(0, -1))).toBe(JSON.stringify(one?.slice(0, -1)));
        if (!Array.isArray(before) || !Array.isArray(after)) throw new Error("no turns");
        expect(JSON.stringify(after.slice(0, before.length))).toBe(JSON.stringify(before));
      }),
      { numRuns: 200 },
    );
  });

  test("says the same conversation with the same bytes", () => {
    assert(
      property(conversation, (init) => {
        const request = requestOf(init, init.turns.flat());
        const before = JSON.stringify(request, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
        expect(encodedBy(row, request)).toBe(encodedBy(row, structuredClone(request)));
        expect(JSON.stringify(request, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value))).toBe(before);
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    {
      what: "digits and the order of keys",
      text: '{"b":1,"a":9007199254740993,"c":-9223372036854775808}',
      is: '{"b":1,"a":9007199254740993,"c":-9223372036854775808}',
    },
    { what: "characters beyond the first plane", text: '{"a":"\\ud83e\\udda6"}', is: '{"a":"\u{1f9a6}"}' },
    { what: "no arguments", text: "", is: "{}" },
    { what: "arguments that are no JSON, with their call", text: '{"a":', is: undefined },
  ])("keeps $what of a tool call (6.3.2)", ({ text: argumentsJson, is }) => {
    const messages: MessageInit[] = [
      { role: Role.USER, text: "q" },
      { role: Role.ASSISTANT, content: [{ part: { case: "toolCall", value: { id: "a", name: "f", argumentsJson } } }] },
      {
        role: Role.TOOL,
        content: [
          { part: { case: "toolResult", value: { toolCallId: "a", content: [{ part: { case: "text", value: { text: "ok" } } }] } } },
        ],
      },
    ];
    const body = encodedBy(row, requestOf({ system: null, tools: true, choice: null }, messages)) ?? "";
    expect(() => parseJson(body)).not.toThrow();
    // Arguments are an object in one language, and its text in the other.
    const plain = body.replaceAll(String.raw`\"`, '"').replaceAll(String.raw`\\`, "\\");
    if (is !== undefined) expect(plain.includes(is) || (argumentsJson !== "" && plain.includes(argumentsJson)), plain).toBe(true);
    else expect(body).toMatch(/_raw|"arguments":"\{\\"a\\":"/);
    expect(body).not.toContain("9007199254740992");
    expect(body).toContain('"ok"');
    expect(body).toContain("9007199254740993}");
  });
});
