import { describe, expect, test } from "vitest";

import { baseUrlOf, hosts, isHostType, providerTypes } from "../../src/providers/hosts.ts";

test("every type of the configuration is offered, the simulated one last", () => {
  const types =
    "openai anthropic gemini cohere bedrock azure_openai openai_compatible mistral groq deepseek together openrouter xai ollama vllm simulated";
  expect(providerTypes).toEqual(types.split(" "));
  expect(isHostType("simulated")).toBe(false);
  expect(isHostType("toString")).toBe(false);
});

for (const { host, configured, expected } of [
  { host: hosts.openai, configured: undefined, expected: "https://api.openai.com/v1/chat/completions" },
  { host: hosts.openai, configured: "http://127.0.0.1:9/v1/", expected: "http://127.0.0.1:9/v1/chat/completions" },
  { host: hosts.openai, configured: "http://127.0.0.1:9", expected: "http://127.0.0.1:9/chat/completions" },
  { host: hosts.anthropic, configured: undefined, expected: "https://api.anthropic.com/v1/messages" },
  { host: hosts.anthropic, configured: "http://127.0.0.1:9", expected: "http://127.0.0.1:9/v1/messages" },
  { host: hosts.anthropic, configured: "http://127.0.0.1:9/v1", expected: "http://127.0.0.1:9/v1/messages" },
  { host: hosts.anthropic, configured: "http://127.0.0.1:9/proxy/v1//", expected: "http://127.0.0.1:9/proxy/v1/messages" },
  { host: hosts.cohere, configured: undefined, expected: "https://api.cohere.com/v2/chat" },
  { host: hosts.cohere, configured: "http://127.0.0.1:9/v2", expected: "http://127.0.0.1:9/v2/chat" },
  { host: hosts.cohere, configured: "http://127.0.0.1:9/proxy", expected: "http://127.0.0.1:9/proxy/v2/chat" },
  { host: hosts.deepseek, configured: undefined, expected: "https://api.deepseek.com/chat/completions" },
  { host: hosts.groq, configured: undefined, expected: "https://api.groq.com/openai/v1/chat/completions" },
]) {
  test(`${host.issuer} with base URL ${configured ?? "unset"} is called at ${expected}`, () => {
    expect(`${baseUrlOf(host, configured)}${host.chatPath}`).toBe(expected);
  });
}

for (const { configured, apiVersion, model = "prod 4o", chat, embed, models } of [
  {
    configured: "https://x.openai.azure.com",
    apiVersion: "2024-10-21",
    chat: "/openai/deployments/prod%204o/chat/completions?api-version=2024-10-21",
    embed: "/openai/deployments/prod%204o/embeddings?api-version=2024-10-21",
    models: "/openai/models?api-version=2024-10-21",
  },
  {
    configured: "https://x.openai.azure.com/openai/",
    apiVersion: "2025-04-01-preview",
    model: "a/b",
    chat: "/openai/deployments/a%2Fb/chat/completions?api-version=2025-04-01-preview",
    embed: "/openai/deployments/a%2Fb/embeddings?api-version=2025-04-01-preview",
    models: "/openai/models?api-version=2025-04-01-preview",
  },
  {
    configured: "https://x.openai.azure.com/openai/v1/",
    apiVersion: undefined,
    chat: "/openai/v1/chat/completions",
    embed: "/openai/v1/embeddings",
    models: "/openai/v1/models",
  },
  {
    configured: "https://x.services.ai.azure.com",
    apiVersion: "preview",
    chat: "/openai/v1/chat/completions?api-version=preview",
    embed: "/openai/v1/embeddings?api-version=preview",
    models: "/openai/v1/models?api-version=preview",
  },
]) {
  test(`azure_openai at ${configured} with version ${apiVersion ?? "unset"} is called at ${chat}`, () => {
    const host = hosts.azure_openai;
    expect(baseUrlOf(host, configured)).toBe(new URL(configured).origin);
    expect(host.chatPath({ model, streamed: true, apiVersion })).toBe(chat);
    expect(host.embedPath({ model, streamed: false, apiVersion })).toBe(embed);
    expect(host.modelsPath({ apiVersion })).toBe(models);
  });
}

for (const { call, expected } of [
  { call: { model: "gemini-2.5-flash", streamed: false }, expected: "/v1beta/models/gemini-2.5-flash:generateContent" },
  { call: { model: "gemini-2.5-flash", streamed: true }, expected: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse" },
  { call: { model: "models/gemini-2.5-pro", streamed: false }, expected: "/v1beta/models/gemini-2.5-pro:generateContent" },
  { call: { model: "tunedModels/mine", streamed: false }, expected: "/v1beta/tunedModels/mine:generateContent" },
  { call: { model: "../a?b#c", streamed: false }, expected: "/v1beta/models/..%2Fa%3Fb%23c:generateContent" },
]) {
  test(`gemini is asked for ${call.model} at ${expected}`, () => {
    expect(hosts.gemini.chatPath({ ...call, apiVersion: undefined })).toBe(expected);
  });
}

test("gemini's base URL may have the version or not", () => {
  for (const url of ["http://127.0.0.1:9", "http://127.0.0.1:9/v1beta", "http://127.0.0.1:9/v1beta/"])
    expect(baseUrlOf(hosts.gemini, url)).toBe("http://127.0.0.1:9");
});

test("gemini embeds and counts at paths of their own", () => {
  const call = { model: "gemini-embedding-001", streamed: false, apiVersion: undefined };
  expect(hosts.gemini.embedPath(call)).toBe("/v1beta/models/gemini-embedding-001:batchEmbedContents");
  expect(hosts.gemini.countPath(call)).toBe("/v1beta/models/gemini-embedding-001:countTokens");
});

test("a compatible host has no base URL of its own", () => expect(baseUrlOf(hosts.openai_compatible, undefined)).toBeUndefined());

describe("every host", () => {
  for (const [type, host] of Object.entries(hosts)) {
    test(`${type}: keys go to https only, unless the host is our own`, () => {
      const url = baseUrlOf(host, undefined, "eu-central-1");
      if (host.needsKey && url !== undefined) expect(url ?? "https://").toMatch(/^https:\/\//);
      else expect(url ?? "http://127.0.0.1").toMatch(/^http:\/\/127\.0\.0\.1/);
      expect(url ?? "").not.toMatch(/\/$/);
      expect(
        typeof host.chatPath === "string" ? host.chatPath : host.chatPath({ model: "m", streamed: false, apiVersion: undefined }),
      ).toMatch(/^\//);
    });
  }
});

describe("bedrock", () => {
  test("is called in its region, unless the configuration says where", () => {
    expect(baseUrlOf(hosts.bedrock, undefined, "eu-west-1")).toBe("https://bedrock-runtime.eu-west-1.amazonaws.com");
    expect(baseUrlOf(hosts.bedrock, "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com/", "eu-west-1")).toBe(
      "https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com",
    );
  });

  test.for([
    ["amazon.nova-pro-v1:0", false, "/model/amazon.nova-pro-v1%3A0/converse"],
    ["amazon.nova-pro-v1:0", true, "/model/amazon.nova-pro-v1%3A0/converse-stream"],
    [
      "arn:aws:bedrock:us-east-1:1:inference-profile/us.x.y-v1:0",
      false,
      "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x.y-v1%3A0/converse",
    ],
    ["../../admin?x=1#y", false, "/model/..%2F..%2Fadmin%3Fx%3D1%23y/converse"],
  ] as const)("%s, streamed: %s", ([model, streamed, path]) => {
    expect(hosts.bedrock.chatPath({ model, streamed, apiVersion: undefined })).toBe(path);
  });
});
