import { describe, expect, test } from "vitest";

import { createUpstream } from "../support/scripted-upstream.ts";
import { begun, canary, chunked, chunkedHead, http, rawScene, sse } from "./wire/raw-scene.ts";

describe("U47: a redirect is not followed: neither key nor prompt goes anywhere else", () => {
  for (const status of [
    "301 Moved",
    "302 Found",
    "303 See Other",
    "307 Temporary Redirect",
    "308 Permanent Redirect",
    "300 Choices",
    "304 Same",
  ]) {
    for (const streamed of [false, true]) {
      test(`${status}, ${streamed ? "streamed" : "whole"}`, async () => {
        await using elsewhere = await createUpstream((reply) => reply.json({}));
        await using up = await rawScene(async (connection) => {
          for (;;) {
            await connection.request();
            connection.socket.write(http("", [`location: ${elsewhere.url}/v1/chat/completions`], status));
          }
        });
        const { error } = await up.call(streamed, { prompt: "my prompt" });
        expect(error).toMatchObject({
          failure: "UPSTREAM_PROTOCOL",
          message: `provider up answered ${status.slice(0, 3)}; redirects are not followed`,
          final: true,
          upstream: { status: Number(status.slice(0, 3)) },
        });
        expect([elsewhere.requests.length, up.upstream.received().match(/POST /g)?.length]).toEqual([0, 1]);
      });
    }
  }

  for (const location of ["http://169.254.169.254/latest/meta-data", "/v1/chat/completions", "//[::1]:1/", "file:///etc/passwd", ""]) {
    test(`to ${location === "" ? "nowhere" : location}`, async () => {
      await using up = await rawScene(async (connection) => {
        for (;;) {
          await connection.request();
          connection.socket.write(http("", [`location: ${location}`], "307 Temporary Redirect"));
        }
      });
      expect((await up.call(false)).error).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
      expect(up.upstream.received().match(/POST /g)).toHaveLength(1);
    });
  }
});

describe("U60: an upstream that says our own key back", () => {
  const words = `Incorrect key Bearer ${canary} (${canary})`;
  const error = { error: { message: words, type: "invalid_request_error", param: `headers.${canary}`, code: canary } };
  for (const status of [
    "400 Bad Request",
    "401 Unauthorized",
    "404 Not Found",
    "422 Unprocessable",
    "429 Too Many",
    "500 Error",
    "503 No",
  ]) {
    for (const [shape, body] of [
      ["JSON", JSON.stringify(error)],
      ["words", words],
      ["a page", `<html>${words}</html>`],
    ] as const) {
      test(`in a ${status} of ${shape}`, async () => {
        const headers = [`x-request-id: ${canary}`, `retry-after: ${canary}`, `www-authenticate: ${canary}`];
        await using up = await rawScene(async (connection) => {
          await connection.request();
          connection.socket.write(http(body, headers, status));
        });
        const { error: told } = await up.call(false);
        expect(told).toBeDefined();
        expect([told?.message, told?.field, told?.code, told?.upstream?.requestId].join()).not.toContain("canary");
      });
    }
  }

  for (const kind of ["whole", "stream"] as const) {
    test(`in an error inside a 200, asked for a ${kind}`, async () => {
      await using up = await rawScene(async (connection) => {
        await connection.request();
        connection.socket.write(http(kind === "whole" ? JSON.stringify(error) : sse(error)));
      });
      const { error: told } = await up.call(kind === "stream");
      expect(told).toBeDefined();
      expect([told?.message, told?.field, told?.code, told?.upstream?.requestId].join()).not.toContain("canary");
    });
  }

  test("in an error after content", async () => {
    await using up = await rawScene(async (connection) => {
      await connection.request();
      connection.socket.write(chunkedHead + chunked(begun));
    });
    const onBegun = (): void => void up.upstream.connections[0]?.socket.write(chunked(sse(error)));
    const { error: told } = await up.call(true, { onBegun });
    expect(told).toMatchObject({ failure: "STREAM_INTERRUPTED" });
    expect(told?.message).not.toContain("canary");
  });
});

describe("U61: of an upstream's headers only its request id and its wait are read", () => {
  for (const [what, header, id] of [
    ["a plain one", "x-request-id: req_0123", "req_0123"],
    ["one of Anthropic's", "request-id: req_0123", "req_0123"],
    ["one with spaces", "x-request-id: a b", ""],
    ["one with control characters", "x-request-id: a\u0001b", ""],
    ["one with other letters", "x-request-id: \u00e4", ""],
    ["one that is too long", `x-request-id: ${"x".repeat(129)}`, ""],
    ["one that is our key", `x-request-id: ${canary}`, ""],
    ["two", "x-request-id: a\r\nx-request-id: b", ""],
    ["none", "set-cookie: a=b\r\ngrpc-status: 0\r\naccess-control-allow-origin: *", ""],
  ] as const) {
    test(what, async () => {
      await using up = await rawScene(async (connection) => {
        await connection.request();
        connection.socket.write(`${chunkedHead.trimEnd()}\r\n${header}\r\n\r\n${chunked(begun)}`, "latin1");
      });
      const stream = await up.open(true).catch((thrown: unknown) => thrown);
      // Not HTTP in its parser's eyes: no harm either.
      if (what === "one with control characters" && !isStream(stream)) return;
      if (!isStream(stream)) throw stream;
      expect(stream.head.requestId).toBe(id);
      await stream.batches.return?.();
    });
  }
});

function isStream(value: unknown): value is Awaited<ReturnType<Awaited<ReturnType<typeof rawScene>>["open"]>> {
  return typeof value === "object" && value !== null && "head" in value;
}

test("U62 words in an answer that look like framing are words", async () => {
  const words = 'a\n\ndata: [DONE]\n\nevent: error\ndata: {"error":{}}\n\n\u0000\u0080\u2028 \ufeff[DONE]';
  await using up = await rawScene(async (connection) => {
    await connection.request();
    const delta = (content: string, finish: string | null) => ({ choices: [{ index: 0, delta: { content }, finish_reason: finish }] });
    connection.socket.write(http(sse(delta(words, null), delta(words, null), delta("", "stop"), "[DONE]")));
  });
  expect(await up.call(true)).toEqual({ text: words + words, error: undefined });
});
