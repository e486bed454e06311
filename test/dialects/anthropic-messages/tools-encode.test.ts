import { describe, expect, test } from "vitest";
import { ReasoningEffort, ToolChoice_Mode } from "../../../src/core/chat.ts";
import { assistant, messagesOf, result, text, user } from "./builders.ts";
import { encode, target, thrownBy } from "./support.ts";

const { AUTO, NONE, REQUIRED, UNSPECIFIED } = ToolChoice_Mode;
const fn = (name: string, parametersJsonSchema = "", strict?: boolean) => ({
  kind: { case: "function" as const, value: { name, parametersJsonSchema, ...(strict !== undefined && { strict }) } },
});
const native = (issuer: string) => ({
  kind: { case: "native" as const, value: { issuer, json: `{"type":"web_search_20250305","name":"web_search"}` } },
});

describe("tools", () => {
  const tools = [fn("a"), fn("b"), fn("c")];

  test("keep their schemas byte by byte", () => {
    expect(encode({ tools: [fn("f", `{"type":"object","properties":{"z":{"const":9007199254740993},"a":{}}}`)] }).text).toContain(
      `"input_schema":{"type":"object","properties":{"z":{"const":9007199254740993},"a":{}}}`,
    );
  });

  test.each([
    { schema: "", input: { type: "object", properties: {} } },
    { schema: "{}", input: { type: "object", properties: {} } },
    { schema: `{"properties":{"a":{}}}`, input: { type: "object", properties: { a: {} } } },
  ])("with the schema '$schema' get a type", ({ schema, input }) => {
    expect(encode({ tools: [fn("f", schema)] }).body["tools"]).toEqual([{ name: "f", input_schema: input }]);
  });

  test("with a schema that is none are refused", () => {
    expect(thrownBy(() => encode({ tools: [fn("f", "{")] }))).toMatchObject({
      failure: "INVALID_REQUEST",
      field: "tools[0].function.parameters_json_schema",
    });
  });

  test("that are strict are enforced within the subset, where the model can", () => {
    const strict = [fn("f", `{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}`, true)];
    const encoded = encode({ tools: strict });
    expect(encoded.body["tools"]).toEqual([
      {
        name: "f",
        input_schema: { type: "object", properties: { n: { type: "integer", description: "{minimum: 1}" } }, additionalProperties: false },
        strict: true,
      },
    ]);
    expect(encoded.notes).toEqual(["APPROXIMATED tools[0].function.parameters_json_schema"]);
    expect(encode({ tools: strict }, target("claude-3-5-haiku-20241022")).notes).toEqual(["DROPPED tools[0].function.strict"]);
  });

  test("with free-form input become functions of one string", () => {
    const custom = {
      kind: { case: "custom" as const, value: { name: "sh", description: "Run.", grammarSyntax: "lark", grammar: "start: /x/" } },
    };
    const encoded = encode({ tools: [custom], toolChoice: { mode: REQUIRED, allowedNames: ["sh"] } });
    expect(encoded.body).toMatchObject({
      tools: [
        {
          name: "sh",
          description: "Run.\n\nThe input must match this lark grammar:\nstart: /x/",
          input_schema: { properties: { input: { type: "string" } }, required: ["input"] },
        },
      ],
      tool_choice: { type: "tool", name: "sh" },
    });
    expect(encoded.notes).toEqual(["EMULATED tools[0].custom"]);
  });

  test("whose names are longer than the host takes are shortened alike in tools, choice and history", () => {
    const name = `mcp.${"x".repeat(140)}`;
    const used = assistant({ part: { case: "toolCall", value: { id: "a", name, argumentsJson: "{}" } } });
    const encoded = encode({
      tools: [fn(name)],
      toolChoice: { mode: REQUIRED, allowedNames: [name] },
      messages: [user(text("q")), used, user(result("a"))],
    });
    const wire = `mcp_${"x".repeat(115)}_${/_([0-9a-f]{8})"/.exec(encoded.text)?.[1]}`;
    expect(wire).toHaveLength(128);
    expect(encoded.body).toMatchObject({ tools: [{ name: wire }], tool_choice: { type: "tool", name: wire } });
    expect(messagesOf(encoded)[1]).toMatchObject({ content: [{ type: "tool_use", name: wire }] });
    expect(encoded.notes).toEqual(["APPROXIMATED tools[0].function.name"]);
    expect(encoded.answering).toEqual({ toolNames: new Map([[wire, name]]) });
  });

  test("of anthropic's own are spliced in with their breakpoint", () => {
    expect(encode({ tools: [{ ...native("anthropic"), cacheControl: {} }] }).body["tools"]).toEqual([
      { type: "web_search_20250305", name: "web_search", cache_control: { type: "ephemeral" } },
    ]);
  });

  test("of others are left out, unless one of them must be called", () => {
    const { body, notes } = encode({ tools: [native("openai"), fn("a")], toolChoice: { mode: REQUIRED } });
    expect(body["tools"]).toMatchObject([{ name: "a" }]);
    expect(notes).toContain("DROPPED tools[0].native");
    expect(encode({ tools: [native("openai")] }).body["tools"]).toBeUndefined();
    const unsupported = { failure: "UNSUPPORTED_FEATURE", field: "tool_choice" };
    expect(thrownBy(() => encode({ tools: [native("openai")], toolChoice: { mode: REQUIRED } }))).toMatchObject(unsupported);
    const choice = { mode: REQUIRED, allowedNames: ["web_search"] };
    expect(thrownBy(() => encode({ tools: [native("openai"), fn("a")], toolChoice: choice }))).toMatchObject(unsupported);
  });

  test.each([
    { choice: { mode: UNSPECIFIED }, wire: undefined, names: "a b c" },
    { choice: { mode: UNSPECIFIED, parallel: false }, wire: { type: "auto", disable_parallel_tool_use: true }, names: "a b c" },
    { choice: { mode: AUTO }, wire: { type: "auto" }, names: "a b c" },
    { choice: { mode: AUTO, allowedNames: ["c", "a"] }, wire: { type: "auto" }, names: "a c" },
    { choice: { mode: NONE, parallel: false }, wire: { type: "none" }, names: "a b c" },
    { choice: { mode: REQUIRED }, wire: { type: "any" }, names: "a b c" },
    { choice: { mode: REQUIRED, parallel: false }, wire: { type: "any", disable_parallel_tool_use: true }, names: "a b c" },
    { choice: { mode: REQUIRED, allowedNames: ["b"] }, wire: { type: "tool", name: "b" }, names: "a b c" },
    { choice: { mode: REQUIRED, allowedNames: ["b", "c"] }, wire: { type: "any" }, names: "b c" },
  ])("$choice is $wire over $names", ({ choice, wire, names }) => {
    const { body } = encode({ tools, toolChoice: choice });
    expect(body["tool_choice"]).toEqual(wire);
    expect(
      JSON.stringify(body["tools"])
        .match(/(?<="name":")\w+/g)
        ?.join(" "),
    ).toBe(names);
  });

  test("cannot be limited to none", () => {
    expect(thrownBy(() => encode({ tools, toolChoice: { mode: AUTO, allowedNames: ["x"] } }))).toMatchObject({
      failure: "INVALID_REQUEST",
      field: "tool_choice.allowed_names",
    });
  });

  test("that are absent have no choice", () => {
    expect(encode({ toolChoice: { mode: NONE } }).body["tool_choice"]).toBeUndefined();
  });

  test.each([
    { model: "claude-sonnet-4-5", effort: ReasoningEffort.HIGH, thinking: undefined, config: undefined, notes: 1 },
    { model: "claude-sonnet-4-5", effort: ReasoningEffort.UNSPECIFIED, thinking: undefined, config: undefined, notes: 0 },
    { model: "claude-opus-4-8", effort: ReasoningEffort.HIGH, thinking: undefined, config: { effort: "high" }, notes: 1 },
    { model: "claude-opus-5", effort: ReasoningEffort.MAX, thinking: { type: "disabled" }, config: { effort: "high" }, notes: 1 },
    { model: "claude-sonnet-5", effort: ReasoningEffort.UNSPECIFIED, thinking: { type: "disabled" }, config: undefined, notes: 1 },
  ])("that are forced turn thinking off on $model at effort $effort", ({ model, effort, thinking, config, notes }) => {
    const encoded = encode({ tools, toolChoice: { mode: REQUIRED }, reasoning: { effort } }, target(model));
    expect(encoded.body["thinking"]).toEqual(thinking);
    expect(encoded.body["output_config"]).toEqual(config);
    expect(encoded.notes).toHaveLength(notes);
  });

  test.each(["claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1"])("cannot be forced on %s", (model) => {
    expect(thrownBy(() => encode({ tools, toolChoice: { mode: REQUIRED } }, target(model)))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "tool_choice",
    });
  });
});
