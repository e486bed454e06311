/** Calls by plain HTTP: the bytes of a stream, the headers of an answer, the cache between two protocols, and leaving. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import {
  chunk,
  completion,
  createGate,
  createUpstream,
  streamText,
  type Upstream,
  type UpstreamReply,
} from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

const open = new AsyncDisposableStack();
const gate = createGate();
let upstream: Upstream;
let server: ServerProcess;

beforeAll(async () => {
  upstream = open.use(await createUpstream(answer));
  server = open.use(
    await startServer(`
server: { heartbeat: 1s }
health: { probe: none }
auth: { keys: [{ name: a, key: sk-a }, { name: b, key: sk-b }] }
providers:
  host: { type: openai_compatible, base_url: "${upstream.url}/v1", models: [{ id: m, upstream: m-2026, input_price: 1, output_price: 2 }] }
`),
  );
});

afterAll(() => open.disposeAsync());

/** Answers tell how many there were, so that a stored one is known by its text. */
async function answer(reply: UpstreamReply, { body }: { readonly body: unknown }, ordinal: number): Promise<void> {
  const { stream, messages } = z
    .object({ stream: z.boolean().default(false), messages: z.array(z.object({ content: z.string() })) })
    .parse(body);
  const said = messages[0]?.content;
  if (said === "go on") reply.sse().data(chunk({ role: "assistant", content: "half" }));
  else if (said === "wait") await gate.opened.then(() => streamText(reply, ["late"]));
  else if (said === "hang") return;
  else if (stream) streamText(reply, ["answer ", String(ordinal)]);
  else reply.json(completion(`answer ${ordinal}`));
}

describe("a stream", () => {
  test("is one event a blank line, begins with the role, and ends with [DONE]", async () => {
    const response = await chat("stream it", { stream: true });
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(text.endsWith("\n\n")).toBe(true);
    const events = text.slice(0, -2).split("\n\n");
    expect(events.every((event) => /^data: \S.*$/.test(event))).toBe(true);
    expect(events.at(-1)).toBe("data: [DONE]");
    const chunks = events.slice(0, -1).map((event) => chunkShape.parse(JSON.parse(event.slice("data: ".length))));
    expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: "assistant" });
    expect(chunks.slice(1).every(({ choices }) => choices[0]?.delta.role === undefined)).toBe(true);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toMatch(/^answer \d+$/);
    expect(chunks.map(({ choices }) => choices[0]?.finish_reason)).toEqual([...chunks.slice(1).map(() => null), "stop"]);
  });

  test("has the headers of a stream, and of the route", async () => {
    const response = await chat("stream it", { stream: true });
    await response.text();
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      "x-semaroute-provider": "host",
      "x-semaroute-attempts": "1",
      "server-timing": expect.stringMatching(/^semaroute;dur=\d/),
    });
    expect(response.headers.has("x-semaroute-cost-usd")).toBe(false);
    expect(response.headers.has("content-length")).toBe(false);
  });

  test("shows in silence that it lives, and then tells no target", async () => {
    const response = await chat("wait", { stream: true });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const first = await reader?.read();
    expect(first?.value).toBe(": keep-alive\n\n");
    gate.open();
    let rest = "";
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) rest += part.value;
    expect(rest).toContain('"content":"late"');
    expect(rest).toMatch(/data: \[DONE\]\n\n$/);
    expect(response.headers.get("x-semaroute-decision")).toMatch(uuid7);
    expect(response.headers.has("x-semaroute-provider")).toBe(false);
  });

  test("ends its upstream call as soon as the caller leaves", async () => {
    const leave = new AbortController();
    const before = upstream.requests.length;
    const response = await chat("go on", { stream: true }, {}, leave.signal);
    await response.body?.getReader().read();
    await tellLeaving("stream", before, leave);
  });
});

test("a caller who leaves while nothing has come ends the upstream call, too", async () => {
  const leave = new AbortController();
  const before = upstream.requests.length;
  const asking = chat("hang", {}, {}, leave.signal);
  const ended = expect(asking).rejects.toThrow("aborted");
  await upstream.request(before);
  await tellLeaving("unary call", before, leave);
  await ended;
});

describe("a whole answer", () => {
  test("has the headers of the contract", async () => {
    const response = await chat("hi", {}, { "x-request-id": "mine.1:a_b-c" });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/json",
      "x-request-id": "mine.1:a_b-c",
      "x-semaroute-provider": "host",
      "x-semaroute-model": "m-2026",
      "x-semaroute-attempts": "1",
      "x-semaroute-cache": "bypass",
      "x-semaroute-policy": expect.stringMatching(/^\S+$/),
      "x-semaroute-decision": expect.stringMatching(uuid7),
      // 10 tokens at $1 and 2 at $2 a million.
      "x-semaroute-cost-usd": "0.000014",
      "server-timing": expect.stringMatching(/^semaroute;dur=\d+\.\d{3}$/),
    });
    expect(response.headers.has("retry-after")).toBe(false);
  });

  for (const insane of ["has space", "a".repeat(129), "semi;colon"]) {
    test(`does not echo the request id ${JSON.stringify(insane.slice(0, 12))}`, async () => {
      const { headers } = await chat("hi", {}, { "x-request-id": insane });
      expect(headers.get("x-request-id")).toBe(headers.get("x-semaroute-decision"));
    });
  }
});

describe("the cache", () => {
  const fixed = { temperature: 0 };

  test("answers by another protocol what it knows, with attempts 0, cost 0 and a fresh id", async () => {
    const first = await told(await chat("two doors", fixed));
    const second = await told(await connectChat("two doors"));
    const third = await told(await chat("two doors", fixed));
    expect([first, second, third].map(({ cache }) => cache)).toEqual(["miss", "hit", "hit"]);
    expect(new Set([first.text, second.text, third.text]).size).toBe(1);
    for (const hit of [second, third]) expect(hit).toMatchObject({ attempts: "0", cost: "0", provider: "host", model: "m-2026" });
    expect(new Set([first, second, third].flatMap(({ decision, id }) => [decision, id.replace("chatcmpl-", "")])).size).toBe(3);
  });

  test("replays to a stream what a stream brought", async () => {
    const texts: string[] = [];
    for (const cache of ["miss", "hit"]) {
      const response = await chat("streamed twice", { ...fixed, stream: true });
      expect(response.headers.get("x-semaroute-cache")).toBe(cache);
      texts.push((await response.text()).replaceAll(/"id":"[^"]*"|"created":\d+/g, ""));
    }
    expect(texts[1]).toBe(texts[0]);
  });

  test("is for one tenant", async () => {
    expect(await told(await chat("whose?", fixed))).toMatchObject({ cache: "miss" });
    expect(await told(await chat("whose?", fixed, { authorization: "Bearer sk-b" }))).toMatchObject({ cache: "miss" });
    expect(await told(await chat("whose?", fixed))).toMatchObject({ cache: "hit" });
  });

  test("is neither read nor written under no-store", async () => {
    const noStore = { "cache-control": "no-store" };
    expect(await told(await chat("stored?", fixed, noStore))).toMatchObject({ cache: "bypass" });
    expect(await told(await chat("stored?", fixed))).toMatchObject({ cache: "miss" });
    expect(await told(await chat("stored?", fixed, noStore))).toMatchObject({ cache: "bypass", attempts: "1" });
  });

  test("is written and not read under no-cache", async () => {
    const old = await told(await chat("news?", fixed));
    const fresh = await told(await chat("news?", fixed, { "cache-control": "no-cache" }));
    expect(fresh).toMatchObject({ cache: "bypass", attempts: "1" });
    expect(fresh.text).not.toBe(old.text);
    expect(await told(await chat("news?", fixed))).toMatchObject({ cache: "hit", text: fresh.text });
  });

  test("is used for any call that says so", async () => {
    const use = { "x-semaroute-cache": "use" };
    expect(await told(await chat("warm", { temperature: 1 }))).toMatchObject({ cache: "bypass" });
    expect(await told(await chat("warm", { temperature: 1 }, use))).toMatchObject({ cache: "miss" });
    expect(await told(await chat("warm", { temperature: 1 }, use))).toMatchObject({ cache: "hit" });
  });

  test("does not care for tags", async () => {
    expect(await told(await chat("tagged", fixed))).toMatchObject({ cache: "miss" });
    expect(await told(await chat("tagged", fixed, { "x-semaroute-tags": "team=red" }))).toMatchObject({ cache: "hit" });
  });
});

const uuid7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[\da-f]{4}-[\da-f]{12}$/;
const chunkShape = z.object({
  choices: z.array(
    z.object({ delta: z.object({ role: z.string().optional(), content: z.string().optional() }), finish_reason: z.string().nullable() }),
  ),
});
const answerShape = z.object({
  id: z.string(),
  choices: z.array(z.object({ message: z.object({ content: z.unknown(), text: z.string().optional() }) })),
});

function chat(content: string, more: object, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<Response> {
  return post("/v1/chat/completions", { model: "m", messages: [{ role: "user", content }], ...more }, headers, signal);
}

function connectChat(text: string): Promise<Response> {
  const request = { model: "m", messages: [{ role: "ROLE_USER", text }], sampling: { temperature: 0 } };
  return post("/semaroute.v1.RouterService/Chat", request);
}

function post(path: string, body: object, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal): Promise<Response> {
  return fetch(`${server.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-a", ...headers },
    body: JSON.stringify(body),
    signal: signal ?? null,
  });
}

/** What either door says of an answer. */
async function told(response: Response) {
  expect(response.status).toBe(200);
  const { id, choices } = answerShape.parse(await response.json());
  const header = (name: string): string => response.headers.get(`x-semaroute-${name}`) ?? "";
  return {
    id,
    text: choices[0]?.message.text ?? choices[0]?.message.content,
    cache: header("cache"),
    attempts: header("attempts"),
    cost: header("cost-usd"),
    decision: header("decision"),
    provider: header("provider"),
    model: header("model"),
  };
}

/** Guarantee 3 gives 250 ms; loaded machines get a second, and the figure is printed. */
async function tellLeaving(what: string, ordinal: number, leave: AbortController): Promise<void> {
  const { closed } = await upstream.request(ordinal);
  const leftMs = performance.now();
  leave.abort();
  expect(await closed).toBe("cut");
  const tookMs = performance.now() - leftMs;
  console.info(`REST ${what}: from leaving to the upstream's closed socket ${tookMs.toFixed(1)} ms`);
  expect(tookMs).toBeLessThan(1000);
}
