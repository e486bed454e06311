import { describe, expect, test } from "vitest";
import { ImageDetail, ReasoningEffort, ReasoningSummary, ToolChoice_Mode } from "../../../src/core/chat.ts";
import { encode, fn, type RequestInit, target, text, thrownBy, user, document } from "./support.ts";

describe("a request", () => {
  test("names the model and the stream, and ends with the messages", () => {
    expect(encode().text).toBe('{"model":"command-a-03-2025","stream":false,"messages":[{"role":"user","content":"Hello"}]}');
    expect(encode({}, target(), true).body["stream"]).toBe(true);
  });

  test("that another dialect extended loses those fields, with a note", () => {
    const encoded = encode({ extensionsJson: { openai: '{"logit_bias":{}}', anthropic: "{}" } });
    expect(encoded.notes).toEqual(["DROPPED extensions_json.openai.logit_bias"]);
  });

  test("passes Cohere's own fields, joined with ours where both are objects", () => {
    const extension = { safety_mode: "STRICT", priority: 3, thinking: { mood: "calm" }, big: 1 };
    const { body } = encode({
      extensionsJson: { cohere: JSON.stringify(extension).replace('"big":1', '"big":12345678901234567890') },
      reasoning: { effort: ReasoningEffort.HIGH },
    });
    expect(body).toMatchObject({ safety_mode: "STRICT", priority: 3, thinking: { type: "enabled", mood: "calm" } });
    expect(encode({ extensionsJson: { cohere: '{"big":12345678901234567890}' } }).text).toContain('"big":12345678901234567890');
  });

  test.each(["model", "messages", "tools", "tool_choice", "stream", "max_tokens"])("never has %s set past it", (key) => {
    const { body, notes } = encode({ extensionsJson: { cohere: JSON.stringify({ [key]: 1 }) } });
    expect([body, notes]).toEqual([encode({}).body, [`DROPPED extensions_json.cohere.${key}`]]);
  });

  test.each<{ what: string; init: RequestInit; field: string }>([
    { what: "two choices", init: { n: 2 }, field: "n" },
    { what: "sound", init: { modalities: ["text", "audio"] }, field: "modalities" },
    { what: "six stop sequences", init: { sampling: { stop: ["a", "b", "c", "d", "e", "f"] } }, field: "sampling.stop" },
  ])("for $what is another target's", ({ init, field }) => {
    expect(thrownBy(() => encode(init))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field });
  });

  test.each<{ init: RequestInit; note: string }>([
    { init: { audio: { voice: "v", format: "wav" } }, note: "audio" },
    { init: { verbosity: "low" }, note: "verbosity" },
    { init: { serviceTier: "flex" }, note: "service_tier" },
    { init: { endUserId: "u" }, note: "end_user_id" },
    { init: { promptCacheKey: "k" }, note: "prompt_cache_key" },
    { init: { metadata: { a: "b" } }, note: "metadata" },
    { init: { store: true }, note: "store" },
  ])("drops $note with a note", ({ init, note }) => {
    const encoded = encode(init);
    expect(encoded.notes).toEqual([`DROPPED ${note}`]);
    expect(Object.keys(encoded.body)).toEqual(["model", "stream", "messages"]);
  });

  test("says nothing of wishes that are none", () => {
    expect(encode({ serviceTier: "auto", store: false, modalities: ["text"], n: 1 }).notes).toEqual([]);
  });
});

describe("sampling", () => {
  test.each<{ what: string; sampling: RequestInit["sampling"]; is: object; notes: readonly string[] }>([
    { what: "temperature", sampling: { temperature: 1.5 }, is: { temperature: 1.5 }, notes: [] },
    { what: "temperature 0", sampling: { temperature: 0 }, is: { temperature: 0 }, notes: [] },
    { what: "top_p", sampling: { topP: 0.5 }, is: { p: 0.5 }, notes: [] },
    { what: "top_p 1", sampling: { topP: 1 }, is: { p: 0.99 }, notes: ["CLAMPED sampling.top_p"] },
    { what: "top_p 0", sampling: { topP: 0 }, is: { p: 0.01 }, notes: ["CLAMPED sampling.top_p"] },
    { what: "top_k", sampling: { topK: 40 }, is: { k: 40 }, notes: [] },
    { what: "top_k 1000", sampling: { topK: 1000 }, is: { k: 500 }, notes: ["CLAMPED sampling.top_k"] },
    { what: "frequency penalty", sampling: { frequencyPenalty: 0.5 }, is: { frequency_penalty: 0.5 }, notes: [] },
    {
      what: "frequency penalty 2",
      sampling: { frequencyPenalty: 2 },
      is: { frequency_penalty: 1 },
      notes: ["CLAMPED sampling.frequency_penalty"],
    },
    { what: "frequency penalty -1", sampling: { frequencyPenalty: -1 }, is: {}, notes: ["CLAMPED sampling.frequency_penalty"] },
    { what: "presence penalty", sampling: { presencePenalty: 0.5 }, is: { presence_penalty: 0.5 }, notes: [] },
    {
      what: "both penalties",
      sampling: { frequencyPenalty: 0.5, presencePenalty: 0.5 },
      is: { frequency_penalty: 0.5 },
      notes: ["DROPPED sampling.presence_penalty"],
    },
    { what: "penalties of 0", sampling: { frequencyPenalty: 0, presencePenalty: 0 }, is: {}, notes: [] },
    { what: "a seed", sampling: { seed: 9n }, is: { seed: 9 }, notes: [] },
    { what: "a negative seed", sampling: { seed: -1n }, is: {}, notes: ["DROPPED sampling.seed"] },
    { what: "stop sequences", sampling: { stop: ["a", "b"] }, is: { stop_sequences: ["a", "b"] }, notes: [] },
    { what: "logprobs", sampling: { logprobs: true }, is: { logprobs: true }, notes: [] },
    {
      what: "alternatives",
      sampling: { logprobs: true, topLogprobs: 3 },
      is: { logprobs: true },
      notes: ["DROPPED sampling.top_logprobs"],
    },
    { what: "min_p", sampling: { minP: 0.1 }, is: {}, notes: ["DROPPED sampling.min_p"] },
    { what: "a repetition penalty", sampling: { repetitionPenalty: 1.2 }, is: {}, notes: ["DROPPED sampling.repetition_penalty"] },
    { what: "a bias", sampling: { logitBias: { "1": 2 } }, is: {}, notes: ["DROPPED sampling.logit_bias"] },
    { what: "neutral values", sampling: { minP: 0, repetitionPenalty: 1, topLogprobs: 0 }, is: {}, notes: [] },
  ])("by $what", ({ sampling, is, notes }) => {
    const encoded = encode({ sampling });
    expect(encoded.body).toEqual({ model: "command-a-03-2025", stream: false, ...is, messages: [{ role: "user", content: "Hello" }] });
    expect(encoded.notes).toEqual(notes);
  });

  test("keeps every digit of a seed", () => {
    expect(encode({ sampling: { seed: 9223372036854775807n } }).text).toContain('"seed":9223372036854775807');
  });

  test("has an output limit within the model's", () => {
    expect(encode({ maxOutputTokens: 100 }).body["max_tokens"]).toBe(100);
    const encoded = encode({ maxOutputTokens: 9000 }, target({ maxOutputTokens: 8000 }));
    expect([encoded.body["max_tokens"], encoded.notes]).toEqual([8000, ["CLAMPED max_output_tokens"]]);
  });
});

describe("thinking", () => {
  test.each([
    { what: "effort none", reasoning: { effort: ReasoningEffort.NONE }, is: { type: "disabled" } },
    { what: "effort minimal", reasoning: { effort: ReasoningEffort.MINIMAL }, is: { type: "enabled", token_budget: 512 } },
    { what: "effort low", reasoning: { effort: ReasoningEffort.LOW }, is: { type: "enabled", token_budget: 1024 } },
    { what: "effort medium", reasoning: { effort: ReasoningEffort.MEDIUM }, is: { type: "enabled", token_budget: 4096 } },
    { what: "effort high", reasoning: { effort: ReasoningEffort.HIGH }, is: { type: "enabled" } },
    { what: "effort xhigh", reasoning: { effort: ReasoningEffort.XHIGH }, is: { type: "enabled" } },
    { what: "effort max", reasoning: { effort: ReasoningEffort.MAX }, is: { type: "enabled" } },
    { what: "a budget", reasoning: { budgetTokens: 2000 }, is: { type: "enabled", token_budget: 2000 } },
    { what: "a budget of 0", reasoning: { budgetTokens: 0 }, is: { type: "disabled" } },
    {
      what: "a budget beside an effort",
      reasoning: { budgetTokens: 700, effort: ReasoningEffort.MAX },
      is: { type: "enabled", token_budget: 700 },
    },
    { what: "a wish to see it", reasoning: { summary: ReasoningSummary.AUTO }, is: undefined },
  ])("by $what", ({ reasoning, is }) => {
    const encoded = encode({ reasoning });
    expect([encoded.body["thinking"], encoded.notes]).toEqual([is, []]);
  });

  test.each([
    {
      what: "omitted",
      reasoning: { summary: ReasoningSummary.OMITTED, effort: ReasoningEffort.HIGH },
      notes: ["DROPPED reasoning.summary"],
    },
    { what: "omitted, where there is none", reasoning: { summary: ReasoningSummary.OMITTED, effort: ReasoningEffort.NONE }, notes: [] },
    { what: "concise", reasoning: { summary: ReasoningSummary.CONCISE }, notes: ["DROPPED reasoning.summary"] },
  ])("is not $what", ({ reasoning, notes }) => expect(encode({ reasoning }).notes).toEqual(notes));

  test("leaves room for the answer", () => {
    const encoded = encode({ maxOutputTokens: 1000, reasoning: { budgetTokens: 4000 } });
    expect(encoded.body).toMatchObject({ max_tokens: 1000, thinking: { token_budget: 500 } });
    expect(encoded.notes).toEqual(["CLAMPED reasoning.budget_tokens"]);
    expect(encode({ maxOutputTokens: 1000, reasoning: { effort: ReasoningEffort.MEDIUM } }).notes).toEqual(["CLAMPED reasoning.effort"]);
  });

  test("is not asked of a model that does not", () => {
    const at = target({ reasoning: false });
    expect(encode({ reasoning: { effort: ReasoningEffort.HIGH } }, at)).toMatchObject({ notes: ["DROPPED reasoning"] });
    expect(encode({ reasoning: { effort: ReasoningEffort.NONE } }, at)).toMatchObject({ notes: [] });
    expect(encode({ reasoning: { effort: ReasoningEffort.HIGH } }, at).body["thinking"]).toBeUndefined();
  });
});

const schema = '{"type":"object","properties":{"id":{"type":"integer","const":12345678901234567890}},"required":["id"]}';

describe("the answer's form", () => {
  test("is a JSON object", () => {
    const encoded = encode({ outputFormat: { format: { case: "jsonObject", value: {} } } });
    expect([encoded.body["response_format"], encoded.notes]).toEqual([{ type: "json_object" }, []]);
  });

  test("is a schema, byte for byte", () => {
    const format = { case: "jsonSchema" as const, value: { name: "thing", jsonSchema: schema } };
    const encoded = encode({ outputFormat: { format } });
    expect(encoded.text).toContain(`"response_format":{"type":"json_object","json_schema":${schema}}`);
    expect(encoded.notes).toEqual([]);
    const described = encode({ outputFormat: { format: { ...format, value: { ...format.value, description: "d" } } } });
    expect(described.body["response_format"]).toMatchObject({ json_schema: { description: "d" } });
    expect(described.notes).toEqual([]);
  });

  test("beside tools is asked for in words, at the end of the first instructions, and its fence taken off", () => {
    const format = { case: "jsonSchema" as const, value: { jsonSchema: schema } };
    const encoded = encode({ tools: [fn("f")], outputFormat: { format } });
    expect(encoded.notes).toEqual(["EMULATED output_format.json_schema"]);
    expect(encoded.body["response_format"]).toBeUndefined();
    expect(encoded.body["messages"]).toMatchObject([{ role: "system", content: expect.stringContaining(schema) }, { role: "user" }]);
    expect(encoded.answering).toMatchObject({ fencedJson: true });
    expect(encode({ tools: [fn("f")], outputFormat: { format: { case: "jsonObject", value: {} } } }).body["messages"]).toMatchObject([
      { role: "system", content: expect.stringContaining("one valid JSON object") },
      { role: "user" },
    ]);
  });

  test("that is no JSON is the caller's mistake", () => {
    const format = { case: "jsonSchema" as const, value: { jsonSchema: "{nope" } };
    expect(thrownBy(() => encode({ outputFormat: { format } }))).toMatchObject({ failure: "INVALID_REQUEST" });
    expect(thrownBy(() => encode({ tools: [fn("f")], outputFormat: { format } }))).toMatchObject({ failure: "INVALID_REQUEST" });
  });
});

describe("tools", () => {
  test("have names, descriptions and parameters, byte for byte, and an object where there are none", () => {
    const encoded = encode({ tools: [fn("f", { description: "d", parametersJsonSchema: schema }), fn("g")] });
    expect(encoded.text).toContain(
      `"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":${schema}}},{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}]`,
    );
    expect(encode({ tools: [fn("f", { parametersJsonSchema: '{"properties":{}}' })] }).text).toContain(
      '"parameters":{"type":"object","properties":{}}',
    );
    expect(encoded.notes).toEqual([]);
  });

  test.each([
    { what: "auto", toolChoice: { mode: ToolChoice_Mode.AUTO }, choice: undefined, names: ["f", "g", "h"] },
    { what: "none", toolChoice: { mode: ToolChoice_Mode.NONE }, choice: "NONE", names: ["f", "g", "h"] },
    { what: "required", toolChoice: { mode: ToolChoice_Mode.REQUIRED }, choice: "REQUIRED", names: ["f", "g", "h"] },
    { what: "one of them", toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["g"] }, choice: "REQUIRED", names: ["g"] },
    {
      what: "two of them",
      toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["f", "h"] },
      choice: "REQUIRED",
      names: ["f", "h"],
    },
    { what: "some, if any", toolChoice: { mode: ToolChoice_Mode.AUTO, allowedNames: ["h"] }, choice: undefined, names: ["h"] },
  ])("are chosen: $what", ({ toolChoice, choice, names }) => {
    const { body, notes } = encode({ tools: [fn("f"), fn("g"), fn("h")], toolChoice });
    expect(body["tool_choice"]).toBe(choice);
    expect(body["tools"]).toMatchObject(names.map((name) => ({ function: { name } })));
    expect(notes).toEqual([]);
  });

  test("of which none is allowed are the caller's mistake", () => {
    const toolChoice = { mode: ToolChoice_Mode.AUTO, allowedNames: ["x"] };
    expect(thrownBy(() => encode({ tools: [fn("f")], toolChoice }))).toMatchObject({
      failure: "INVALID_REQUEST",
      field: "tool_choice.allowed_names",
    });
  });

  test("cannot be held to one call a turn", () => {
    const init = { tools: [fn("f")], toolChoice: { parallel: false } };
    expect(encode(init).notes).toEqual(["DROPPED tool_choice.parallel"]);
    expect(encode(init, target({ parallelTools: false })).notes).toEqual([]);
  });

  const strict = { parametersJsonSchema: schema, strict: true };
  test.each([
    { what: "all of them", tools: [fn("f", strict), fn("g", strict)], is: true, notes: [] },
    { what: "some of them", tools: [fn("f", strict), fn("g")], is: undefined, notes: ["DROPPED tools[0].function.strict"] },
    { what: "one that requires nothing", tools: [fn("f", { strict: true })], is: undefined, notes: ["DROPPED tools[0].function.strict"] },
    { what: "none of them", tools: [fn("f", { strict: false })], is: undefined, notes: [] },
  ])("are strict where it is $what", ({ tools, is, notes }) => {
    const encoded = encode({ tools });
    expect([encoded.body["strict_tools"], encoded.notes]).toEqual([is, notes]);
  });

  test("of other names than Cohere's are spelled otherwise, alike each time, and told to who reads the answer", () => {
    const encoded = encode({ tools: [fn("my-tool"), fn("2x"), fn("a".repeat(80)), fn("fine_1")] });
    const names = [...(encoded.answering?.toolNames ?? [])];
    expect(names.map(([, name]) => name)).toEqual(["my-tool", "2x", "a".repeat(80)]);
    for (const [wire] of names) expect(wire).toMatch(/^[A-Za-z_]\w{0,63}$/);
    expect(encode({ tools: [fn("my-tool")] }).text).toContain(names[0]?.[0]);
    expect(new Set(encoded.notes)).toEqual(new Set(["APPROXIMATED tools[0].function.name"]));
  });

  test("with free-form input are functions of one string", () => {
    const value = { name: "patch", description: "Applies a patch.", grammarSyntax: "lark", grammar: "start: x" };
    const encoded = encode({ tools: [{ kind: { case: "custom", value } }] });
    expect(encoded.body["tools"]).toMatchObject([
      {
        type: "function",
        function: { name: "patch", description: expect.stringContaining("start: x"), parameters: { required: ["input"] } },
      },
    ]);
    expect(encoded.notes).toEqual(["EMULATED tools[0].custom"]);
    expect(encoded.answering?.freeformTools).toEqual(new Set(["patch"]));
  });

  test("of Cohere's own kind pass, and another vendor's are left out unless they must be called", () => {
    const native = (issuer: string) => ({ kind: { case: "native" as const, value: { issuer, json: '{"type":"x"}' } } });
    expect(encode({ tools: [native("cohere")] }).body["tools"]).toEqual([{ type: "x" }]);
    expect(encode({ tools: [native("openai")] }).notes).toEqual(["DROPPED tools[0].native"]);
    const toolChoice = { mode: ToolChoice_Mode.REQUIRED };
    expect(thrownBy(() => encode({ tools: [native("openai")], toolChoice }))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "tool_choice",
    });
  });

  test("keep Cohere's own fields, and lose breakpoints of the cache", () => {
    const tool = { ...fn("f"), extensionsJson: { cohere: '{"beta":true}' }, cacheControl: {} };
    const encoded = encode({ tools: [tool] });
    expect(encoded.body["tools"]).toMatchObject([{ beta: true, type: "function" }]);
    expect(encoded.notes).toEqual(["DROPPED tools[0].cache_control"]);
  });
});

describe("documents", () => {
  const messages = [user(document("Pumps need oil.", { title: "Manual", context: "of 2026" }), text("Who needs oil?"), document("More."))];

  test("of text stand beside the conversation, and their names where they were", () => {
    const { body, notes } = encode({ messages });
    expect(body["documents"]).toEqual([
      { id: "doc_0", data: { title: "Manual", context: "of 2026", text: "Pumps need oil." } },
      { id: "doc_1", data: { text: "More." } },
    ]);
    expect(body["messages"]).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "[document doc_0]" },
          { type: "text", text: "Who needs oil?" },
          { type: "text", text: "[document doc_1]" },
        ],
      },
    ]);
    expect(notes).toEqual([]);
  });

  test("are cited where that is wished, or the caller's own field says how", () => {
    expect(encode({ messages }).body["citation_options"]).toEqual({ mode: "OFF" });
    expect(encode({ messages: [user(document("a", { citations: true }))] }).body["citation_options"]).toBeUndefined();
    expect(encode({ messages, extensionsJson: { cohere: '{"citation_options":{"mode":"FAST"}}' } }).body["citation_options"]).toEqual({
      mode: "FAST",
    });
  });

  test("of the caller's own field stay in front of them", () => {
    const { body } = encode({ messages, extensionsJson: { cohere: '{"documents":["first"]}' } });
    expect(body["documents"]).toMatchObject(["first", { id: "doc_0" }, { id: "doc_1" }]);
  });

  test("are told as text where a JSON format forbids them", () => {
    const encoded = encode({ messages, outputFormat: { format: { case: "jsonObject", value: {} } } });
    expect(encoded.body["documents"]).toBeUndefined();
    expect(encoded.body["messages"]).toMatchObject([
      { content: [{ text: "Manual\n\nof 2026\n\nPumps need oil." }, {}, { text: "More." }] },
    ]);
    expect(encoded.notes).toEqual(["APPROXIMATED messages[0].content[0].document"]);
  });

  test.each([
    { what: "PDF", media: { source: { case: "data" as const, value: new Uint8Array([0x25, 0x50]) }, mimeType: "application/pdf" } },
    {
      what: "no text after all",
      media: { source: { case: "data" as const, value: new Uint8Array([0xff, 0xfe]) }, mimeType: "text/plain" },
    },
    { what: "an address", media: { source: { case: "url" as const, value: "https://example.com/a.txt" } } },
  ])("of $what are another target's", ({ media }) => {
    const part = { part: { case: "document" as const, value: { media } } };
    expect(thrownBy(() => encode({ messages: [user(part)] }))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "messages[0].content[0].document",
    });
  });
});

describe("images", () => {
  const parts = (value: object) => encode({ messages: [user(text("What is it?"), { part: { case: "image", value } })] });

  test("pass by address with their detail, and by data as what they are", () => {
    const byUrl = parts({ media: { source: { case: "url", value: "https://example.com/a.png" } }, detail: ImageDetail.LOW });
    expect(byUrl.body["messages"]).toMatchObject([
      { content: [{}, { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "low" } }] },
    ]);
    const jpeg = parts({ media: { source: { case: "data", value: new Uint8Array([0xff, 0xd8, 0xff]) }, mimeType: "image/png" } });
    expect(jpeg.body["messages"]).toMatchObject([{ content: [{}, { image_url: { url: "data:image/jpeg;base64,/9j/" } }] }]);
    expect(jpeg.text).not.toContain("detail");
  });

  test("in their original size are in a high one", () => {
    const encoded = parts({ media: { source: { case: "url", value: "https://example.com/a.png" } }, detail: ImageDetail.ORIGINAL });
    expect(encoded.text).toContain('"detail":"high"');
    expect(encoded.notes).toEqual(["APPROXIMATED messages[0].content[1].image.detail"]);
  });

  test("by a vendor's handle, sound and films are another target's", () => {
    const handle = { source: { case: "file" as const, value: { issuer: "openai", id: "x" } } };
    expect(thrownBy(() => parts({ media: handle }))).toMatchObject({ failure: "UNSUPPORTED_FEATURE" });
    for (const kind of ["audio", "video"] as const)
      expect(thrownBy(() => encode({ messages: [user({ part: { case: kind, value: {} } })] }))).toMatchObject({
        failure: "UNSUPPORTED_FEATURE",
        field: `messages[0].content[0].${kind}`,
      });
  });
});
