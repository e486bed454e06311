/** What callers of the official `openai` package get to see when things go wrong, and how often their SDK then asks again. */
import OpenAI, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asCell } from "../fault/play.ts";
import {
  chunk,
  completion,
  createUpstream,
  type Upstream,
  type UpstreamReply,
  type UpstreamRequest,
} from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

const failure =
  (status: number, error: object, headers: Record<string, string> = {}) =>
  (reply: UpstreamReply) =>
    reply.json({ error: { message: "the host's words", type: null, param: null, code: null, ...error } }, status, headers);

/** Each upstream failure at a provider of its own, so that none meets the cool-down, breaker or bad credential of another. */
const rows = [
  {
    model: "bad-field",
    answer: failure(400, { type: "invalid_request_error", param: "top_p", message: "top_p must be below 1" }),
    error: BadRequestError,
    told: { status: 400, type: "invalid_request_error", code: "invalid_request", param: "top_p", message: "400 top_p must be below 1" },
    asked: 1,
  },
  {
    model: "too-long",
    answer: failure(400, { code: "context_length_exceeded", message: "this model's maximum context length is 10 tokens" }),
    error: BadRequestError,
    told: { code: "context_length_exceeded", type: "invalid_request_error" },
    asked: 1,
  },
  {
    model: "policy",
    answer: failure(400, { code: "content_policy_violation" }),
    error: BadRequestError,
    told: { code: "content_policy_violation" },
    asked: 1,
  },
  {
    model: "limited",
    answer: failure(429, { code: "rate_limit_exceeded" }, { "retry-after-ms": "40" }),
    error: RateLimitError,
    told: { status: 429, type: "rate_limit_error", code: "upstream_rate_limited" },
    asked: 3,
  },
  {
    model: "overloaded",
    answer: failure(529, { type: "overloaded_error" }, { "retry-after-ms": "40" }),
    error: InternalServerError,
    told: { status: 503, type: "overloaded_error", code: "upstream_overloaded" },
    asked: 3,
  },
  {
    model: "no-money",
    answer: failure(429, { code: "insufficient_quota" }),
    error: InternalServerError,
    told: { status: 502, type: "server_error", code: "upstream_quota_exhausted" },
    asked: 1,
  },
  {
    model: "bad-credential",
    answer: failure(401, { code: "invalid_api_key" }),
    error: InternalServerError,
    told: { status: 502, type: "server_error", code: "upstream_auth" },
    asked: 1,
  },
  {
    model: "broken",
    answer: failure(500, {}),
    error: InternalServerError,
    told: { status: 502, type: "server_error", code: "upstream_unavailable" },
    asked: 1,
  },
  {
    model: "reset",
    answer: (reply: UpstreamReply) => reply.reset(),
    error: InternalServerError,
    told: { status: 502, code: "upstream_unavailable" },
    asked: 1,
  },
  {
    model: "not-chat",
    answer: (reply: UpstreamReply) => reply.json({ hello: "there" }),
    error: InternalServerError,
    told: { status: 502, code: "upstream_invalid_response" },
    asked: 1,
  },
  {
    model: "error-inside",
    answer: (reply: UpstreamReply) => reply.json({ error: { message: "sorry", type: "server_error" } }),
    error: InternalServerError,
    told: { status: 502, code: "upstream_unavailable" },
    asked: 1,
  },
];

const open = new AsyncDisposableStack();
let upstream: Upstream;
let server: ServerProcess;
let openai: OpenAI;

beforeAll(async () => {
  const answers = new Map(rows.map(({ model, answer }) => [model, answer]));
  upstream = open.use(
    await createUpstream((reply, request) => {
      const model = modelOf(request);
      const known = answers.get(model);
      if (known !== undefined) known(reply);
      else if (model === "second-time") secondTime(reply);
      else if (model === "cut" || model === "endless") {
        reply.sse().data(chunk({ role: "assistant", content: "half" }));
        if (model === "cut") reply.cut();
      }
    }),
  );
  const host = (name: string, models: readonly string[]): string =>
    `${name}: { type: openai_compatible, base_url: "${upstream.url}/v1", models: [${models.join(", ")}] }`;
  server = open.use(
    await startServer(`
health: { probe: none }
resilience: { max_attempts: 1 }
auth: { keys: [{ name: good, key: sk-good }, { name: narrow, key: sk-narrow, models: [silent] }] }
providers:
  ${host("host", ["second-time", "cut", "endless", "silent"])}
  ${[...answers.keys()].map((model) => host(`of-${model}`, [model])).join("\n  ")}
`),
  );
  openai = client("sk-good");
});

afterAll(() => open.disposeAsync());

const cell = asCell("K34", "what an upstream does wrong, as the official SDK sees it", "REST");
test.each(rows)("$model becomes $error.name (requests upstream: $asked)", cell, async ({ model, error, told, asked }) => {
  const thrown = await failed(openai.chat.completions.create({ model, messages }));
  expect(thrown).toBeInstanceOf(error);
  expect(thrown).toMatchObject(told);
  expect(thrown.requestID).toMatch(/^[\da-f-]{36}$/);
  expect(thrown.headers?.get("x-should-retry")).toBe(asked === 1 && (thrown.status ?? 0) >= 429 ? "false" : null);
  expect(requestsFor(model)).toHaveLength(asked);
});

test("a stream that fails before its first content is an error like any other", async () => {
  const thrown = await failed(openai.chat.completions.create({ model: "bad-field", messages, stream: true }));
  expect(thrown).toBeInstanceOf(BadRequestError);
  expect(thrown).toMatchObject({ param: "top_p" });
});

test("the SDK waits as long as the upstream said, and then succeeds", async () => {
  const answer = await openai.chat.completions.create({ model: "second-time", messages });
  expect(answer.choices[0]?.message.content).toBe("now");
  expect(requestsFor("second-time")).toHaveLength(2);
  const [first = 0, second = 0] = arrivals;
  expect(second - first).toBeGreaterThanOrEqual(299);
});

test("a wrong key is an AuthenticationError, asked once, and reaches no upstream", async () => {
  const before = upstream.requests.length;
  const thrown = await failed(client("sk-wrong").chat.completions.create({ model: "broken", messages }));
  expect(thrown).toBeInstanceOf(AuthenticationError);
  expect(thrown).toMatchObject({ status: 401, type: "authentication_error", code: "invalid_api_key" });
  expect(thrown.message).not.toContain("sk-wrong");
  expect(upstream.requests).toHaveLength(before);
});

test("a key sees the models of its list, and may ask for no other", async () => {
  const narrow = client("sk-narrow");
  expect((await Array.fromAsync(await narrow.models.list())).map(({ id }) => id)).toEqual(["silent"]);
  const thrown = await failed(narrow.chat.completions.create({ model: "broken", messages }));
  expect(thrown).toBeInstanceOf(PermissionDeniedError);
  expect(thrown).toMatchObject({ type: "permission_error", code: "permission_denied" });
});

test("an unknown model is a NotFoundError, for chat and for retrieve", async () => {
  const notFound = { status: 404, type: "invalid_request_error", code: "model_not_found", param: "model" };
  const askings = [() => openai.chat.completions.create({ model: "nobody/knows", messages }), () => openai.models.retrieve("nobody/knows")];
  for (const ask of askings) {
    const thrown = await failed(ask());
    expect(thrown).toBeInstanceOf(NotFoundError);
    expect(thrown).toMatchObject(notFound);
  }
});

const badBodies = [
  { param: "messages", body: { messages: [] } },
  { param: "temperature", body: { messages: [{ role: "user", content: "hi" }], temperature: 9 } },
  { param: "messages[0].role", body: { messages: [{ role: "wizard", content: "hi" }] } },
];
test.each(badBodies)("a fault in $param is a BadRequestError that names it", async ({ param, body }) => {
  const thrown = await failed(openai.post("/chat/completions", { body: { model: "silent", ...body } }));
  expect(thrown).toBeInstanceOf(BadRequestError);
  expect(thrown).toMatchObject({ type: "invalid_request_error", param });
});

test("a stream that breaks off gives what came, then an error, and never looks finished", async () => {
  const stream = await openai.chat.completions.create({ model: "cut", messages, stream: true });
  let text = "";
  let finished = false;
  const reading = (async () => {
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? "";
      finished ||= typeof choices[0]?.finish_reason === "string";
    }
  })();
  const thrown = await failed(reading);
  expect(thrown).toMatchObject({ type: "server_error", code: "stream_interrupted" });
  expect({ text, finished }).toEqual({ text: "half", finished: false });
});

test("a deadline in a header is kept, ends the upstream call, and is not asked again", async () => {
  const headers = { "x-semaroute-timeout-ms": "800" };
  const thrown = await failed(openai.chat.completions.create({ model: "silent", messages }, { headers }));
  expect(thrown).toBeInstanceOf(InternalServerError);
  expect(thrown).toMatchObject({ status: 504, code: "deadline_exceeded" });
  const asked = requestsFor("silent");
  expect(asked).toHaveLength(1);
  expect(await asked[0]?.closed).toBe("cut");
});

test("leaving a stream ends the upstream call", async () => {
  const stream = await openai.chat.completions.create({ model: "endless", messages, stream: true });
  for await (const { choices } of stream) if (choices[0]?.delta.content === "half") break;
  expect(await requestsFor("endless")[0]?.closed).toBe("cut");
});

test("leaving while nothing has come ends the upstream call", async () => {
  const before = upstream.requests.length;
  const leave = new AbortController();
  const asking = openai.chat.completions.create({ model: "silent", messages }, { signal: leave.signal });
  const { closed } = await upstream.request(before);
  leave.abort();
  await expect(asking).rejects.toBeInstanceOf(APIUserAbortError);
  expect(await closed).toBe("cut");
});

const messages = [{ role: "user" as const, content: "hi" }];
const arrivals: number[] = [];

function secondTime(reply: UpstreamReply): void {
  if (arrivals.push(performance.now()) === 1) reply.error(429, "slow down", { "retry-after-ms": "300" });
  else reply.json(completion("now"));
}

function client(apiKey: string): OpenAI {
  return new OpenAI({ baseURL: `${server.url}/v1`, apiKey });
}

async function failed(asking: PromiseLike<unknown>): Promise<APIError> {
  try {
    await asking;
  } catch (thrown) {
    if (thrown instanceof APIError) return thrown;
    throw thrown;
  }
  throw new Error("this was meant to fail");
}

function requestsFor(model: string): readonly UpstreamRequest[] {
  return upstream.requests.filter((request) => modelOf(request) === model);
}

function modelOf({ body }: UpstreamRequest): string {
  return typeof body === "object" && body !== null && "model" in body ? String(body.model) : "";
}
