/** What callers of the Anthropic door may say, as the rooms behind it get it, and what they may not. */
import { describe, expect, test } from "vitest";
import { ReasoningEffort, ReasoningSummary, Role, ToolChoice_Mode } from "../../../src/core/chat.ts";
import { anthropicDoor } from "../../../src/dialects/anthropic-messages/door.ts";
import type { Fields } from "../../../src/dialects/anthropic-messages/fields.ts";
import { ask, asked } from "./door-support.ts";
import { thrownBy } from "./support.ts";

const old = { "anthropic-version": "2023-06-01" };
const young = { "anthropic-version": "2026-10-21" };
const tool = { name: "f", input_schema: { type: "object" } };
const said = (content: unknown, role = "user"): Fields => ({ messages: [{ role, content }] });
const block = (type: string, more: Fields = {}): Fields => ({ type, ...more });
const use = block("tool_use", { id: "t", name: "f", input: {} });

describe("a request", () => {
  test("is what it says", () => {
    const request = asked(
      ask({
        system: "Be brief.",
        temperature: 0.5,
        top_p: 1,
        top_k: 3,
        stop_sequences: ["END"],
        metadata: { user_id: "u" },
        service_tier: "auto",
        tools: [tool],
      }),
      old,
    );
    expect(request).toMatchObject({
      model: "claude-sonnet-4-5",
      maxOutputTokens: 100,
      messages: [{ role: Role.SYSTEM }, { role: Role.USER }],
      sampling: { temperature: 0.5, topP: 1, topK: 3, stop: ["END"] },
      endUserId: "u",
      serviceTier: "auto",
      tools: [{ kind: { case: "function", value: { name: "f", parametersJsonSchema: `{"type":"object"}` } } }],
      extensionsJson: {},
    });
  });

  test("of a coding agent, whose end user has a long name, is taken", () => {
    expect(asked(ask({ metadata: { user_id: "x".repeat(5000) } })).endUserId).toHaveLength(5000);
  });

  test("tells whether it wants events", () => {
    const streamed = (stream: unknown): boolean => anthropicDoor.decodeRequest(ask({ stream }), () => undefined).streamed;
    expect([streamed(true), streamed(false), streamed(null), streamed(undefined)]).toEqual([true, false, false, false]);
  });

  test("gives results of tools a message of their own, in front of what else the user says", () => {
    const result = block("tool_result", { tool_use_id: "t", content: "21" });
    const { messages } = asked(ask(said([block("text", { text: "and?" }), result])));
    expect(messages.map(({ role, content }) => [role, content.map(({ part }) => part.case)])).toEqual([
      [Role.TOOL, ["toolResult"]],
      [Role.USER, ["text"]],
    ]);
  });

  test.each([
    { tool_choice: { type: "auto" }, mode: ToolChoice_Mode.AUTO, names: [] },
    { tool_choice: { type: "any" }, mode: ToolChoice_Mode.REQUIRED, names: [] },
    { tool_choice: { type: "tool", name: "f" }, mode: ToolChoice_Mode.REQUIRED, names: ["f"] },
    { tool_choice: { type: "none" }, mode: ToolChoice_Mode.NONE, names: [] },
    { tool_choice: { type: "auto", disable_parallel_tool_use: true }, mode: ToolChoice_Mode.AUTO, names: [], parallel: false },
  ])("chooses tools by $tool_choice", ({ tool_choice, mode, names, parallel }) => {
    const choice = asked(ask({ tools: [tool], tool_choice })).toolChoice;
    expect([choice?.mode, choice?.allowedNames, choice?.parallel]).toEqual([mode, names, parallel]);
  });

  test.each([
    {
      words: { thinking: { type: "adaptive", display: "summarized" } },
      effort: ReasoningEffort.UNSPECIFIED,
      summary: ReasoningSummary.AUTO,
    },
    {
      words: { thinking: { type: "adaptive" }, output_config: { effort: "max" } },
      effort: ReasoningEffort.MAX,
      summary: ReasoningSummary.UNSPECIFIED,
    },
    {
      words: { thinking: { type: "enabled", budget_tokens: 2048, display: "omitted" } },
      effort: ReasoningEffort.UNSPECIFIED,
      summary: ReasoningSummary.OMITTED,
      budget: 2048,
    },
    {
      words: { thinking: { type: "disabled" }, output_config: { effort: "high" } },
      effort: ReasoningEffort.NONE,
      summary: ReasoningSummary.UNSPECIFIED,
    },
    { words: { thinking: { type: "between_tools" } }, effort: ReasoningEffort.NONE, summary: ReasoningSummary.UNSPECIFIED },
    { words: { output_config: { effort: "low" } }, effort: ReasoningEffort.LOW, summary: ReasoningSummary.UNSPECIFIED },
  ])("asks for thinking by $words", ({ words, effort, summary, budget }) => {
    const { reasoning } = asked(ask(words));
    expect([reasoning?.effort, reasoning?.summary, reasoning?.budgetTokens]).toEqual([effort, summary, budget]);
  });

  test("asks for a schema in the words of today and of the beta", () => {
    const format = { type: "json_schema", schema: { type: "object" } };
    for (const body of [{ output_config: { format } }, { output_format: format }])
      expect(asked(ask(body)).outputFormat).toMatchObject({
        format: { case: "jsonSchema", value: { jsonSchema: `{"type":"object"}`, strict: true } },
      });
  });

  test("other vendors can read what only Anthropic has a block for", () => {
    const found = block("search_result", { source: "https://a.b", title: "T", content: [block("text", { text: "found" })] });
    const chunks = block("document", {
      title: "D",
      source: { type: "content", content: [block("text", { text: "one" }), block("text", { text: "two" })] },
    });
    const { messages } = asked(ask(said([found, chunks])));
    expect(messages[0]?.content.map(({ part }) => (part.case === "text" ? part.value.text : part.case))).toEqual([
      "T\nhttps://a.b\nfound",
      "D\none\ntwo",
    ]);
  });
});

describe("versions", () => {
  const sampled = ["temperature", "top_p", "top_k"].map((key) => ({ what: key, body: { [key]: 1 }, field: key }));
  const others = [
    {
      what: "documents of the assistant",
      body: said([block("document", { source: { type: "text", media_type: "text/plain", data: "x" } })], "assistant"),
      field: "messages.0.content.0",
    },
    {
      what: "citations of the user",
      body: said([block("text", { text: "x", citations: [{ type: "char_location" }] })]),
      field: "messages.0.content.0.citations",
    },
  ];
  test.each([...sampled, ...others])("$what: taken by the old one and without one, refused by the young one", ({ body, field }) => {
    for (const headers of [old, {}, { "anthropic-version": "bedrock-2023-05-31" }]) expect(() => asked(ask(body), headers)).not.toThrow();
    for (const version of ["2026-10-21", "2027-01-01"])
      expect(thrownBy(() => asked(ask(body), { "anthropic-version": version }))).toMatchObject({ failure: "INVALID_REQUEST", field });
  });

  test("the young one's refusal of sampling has Anthropic's own words, and null is none", () => {
    expect(thrownBy(() => asked(ask({ temperature: 1 }), young)).message).toBe("temperature: Extra inputs are not permitted");
    expect(asked(ask({ temperature: null, top_k: null }), young).sampling).toBeUndefined();
  });
});

describe("is refused, with its field", () => {
  test.each([
    { body: { model: undefined }, field: "model" },
    { body: { model: "" }, field: "model" },
    { body: { model: "m".repeat(257) }, field: "model" },
    { body: { max_tokens: undefined }, field: "max_tokens" },
    { body: { max_tokens: -1 }, field: "max_tokens" },
    { body: { max_tokens: 1.5 }, field: "max_tokens" },
    { body: { max_tokens: "5" }, field: "max_tokens" },
    { body: { messages: undefined }, field: "messages" },
    { body: { messages: [] }, field: "messages" },
    { body: { messages: "hi" }, field: "messages" },
    { body: { messages: ["hi"] }, field: "messages.0" },
    { body: said("x", "tool"), field: "messages.0.role" },
    { body: said(undefined), field: "messages.0.content" },
    { body: said(5), field: "messages.0.content" },
    { body: said([{}]), field: "messages.0.content.0.type" },
    { body: said([block("text")]), field: "messages.0.content.0.text" },
    { body: said([use]), field: "messages.0.content.0" },
    { body: said([block("thinking", { thinking: "x" })]), field: "messages.0.content.0" },
    { body: said([block("redacted_thinking", { data: "x" })]), field: "messages.0.content.0" },
    { body: said([{ ...use, input: "x" }], "assistant"), field: "messages.0.content.0.input" },
    { body: said([{ ...use, id: "" }], "assistant"), field: "messages.0.content.0.id" },
    { body: said([block("tool_result", { tool_use_id: "t" })], "assistant"), field: "messages.0.content.0" },
    { body: said([block("tool_result")]), field: "messages.0.content.0.tool_use_id" },
    { body: said([block("tool_result", { tool_use_id: "t", content: [block("tool_result")] })]), field: "messages.0.content.0.content.0" },
    { body: said([block("image")]), field: "messages.0.content.0.source" },
    {
      body: said([block("image", { source: { type: "base64", media_type: "image/png", data: "*" } })]),
      field: "messages.0.content.0.source.data",
    },
    { body: said([block("image", { source: { type: "url", url: "file:///etc/passwd" } })]), field: "messages.0.content.0.source.url" },
    { body: said([block("text", { text: "x", cache_control: { ttl: "soon" } })]), field: "messages.0.content.0.cache_control.ttl" },
    { body: said([block("image", { source: {} })], "system"), field: "messages.0.content.0.type" },
    { body: { system: 5 }, field: "system" },
    { body: { system: [block("image")] }, field: "system.0.type" },
    { body: { temperature: 1.1 }, field: "temperature" },
    { body: { top_k: -1 }, field: "top_k" },
    { body: { stop_sequences: ["x", " "] }, field: "stop_sequences.1" },
    { body: { stream: "yes" }, field: "stream" },
    { body: { tools: [{ name: "f" }] }, field: "tools.0.input_schema" },
    { body: { tools: [{ ...tool, name: "a b" }] }, field: "tools.0.name" },
    { body: { tool_choice: { type: "any" } }, field: "tool_choice" },
    { body: { tools: [tool], tool_choice: { type: "all" } }, field: "tool_choice.type" },
    { body: { tools: [tool], tool_choice: { type: "tool" } }, field: "tool_choice.name" },
    { body: { thinking: { type: "enabled" } }, field: "thinking.budget_tokens" },
    { body: { thinking: { type: "enabled", budget_tokens: 100 } }, field: "thinking.budget_tokens" },
    { body: { thinking: {} }, field: "thinking.type" },
    { body: { output_config: { format: { type: "json_schema" } } }, field: "output_config.format.schema" },
    { body: { metadata: "u" }, field: "metadata" },
  ])("$body: $field", ({ body, field }) => {
    const error = thrownBy(() => asked(ask(body)));
    expect(error).toMatchObject({ failure: "INVALID_REQUEST", field });
    expect(error.message).toMatch(new RegExp(`^${field.replaceAll(".", "\\.")}: `));
  });

  test("going on with a conversation that was kept at the server, in the words on which SDKs send all of it", () => {
    const error = thrownBy(() => asked(ask({ thread: { type: "continue", previous_message_id: "msg_1" } })));
    expect(error).toMatchObject({ failure: "INVALID_REQUEST", field: "thread" });
    expect(JSON.parse(anthropicDoor.errors.body(error, "r-1"))).toMatchObject({ error: { details: { error_code: "thread_not_found" } } });
    expect(() => asked(ask({ thread: { type: "create" } }))).not.toThrow();
  });

  test("whatever is no object", () => {
    for (const body of [null, 5, "x", []])
      expect(thrownBy(() => anthropicDoor.decodeRequest(body, () => undefined))).toMatchObject({ field: "body" });
  });
});

test("a question for tokens needs no limit, and takes one", () => {
  const { counting } = anthropicDoor;
  const { max_tokens: _, ...body } = ask();
  expect(counting?.decodeRequest(body, () => undefined)).toMatchObject({ model: "claude-sonnet-4-5", maxOutputTokens: undefined });
  expect(counting?.decodeRequest(ask(), () => undefined)).toMatchObject({ maxOutputTokens: 100 });
  expect(counting?.encodeResponse(7)).toBe(`{"input_tokens":7}`);
});
