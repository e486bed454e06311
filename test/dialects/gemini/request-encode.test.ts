import { describe, expect, test } from "vitest";
import { encode, thrownBy } from "./support.ts";

test("a plain request is its contents and nothing else", () => {
  const { text, notes, answering } = encode();
  expect(text).toBe(`{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}`);
  expect([notes, answering]).toEqual([[], {}]);
});

test.each([
  { serviceTier: "", sent: undefined, notes: [] },
  { serviceTier: "auto", sent: undefined, notes: [] },
  { serviceTier: "default", sent: "standard", notes: [] },
  { serviceTier: "standard_only", sent: "standard", notes: [] },
  { serviceTier: "flex", sent: "flex", notes: [] },
  { serviceTier: "priority", sent: "priority", notes: [] },
  { serviceTier: "scale", sent: undefined, notes: ["DROPPED service_tier"] },
])("the tier $serviceTier is $sent", ({ serviceTier, sent, notes }) => {
  const encoded = encode({ serviceTier });
  expect([encoded.body["serviceTier"], encoded.notes]).toEqual([sent, notes]);
});

test("storing is Google's to do or not", () => {
  expect(encode({ store: false }).body["store"]).toBe(false);
  expect(encode({ store: true }).body["store"]).toBe(true);
});

test("what Google has no place for is told", () => {
  const init = {
    verbosity: "low",
    endUserId: "u",
    promptCacheKey: "k",
    metadata: { a: "b" },
    extensionsJson: { openai: `{"x":1}`, anthropic: `{"y":1}` },
  };
  expect(encode(init)).toMatchObject({
    text: encode().text,
    notes: [
      "DROPPED verbosity",
      "DROPPED end_user_id",
      "DROPPED prompt_cache_key",
      "DROPPED metadata",
      "DROPPED extensions_json.anthropic.y",
      "DROPPED extensions_json.openai.x",
    ],
  });
});

describe("fields of Google's own", () => {
  const google = (fields: object) => ({ extensionsJson: { google: JSON.stringify(fields) } });

  test("go along, below ours, in either spelling", () => {
    const safetySettings = [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "OFF" }];
    const init = {
      ...google({
        safetySettings,
        cachedContent: "cachedContents/x",
        generation_config: { top_p: 0.1, imageConfig: { aspectRatio: "1:1" } },
      }),
      sampling: { topP: 0.9 },
    };
    expect(encode(init).body).toEqual({
      safetySettings,
      cachedContent: "cachedContents/x",
      generationConfig: { topP: 0.9, imageConfig: { aspectRatio: "1:1" } },
      contents: [{ role: "user", parts: [{ text: "Hello" }] }],
    });
  });

  test.each([
    { fields: { contents: [] }, field: "contents" },
    { fields: { model: "x" }, field: "model" },
    { fields: { tools: [] }, field: "tools" },
    { fields: { toolConfig: {} }, field: "toolConfig" },
    { fields: { tool_config: {} }, field: "tool_config" },
    { fields: { systemInstruction: {} }, field: "systemInstruction" },
    { fields: { store: true }, field: "store" },
    { fields: { generationConfig: { candidateCount: 2 } }, field: "generationConfig.candidateCount" },
    { fields: { generation_config: { max_output_tokens: 2 } }, field: "generationConfig.max_output_tokens" },
  ])("never set $field", ({ fields, field }) => {
    const { body, notes } = encode(google(fields));
    expect([{ ...body, generationConfig: {} }, notes]).toEqual([
      { ...encode({}).body, generationConfig: {} },
      [`DROPPED extensions_json.google.${field}`],
    ]);
    expect(body["generationConfig"] ?? {}).toEqual({});
  });

  test.each(["", "{", "[]", "3"])("must be an object, not %j", (text) => {
    expect(thrownBy(() => encode({ extensionsJson: { google: text } }))).toMatchObject({
      failure: "INVALID_REQUEST",
      field: "extensions_json.google",
    });
  });
});
