/** What callers of the official `@anthropic-ai/sdk` get to see when things go wrong, and how often their SDK then asks again. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asCell } from "../fault/play.ts";
import { anthropicMessage, streamBlocks } from "../support/anthropic-messages.ts";
import { createUpstream, type Upstream, type UpstreamReply, type UpstreamRequest } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { type ClientOptions, generations, type MessagesClient } from "./anthropic-clients.ts";

const failure =
  (status: number, type: string, message = "the host's words", headers: Record<string, string> = {}) =>
  (reply: UpstreamReply) =>
    reply.json({ type: "error", error: { type, message }, request_id: "req_up" }, status, headers);

/** Each upstream failure at a provider of its own, so that none meets the cool-down, breaker or bad credential of another. */
const rows = [
  {
    model: "bad-field",
    answer: failure(400, "invalid_request_error", "top_p: too high"),
    error: "BadRequestError",
    status: 400,
    type: "invalid_request_error",
    asked: 1,
  },
  {
    model: "too-long",
    answer: failure(400, "invalid_request_error", "prompt is too long: 9 tokens > 5 maximum"),
    error: "BadRequestError",
    status: 400,
    type: "invalid_request_error",
    asked: 1,
  },
  { model: "too-large", answer: failure(413, "request_too_large"), error: "APIError", status: 413, type: "request_too_large", asked: 1 },
  {
    model: "limited",
    answer: failure(429, "rate_limit_error", "slow", { "retry-after-ms": "40" }),
    error: "RateLimitError",
    status: 429,
    type: "rate_limit_error",
    asked: 3,
  },
  {
    model: "overloaded",
    answer: failure(529, "overloaded_error", "full", { "retry-after-ms": "40" }),
    error: "InternalServerError",
    status: 529,
    type: "overloaded_error",
    asked: 3,
  },
  {
    model: "no-money",
    answer: failure(400, "invalid_request_error", "Your credit balance is too low"),
    error: "InternalServerError",
    status: 502,
    type: "api_error",
    asked: 1,
  },
  {
    model: "bad-credential",
    answer: failure(401, "authentication_error"),
    error: "InternalServerError",
    status: 502,
    type: "api_error",
    asked: 1,
  },
  { model: "broken", answer: failure(500, "api_error"), error: "InternalServerError", status: 502, type: "api_error", asked: 1 },
  {
    model: "reset",
    answer: (reply: UpstreamReply) => reply.reset(),
    error: "InternalServerError",
    status: 502,
    type: "api_error",
    asked: 1,
  },
  {
    model: "not-chat",
    answer: (reply: UpstreamReply) => reply.json({ hello: "there" }),
    error: "InternalServerError",
    status: 502,
    type: "api_error",
    asked: 1,
  },
] as const;

const open = new AsyncDisposableStack();
let upstream: Upstream;
let server: ServerProcess;

beforeAll(async () => {
  const answers = new Map<string, (reply: UpstreamReply) => void>(rows.map(({ model, answer }) => [model, answer]));
  upstream = open.use(
    await createUpstream((reply, request) => {
      const model = modelOf(request);
      const known = answers.get(/^(.*)-\d$/.exec(model)?.[1] ?? "");
      if (known !== undefined) known(reply);
      else if (model === "well") reply.json(anthropicMessage([{ type: "text", text: "well" }]));
      else if (model === "cut" || model === "endless") {
        const sse = streamBlocks(reply, []);
        sse.data({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }, "content_block_start");
        sse.data({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "half" } }, "content_block_delta");
        if (model === "cut") reply.cut();
      }
    }),
  );
  const host = (name: string, models: readonly string[]): string =>
    `${name}: { type: anthropic, base_url: "${upstream.url}", api_key: test, models: [${models.join(", ")}] }`;
  const failing = generations.flatMap((_, i) => rows.map(({ model }) => `${model}-${i}`));
  server = open.use(
    await startServer(`
health: { probe: none }
resilience: { max_attempts: 1 }
auth: { keys: [{ name: good, key: sk-good }, { name: narrow, key: sk-narrow, models: [well] }] }
providers:
  ${host("host", ["well", "cut", "endless", "silent"])}
  ${failing.map((model) => host(`of-${model}`, [model])).join("\n  ")}
`),
  );
});

afterAll(() => open.disposeAsync());

const messages = [{ role: "user" as const, content: "hi" }];
const ask = (model: string) => ({ model, max_tokens: 100, messages });

describe.each(generations.map((each, i) => ({ ...each, i })))("$name", ({ client, errors, i }) => {
  const sdk = (more: Partial<ClientOptions> = { apiKey: "sk-good" }): MessagesClient => client({ baseURL: server.url, ...more });

  const cell = asCell("K34", "what an upstream does wrong, as the official SDK sees it", "REST");
  test.each(rows)("$model becomes $error (requests upstream: $asked)", cell, async ({ model, error, status, type, asked }) => {
    const thrown = await failed(sdk().messages.create(ask(`${model}-${i}`)));
    expect(thrown).toBeInstanceOf(errors[error]);
    expect(thrown).toMatchObject({ status, type, requestID: expect.stringMatching(/^[\da-f-]{36}$/) });
    expect(requestsFor(`${model}-${i}`)).toHaveLength(asked);
    // An upstream's words are told of what the caller did, and of nothing else.
    if (status >= 429) expect(String(thrown)).not.toContain("the host's words");
    else if (status === 400) expect(String(thrown)).toMatch(/top_p: too high|prompt is too long/);
  });

  test("a stream that fails before its first content is an error like any other", async () => {
    const thrown = await failed(
      sdk()
        .messages.stream(ask(`bad-field-${i}`))
        .finalMessage(),
    );
    expect(thrown).toBeInstanceOf(errors["BadRequestError"]);
    expect(thrown).toMatchObject({ status: 400, type: "invalid_request_error" });
  });

  test("a stream that breaks off gives what came, then an error, and never a message", async () => {
    const stream = sdk().messages.stream(ask("cut"));
    let text = "";
    stream.on("text", (piece) => {
      text += piece;
    });
    const thrown = await failed(stream.finalMessage());
    expect(thrown).toBeInstanceOf(errors["APIError"]);
    expect(thrown).toMatchObject({ type: "api_error", message: expect.stringContaining("broke off") });
    expect(text).toBe("half");
  });

  test("a key goes by either header", async () => {
    for (const key of [{ apiKey: "sk-good" }, { authToken: "sk-good" }])
      expect(await sdk(key).messages.create(ask("well"))).toMatchObject({ content: [{ text: "well" }] });
  });

  test("a wrong key is an AuthenticationError, and reaches no upstream", async () => {
    const before = upstream.requests.length;
    const thrown = await failed(sdk({ apiKey: "sk-wrong" }).messages.create(ask("well")));
    expect(thrown).toBeInstanceOf(errors["AuthenticationError"]);
    expect(thrown).toMatchObject({ status: 401, type: "authentication_error" });
    expect(String(thrown)).not.toContain("sk-wrong");
    expect(upstream.requests).toHaveLength(before);
  });

  test("a key sees the models of its list, and may ask for no other, nor count its tokens", async () => {
    const narrow = sdk({ apiKey: "sk-narrow" });
    const ids: string[] = [];
    for await (const { id } of narrow.models.list()) ids.push(id);
    expect(ids).toEqual(["well"]);
    for (const asking of [() => narrow.messages.create(ask("silent")), () => narrow.messages.countTokens({ model: "silent", messages })]) {
      const thrown = await failed(asking());
      expect(thrown).toBeInstanceOf(errors["PermissionDeniedError"]);
      expect(thrown).toMatchObject({ type: "permission_error" });
    }
  });

  test("an unknown model is a NotFoundError, for messages, counts and retrieve", async () => {
    for (const asking of [
      () => sdk().messages.create(ask("nobody/knows")),
      () => sdk().messages.countTokens({ model: "nobody/knows", messages }),
      () => sdk().models.retrieve("nobody/knows"),
    ]) {
      const thrown = await failed(asking());
      expect(thrown).toBeInstanceOf(errors["NotFoundError"]);
      expect(thrown).toMatchObject({ status: 404, type: "not_found_error", requestID: expect.any(String) });
    }
  });

  test("a fault in the body is a BadRequestError that names it", async () => {
    const thrown = await failed(sdk().messages.create({ ...ask("well"), messages: [] }));
    expect(thrown).toBeInstanceOf(errors["BadRequestError"]);
    expect(thrown).toMatchObject({ type: "invalid_request_error", message: expect.stringContaining("messages: ") });
  });

  test("leaving a stream ends the upstream call", async () => {
    const before = upstream.requests.length;
    const stream = sdk().messages.stream(ask("endless"));
    const half = new Promise<void>((resolve) => stream.on("text", () => resolve()));
    const ended = stream.finalMessage().catch(() => undefined);
    await half;
    stream.abort();
    await ended;
    expect(await (await upstream.request(before)).closed).toBe("cut");
  });
});

async function failed(asking: PromiseLike<unknown>): Promise<unknown> {
  try {
    await asking;
  } catch (thrown) {
    return thrown;
  }
  throw new Error("this was meant to fail");
}

function requestsFor(model: string): readonly UpstreamRequest[] {
  return upstream.requests.filter((request) => modelOf(request) === model);
}

function modelOf({ body }: UpstreamRequest): string {
  return typeof body === "object" && body !== null && "model" in body ? String(body.model) : "";
}
