import { describe, expect, test } from "vitest";
import { type ChatRequest, ReasoningEffort, ReasoningSummary, Role, ToolChoice_Mode } from "../../../src/core/chat.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";
import { ask, decoded, encoded, type Json, target, thrown } from "./support.ts";

/** The conversation as a host that speaks chat completions gets it. */
function asChat(request: ChatRequest): { readonly body: Json; readonly notes: readonly string[] } {
  const at = target({ issuer: "openai_compatible" });
  const { body, notes } = openaiChat.encodeRequest(request, at, { replayReasoning: "reasoning" }, false);
  return { body: JSON.parse(body), notes: notes.map(({ field }) => field) };
}

function messagesOf(input: unknown): unknown {
  return asChat(decoded({ model: "m", input })).body["messages"];
}

describe("items become the messages that chat completions would have had", () => {
  const reasoning = { type: "reasoning", summary: [{ type: "summary_text", text: "hm" }] };
  const call = (id: string) => ({ type: "function_call", call_id: id, name: "f", arguments: "{}" });
  const output = (id: string) => ({ type: "function_call_output", call_id: id, output: `of ${id}` });
  const said = (text: string) => ({ type: "message", role: "assistant", content: [{ type: "output_text", text }] });
  const wire = (id: string) => ({ id, type: "function", function: { name: "f", arguments: "{}" } });
  const tool = (id: string) => ({ role: "tool", tool_call_id: id, content: `of ${id}` });

  test("instructions first, then a text", () => {
    const request = decoded(ask({ instructions: "be kind" }));
    expect(asChat(request).body["messages"]).toEqual([
      { role: "system", content: "be kind" },
      { role: "user", content: "hi" },
    ]);
  });

  test("neighbouring calls and what was said before them are one message", () => {
    expect(messagesOf([reasoning, said("both"), call("a"), call("b"), output("a"), output("b"), said("done")])).toEqual([
      { role: "assistant", content: "both", reasoning: "hm", tool_calls: [wire("a"), wire("b")] },
      tool("a"),
      tool("b"),
      { role: "assistant", content: "done" },
    ]);
  });

  test("calls one after another are a message each", () => {
    expect(messagesOf([reasoning, call("a"), output("a"), call("b"), output("b")])).toEqual([
      { role: "assistant", content: null, reasoning: "hm", tool_calls: [wire("a")] },
      tool("a"),
      { role: "assistant", content: null, tool_calls: [wire("b")] },
      tool("b"),
    ]);
  });

  test("nothing stands between a call and its result", () => {
    expect(messagesOf([call("a"), said("meanwhile"), output("a")])).toEqual([
      { role: "assistant", content: "meanwhile", tool_calls: [wire("a")] },
      tool("a"),
    ]);
  });

  test("two messages of the assistant's stay two, and reasoning goes to the one behind it", () => {
    expect(messagesOf([said("one"), reasoning, said("two"), said("three")])).toEqual([
      { role: "assistant", content: "one" },
      { role: "assistant", content: "two", reasoning: "hm" },
      { role: "assistant", content: "three" },
    ]);
  });

  test("pictures in a tool's output follow as the user's, as chat completions want them", () => {
    const image_url = "https://a.example/x.png";
    expect(
      messagesOf([call("a"), { type: "function_call_output", call_id: "a", output: [{ type: "input_image", image_url }] }]),
    ).toMatchObject([
      { role: "assistant" },
      { role: "tool", tool_call_id: "a" },
      { role: "user", content: [{ type: "image_url", image_url: { url: image_url } }] },
    ]);
  });

  test("what the vendor's tools did is left out elsewhere, with a note", () => {
    const request = decoded({ model: "m", input: [{ type: "web_search_call", id: "ws", status: "completed" }, said("found")] });
    expect(asChat(request)).toMatchObject({
      body: { messages: [{ role: "assistant", content: "found" }] },
      notes: ["messages[0].content[0].native"],
    });
  });
});

describe("what is said becomes the vocabulary's", () => {
  test("limits, reasoning, format and the end user", () => {
    const request = decoded(
      ask({
        max_output_tokens: 100,
        temperature: 0.5,
        reasoning: { effort: "low", summary: "auto" },
        text: { format: { type: "json_schema", name: "n", schema: { type: "object" }, strict: true }, verbosity: "low" },
        user: "u",
        prompt_cache_key: "session",
      }),
    );
    expect(request).toMatchObject({
      maxOutputTokens: 100,
      sampling: { temperature: 0.5 },
      reasoning: { effort: ReasoningEffort.LOW, summary: ReasoningSummary.AUTO },
      outputFormat: { format: { case: "jsonSchema", value: { name: "n", jsonSchema: '{"type":"object"}', strict: true } } },
      verbosity: "low",
      endUserId: "u",
      promptCacheKey: "session",
    });
    expect(request.store).toBeUndefined();
  });

  test("chat completions hear nothing of what only asks for this language's defaults", () => {
    const request = decoded(
      ask({
        store: false,
        background: false,
        truncation: "disabled",
        include: ["reasoning.encrypted_content"],
        stream_options: { include_obfuscation: false },
        previous_response_id: null,
      }),
    );
    expect(asChat(request)).toEqual({ body: { model: "m", stream: false, messages: [{ role: "user", content: "hi" }] }, notes: [] });
  });

  test("what they cannot be told is noted, each by its name", () => {
    const fields = {
      truncation: "auto",
      max_tool_calls: 2,
      context_management: [],
      include: ["file_search_call.results"],
      stream_options: { include_obfuscation: true },
    };
    expect(asChat(decoded(ask({ ...fields, stream: true }))).notes).toEqual(
      ["context_management", "include", "max_tool_calls", "stream_options", "truncation"].map(
        (key) => `extensions_json.openai_responses.${key}`,
      ),
    );
  });

  test("a function is strict by default where its schema is; others go out as they are", () => {
    const strict = {
      type: "object",
      properties: { a: { type: "object", properties: {}, required: [], additionalProperties: false } },
      required: ["a"],
      additionalProperties: false,
    };
    const strictness = (parameters: unknown, said?: boolean | null) => {
      const [tool] = decoded(ask({ tools: [{ type: "function", name: "f", parameters, strict: said }] })).tools;
      return tool?.kind.case === "function" ? tool.kind.value.strict : "none";
    };
    expect(strictness(strict)).toBe(true);
    expect(strictness(strict, null)).toBe(true);
    expect(strictness(strict, false)).toBe(false);
    for (const lax of [
      undefined,
      { type: "object" },
      { ...strict, required: [] },
      { ...strict, oneOf: [] },
      { ...strict, properties: { a: { type: "object" } } },
    ])
      expect(strictness(lax)).toBeUndefined();
    expect(strictness({ type: "object" }, true)).toBe(true);
  });

  test("a hosted tool that must be called keeps targets out that have none", () => {
    const request = decoded(ask({ tools: [{ type: "web_search" }, { type: "function", name: "f" }], tool_choice: { type: "web_search" } }));
    expect(request.toolChoice).toMatchObject({ mode: ToolChoice_Mode.REQUIRED, allowedNames: ["web_search"] });
    expect(thrown(() => asChat(request))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field: "tool_choice" });
    expect(asChat(decoded(ask({ tools: [{ type: "web_search" }, { type: "function", name: "f" }] })))).toMatchObject({
      body: { tools: [{ function: { name: "f" } }] },
      notes: ["tools[0].native"],
    });
  });

  test("seals of other vendors are theirs again, and their parts' signatures go back to the parts", () => {
    const { messages } = decoded({
      model: "m",
      input: [
        { type: "reasoning", summary: [{ type: "summary_text", text: "deep" }], encrypted_content: "sr1.anthropic.signature.SIG" },
        { type: "reasoning", summary: [], encrypted_content: "sr1.google.thought_signature.TS" },
        { type: "function_call", call_id: "a", name: "f", arguments: "{}" },
      ],
    });
    expect(messages).toMatchObject([
      {
        role: Role.ASSISTANT,
        content: [
          { part: { case: "reasoning", value: { text: "deep", opaque: [{ issuer: "anthropic", kind: "signature", value: "SIG" }] } } },
          { part: { case: "toolCall" }, opaque: [{ issuer: "google", kind: "thought_signature", value: "TS" }] },
        ],
      },
    ]);
  });
});

describe("what needs memory is refused by its name", () => {
  test.each([
    [{ store: true }, "store"],
    [{ background: true }, "background"],
    [{ previous_response_id: "resp_1" }, "previous_response_id"],
    [{ conversation: "conv_1" }, "conversation"],
    [{ conversation: { id: "conv_1" } }, "conversation"],
    [{ prompt: { id: "pmpt_1" } }, "prompt"],
    [
      {
        input: [
          { role: "user", content: "x" },
          { type: "item_reference", id: "msg_1" },
        ],
      },
      "input[1]",
    ],
    [{ input: [{ id: "msg_1" }] }, "input[0]"],
  ])("%j", (fields, field) => {
    expect(thrown(() => decoded(ask(fields)))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field });
  });
});

test("a stored thought that is only referred to is left out everywhere, and that is told", () => {
  const input = [
    { role: "user", content: "go" },
    { type: "item_reference", id: "rs_1" },
    { type: "function_call", call_id: "a", name: "f", arguments: "{}" },
    { type: "function_call_output", call_id: "a", output: "x" },
  ];
  const request = decoded({ model: "m", input });
  expect(encoded(request)).toMatchObject({ body: { input: [input[0], input[2], input[3]] } });
  expect(encoded(request).notes).toEqual(["DROPPED messages[1].content[0].reasoning"]);
  const { body, notes } = asChat(request);
  expect(JSON.stringify(body)).not.toContain("rs_1");
  expect(notes).toEqual(["messages[1].content[0].reasoning.opaque"]);
});

describe("what is wrong is refused with its place", () => {
  test.each<[Json, string]>([
    [{ model: undefined }, "model"],
    [{ model: 3 }, "model"],
    [{ input: undefined }, "input"],
    [{ input: [] }, "input"],
    [{ input: 3 }, "input"],
    [{ input: ["x"] }, "input[0]"],
    [{ input: [{ content: "x" }] }, "input[0].type"],
    [{ input: [{ role: "tool", content: "x" }] }, "input[0].role"],
    [{ input: [{ role: "user" }] }, "input[0].content"],
    [{ input: [{ role: "user", content: [{ type: "input_text" }] }] }, "input[0].content[0].text"],
    [{ input: [{ role: "user", content: [{ type: "input_image", image_url: "ftp://x" }] }] }, "input[0].content[0].image_url"],
    [{ input: [{ role: "user", content: [{ type: "input_image" }] }] }, "input[0].content[0].image_url"],
    [{ input: [{ role: "user", content: [{ type: "input_file", file_data: "§" }] }] }, "input[0].content[0].file_data"],
    [
      { input: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "AQI=" } }] }] },
      "input[0].content[0].input_audio.format",
    ],
    [{ input: [{ type: "function_call", name: "f", arguments: "{}" }] }, "input[0].call_id"],
    [{ input: [{ type: "function_call_output", call_id: "a" }] }, "input[0].output"],
    [{ max_output_tokens: 0 }, "max_output_tokens"],
    [{ temperature: 3 }, "temperature"],
    [{ top_logprobs: 21 }, "top_logprobs"],
    [{ store: "no" }, "store"],
    [{ stream: 1 }, "stream"],
    [{ include: "x" }, "include"],
    [{ metadata: { a: 1 } }, "metadata.a"],
    [{ reasoning: { effort: "huge" } }, "reasoning.effort"],
    [{ text: { format: { type: "yaml" } } }, "text.format.type"],
    [{ text: { format: { type: "json_schema", name: "n" } } }, "text.format.schema"],
    [{ tools: [{ name: "f" }] }, "tools[0].type"],
    [{ tools: [{ type: "function", name: "a b" }] }, "tools[0].name"],
    [{ tools: [{ type: "custom", name: "c", format: { type: "grammar", syntax: "bnf", definition: "x" } }] }, "tools[0].format.syntax"],
    [{ tool_choice: "required" }, "tool_choice"],
    [{ tool_choice: { type: "allowed_tools", mode: "auto", tools: [] } }, "tool_choice.tools"],
    [{ user: "u".repeat(513) }, "user"],
  ])("%j", (fields, field) => {
    expect(thrown(() => decoded(ask(fields)))).toMatchObject({ failure: "INVALID_REQUEST", field });
  });

  test("a body that is no object", () => {
    for (const body of [null, [], "x", 1]) expect(thrown(() => decoded(body)).field).toBe("body");
  });
});
