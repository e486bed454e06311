import { describe, expect, test } from "vitest";

import type { ModelCapabilities } from "../../src/core/chat.ts";
import { hosts } from "../../src/providers/hosts.ts";
import { describeModel, knownModels } from "../../src/providers/known-models.ts";

const at = new Date("2026-11-23T12:00:00Z");
const modern = { tools: true, jsonSchema: true, imageInput: true, embeddings: false } as const;

const cases: readonly { type: string; id: string; has: Partial<ModelCapabilities> }[] = [
  { type: "openai", id: "gpt-4o-mini", has: { ...modern, samplingParameters: true, contextTokens: 128_000, maxOutputTokens: 16_384 } },
  { type: "openai", id: "gpt-4o-2024-11-20", has: { ...modern, samplingParameters: true, maxOutputTokens: 16_384 } },
  { type: "openai", id: "gpt-5-mini", has: { ...modern, reasoning: true, samplingParameters: false, maxOutputTokens: 128_000 } },
  { type: "openai", id: "gpt-5.1-2025-11-13", has: { ...modern, reasoning: true, samplingParameters: false, contextTokens: 400_000 } },
  { type: "openai", id: "gpt-6.1-sol", has: { ...modern, reasoning: true, samplingParameters: false, contextTokens: 1_050_000 } },
  { type: "openai", id: "o3", has: { ...modern, reasoning: true, samplingParameters: false, maxOutputTokens: 100_000 } },
  { type: "openai", id: "o4-mini-2025-04-16", has: { reasoning: true, samplingParameters: false } },
  { type: "openai", id: "gpt-4", has: { imageInput: false, jsonSchema: false, contextTokens: 8192, maxOutputTokens: 4096 } },
  { type: "openrouter", id: "openai/gpt-6-luna", has: { ...modern, samplingParameters: false } },
  { type: "anthropic", id: "claude-haiku-4-5-20251001", has: { ...modern, samplingParameters: true, maxOutputTokens: 64_000 } },
  { type: "anthropic", id: "claude-opus-4-1-20250805", has: { samplingParameters: true, maxOutputTokens: 32_000 } },
  { type: "anthropic", id: "claude-sonnet-4-20250514", has: { samplingParameters: true, maxOutputTokens: 64_000 } },
  { type: "anthropic", id: "claude-opus-4-6", has: { ...modern, samplingParameters: true, maxOutputTokens: 128_000 } },
  { type: "anthropic", id: "claude-opus-4-7", has: { ...modern, samplingParameters: false, contextTokens: 1_000_000 } },
  { type: "anthropic", id: "claude-haiku-5-5", has: { ...modern, samplingParameters: false, maxOutputTokens: 128_000 } },
  { type: "openrouter", id: "anthropic/claude-haiku-4.5", has: { ...modern, samplingParameters: true } },
  { type: "gemini", id: "gemini-2.5-flash", has: { ...modern, reasoning: true, samplingParameters: true, maxOutputTokens: 65_536 } },
  { type: "gemini", id: "gemini-3.1-pro-preview", has: { ...modern, reasoning: true, samplingParameters: true, audioInput: true } },
  { type: "gemini", id: "gemini-3.8-flash", has: { ...modern, reasoning: true, videoInput: true, maxOutputTokens: 65_536 } },
  { type: "gemini", id: "gemini-flash-latest", has: { ...modern, reasoning: true } },
  { type: "groq", id: "openai/gpt-oss-120b", has: { tools: true, reasoning: true, imageInput: false } },
  { type: "together", id: "someone/finetunes/GPT-OSS-20b", has: { tools: true, reasoning: true } },
  { type: "deepseek", id: "deepseek-chat", has: { tools: true, jsonObject: true, jsonSchema: false } },
];
for (const { type, id, has } of cases) {
  test(`${id} at ${type} can do what its family can`, () => {
    const known = describeModel(type, id, at);
    expect(known.kind).toBe("chat");
    expect(known.capabilities).toMatchObject(has);
  });
}

test("the newest models of Gemini neither have sampling parameters nor have them not", () => {
  for (const id of ["gemini-3.8-flash", "gemini-3.6-flash", "gemini-3.5-flash-lite", "gemini-flash-latest"])
    expect(describeModel("gemini", id, at).capabilities.samplingParameters, id).toBeUndefined();
  expect(describeModel("gemini", "gemini-3.5-flash", at).capabilities.samplingParameters).toBe(true);
});

test("an embedding model is told by its name, wherever it runs", () => {
  for (const [type, id] of [
    ["openai", "text-embedding-3-small"],
    ["mistral", "mistral-embed"],
    ["ollama", "nomic-embed-text"],
    ["vllm", "BAAI/bge-m3"],
    ["together", "intfloat/multilingual-e5-large-instruct"],
  ] as const)
    expect(describeModel(type, id, at).kind, id).toBe("embedding");
});

test("of hosts that anyone can run nothing but the kind is told", () => {
  for (const type of ["openai_compatible", "ollama", "vllm"]) {
    const { capabilities, price, kind } = describeModel(type, "gpt-5", at);
    expect({ capabilities, price, kind }).toEqual({
      capabilities: { $typeName: "semaroute.v1.ModelCapabilities" },
      price: undefined,
      kind: "chat",
    });
    expect(knownModels(type, at)).toEqual([]);
  }
});

test("a simulated provider offers a chat and an embedding model, and whatever it is asked for has a price", () => {
  expect(knownModels("simulated", at).map(({ id, kind, price }) => [id, kind, price !== undefined])).toEqual([
    ["sim-chat", "chat", true],
    ["sim-embed", "embedding", true],
  ]);
  expect(describeModel("simulated", "gpt-5", at)).toMatchObject({ kind: "chat", price: { input: 150_000, output: 600_000 } });
});

test("a vendor's model of no known family has no capabilities set", () => {
  expect(describeModel("openai", "something-new", at)).toEqual({
    kind: "chat",
    capabilities: { $typeName: "semaroute.v1.ModelCapabilities" },
    price: undefined,
  });
});

test("what is told of a model is the asker's own to change", () => {
  describeModel("openai", "gpt-4o", at).capabilities.tools = false;
  expect(describeModel("openai", "gpt-4o", at).capabilities.tools).toBe(true);
});

for (const [type, host] of Object.entries(hosts)) {
  // Nobody but its owner knows what an Azure resource has; which models Bedrock has depends on region and account.
  if (!host.needsKey || host.baseUrl === undefined || type === "bedrock") continue;
  test(`${type} offers models, each once and each of a known family`, () => {
    const models = knownModels(type, at);
    expect(models.length).toBeGreaterThan(3);
    expect(new Set(models.map(({ id }) => id)).size).toBe(models.length);
    for (const { id, capabilities, kind, price } of models) {
      expect(Object.keys(capabilities).length, id).toBeGreaterThan(3);
      if (kind === "chat" && price !== undefined) expect(price.output, id).toBeGreaterThanOrEqual(price.input);
    }
    expect(models.some(({ price }) => price !== undefined)).toBe(true);
  });
}

test("no model of Anthropic is listed without the output limit that its API demands", () => {
  for (const { id, capabilities } of knownModels("anthropic", at)) expect(capabilities.maxOutputTokens, id).toBeGreaterThan(0);
});

test("a deployment of Azure's is described, and priced, where its name is a model's", () => {
  const known = describeModel("azure_openai", "gpt-4o", at);
  expect(known).toMatchObject({ kind: "chat", capabilities: { tools: true, contextTokens: 128_000 }, price: { input: 2_500_000 } });
  expect(describeModel("azure_openai", "text-embedding-3-small", at).kind).toBe("embedding");
  expect(describeModel("azure_openai", "prod", at)).toMatchObject({ kind: "chat", price: undefined });
});

test("Cohere's models read documents of text, and think where they are made to", () => {
  const abilities = (id: string) => describeModel("cohere", id, at).capabilities;
  expect(abilities("command-a-03-2025")).toMatchObject({ tools: true, imageInput: false, reasoning: false });
  expect(abilities("command-a-03-2025").documentInput).toBeUndefined();
  expect(abilities("command-a-plus-05-2026")).toMatchObject({ imageInput: true, reasoning: true });
  expect(abilities("command-a-reasoning-08-2025")).toMatchObject({ imageInput: false, reasoning: true });
});

describe("a model of bedrock is told by its maker's name, whatever stands around it:", () => {
  test.for<{ id: string; can: object; price: object | undefined }>([
    {
      id: "anthropic.claude-sonnet-4-5-20250929-v1:0",
      can: { reasoning: true, jsonSchema: true, samplingParameters: true, maxOutputTokens: 64_000, contextTokens: 200_000 },
      price: { input: 3_300_000, output: 16_500_000, cacheRead: 330_000, cacheWrite: 4_125_000 },
    },
    {
      id: "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-opus-4-6-v1",
      can: { reasoning: true, maxOutputTokens: 128_000 },
      price: { input: 5_000_000, output: 25_000_000 },
    },
    { id: "us.anthropic.claude-3-7-sonnet-20250219-v1:0", can: { reasoning: true, maxOutputTokens: 64_000 }, price: { input: 3_000_000 } },
    { id: "eu.amazon.nova-pro-v1:0", can: { imageInput: true, videoInput: true, maxOutputTokens: 10_000 }, price: { input: 800_000 } },
    { id: "amazon.nova-micro-v1:0", can: { imageInput: false, reasoning: false }, price: { input: 35_000 } },
    { id: "us.amazon.nova-2-lite-v1:0", can: { reasoning: true }, price: { input: 330_000 } },
    { id: "us.meta.llama4-maverick-17b-instruct-v1:0", can: { imageInput: true, tools: true }, price: { input: 240_000 } },
    { id: "meta.llama3-3-70b-instruct-v1:0", can: { imageInput: false, tools: true }, price: { input: 720_000 } },
    { id: "us.deepseek.r1-v1:0", can: { reasoning: true }, price: { input: 1_350_000 } },
    { id: "deepseek.v3.2", can: { tools: true }, price: undefined },
    { id: "openai.gpt-oss-120b-1:0", can: { reasoning: true, contextTokens: 128_000 }, price: { input: 150_000 } },
    { id: "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", can: {}, price: undefined },
  ])("$id", ({ id, can, price }) => {
    const described = describeModel("bedrock", id, at);
    expect(described).toMatchObject({ kind: "chat", capabilities: can });
    if (price === undefined) expect(described.price).toBeUndefined();
    else expect(described.price).toMatchObject(price);
  });

  test("and what embeds is no chat", () => {
    for (const id of ["amazon.titan-embed-text-v2:0", "cohere.embed-english-v3"])
      expect(describeModel("bedrock", id, at).kind).toBe("embedding");
  });
});
