import { describe, expect, test } from "vitest";

import { baseUrlOf, hosts, isHostType, providerTypes } from "../../src/providers/hosts.ts";

test("every type of the configuration is offered, the simulated one last", () => {
  const types =
    "openai anthropic cohere azure_openai openai_compatible mistral groq deepseek together openrouter xai ollama vllm simulated";
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

test("a compatible host has no base URL of its own", () => expect(baseUrlOf(hosts.openai_compatible, undefined)).toBeUndefined());

describe("every host", () => {
  for (const [type, host] of Object.entries(hosts)) {
    test(`${type}: keys go to https only, unless the host is our own`, () => {
      const url = baseUrlOf(host, undefined);
      if (host.needsKey) expect(url ?? "https://").toMatch(/^https:\/\//);
      else expect(url ?? "http://127.0.0.1").toMatch(/^http:\/\/127\.0\.0\.1/);
      expect(url ?? "").not.toMatch(/\/$/);
      expect(
        typeof host.chatPath === "string" ? host.chatPath : host.chatPath({ model: "m", streamed: false, apiVersion: undefined }),
      ).toMatch(/^\//);
    });
  }
});
