import { describe, expect, test } from "vitest";

import type { UpstreamDialect } from "../../src/core/dialect.ts";
import { ChatError } from "../../src/core/error.ts";
import { Secret } from "../../src/core/secret.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { createHttpProvider, type HttpProviderOptions } from "../../src/providers/http-provider.ts";
import { createWire } from "../../src/providers/wire/pool.ts";
import { systemClock as clock } from "../../src/stores/system-clock.ts";
import { attemptOf, chatRequest, chatTarget } from "../support/attempt.ts";
import {
  chunk,
  completion,
  createGate,
  createUpstream,
  streamText,
  type Upstream,
  type UpstreamHandler,
} from "../support/scripted-upstream.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { read, texts } from "../support/simulated.ts";
import { rejection } from "../stages/support.ts";

/** A provider of an upstream that does as it is told. */
async function scene(handler: UpstreamHandler, more: Partial<HttpProviderOptions> = {}) {
  const upstream: Upstream = await createUpstream(handler);
  const wire = createWire({ clock, name: "up", origin: upstream.url, connectMs: 5000, totalMs: 20_000, connectionsMax: 4 });
  const provider = createHttpProvider({
    name: "up",
    wire,
    dialect: openaiChat,
    quirks: {},
    chatPath: () => "/v1/chat/completions",
    modelsPath: "/v1/models",
    auth: "bearer",
    apiKey: new Secret("sk-upstream", "env:KEY"),
    clock,
    ...more,
  });
  const target = chatTarget({ upstreamModel: "gpt-real" });
  const chat = (streamed: boolean, signal = new AbortController().signal) =>
    provider.chat(attemptOf(chatRequest("hi"), { target, streamed, signal }));
  return {
    upstream,
    provider,
    chat,
    async [Symbol.asyncDispose]() {
      await upstream.close();
      await wire.close();
    },
  };
}

const casesOf = (batches: readonly (readonly { readonly case: string }[])[]) => batches.flat().map((event) => event.case);

describe("a call", () => {
  test("is one POST, with the key where it belongs", async () => {
    await using up = await scene((reply) => reply.json(completion("Hello")));
    await read(up.chat(false));
    expect(up.upstream.requests).toMatchObject([
      {
        method: "POST",
        path: "/v1/chat/completions",
        headers: {
          authorization: "Bearer sk-upstream",
          "content-type": "application/json",
          accept: "application/json",
          "accept-encoding": "identity",
        },
        body: { model: "gpt-real", messages: [{ role: "user", content: "hi" }] },
      },
    ]);
    expect(up.upstream.requests[0]?.headers["x-api-key"]).toBeUndefined();
  });

  test("says how long the caller will wait, where the caller said so: at least a millisecond, never a fraction", async () => {
    const fake = createFakeClock();
    fake.advance(1000.5);
    await using up = await scene((reply) => reply.json(completion("Hello")), { clock: fake });
    for (const [deadlineByCaller, deadline] of [
      [true, 6000],
      [true, 1001.6],
      [true, 1000.9],
      [true, 1],
      [false, 6000],
    ] as const) {
      await read(up.provider.chat(attemptOf(chatRequest("hi"), { streamed: false, deadline, deadlineByCaller })));
    }
    expect(up.upstream.requests.map(({ headers }) => headers["x-semaroute-timeout-ms"])).toEqual(["4999", "1", "1", "1", undefined]);
  });

  for (const { what, more, headers } of [
    { what: "x-api-key", more: { auth: "x-api-key" }, headers: { "x-api-key": "sk-upstream" } },
    { what: "no key at all", more: { apiKey: undefined }, headers: {} },
    {
      what: "headers of the dialect",
      more: { dialect: { ...openaiChat, encodeRequest: () => ({ body: "{}", notes: [], headers: { "x-version": "7" } }) } },
      headers: { "x-version": "7", authorization: "Bearer sk-upstream" },
    },
  ] as const) {
    test(`may have ${what}`, async () => {
      await using up = await scene((reply) => reply.json(completion("Hello")), more);
      await read(up.chat(false));
      const sent = up.upstream.requests[0]?.headers ?? {};
      const { authorization, "x-api-key": apiKey, "x-version": version } = sent;
      expect(JSON.parse(JSON.stringify({ authorization, "x-api-key": apiKey, "x-version": version }))).toEqual(headers);
    });
  }

  test("answered whole is the head and one whole event", async () => {
    await using up = await scene((reply) => reply.json(completion("Hello"), 200, { "x-request-id": "req-9" }));
    const { batches, error } = await read(up.chat(false));
    expect(error).toBeUndefined();
    expect(batches).toMatchObject([[{ case: "head", value: { status: 200, requestId: "req-9", notes: [] } }, { case: "whole" }]]);
  });

  test("streamed is the head with the first events, then what each read brought", async () => {
    const gate = createGate();
    await using up = await scene(async (reply) => {
      const sse = reply.sse({ "request-id": "req-8" }).raw(": hello\n\n");
      sse.data(chunk({ role: "assistant", content: "Hel" }));
      await gate.opened;
      sse
        .data(chunk({ content: "lo" }))
        .data(chunk({}, "stop"))
        .done();
    });
    const events = up.chat(true);
    const first = await events.next();
    expect(first.value?.[0]).toMatchObject({ case: "head", value: { status: 200, requestId: "req-8" } });
    expect(texts(first.value)).toEqual(["Hel"]);
    gate.open();
    const { batches, error } = await read(events);
    expect([batches.flatMap((batch) => texts(batch)), error]).toEqual([["lo"], undefined]);
    expect(casesOf(batches)).not.toContain("head");
    expect(casesOf(batches).at(-1)).toBe("completed");
    for (const batch of batches) expect(batch.length).toBeGreaterThan(0);
  });

  test("streamed, split at odd places, is the same", async () => {
    await using up = await scene((reply) => {
      const sse = reply.sse();
      const bytes = Buffer.from(
        `data: ${JSON.stringify(chunk({ content: "Grüße 世界" }))}\n\ndata: ${JSON.stringify(chunk({}, "stop"))}\n\n`,
      );
      for (let at = 0; at < bytes.length; at += 7) sse.raw(bytes.subarray(at, at + 7));
      sse.done();
    });
    const { batches, error } = await read(up.chat(true));
    expect([batches.flatMap((batch) => texts(batch)), error]).toEqual([["Grüße 世界"], undefined]);
  });

  test("whole where a stream was asked for, and streamed where a whole was, are understood", async () => {
    await using whole = await scene((reply) => reply.json(completion("Hello")));
    expect(casesOf((await read(whole.chat(true))).batches)).toEqual(["head", "whole"]);
    await using streamed = await scene((reply) => streamText(reply, ["Hel", "lo"]));
    const { batches } = await read(streamed.chat(false));
    expect([batches.flatMap((batch) => texts(batch)), casesOf(batches).at(-1)]).toEqual([["Hel", "lo"], "completed"]);
  });
});

describe("what an upstream answers instead", () => {
  const seen: string[] = [];
  const watching: UpstreamDialect = {
    ...openaiChat,
    failureFrom: ({ status, body }) => {
      seen.push(`${status} ${body.length}`);
      return new ChatError("OVERLOADED", `status ${status}`);
    },
  };
  for (const { what, answer, failure, message } of [
    {
      what: "a redirect",
      answer: (reply) => reply.json({}, 307, { location: "http://127.0.0.1:1/" }),
      failure: "UPSTREAM_PROTOCOL",
      message: "provider up answered 307; redirects are not followed",
    },
    {
      what: "an accepted",
      answer: (reply) => reply.json({}, 202),
      failure: "UPSTREAM_PROTOCOL",
      message: "provider up answered 202 without an answer",
    },
    {
      what: "a web page",
      answer: (reply) => reply.sse({ "content-type": "text/html" }).raw("  <!doctype html><p>secret answer").end(),
      failure: "UPSTREAM_PROTOCOL",
      message: "provider up answered with a web page",
    },
    {
      what: "broken JSON",
      answer: (reply) => reply.sse().raw('{"choices": [secret answer').end(),
      failure: "UPSTREAM_PROTOCOL",
      message: "provider up sent an answer that is not valid JSON",
    },
    { what: "an error", answer: (reply) => reply.error(503), failure: "OVERLOADED", message: "status 503" },
  ] satisfies { what: string; answer: UpstreamHandler; failure: string; message: string }[]) {
    for (const streamed of [true, false]) {
      test(`${what} is ${failure}, ${streamed ? "streamed" : "whole"}, and quotes nothing`, async () => {
        await using up = await scene(answer, { dialect: watching });
        expect((await read(up.chat(streamed))).error).toMatchObject({ failure, message });
      });
    }
  }

  test("an empty answer is an error", async () => {
    for (const streamed of [true, false]) {
      await using up = await scene((reply) => reply.sse().end());
      const { error } = await read(up.chat(streamed));
      expect(error).toMatchObject({ failure: expect.stringMatching(/^UPSTREAM_/) });
    }
  });

  test("an error of any size is looked at up to 64 KiB", async () => {
    seen.length = 0;
    await using big = await scene((reply) => reply.json({ error: "x".repeat(300_000) }, 500), { dialect: watching });
    expect((await read(big.chat(true))).error).toMatchObject({ message: "status 500" });
    expect(seen).toEqual(["500 65536"]);
  });

  test("an error whose body breaks is still that error", async () => {
    seen.length = 0;
    await using up = await scene(
      (reply) => {
        reply.json({ error: "cut" }, 500, { "content-length": "9999" });
        setImmediate(() => reply.cut());
      },
      { dialect: watching },
    );
    expect((await read(up.chat(true))).error).toMatchObject({ message: "status 500" });
  });
});

describe("leaving", () => {
  for (const how of ["the signal", "return()"] as const) {
    test(`by ${how} closes the upstream's socket`, async () => {
      await using up = await scene((reply) => void reply.sse().data(chunk({ content: "Hel" })));
      const caller = new AbortController();
      const events = up.chat(true, caller.signal);
      await events.next();
      if (how === "return()") await events.return?.();
      else {
        const waiting = rejection(events.next());
        caller.abort(new ChatError("CANCELLED", "left"));
        expect(await waiting).toMatchObject({ failure: "CANCELLED" });
      }
      expect(await (await up.upstream.request(0)).closed).toBe("cut");
    });
  }
});

describe("a probe", () => {
  const signal = new AbortController().signal;
  for (const { what, answer, result } of [
    { what: "a list", answer: (reply) => reply.json({ data: [{ id: "a" }, { id: "b" }] }), result: ["a", "b"] },
    { what: "something else", answer: (reply) => reply.json({ fine: true }), result: undefined },
    { what: "404", answer: (reply) => reply.error(404), result: undefined },
    { what: "405", answer: (reply) => reply.error(405), result: undefined },
    { what: "401", answer: (reply) => reply.error(401), result: "UPSTREAM_AUTH" },
    { what: "500", answer: (reply) => reply.error(500), result: "UPSTREAM_UNAVAILABLE" },
    { what: "a redirect", answer: (reply) => reply.json({}, 302, { location: "/" }), result: "UPSTREAM_PROTOCOL" },
    { what: "no JSON", answer: (reply) => reply.sse().raw("<html>").end(), result: "UPSTREAM_PROTOCOL" },
  ] satisfies { what: string; answer: UpstreamHandler; result: string[] | string | undefined }[]) {
    test(`answered with ${what}`, async () => {
      await using up = await scene(answer);
      const probing = up.provider.probing?.probe(signal) ?? Promise.reject(new Error("it cannot be probed"));
      if (typeof result === "string") expect(await rejection(probing)).toMatchObject({ failure: result });
      else expect(await probing).toEqual(result);
      expect(up.upstream.requests).toMatchObject([{ method: "GET", path: "/v1/models", headers: { authorization: "Bearer sk-upstream" } }]);
    });
  }

  test("is not there without a path", async () => {
    await using up = await scene(() => {}, { modelsPath: undefined });
    expect(up.provider.probing).toBeUndefined();
  });
});

test("what a translation would change is told without calling anybody", async () => {
  await using up = await scene(() => {}, { quirks: { refuses: new Set(["seed"]) } });
  const notes = up.provider.translator?.notes(chatRequest("hi", { sampling: { seed: 1n } }), chatTarget(), true);
  expect(notes).toMatchObject([{ field: expect.stringContaining("seed") }]);
  expect(up.upstream.requests).toHaveLength(0);
});
