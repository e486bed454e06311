import { describe, expect, test } from "vitest";

import { ReasoningEffort, ReasoningSummary, Role, ToolChoice_Mode } from "../../../src/core/chat.ts";
import { parseCallerJson } from "../../../src/core/json.ts";
import { decodeChatRequest } from "../../../src/dialects/openai-chat/request-decode.ts";
import { ask, decoded, thrown } from "./support.ts";

const tool = { type: "function", function: { name: "f" } };
const png = "iVBORw0KGgo=";

describe("fields of the request", () => {
  const fields: readonly { body: Record<string, unknown>; means: Record<string, unknown> }[] = [
    { body: { max_tokens: 5 }, means: { maxOutputTokens: 5 } },
    { body: { max_tokens: 5, max_completion_tokens: 7 }, means: { maxOutputTokens: 7 } },
    { body: { temperature: 0, top_p: 0.5, top_k: 3 }, means: { sampling: { temperature: 0, topP: 0.5, topK: 3 } } },
    { body: { min_p: 0.1, repetition_penalty: 1.2 }, means: { sampling: { minP: 0.1, repetitionPenalty: 1.2 } } },
    { body: { frequency_penalty: -2, presence_penalty: 2 }, means: { sampling: { frequencyPenalty: -2, presencePenalty: 2 } } },
    { body: { seed: -1, logprobs: true, top_logprobs: 20 }, means: { sampling: { seed: -1n, logprobs: true, topLogprobs: 20 } } },
    { body: { logit_bias: { 50256: -100 } }, means: { sampling: { logitBias: { 50256: -100 } } } },
    { body: { stop: "a" }, means: { sampling: { stop: ["a"] } } },
    { body: { stop: ["a", "", "b"] }, means: { sampling: { stop: ["a", "b"] } } },
    { body: { n: 2 }, means: { n: 2 } },
    {
      body: { modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" } },
      means: { modalities: ["text", "audio"], audio: { voice: "alloy" } },
    },
    { body: { reasoning_effort: "xhigh", verbosity: "low" }, means: { reasoning: { effort: ReasoningEffort.XHIGH }, verbosity: "low" } },
    {
      body: { reasoning: { max_tokens: 100, exclude: true } },
      means: { reasoning: { budgetTokens: 100, summary: ReasoningSummary.OMITTED } },
    },
    { body: { user: "u" }, means: { endUserId: "u" } },
    { body: { user: "u", safety_identifier: "s" }, means: { endUserId: "s" } },
    {
      body: { prompt_cache_key: "k", service_tier: "flex", store: false },
      means: { promptCacheKey: "k", serviceTier: "flex", store: false },
    },
    { body: { metadata: { a: "b" } }, means: { metadata: { a: "b" } } },
    { body: { response_format: { type: "json_object" } }, means: { outputFormat: { format: { case: "jsonObject" } } } },
    {
      body: { response_format: { type: "json_schema", json_schema: { name: "s", schema: { type: "object" }, strict: true } } },
      means: { outputFormat: { format: { case: "jsonSchema", value: { name: "s", jsonSchema: '{"type":"object"}', strict: true } } } },
    },
    { body: { tools: [tool], tool_choice: "required" }, means: { toolChoice: { mode: ToolChoice_Mode.REQUIRED } } },
    {
      body: { tools: [tool], tool_choice: "none", parallel_tool_calls: false },
      means: { toolChoice: { mode: ToolChoice_Mode.NONE, parallel: false } },
    },
    { body: { tools: [tool], tool_choice: tool }, means: { toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["f"] } } },
    {
      body: { tools: [tool], tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [tool] } } },
      means: { toolChoice: { mode: ToolChoice_Mode.AUTO, allowedNames: ["f"] } },
    },
    {
      body: {
        tools: [{ type: "custom", custom: { name: "c", format: { type: "grammar", grammar: { syntax: "regex", definition: "a+" } } } }],
      },
      means: { tools: [{ kind: { case: "custom", value: { name: "c", grammarSyntax: "regex", grammar: "a+" } } }] },
    },
    {
      body: { tools: [{ type: "mcp", server: "x" }] },
      means: { tools: [{ kind: { case: "native", value: { issuer: "openai", json: '{"type":"mcp","server":"x"}' } } }] },
    },
    {
      body: { functions: [{ name: "f", parameters: {} }], function_call: { name: "f" } },
      means: {
        tools: [{ kind: { value: { name: "f", parametersJsonSchema: "{}" } } }],
        toolChoice: { allowedNames: ["f"], parallel: false },
      },
    },
  ];
  for (const { body, means } of fields) test(JSON.stringify(body), () => expect(decoded(ask(body))).toMatchObject(means));

  test("null equals absence, for every field but the two that must be there", () => {
    const names =
      "max_tokens max_completion_tokens temperature top_p top_k min_p frequency_penalty presence_penalty repetition_penalty seed stop n";
    const more =
      "logprobs top_logprobs logit_bias tools tool_choice parallel_tool_calls response_format reasoning_effort reasoning verbosity";
    const last =
      "modalities audio metadata store service_tier user safety_identifier prompt_cache_key functions function_call stream stream_options foo";
    const nulls = Object.fromEntries(`${names} ${more} ${last}`.split(" ").map((name) => [name, null]));
    expect(decoded(ask(nulls))).toEqual(decoded(ask()));
  });

  test("a seed and a schema keep integers that no double holds", () => {
    const body =
      '{"model":"m","messages":[{"role":"user","content":"x"}],"seed":9007199254740993,"tools":[{"type":"function","function":{"name":"f","parameters":{"const":12345678901234567890}}}]}';
    const { request } = decodeChatRequest(parseCallerJson(body));
    expect(request.sampling?.seed).toBe(9007199254740993n);
    expect(request.tools[0]?.kind.value).toMatchObject({ parametersJsonSchema: '{"const":12345678901234567890}' });
  });

  test("how the answer is wanted", () => {
    const body = ask({ stream: true, stream_options: { include_usage: true }, functions: [{ name: "f" }] });
    expect(decodeChatRequest(body)).toMatchObject({ streamed: true, includeUsage: true, legacyFunctions: true });
    expect(decodeChatRequest(ask())).toMatchObject({ streamed: false, includeUsage: false, legacyFunctions: false });
  });

  test("what the vocabulary has not, at every level, is kept under the dialect's name, and nothing else is", () => {
    const request = decoded({
      ...ask({
        prediction: { type: "content", content: "p" },
        temperature: 1,
        stream: true,
        stream_options: { include_usage: true },
        unknown: [1],
      }),
      messages: [{ role: "user", name: "n", odd: 1, content: [{ type: "image_url", image_url: { url: "https://a.b/c", q: 2 }, w: 3 }] }],
      tools: [{ type: "function", x: 1, function: { name: "f", description: "d", y: 2 } }],
      audio: { voice: { id: "v" }, format: "wav" },
      response_format: { type: "structural_tag", tags: [] },
    });
    const json = (text: string | undefined): unknown => JSON.parse(text ?? "null");
    expect(json(request.extensionsJson["openai"])).toEqual({
      prediction: { type: "content", content: "p" },
      unknown: [1],
      audio: { voice: { id: "v" } },
      response_format: { type: "structural_tag", tags: [] },
    });
    expect(json(request.messages[0]?.extensionsJson["openai"])).toEqual({ odd: 1 });
    expect(json(request.messages[0]?.content[0]?.extensionsJson["openai"])).toEqual({ image_url: { q: 2 }, w: 3 });
    expect(json(request.tools[0]?.extensionsJson["openai"])).toEqual({ x: 1, function: { y: 2 } });
  });
});

describe("messages", () => {
  const parts: readonly { part: unknown; means: unknown }[] = [
    {
      part: { type: "text", text: "t", cache_control: { type: "ephemeral", ttl: "1h" } },
      means: { part: { case: "text" }, cacheControl: { ttl: { seconds: 3600n } } },
    },
    {
      part: { type: "image_url", image_url: { url: "https://a.b/c.png", detail: "high" } },
      means: { part: { case: "image", value: { media: { source: { case: "url", value: "https://a.b/c.png" } }, detail: 3 } } },
    },
    {
      part: { type: "image_url", image_url: `data:image/png;base64,${png}` },
      means: { part: { value: { media: { source: { case: "data" }, mimeType: "image/png" } } } },
    },
    {
      part: { type: "input_audio", input_audio: { data: "AQI", format: "mp3" } },
      means: { part: { case: "audio", value: { media: { mimeType: "audio/mpeg", source: { value: new Uint8Array([1, 2]) } } } } },
    },
    {
      part: { type: "file", file: { file_data: "data:application/pdf;base64,AQID", filename: "a.pdf" } },
      means: { part: { case: "document", value: { media: { mimeType: "application/pdf", filename: "a.pdf" } } } },
    },
    {
      part: { type: "file", file: { file_data: "AQID", filename: "a.txt" } },
      means: { part: { value: { media: { mimeType: "text/plain" } } } },
    },
    {
      part: { type: "file", file: { file_id: "file-1" } },
      means: { part: { value: { media: { source: { case: "file", value: { issuer: "openai", id: "file-1" } } } } } },
    },
    { part: { type: "video_url", video_url: { url: "https://a.b/v.mp4" } }, means: { part: { case: "video" } } },
    {
      part: { type: "hologram", x: 1 },
      means: { part: { case: "native", value: { issuer: "openai", json: '{"type":"hologram","x":1}' } } },
    },
  ];
  for (const { part, means } of parts)
    test(JSON.stringify(part), () =>
      expect(decoded({ model: "m", messages: [{ role: "user", content: [part] }] }).messages[0]?.content[0]).toMatchObject(means as object),
    );

  const urls: readonly { url: string; mimeType: string; text: string }[] = [
    { url: "data:text/plain;charset=utf-8;base64,aGk=", mimeType: "text/plain", text: "hi" },
    { url: "data:,a%20b", mimeType: "text/plain", text: "a b" },
    { url: "DATA:Image/GIF;base64, aG\nk ", mimeType: "image/gif", text: "hi" },
    { url: "data:x/y;base64,aGk%3D", mimeType: "x/y", text: "hi" },
    { url: "data:x/y;base64,-_8", mimeType: "x/y", text: "\ufffd\ufffd" },
  ];
  for (const { url, mimeType, text } of urls)
    test(`the data URL ${JSON.stringify(url)}`, () => {
      const request = decoded({ model: "m", messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }] });
      const part = request.messages[0]?.content[0]?.part;
      const media = part?.case === "image" ? part.value.media : undefined;
      expect(media?.mimeType).toBe(mimeType);
      expect(new TextDecoder().decode(media?.source.case === "data" ? media.source.value : undefined)).toBe(text);
    });

  test("roles, names, calls, results and reasoning of a whole conversation", () => {
    const request = decoded({
      model: "m",
      messages: [
        { role: "developer", content: "be good" },
        { role: "user", name: "ann", content: "q" },
        {
          role: "assistant",
          content: "",
          reasoning_content: "hm",
          tool_calls: [
            {
              id: "a",
              type: "function",
              function: { name: "f", arguments: "{bad" },
              extra_content: { google: { thought_signature: "S" } },
            },
            { id: "b", type: "custom", custom: { name: "c", input: "raw" } },
          ],
        },
        { role: "tool", tool_call_id: "a", content: "" },
        { role: "tool", tool_call_id: "b", content: [{ type: "text", text: "r" }] },
        {
          role: "assistant",
          content: null,
          refusal: "no",
          thinking_blocks: [{ type: "thinking", thinking: "t", signature: "s" }],
          reasoning: "t",
        },
        { role: "assistant", function_call: { name: "g", arguments: "{}" } },
        { role: "function", name: "g", content: "done" },
        { role: "assistant", audio: { id: "au" } },
      ],
    });
    const kinds = request.messages.map((each) => [each.role, each.content.map((part) => part.part.case)]);
    expect(kinds).toEqual([
      [Role.SYSTEM, ["text"]],
      [Role.USER, ["text"]],
      [Role.ASSISTANT, ["reasoning", "toolCall", "toolCall"]],
      [Role.TOOL, ["toolResult"]],
      [Role.TOOL, ["toolResult"]],
      [Role.ASSISTANT, ["reasoning", "refusal"]],
      [Role.ASSISTANT, ["toolCall"]],
      [Role.TOOL, ["toolResult"]],
      [Role.ASSISTANT, ["audio"]],
    ]);
    expect(request.messages[0]?.developer).toBe(true);
    expect(request.messages[1]?.name).toBe("ann");
    expect(request.messages[2]?.content[1]).toMatchObject({
      part: { value: { argumentsJson: "{bad", custom: false } },
      opaque: [{ issuer: "google", value: "S" }],
    });
    expect(request.messages[5]?.content[0]?.part.value).toMatchObject({
      text: "t",
      opaque: [{ issuer: "anthropic", kind: "signature", value: "s" }],
    });
    const call = request.messages[6]?.content[0]?.part;
    const result = request.messages[7]?.content[0]?.part;
    expect(call?.case === "toolCall" && result?.case === "toolResult" && result.value.toolCallId === call.value.id).toBe(true);
  });
});

describe("refusals name the field", () => {
  const messages = (message: unknown): unknown => ({ model: "m", messages: [message] });
  const user = (part: unknown): unknown => messages({ role: "user", content: [part] });
  const refusals: readonly { body: unknown; field: string }[] = [
    { body: [], field: "body" },
    { body: { messages: [] }, field: "model" },
    { body: { model: "m" }, field: "messages" },
    { body: { model: "m", messages: [] }, field: "messages" },
    { body: { model: "m", messages: {} }, field: "messages" },
    { body: messages("hi"), field: "messages[0]" },
    { body: messages({ content: "x" }), field: "messages[0].role" },
    { body: messages({ role: "robot", content: "x" }), field: "messages[0].role" },
    { body: messages({ role: "user" }), field: "messages[0].content" },
    { body: messages({ role: "user", content: 5 }), field: "messages[0].content" },
    { body: messages({ role: "assistant" }), field: "messages[0].content" },
    { body: messages({ role: "tool", content: "x" }), field: "messages[0].tool_call_id" },
    { body: messages({ role: "function", name: "f", content: "x" }), field: "messages[0]" },
    {
      body: messages({ role: "assistant", tool_calls: [{ id: "a", type: "function", function: {} }] }),
      field: "messages[0].tool_calls[0].function.name",
    },
    { body: messages({ role: "assistant", tool_calls: [{ id: "a", type: "spell" }] }), field: "messages[0].tool_calls[0].type" },
    { body: user("x"), field: "messages[0].content[0]" },
    { body: user({ text: "x" }), field: "messages[0].content[0].type" },
    { body: user({ type: "text" }), field: "messages[0].content[0].text" },
    { body: user({ type: "image_url", image_url: { url: "file:///etc/passwd" } }), field: "messages[0].content[0].image_url.url" },
    { body: user({ type: "image_url", image_url: { url: "data:image/png;base64,***" } }), field: "messages[0].content[0].image_url.url" },
    {
      body: user({ type: "image_url", image_url: { url: "https://a.b", detail: "huge" } }),
      field: "messages[0].content[0].image_url.detail",
    },
    { body: user({ type: "input_audio", input_audio: { data: "!", format: "wav" } }), field: "messages[0].content[0].input_audio.data" },
    { body: user({ type: "file", file: {} }), field: "messages[0].content[0].file.file_data" },
    { body: user({ type: "text", text: "x", cache_control: { ttl: "soon" } }), field: "messages[0].content[0].cache_control.ttl" },
    { body: ask({ temperature: 2.1 }), field: "temperature" },
    { body: ask({ temperature: "1" }), field: "temperature" },
    { body: ask({ top_p: -1 }), field: "top_p" },
    { body: ask({ n: 0 }), field: "n" },
    { body: ask({ n: 1.5 }), field: "n" },
    { body: ask({ max_tokens: 0 }), field: "max_tokens" },
    { body: ask({ seed: 1.5 }), field: "seed" },
    { body: ask({ stop: [1] }), field: "stop[0]" },
    { body: ask({ logit_bias: { a: 1 } }), field: "logit_bias" },
    { body: ask({ logit_bias: { 1: 101 } }), field: "logit_bias.1" },
    { body: ask({ top_logprobs: 21 }), field: "top_logprobs" },
    { body: ask({ stream: "yes" }), field: "stream" },
    { body: ask({ stream_options: { include_usage: true } }), field: "stream_options" },
    { body: ask({ reasoning_effort: "extreme" }), field: "reasoning_effort" },
    { body: ask({ metadata: { a: 1 } }), field: "metadata.a" },
    { body: ask({ tool_choice: "required" }), field: "tool_choice" },
    { body: ask({ tools: [{ type: "function", function: { name: "a b" } }] }), field: "tools[0].function.name" },
    { body: ask({ tools: [{ type: "function" }] }), field: "tools[0].function" },
    { body: ask({ tools: [], functions: [] }), field: "functions" },
    { body: ask({ response_format: { type: "json_schema" } }), field: "response_format.json_schema" },
    {
      body: ask({ response_format: { type: "json_schema", json_schema: { name: "a", schema: "s" } } }),
      field: "response_format.json_schema.schema",
    },
  ];
  for (const { body, field } of refusals)
    test(`${field} in ${JSON.stringify(body).slice(0, 100)}`, () => {
      const error = thrown(() => decodeChatRequest(body));
      expect([error.failure, error.field, error.code]).toEqual(["INVALID_REQUEST", field, undefined]);
    });
});
