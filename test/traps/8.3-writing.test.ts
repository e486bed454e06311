/**
 * Traps in answering callers (wire protocols, 8.3), by number: through real sockets. What the doors have in common is a table of doors.
 */
import { request as httpRequest } from "node:http";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createParser } from "eventsource-parser";
import { routerClient } from "../e2e/doors.ts";
import { until } from "../e2e/scene.ts";
import { chunk, completion, streamText, type UpstreamHandler, usageChunk } from "../support/scripted-upstream.ts";
import { isStreamed, openTraps, type TrapScene } from "./scene.ts";

let scene: TrapScene;
beforeAll(async () => {
  scene = await openTraps({ server: "heartbeat: 500ms, max_body: 64KiB", settings: "api_key: sk-provider-key-of-tests" });
});
afterAll(() => scene[Symbol.asyncDispose]());

const soon = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const chat = "/v1/chat/completions";
const says: UpstreamHandler = (reply, { body }) => (isStreamed(body) ? streamText(reply, ["Hi"]) : reply.json(completion("Hi")));
const plays =
  (...chunks: readonly unknown[]): UpstreamHandler =>
  (reply) => {
    const sse = reply.sse();
    for (const each of chunks) sse.data(each);
    sse.done();
  };
const call = (index: number, id: string | undefined, args: string, name = id === undefined ? undefined : `f_${id}`) => ({
  index,
  ...(id !== undefined && { id, type: "function" }),
  function: { ...(name !== undefined && { name }), arguments: args },
});
const at = (index: number, delta: unknown, finish: string | null = null) => ({
  ...chunk({}),
  choices: [{ index, delta, finish_reason: finish }],
});

/** A language's way to ask, and its signs. */
interface DoorRow {
  readonly path: string;
  readonly ask: (model: string) => object;
  /** What is sent in silence. */
  readonly beat: RegExp;
  /** The last event of a stream that broke. */
  readonly broken: RegExp;
  /** Marks of a good end. */
  readonly end: RegExp;
}

const doors: readonly DoorRow[] = [
  {
    path: chat,
    ask: (model) => ({ model, stream: true, messages: [{ role: "user", content: "q" }] }),
    beat: /^: keep-?alive\n\n/m,
    broken: /^data: \{"error":\{.*"code":"stream_interrupted".*\}\}\n\n$/m,
    end: /\[DONE\]/,
  },
  {
    path: "/v1/messages",
    ask: (model) => ({ model, stream: true, max_tokens: 100, messages: [{ role: "user", content: "q" }] }),
    beat: /^event: ping\n/m,
    broken: /^event: error\ndata: \{"type":"error".*\}\n\n$/m,
    end: /message_stop/,
  },
  {
    path: "/v1/responses",
    ask: (model) => ({ model, stream: true, input: "q" }),
    beat: /^: ?keep-?alive\n\n/m,
    broken: /^event: (?:error|response\.failed)\n/m,
    end: /response\.completed/,
  },
];

const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<Response> =>
  fetch(`${scene.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body),
    ...(signal !== undefined && { signal }),
  });

/** Events with their names, and what their data say. */
function eventsIn(text: string): { event: string | undefined; data: Record<string, unknown> }[] {
  const events: { event: string | undefined; data: Record<string, unknown> }[] = [];
  createParser({
    onEvent: ({ event, data }) => {
      if (data !== "[DONE]") events.push({ event, data: JSON.parse(data) });
    },
  }).feed(text);
  return events;
}

describe("8.3.1 a stream of chunks", () => {
  test("8.3.1 has the role first, dense call indices for the whole stream, and one finish each", async () => {
    const { chunks, done, finish } = await scene.ask(
      plays(
        at(0, { content: "a" }),
        at(1, { tool_calls: [call(3, "x", '{"a"')] }),
        at(1, { tool_calls: [call(3, undefined, ":1}")] }),
        at(1, { tool_calls: [call(7, "y", "{}")] }),
        at(0, { tool_calls: [call(1, "z", "{}")] }),
        at(0, {}, "tool_calls"),
        at(1, {}, "tool_calls"),
      ),
    );
    for (const index of [0, 1]) {
      const own = chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index);
      expect(own[0].delta).toMatchObject({ role: "assistant" });
      expect(own.filter(({ delta }) => "role" in delta)).toHaveLength(1);
      const indices = own.flatMap(({ delta }) => (delta.tool_calls ?? []).map((each: { index: number }) => each.index));
      expect([...new Set(indices)]).toEqual(index === 0 ? [0] : [0, 1]);
      expect(own.filter(({ finish_reason: word }) => word !== null).map(({ finish_reason: word }) => word)).toEqual(["tool_calls"]);
    }
    expect([done, finish]).toEqual([true, "tool_calls"]);
  });

  test.each([true, false])("8.3.1 has a usage chunk where it was asked for (%s)", async (wanted) => {
    const { chunks } = await scene.ask(plays(chunk({ content: "a" }), chunk({}, "stop"), usageChunk(5, 3)), {
      body: wanted ? { stream_options: { include_usage: true } } : {},
    });
    const own = chunks.filter(({ choices }) => choices.length === 0);
    expect(own).toHaveLength(wanted ? 1 : 0);
    expect(chunks.filter((each) => "usage" in each)).toHaveLength(wanted ? chunks.length : 0);
  });
});

describe("8.3.2 and 8.3.3 sequences of other languages", () => {
  const interleaved = plays(
    chunk({ reasoning_content: "Hm." }),
    chunk({ tool_calls: [call(0, "x", '{"a"')] }),
    chunk({ tool_calls: [call(1, "y", '{"b"')] }),
    chunk({ tool_calls: [call(0, undefined, ":1}")] }),
    chunk({ tool_calls: [call(1, undefined, ":2}")] }),
    chunk({ content: "Done." }),
    chunk({}, "tool_calls"),
    usageChunk(5, 3),
  );

  test("8.3.2 /v1/messages has blocks one after another, whatever the upstream mixes", async () => {
    const model = scene.play(interleaved);
    const text = await (await post("/v1/messages", doors[1]?.ask(model))).text();
    const events = eventsIn(text).filter(({ event }) => event !== "ping");
    for (const { event, data } of events) expect(data["type"]).toBe(event);
    expect(events[0]?.event).toBe("message_start");
    expect(events.slice(-2).map(({ event }) => event)).toEqual(["message_delta", "message_stop"]);
    let open: { index: unknown; type: string } | undefined;
    let next = 0;
    const inputs: string[] = [];
    for (const { event, data } of events.slice(1, -2)) {
      const block = data["content_block"] as { type: string } | undefined;
      const delta = data["delta"] as { type: string; partial_json?: string } | undefined;
      if (event === "content_block_start") {
        expect([open, data["index"]]).toEqual([undefined, next++]);
        open = { index: data["index"], type: block?.type ?? "" };
        if (block?.type === "tool_use") inputs.push("");
      } else if (event === "content_block_stop") {
        expect(data["index"]).toBe(open?.index);
        open = undefined;
      } else {
        expect([event, data["index"]]).toEqual(["content_block_delta", open?.index]);
        const fits: Record<string, readonly string[]> = {
          text: ["text_delta", "citations_delta"],
          thinking: ["thinking_delta", "signature_delta"],
          tool_use: ["input_json_delta"],
        };
        expect(fits[open?.type ?? ""]).toContain(delta?.type);
        if (delta?.partial_json !== undefined) inputs[inputs.length - 1] += delta.partial_json;
      }
    }
    expect(open).toBeUndefined();
    expect(inputs.map((each) => JSON.parse(each))).toEqual([{ a: 1 }, { b: 2 }]);
  });

  test("8.3.3 /v1/responses has increasing numbers, and all of its output at the end", async () => {
    const model = scene.play(interleaved);
    const events = eventsIn(await (await post("/v1/responses", doors[2]?.ask(model))).text());
    for (const { event, data } of events) expect(data["type"]).toBe(event);
    const numbers = events.map(({ data }) => Number(data["sequence_number"]));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    const last = events.at(-1);
    expect(last?.event).toBe("response.completed");
    const { output } = (last?.data["response"] ?? { output: [] }) as { output: { type: string; arguments?: string }[] };
    expect(output.filter(({ type }) => type === "function_call").map((each) => each.arguments)).toEqual(['{"a":1}', '{"b":2}']);
    expect(output.some(({ type }) => type === "message")).toBe(true);
  });
});

describe.each(doors)("$path", ({ path, ask, beat, broken, end }) => {
  test("8.3.4 shows life in silence, once the head has left", async () => {
    const model = scene.play(async (reply) => {
      const sse = reply.sse();
      await soon(1200);
      sse
        .data(chunk({ content: "late" }))
        .data(chunk({}, "stop"))
        .done();
    });
    const response = await post(path, ask(model));
    const text = await response.text();
    expect(response.status).toBe(200);
    expect(text).toMatch(beat);
    expect(text.search(beat)).toBeLessThan(text.indexOf("late"));
    expect(text).toMatch(end);
  });

  test("8.3.4 has a real status as long as nothing has left", async () => {
    const response = await post(path, ask(scene.play((reply) => reply.error(500, "scripted"))));
    expect(response.status).toBeGreaterThanOrEqual(500);
    expect(response.headers.get("content-type")).toContain("application/json");
  });

  test("8.3.5 tells what broke it as its last event, without an end", async () => {
    const model = scene.play(async (reply) => {
      reply.sse().data(chunk({ content: "half" }));
      await soon(50);
      reply.cut();
    });
    const text = await (await post(path, ask(model))).text();
    expect(text).toContain("half");
    expect(text).toMatch(broken);
    expect(text).not.toMatch(end);
    expect(text).not.toMatch(/"finish_reason":"(?!null)|"stop_reason":"/);
  });

  test("8.3.6 stops the upstream when its caller leaves, and counts what was used", async () => {
    const model = scene.play((reply) => {
      reply.sse().data(chunk({ content: "half" }));
    });
    const leaving = new AbortController();
    scene.house.forget();
    const response = await post(path, ask(model), {}, leaving.signal);
    await response.body?.getReader().read();
    const [asked] = scene.asked(model);
    const left = performance.now();
    leaving.abort();
    expect(await asked?.closed).toBe("cut");
    expect(performance.now() - left).toBeLessThan(250);
    await until(() => scene.house.records.length === 1, "the call is over");
    expect(scene.house.records[0]).toMatchObject({ error: { failure: "CANCELLED" }, attempts: [{ usage: { estimated: true } }] });
  });

  test("8.3.9 is not held back by proxies", async () => {
    const response = await post(path, ask(scene.play(says)));
    await response.text();
    expect(response.headers.get("x-accel-buffering")).toBe("no");
    expect(response.headers.get("cache-control")).toContain("no-transform");
    expect(response.headers.get("content-encoding")).toBeNull();
    expect(response.headers.get("content-length")).toBeNull();
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
  });
});

describe("answers", () => {
  test("8.3.7 have the nulls that typed clients read, and no others", async () => {
    const { body, chunks } = await scene.ask(says, { stream: false });
    expect(JSON.parse(body).choices[0]).toMatchObject({ logprobs: null, message: { content: "Hi", refusal: null } });
    expect(chunks).toEqual([]);
    const stream = await scene.ask(says);
    expect(stream.chunks[0].choices[0]).toEqual({
      index: 0,
      delta: { role: "assistant", content: "", refusal: null },
      logprobs: null,
      finish_reason: null,
    });
    expect(stream.chunks.at(-1).choices[0].delta).toEqual({});
    const refused = await scene.ask((reply) => reply.error(400, "no"), { stream: false });
    expect(Object.keys(JSON.parse(refused.body).error).toSorted()).toEqual(["code", "message", "param", "type"]);
  });

  test("8.3.8 carry none of the upstream's own headers, and a wait in whole seconds and in milliseconds", async () => {
    const theirs = {
      "set-cookie": "a=b",
      "openai-organization": "org",
      "cf-ray": "x",
      "keep-alive": "timeout=9",
      "x-request-id": "theirs",
    };
    const told = await scene.ask((reply) => reply.json(completion("a"), 200, theirs), {
      stream: false,
      headers: { "x-request-id": "mine-1" },
    });
    for (const name of ["set-cookie", "openai-organization", "cf-ray"]) expect(told.headers.get(name), name).toBeNull();
    expect(told.headers.get("x-request-id")).toBe("mine-1");
    const limited = await scene.ask((reply) => reply.error(429, "slow", { "retry-after-ms": "61500" }), { stream: false });
    expect(limited).toMatchObject({ status: 429, error: "upstream_rate_limited" });
    const [seconds, ms] = [Number(limited.headers.get("retry-after")), Number(limited.headers.get("retry-after-ms"))];
    expect(seconds).toBe(Math.ceil(ms / 1000));
    expect(ms).toBeGreaterThan(60_000);
    expect(Number.isInteger(seconds)).toBe(true);
  });
});

describe("8.3.10 bodies", () => {
  const text = () => JSON.stringify({ model: scene.play(says), messages: [{ role: "user", content: "q" }] });
  const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  const rows: readonly {
    what: string;
    body: () => string | Uint8Array;
    headers?: Record<string, string>;
    status: number;
    code?: string;
  }[] = [
    { what: "gzip", body: () => gzipSync(text()), headers: { "content-encoding": "gzip" }, status: 200 },
    { what: "zstd", body: () => zstdCompressSync(text()), headers: { "content-encoding": "zstd" }, status: 200 },
    { what: "gzip that is none", body: text, headers: { "content-encoding": "gzip" }, status: 400, code: "invalid_request" },
    { what: "zstd that is none", body: text, headers: { "content-encoding": "zstd" }, status: 400, code: "invalid_request" },
    {
      what: "a bomb in gzip",
      body: () => gzipSync("0".repeat(1_000_000)),
      headers: { "content-encoding": "gzip" },
      status: 413,
      code: "request_too_large",
    },
    {
      what: "a bomb in zstd",
      body: () => zstdCompressSync("0".repeat(1_000_000)),
      headers: { "content-encoding": "zstd" },
      status: 413,
      code: "request_too_large",
    },
    { what: "another coding", body: text, headers: { "content-encoding": "br" }, status: 415, code: "unsupported_encoding" },
    { what: "a charset", body: text, headers: { "content-type": "application/json; charset=UTF-8" }, status: 200 },
    { what: "no content type", body: () => Buffer.from(text()), headers: { "content-type": "" }, status: 200 },
    { what: "another content type", body: text, headers: { "content-type": "text/plain" }, status: 415 },
    { what: "a byte order mark", body: () => `\ufeff${text()}`, status: 200 },
    // Not "the last one wins": whoever reads it otherwise would see another request.
    { what: "a key twice", body: () => text().replace("{", '{"model":"x",'), status: 400, code: "invalid_request" },
    { what: "a key __proto__", body: () => text().replace("{", '{"__proto__":{"a":1},'), status: 400, code: "invalid_request" },
    { what: "depth", body: () => text().replace("{", `{"a":${deep(5000)},`), status: 400, code: "invalid_request" },
    { what: "too many bytes", body: () => text().replace("{", `{"a":"${"x".repeat(70_000)}",`), status: 413, code: "request_too_large" },
    { what: "no JSON", body: () => "{", status: 400, code: "invalid_request" },
    { what: "nothing", body: () => "", status: 400, code: "invalid_request" },
  ];
  test.each(rows)("8.3.10 $what is $status", async ({ body, headers, status, code }) => {
    const response = headers?.["content-type"] === "" ? await bare(body()) : await post(chat, body(), headers);
    const answer = JSON.parse(await response.text());
    expect(response.status).toBe(status);
    if (status === 200) expect(answer.choices[0].message.content).toBe("Hi");
    else expect(Object.keys(answer.error).toSorted()).toEqual(["code", "message", "param", "type"]);
    if (code !== undefined) expect(answer.error.code).toBe(code);
  });

  /** fetch names a content type by itself. */
  function bare(body: string | Uint8Array): Promise<Response> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${scene.url}${chat}`, { method: "POST" }, (message) => {
        let all = "";
        message.setEncoding("utf8").on("data", (part: string) => (all += part));
        message.on("end", () => resolve(new Response(all, { status: message.statusCode ?? 0 })));
      });
      request.on("error", reject);
      request.end(body);
    });
  }
});

describe("paths, methods and keys", () => {
  test.each([
    { verb: "GET", path: chat, status: 405, allow: "POST" },
    { verb: "DELETE", path: "/v1/models", status: 405, allow: "GET, HEAD" },
    { verb: "GET", path: "/nowhere", status: 404, allow: null },
  ])("8.3.11 $verb $path is $status in the dialect's shape", async ({ verb, path, status, allow }) => {
    const response = await fetch(`${scene.url}${path}`, { method: verb });
    expect(response.status).toBe(status);
    expect(response.headers.get("allow")).toBe(allow);
    expect(await response.json()).toEqual({
      error: { message: expect.any(String), type: "invalid_request_error", param: null, code: expect.any(String) },
    });
  });

  test.each([
    { path: "/chat/completions", hint: chat },
    { path: "/v1/v1/chat/completions", hint: chat },
    { path: "/v1/chat/completions/", hint: chat },
    { path: "/openai/deployments/gpt/chat/completions", hint: chat },
    { path: "/api/v1/models/a%2Fb", hint: "/v1/models/a%2Fb" },
    { path: "/models", hint: "/v1/models" },
    { path: "/v1/chat", hint: undefined },
  ])("8.3.12 $path is not there, and the answer says what is", async ({ path, hint }) => {
    const response = await post(path, { model: "m" });
    const { error } = (await response.json()) as { error: { message: string } };
    expect(response.status).toBe(404);
    if (hint === undefined) expect(error.message).not.toContain("did you mean");
    else expect(error.message).toContain(`did you mean ${hint}?`);
  });

  test("8.3.12 a query changes nothing", async () => {
    const { status, content } = await scene.ask(says, { path: `${chat}?beta=true`, stream: false });
    expect([status, content]).toEqual([200, "Hi"]);
  });

  test("8.3.13 a caller's key is never passed on, and other headers hold none", async () => {
    await using closed = await openTraps({
      settings: "api_key: sk-provider-key-of-tests",
      more: "auth: {keys: [{name: a, key: sk-caller-key-1234}]}",
    });
    const key = "sk-caller-key-1234";
    for (const headers of [{ authorization: `Bearer ${key}` }, { "x-api-key": key }] as Record<string, string>[]) {
      const { status, asked } = await closed.ask(says, { stream: false, headers });
      expect(status).toBe(200);
      expect(asked[0]?.headers.authorization).toBe("Bearer sk-provider-key-of-tests");
      expect(JSON.stringify(asked[0]?.headers)).not.toContain(key);
    }
    for (const headers of [{ "api-key": key }, { "x-goog-api-key": key }, { authorization: key }, { "x-api-key": `${key}5` }] as Record<
      string,
      string
    >[])
      expect(await closed.ask(says, { stream: false, headers })).toMatchObject({ status: 401, error: "invalid_api_key", asked: [] });
  });

  test("8.3.4 gRPC hears heartbeats, too", async () => {
    const model = scene.play(async (reply) => {
      const sse = reply.sse();
      await soon(1200);
      sse.data(chunk({ content: "late" }, "stop")).done();
    });
    const cases: (string | undefined)[] = [];
    for await (const { event } of routerClient(scene.url, "grpc").streamChat({ model, messages: [{ role: 2, text: "q" }] }))
      cases.push(event.case);
    expect(cases[0]).toBe("heartbeat");
    expect(cases.at(-1)).toBe("completed");
  });
});
