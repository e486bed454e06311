import { describe, expect, test } from "vitest";

import { baseUrlOf, hosts, isHostType, providerTypes } from "../../src/providers/hosts.ts";

test("every type of the configuration is offered, the simulated one last", () => {
  const types = "openai anthropic bedrock openai_compatible mistral groq deepseek together openrouter xai ollama vllm simulated";
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
  { host: hosts.deepseek, configured: undefined, expected: "https://api.deepseek.com/chat/completions" },
  { host: hosts.groq, configured: undefined, expected: "https://api.groq.com/openai/v1/chat/completions" },
]) {
  test(`${host.issuer} with base URL ${configured ?? "unset"} is called at ${expected}`, () => {
    expect(`${baseUrlOf(host, configured)}${host.chatPath}`).toBe(expected);
  });
}

test("a compatible host has no base URL of its own", () => expect(baseUrlOf(hosts.openai_compatible, undefined)).toBeUndefined());

describe("every host", () => {
  for (const [type, host] of Object.entries(hosts)) {
    test(`${type}: keys go to https only, unless the host is our own`, () => {
      const url = baseUrlOf(host, undefined, "us-east-1");
      if (host.needsKey) expect(url).toMatch(/^https:\/\//);
      else expect(url ?? "http://127.0.0.1").toMatch(/^http:\/\/127\.0\.0\.1/);
      expect(url ?? "").not.toMatch(/\/$/);
      const { chatPath } = host;
      expect(typeof chatPath === "string" ? chatPath : chatPath({ model: "m", streamed: false, apiVersion: undefined })).toMatch(/^\//);
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
