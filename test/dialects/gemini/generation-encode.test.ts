import { describe, expect, test } from "vitest";
import { encode, generation, models, type RequestInit, thrownBy } from "./support.ts";

const fn = { kind: { case: "function" as const, value: { name: "f" } } };

describe("sampling", () => {
  test.each<{ sampling: NonNullable<RequestInit["sampling"]>; expected: unknown; notes?: string[]; model?: string }>([
    { sampling: {}, expected: undefined },
    { sampling: { temperature: 0, topP: 0.5, topK: 3 }, expected: { temperature: 0, topP: 0.5, topK: 3 } },
    { sampling: { temperature: 2.5 }, expected: { temperature: 2 }, notes: ["CLAMPED sampling.temperature"] },
    { sampling: { topK: 0 }, expected: undefined },
    {
      sampling: { temperature: 0.3, topP: 0.5, topK: 3 },
      model: models.newest,
      expected: { temperature: 0.3, topP: 0.5, topK: 3 },
      notes: ["APPROXIMATED sampling.temperature", "APPROXIMATED sampling.top_p", "APPROXIMATED sampling.top_k"],
    },
    { sampling: { temperature: 1, topP: 1 }, model: models.newest, expected: { temperature: 1, topP: 1 } },
    { sampling: { stop: ["a", "b"] }, expected: { stopSequences: ["a", "b"] } },
    { sampling: { seed: -7n }, expected: { seed: -7 } },
    { sampling: { seed: 2n ** 40n + 5n }, expected: { seed: 5 }, notes: ["APPROXIMATED sampling.seed"] },
    {
      sampling: { presencePenalty: 0.5, frequencyPenalty: -1 },
      model: models.first,
      expected: { presencePenalty: 0.5, frequencyPenalty: -1 },
    },
    {
      sampling: { presencePenalty: 0.5, frequencyPenalty: -1 },
      expected: undefined,
      notes: ["DROPPED sampling.frequency_penalty", "DROPPED sampling.presence_penalty"],
    },
    { sampling: { presencePenalty: 0, frequencyPenalty: 0 }, expected: undefined },
    { sampling: { logprobs: true }, expected: { responseLogprobs: true } },
    { sampling: { logprobs: true, topLogprobs: 0 }, expected: { responseLogprobs: true } },
    { sampling: { logprobs: true, topLogprobs: 5 }, expected: { responseLogprobs: true, logprobs: 5 } },
    { sampling: { topLogprobs: 5 }, expected: undefined, notes: ["DROPPED sampling.top_logprobs"] },
    {
      sampling: { minP: 0.1, repetitionPenalty: 1.1, logitBias: { 1: 2 } },
      expected: undefined,
      notes: ["DROPPED sampling.min_p", "DROPPED sampling.repetition_penalty", "DROPPED sampling.logit_bias"],
    },
    { sampling: { minP: 0, repetitionPenalty: 1 }, expected: undefined },
  ])("$sampling at $model", ({ sampling, expected, notes = [], model }) => {
    const encoded = encode({ sampling }, model);
    expect([encoded.body["generationConfig"], encoded.notes]).toEqual([expected, notes]);
  });

  test("has five stop sequences at most", () => {
    expect(generation({ sampling: { stop: ["1", "2", "3", "4", "5"] } })).toEqual({ stopSequences: ["1", "2", "3", "4", "5"] });
    expect(thrownBy(() => generation({ sampling: { stop: ["1", "2", "3", "4", "5", "6"] } }))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "sampling.stop",
    });
  });
});

describe("limits", () => {
  test("of tokens are the caller's within the model's", () => {
    expect(generation({ maxOutputTokens: 100 })).toEqual({ maxOutputTokens: 100 });
    const clamped = encode({ maxOutputTokens: 100 }, models.third, { maxOutputTokens: 64 });
    expect([clamped.body["generationConfig"], clamped.notes]).toEqual([{ maxOutputTokens: 64 }, ["CLAMPED max_output_tokens"]]);
  });

  test("of choices are the model's", () => {
    expect(generation({ n: 1 })).toBeUndefined();
    expect(generation({ n: 8 }, models.second)).toEqual({ candidateCount: 8 });
    for (const [n, model] of [
      [9, models.second],
      [2, models.third],
    ] as const)
      expect(thrownBy(() => generation({ n }, model))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field: "n" });
  });
});

describe("the output's format", () => {
  const jsonSchema = `{"$schema":"x","type":"object","properties":{"a":{"const":12345678901234567890}}}`;
  const schemaFormat = { format: { case: "jsonSchema" as const, value: { name: "n", jsonSchema } } };
  const objectFormat = { format: { case: "jsonObject" as const, value: {} } };

  test("is JSON, under a schema or not", () => {
    expect(generation({ outputFormat: objectFormat })).toEqual({ responseMimeType: "application/json" });
    expect(encode({ outputFormat: schemaFormat }).text).toContain(
      `"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"const":12345678901234567890}}}}`,
    );
  });

  test("has its description in the schema, before the schema's own", () => {
    const described = (schema: string) =>
      generation({ outputFormat: { format: { case: "jsonSchema", value: { name: "n", description: "ours", jsonSchema: schema } } } });
    expect(described(`{"type":"object"}`)).toMatchObject({ responseJsonSchema: { type: "object", description: "ours" } });
    expect(described(`{"description":"its own"}`)).toMatchObject({ responseJsonSchema: { description: "ours\nits own" } });
  });

  test("goes with functions from the third generation on", () => {
    expect(generation({ outputFormat: schemaFormat, tools: [fn] })).toMatchObject({ responseMimeType: "application/json" });
    for (const outputFormat of [schemaFormat, objectFormat])
      expect(thrownBy(() => generation({ outputFormat, tools: [fn] }, models.second))).toMatchObject({
        failure: "UNSUPPORTED_FEATURE",
        field: "output_format",
      });
  });

  test("under a schema that is none is refused", () => {
    const outputFormat = { format: { case: "jsonSchema" as const, value: { name: "n", jsonSchema: "[1]" } } };
    expect(thrownBy(() => generation({ outputFormat }))).toMatchObject({
      failure: "INVALID_REQUEST",
      field: "output_format.json_schema.json_schema",
    });
  });
});

test("other outputs than text are asked for by name", () => {
  expect(generation({ modalities: ["text"] })).toBeUndefined();
  expect(generation({ modalities: ["text", "image"] })).toEqual({ responseModalities: ["TEXT", "IMAGE"] });
  const spoken = encode({ modalities: ["audio"], audio: { voice: "Kore", format: "mp3" } });
  expect(spoken.body["generationConfig"]).toEqual({
    responseModalities: ["AUDIO"],
    speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: "Kore" } } },
  });
  expect(spoken.notes).toEqual(["APPROXIMATED audio.format"]);
});
