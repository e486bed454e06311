/** Asking a host for a count of tokens. */
import { expect, test } from "vitest";
import { Secret } from "../../src/core/secret.ts";
import { anthropicMessages } from "../../src/dialects/anthropic-messages/upstream.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { createHttpProvider, type HttpProviderOptions } from "../../src/providers/http-provider.ts";
import { createWire } from "../../src/providers/wire/pool.ts";
import { systemClock as clock } from "../../src/stores/system-clock.ts";
import { chatRequest, chatTarget } from "../support/attempt.ts";
import { createUpstream, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { rejection } from "../stages/support.ts";

const key = "sk-ant-very-secret-key";

async function scene(handler: UpstreamHandler, more: Partial<HttpProviderOptions> = {}) {
  const upstream = await createUpstream(handler);
  const wire = createWire({ clock, name: "up", origin: upstream.url, connectMs: 5000, totalMs: 20_000, connectionsMax: 4 });
  const provider = createHttpProvider({
    name: "up",
    wire,
    dialect: anthropicMessages,
    quirks: {},
    chatPath: () => "/v1/messages",
    modelsPath: undefined,
    countPath: ({ model }) => `/count/${model}`,
    auth: "x-api-key",
    apiKey: new Secret(key, "env:KEY"),
    clock,
    ...more,
  });
  const request = chatRequest("hi", {
    maxOutputTokens: 5,
    endUserId: "u",
    serviceTier: "auto",
    extensionsJson: { anthropic: `{"anthropic_beta":"b-1","speed":"fast"}` },
  });
  const count = (signal = new AbortController().signal) =>
    provider.counting?.countTokens(request, chatTarget({ upstreamModel: "claude-haiku-4-5" }), signal);
  return {
    upstream,
    provider,
    count,
    async [Symbol.asyncDispose]() {
      await upstream.close();
      await wire.close();
    },
  };
}

test("is one POST of what costs input, with the key and the betas", async () => {
  await using up = await scene((reply) => reply.json({ input_tokens: 42 }));
  expect(await up.count()).toBe(42);
  expect(up.upstream.requests).toMatchObject([
    { method: "POST", path: "/count/claude-haiku-4-5", headers: { "x-api-key": key, "anthropic-beta": "b-1" } },
  ]);
  expect(up.upstream.requests[0]?.body).toEqual({
    model: "claude-haiku-4-5",
    messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }],
    speed: "fast",
  });
});

test.each([{}, { input_tokens: "5" }, { input_tokens: -1 }, { input_tokens: 1.5 }, [], null])("an answer of %j has none", async (body) => {
  await using up = await scene((reply) => reply.json(body));
  expect(await rejection(up.count() ?? Promise.resolve())).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
});

test("an error is told as chats tell it, and never with the key", async () => {
  await using up = await scene((reply) => reply.json({ error: { type: "invalid_request_error", message: `bad key ${key}` } }, 400));
  const error = await rejection(up.count() ?? Promise.resolve());
  expect(error).toMatchObject({ failure: "INVALID_REQUEST" });
  expect(String(error)).not.toContain(key);
});

test("leaving closes the upstream", async () => {
  await using up = await scene(() => {});
  const leave = new AbortController();
  const counting = up.count(leave.signal);
  const { closed } = await up.upstream.request(0);
  leave.abort(new Error("left"));
  await expect(counting).rejects.toThrow();
  expect(await closed).toBe("cut");
});

test("there is none where host or language have none", async () => {
  await using pathless = await scene(() => {}, { countPath: undefined });
  await using wordless = await scene(() => {}, { dialect: openaiChat });
  expect([pathless.provider.counting, wordless.provider.counting]).toEqual([undefined, undefined]);
});
