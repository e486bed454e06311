import { describe, expect, test } from "vitest";
import { ToolChoice_Mode } from "../../../src/core/chat.ts";
import { encode, models, type RequestInit, thrownBy } from "./support.ts";

type ToolInit = NonNullable<RequestInit["tools"]>[number];

const schema = `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"type":"integer","const":12345678901234567890}},"required":["a"],"additionalProperties":false}`;
const fn = (name: string, more: { description?: string; parametersJsonSchema?: string; strict?: boolean } = {}): ToolInit => ({
  kind: { case: "function", value: { name, ...more } },
});
const search: ToolInit = { kind: { case: "native", value: { issuer: "google", json: `{"googleSearch":{}}` } } };

function choice(
  mode: ToolChoice_Mode,
  allowedNames: string[] = [],
  tools: ToolInit[] = [fn("f"), fn("g")],
  model?: string,
): Record<string, unknown> {
  const { body } = encode({ tools, toolChoice: { mode, allowedNames } }, model);
  return { tools: body["tools"], config: body["toolConfig"] };
}
const declared = (...names: string[]) => [{ functionDeclarations: names.map((name) => ({ name })) }];
const config = (mode: string, allowedFunctionNames?: string[]) => ({
  functionCallingConfig: { mode, ...(allowedFunctionNames && { allowedFunctionNames }) },
});

describe("functions", () => {
  test("are declared with their JSON Schema as it is, but for the draft", () => {
    const { text } = encode({ tools: [fn("f", { description: "does", parametersJsonSchema: schema })] });
    expect(text).toContain(
      `"tools":[{"functionDeclarations":[{"name":"f","description":"does","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"integer","const":12345678901234567890}},"required":["a"],"additionalProperties":false}}]}]`,
    );
  });

  test.each([
    "",
    "{}",
    `{"type":"object"}`,
    `{"type":"object","properties":{}}`,
    `{"type":"object","properties":{},"required":[],"additionalProperties":false}`,
  ])("without parameters (%s) have none", (parametersJsonSchema) => {
    expect(encode({ tools: [fn("f", { parametersJsonSchema })] }).body["tools"]).toEqual(declared("f"));
  });

  test("of any parameters keep their schema, and get the root's type", () => {
    expect(encode({ tools: [fn("f", { parametersJsonSchema: `{"additionalProperties":true}` })] }).body["tools"]).toEqual([
      { functionDeclarations: [{ name: "f", parametersJsonSchema: { type: "object", additionalProperties: true } }] },
    ]);
  });

  test("begin with a letter on the wire, and have their own name in the answer", () => {
    const { body, answering } = encode({ tools: [fn("1st"), fn("-b"), fn("_c")] });
    expect(body["tools"]).toEqual(declared("_1st", "_-b", "_c"));
    expect(answering).toEqual({
      toolNames: new Map([
        ["_1st", "1st"],
        ["_-b", "-b"],
      ]),
    });
  });

  test("with long names are shortened, and lengthened in the answer", () => {
    const name = `1${"x".repeat(127)}`;
    const { body, answering } = encode({ tools: [fn(name)] });
    const [wire = ""] = answering?.toolNames?.keys() ?? [];
    expect(wire).toHaveLength(128);
    expect(body["tools"]).toEqual(declared(wire));
    expect(answering?.toolNames?.get(wire)).toBe(name);
  });

  test("take the place of free-form tools", () => {
    const { body, notes, answering } = encode({
      tools: [{ kind: { case: "custom", value: { name: "patch", description: "d", grammar: "g", grammarSyntax: "lark" } } }],
    });
    expect(body["tools"]).toEqual([
      {
        functionDeclarations: [
          {
            name: "patch",
            description: "d\n\nThe input must match this lark grammar:\ng",
            parametersJsonSchema: {
              type: "object",
              properties: { input: { type: "string" } },
              required: ["input"],
              additionalProperties: false,
            },
          },
        ],
      },
    ]);
    expect(notes).toEqual(["EMULATED tools[0].custom"]);
    expect(answering).toEqual({ freeformTools: new Set(["patch"]) });
  });

  test("with a schema that is no object are refused", () => {
    expect(thrownBy(() => encode({ tools: [fn("f", { parametersJsonSchema: "3" })] }))).toMatchObject({
      failure: "INVALID_REQUEST",
      field: "tools[0].function.parameters_json_schema",
    });
  });

  test("that must be strict are checked where the model can, and told of where not", () => {
    const tools = [fn("f", { strict: true })];
    expect(encode({ tools }).body["toolConfig"]).toEqual(config("VALIDATED"));
    expect(choice(ToolChoice_Mode.AUTO, [], tools)["config"]).toEqual(config("VALIDATED"));
    expect(choice(ToolChoice_Mode.REQUIRED, [], tools)["config"]).toEqual(config("ANY"));
    expect(choice(ToolChoice_Mode.NONE, [], tools)["config"]).toEqual(config("NONE"));
    const second = encode({ tools }, models.second);
    expect([second.body["toolConfig"], second.notes]).toEqual([undefined, ["DROPPED tools[0].function.strict"]]);
  });
});

describe("the choice", () => {
  test.each([
    { mode: ToolChoice_Mode.UNSPECIFIED, names: [], sent: ["f", "g"], expected: undefined },
    { mode: ToolChoice_Mode.AUTO, names: [], sent: ["f", "g"], expected: config("AUTO") },
    { mode: ToolChoice_Mode.NONE, names: [], sent: ["f", "g"], expected: config("NONE") },
    { mode: ToolChoice_Mode.REQUIRED, names: [], sent: ["f", "g"], expected: config("ANY") },
    { mode: ToolChoice_Mode.REQUIRED, names: ["g"], sent: ["f", "g"], expected: config("ANY", ["g"]) },
    { mode: ToolChoice_Mode.REQUIRED, names: ["g", "f"], sent: ["f", "g"], expected: config("ANY", ["f", "g"]) },
    { mode: ToolChoice_Mode.AUTO, names: ["g"], sent: ["g"], expected: config("AUTO") },
  ])("$mode of $names", ({ mode, names, sent, expected }) => {
    expect(choice(mode, names)).toEqual({ tools: declared(...sent), config: expected });
  });

  test("names functions as they are on the wire", () => {
    expect(choice(ToolChoice_Mode.REQUIRED, ["1"], [fn("1"), fn("g")])["config"]).toEqual(config("ANY", ["_1"]));
  });

  test("of nothing that is there is refused", () => {
    expect(thrownBy(() => choice(ToolChoice_Mode.AUTO, ["x"]))).toMatchObject({
      failure: "INVALID_REQUEST",
      field: "tool_choice.allowed_names",
    });
  });

  test("cannot forbid parallel calls", () => {
    expect(encode({ tools: [fn("f")], toolChoice: { parallel: false } }).notes).toEqual(["DROPPED tool_choice.parallel"]);
    expect(encode({ tools: [fn("f")], toolChoice: { parallel: true } }).notes).toEqual([]);
    expect(encode({ toolChoice: { parallel: false } }).notes).toEqual([]);
  });
});

describe("tools of Google's own", () => {
  test("go along as they are", () => {
    expect(encode({ tools: [search] }, models.second).body).toMatchObject({ tools: [{ googleSearch: {} }] });
    expect(encode({ tools: [search] }).body["toolConfig"]).toBeUndefined();
  });

  test("go with functions from the third generation on", () => {
    expect(encode({ tools: [fn("f"), search] }).body).toMatchObject({
      tools: [{ functionDeclarations: [{ name: "f" }] }, { googleSearch: {} }],
      toolConfig: { includeServerSideToolInvocations: true },
    });
    expect(thrownBy(() => encode({ tools: [fn("f"), search] }, models.second))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "tools",
    });
  });

  test("are the only ones that run there: others are left out unless they must be called", () => {
    const foreign: ToolInit = { kind: { case: "native", value: { issuer: "anthropic", json: `{"type":"web_search"}` } } };
    expect(encode({ tools: [foreign] }).notes).toEqual(["DROPPED tools[0].native"]);
    const toolChoice = { mode: ToolChoice_Mode.REQUIRED };
    expect(thrownBy(() => encode({ tools: [foreign], toolChoice }))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "tool_choice",
    });
  });
});

test("tools keep what only Google knows of them, and lose breakpoints with a note", () => {
  const { body, notes } = encode({
    tools: [
      {
        kind: { case: "function", value: { name: "f" } },
        extensionsJson: { google: `{"name":"x","behavior":"BLOCKING"}` },
        cacheControl: {},
      },
    ],
  });
  expect(body["tools"]).toEqual([{ functionDeclarations: [{ name: "f", behavior: "BLOCKING" }] }]);
  expect(notes).toEqual(["DROPPED tools[0].cache_control"]);
});
