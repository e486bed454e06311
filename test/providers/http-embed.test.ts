import { describe, expect, test } from "vitest";

import type { EmbedRequest } from "../../src/core/chat.ts";
import type { UpstreamDialect } from "../../src/core/dialect.ts";
import { ChatError } from "../../src/core/error.ts";
import { Secret } from "../../src/core/secret.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { openaiEmbeddings } from "../../src/dialects/openai-embeddings/upstream.ts";
import { createHttpProvider, type HttpProviderOptions } from "../../src/providers/http-provider.ts";
import { createWire } from "../../src/providers/wire/pool.ts";
import { systemClock as clock } from "../../src/stores/system-clock.ts";
import { attemptOf, embedRequest, embedTarget } from "../support/attempt.ts";
import { createUpstream, embeddings, type Upstream, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { read } from "../support/simulated.ts";

const dialect: UpstreamDialect = { ...openaiChat, embeddings: openaiEmbeddings };
const target = embedTarget({ upstreamModel: "embed-real" });

async function scene(handler: UpstreamHandler, more: Partial<HttpProviderOptions> = {}, inputsMax?: number) {
  const upstream: Upstream = await createUpstream(handler);
  const wire = createWire({ clock, name: "up", origin: upstream.url, connectMs: 5000, totalMs: 20_000, connectionsMax: 4 });
  const provider = createHttpProvider({
    name: "up",
    wire,
    dialect,
    quirks: {},
    chatPath: () => "/v1/chat/completions",
    embedding: { path: ({ model }) => `/v1/embeddings?of=${model}`, inputsMax },
    modelsPath: "/v1/models",
    auth: "bearer",
    apiKey: new Secret("sk-upstream-key", "env:KEY"),
    clock,
    ...more,
  });
  return {
    upstream,
    provider,
    embed: (request: EmbedRequest, signal = new AbortController().signal) =>
      read(provider.chat(attemptOf(request, { target, streamed: false, signal }))),
    async [Symbol.asyncDispose]() {
      await upstream.close();
      await wire.close();
    },
  };
}

const bodies = ({ requests }: Upstream) => requests.map(({ body }) => body);

describe("a call for embeddings", () => {
  test("is one POST where the host embeds, with the key where it belongs", async () => {
    await using up = await scene((reply) => reply.json(embeddings([[0.5, 1]]), 200, { "x-request-id": "up-7" }));
    const { batches, error } = await up.embed(embedRequest(["hi"]));
    expect(error).toBeUndefined();
    expect(batches).toMatchObject([
      [{ case: "head", value: { status: 200, requestId: "up-7", notes: [] } }],
      [{ case: "embedded", value: { embeddings: [{ index: 0, values: [0.5, 1] }], usage: { inputTokens: 2 } } }],
    ]);
    expect(up.upstream.requests).toMatchObject([
      {
        method: "POST",
        path: "/v1/embeddings?of=embed-real",
        headers: { authorization: "Bearer sk-upstream-key", "content-type": "application/json" },
        body: { model: "embed-real", input: "hi" },
      },
    ]);
  });

  test("with more inputs than the host takes is several, in order, and one answer", async () => {
    await using up = await scene(
      (reply, { body }) => {
        const { input } = body as { input: string | string[] };
        reply.json(embeddings([input].flat().map((text) => [Number(text)])));
      },
      {},
      2,
    );
    const { batches, error } = await up.embed(embedRequest(["0", "1", "2", "3", "4"], { dimensions: 1 }));
    expect(error).toBeUndefined();
    expect(bodies(up.upstream)).toMatchObject([
      { input: ["0", "1"], dimensions: 1 },
      { input: ["2", "3"], dimensions: 1 },
      { input: "4", dimensions: 1 },
    ]);
    expect(batches.map((batch) => batch.map((event) => event.case))).toEqual([["head"], ["usage"], ["usage"], ["embedded"]]);
    const last = batches.at(-1)?.[0];
    expect(last).toMatchObject({ value: { usage: { inputTokens: 10, totalTokens: 10 } } });
    expect(last?.case === "embedded" && last.value.embeddings.map(({ index, values }) => [index, ...values])).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
    ]);
  });

  test("whose second part fails tells what the first used, and asks no third", async () => {
    await using up = await scene((reply, _, ordinal) => (ordinal === 0 ? reply.json(embeddings([[1]])) : reply.error(503)), {}, 1);
    const { batches, error } = await up.embed(embedRequest(["a", "b", "c"]));
    expect(batches).toMatchObject([[{ case: "head" }], [{ case: "usage", value: { inputTokens: 2 } }]]);
    expect(error).toMatchObject({ failure: "OVERLOADED" });
    expect(up.upstream.requests).toHaveLength(2);
  });

  test("that the host cannot take asks nobody, whichever part it is", async () => {
    await using up = await scene((reply) => reply.json(embeddings([[1]])), {}, 1);
    const { error } = await up.embed(embedRequest(["a", [1, 2]]));
    expect(error).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field: "input" });
    expect(up.upstream.requests).toEqual([]);
  });

  for (const { what, more } of [
    { what: "a host without embeddings", more: { embedding: undefined } },
    { what: "a dialect without embeddings", more: { dialect: openaiChat } },
  ]) {
    test(`of ${what} is refused, and the plan can know it`, async () => {
      await using up = await scene((reply) => reply.json(embeddings([[1]])), more);
      const refused = expect.objectContaining({ failure: "UNSUPPORTED_FEATURE", message: expect.stringContaining("has no embeddings") });
      expect((await up.embed(embedRequest(["a"]))).error).toEqual(refused);
      expect(() => up.provider.translator?.notes(embedRequest(["a"]), target, false)).toThrow(refused);
      expect(up.upstream.requests).toEqual([]);
    });
  }

  test("knows its notes beforehand", async () => {
    await using up = await scene((reply) => reply.json(embeddings([[1]])));
    expect(up.provider.translator?.notes(embedRequest(["a"], { taskType: "x" }), target, false)).toMatchObject([{ field: "task_type" }]);
  });

  test("ends its socket when its caller leaves", async () => {
    await using up = await scene(() => {});
    const caller = new AbortController();
    const reading = up.embed(embedRequest(["a"]), caller.signal);
    const { closed } = await up.upstream.request(0);
    caller.abort(new ChatError("CANCELLED", "left"));
    expect((await reading).error).toMatchObject({ failure: "CANCELLED" });
    expect(await closed).toBe("cut");
  });
});

describe("an answer that is none", () => {
  for (const { what, plays, failure } of [
    { what: "an error in its place", plays: { error: { message: "x", type: "server_error" } }, failure: "UPSTREAM_UNAVAILABLE" },
    { what: "a spent quota in its place", plays: { error: { type: "insufficient_quota" } }, failure: "QUOTA_EXHAUSTED" },
    { what: "a chat", plays: { object: "chat.completion", choices: [] }, failure: "UPSTREAM_PROTOCOL" },
    { what: "vectors for other inputs", plays: embeddings([[1], [2]]), failure: "UPSTREAM_PROTOCOL" },
  ] as const) {
    test(`${what} is ${failure}`, async () => {
      await using up = await scene((reply) => reply.json(plays));
      expect((await up.embed(embedRequest(["a"]))).error).toMatchObject({ failure });
    });
  }

  for (const text of ["", "<html>", '{"data":[', `${"[".repeat(300)}${"]".repeat(300)}${" ".repeat(100)}`]) {
    test(`${JSON.stringify(text.slice(0, 12))} is UPSTREAM_PROTOCOL`, async () => {
      await using up = await scene((reply) => reply.sse({ "content-type": "application/json" }).raw(text).end());
      expect((await up.embed(embedRequest(["a"]))).error).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
    });
  }

  test("never tells the key", async () => {
    await using up = await scene((reply) => reply.json({ error: { message: "bad sk-upstream-key", type: "invalid_request_error" } }, 400));
    const { error } = await up.embed(embedRequest(["a"]));
    expect(error).toMatchObject({ failure: "INVALID_REQUEST" });
    expect(String(error)).not.toContain("sk-upstream-key");
  });
});
