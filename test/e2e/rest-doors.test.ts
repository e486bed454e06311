/** What the contract says of every REST door, tried at each of them: one table of doors, one of sentences. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { completion, createUpstream, embeddings, streamText, type Upstream } from "../support/scripted-upstream.ts";
import { doorClients, refusal } from "./doors.ts";
import { type House, openHouse } from "./house.ts";

const text = "Bonjour";

/** A door, and how its language asks and answers. */
interface Door {
  readonly path: string;
  readonly model: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Tells errors as Anthropic does. */
  readonly anthropic?: true;
  /** What it says of a call is on its answers: counts are none. */
  readonly calls: boolean;
  /** The text of a whole answer. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse, and looked at by matchers.
  readonly told: (answer: any) => unknown;
  /** The word behind a stream's text, and its end mark; undefined: it never streams. */
  readonly end?: string;
}

const messages = [{ role: "user", content: "hello" }];
const doors: readonly Door[] = [
  {
    path: "/v1/chat/completions",
    model: "chat",
    body: { messages },
    calls: true,
    told: ({ choices }) => choices[0].message.content,
    end: "data: [DONE]",
  },
  {
    path: "/v1/responses",
    model: "chat",
    body: { input: "hello" },
    calls: true,
    told: ({ output }) => output[0].content[0].text,
    end: "event: response.completed",
  },
  {
    path: "/v1/messages",
    model: "chat",
    body: { messages, max_tokens: 99 },
    anthropic: true,
    calls: true,
    told: ({ content }) => content[0].text,
    end: "event: message_stop",
  },
  {
    path: "/v1/embeddings",
    model: "vectors",
    body: { input: "hello" },
    calls: true,
    told: ({ data }) => (data[0].embedding[0] === 0.5 ? text : ""),
  },
  {
    path: "/v1/messages/count_tokens",
    model: "chat",
    body: { messages },
    anthropic: true,
    calls: false,
    told: ({ input_tokens: tokens }) => (tokens > 0 ? text : ""),
  },
];
const calls = doors.filter((door) => door.calls);
const chats = doors.filter(({ end }) => end !== undefined);
const parent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;

const open = new AsyncDisposableStack();
let upstream: Upstream;
let house: House;

beforeAll(async () => {
  upstream = open.use(
    await createUpstream((reply, { path, body }) => {
      const asked = JSON.stringify(body);
      if (asked.includes('"broken"')) reply.error(500);
      else if (path.endsWith("/embeddings")) reply.json(embeddings([[0.5, -0.25]]));
      else if (asked.includes('"stream":true')) streamText(reply, ["Bon", "jour"]);
      else reply.json(completion(text));
    }),
  );
  const host = (name: string, models: string): string =>
    `${name}: { type: openai_compatible, base_url: "${upstream.url}/v1", models: [${models}] }`;
  house = open.use(
    await openHouse(`
health: { probe: none }
resilience: { max_attempts: 1 }
auth:
  keys:
    - { name: all, key: key-of-all }
    - { name: other, key: key-of-other }
    - { name: chats, key: key-of-chats, models: [chat] }
    - { name: vectors, key: key-of-vectors, models: [vectors] }
providers:
  ${host("up", "{id: chat, input_price: 1, output_price: 1}, {id: vectors, kind: embedding, input_price: 1}")}
  ${host("down", "broken, {id: broken-vectors, kind: embedding, upstream: broken}")}
`),
  );
});
beforeEach(() => house.forget());
afterAll(() => open.disposeAsync());

let asked = 0;
/** Asks something that nobody has asked before, unless it is told what. */
const fresh = (): number => 0.001 * ++asked;
const ask = (door: Door, more: Readonly<Record<string, unknown>> = {}, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(`${house.url}${door.path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer key-of-all", ...headers },
    body: JSON.stringify({ model: door.model, ...door.body, ...more }),
  });
const codeOf = async (response: Response): Promise<unknown> => {
  const { error } = JSON.parse(await response.text());
  return error.code ?? error.type;
};

describe.each(calls)("$path says of its answer", (door) => {
  test.each(door.end === undefined ? [false] : [false, true])("where it comes from (stream: %s)", async (stream) => {
    const response = await ask(door, { ...(stream && { stream }) }, { "x-request-id": "mine-1", "cache-control": "no-store" });
    await response.text();
    const { headers } = response;
    expect(Object.fromEntries(headers)).toMatchObject({
      "x-request-id": "mine-1",
      "x-semaroute-provider": "up",
      "x-semaroute-model": door.model,
      "x-semaroute-attempts": "1",
      "x-semaroute-cache": "bypass",
      "x-semaroute-policy": expect.stringMatching(/./),
      "x-semaroute-decision": house.records[0]?.call.id,
      "server-timing": expect.stringMatching(/^semaroute;dur=\d+\.\d+$/),
    });
    expect(headers.has("x-semaroute-cost-usd"), "not on streams").toBe(!stream);
    expect(headers.get("request-id")).toBe(door.anthropic === true ? "mine-1" : null);
  });

  test("who was asked, when nobody answered", async () => {
    const { status, headers } = await ask(door, { model: door.model === "chat" ? "broken" : "broken-vectors" });
    expect([status, headers.get("x-semaroute-provider"), headers.get("x-semaroute-model"), headers.get("x-semaroute-attempts")]).toEqual([
      502,
      "down",
      "broken",
      "1",
    ]);
    expect(headers.get("server-timing")).toMatch(/^semaroute;dur=/);
  });
});

test("a count says which decision and policy it followed, as CountTokens does", async () => {
  const count = doors.find((door) => !door.calls);
  if (count === undefined) throw new Error("no door counts");
  const { headers } = await ask(count);
  expect([headers.get("x-semaroute-provider"), headers.get("x-semaroute-policy"), headers.get("x-semaroute-decision")]).toEqual([
    "up",
    expect.stringMatching(/./),
    headers.get("x-request-id"),
  ]);
});

describe.each(chats)("$path replays", (door) => {
  /** What an answer says of the cache, and its text. */
  const play = async (body: Readonly<Record<string, unknown>>, stream: boolean): Promise<unknown[]> => {
    const response = await ask(door, { ...body, ...(stream && { stream }) }, { "x-semaroute-cache": "use" });
    const { headers } = response;
    const came = await response.text();
    const said = stream ? streamed(came) : door.told(JSON.parse(came));
    if (stream) expect(came).toContain(door.end);
    return [headers.get("x-semaroute-cache"), headers.get("x-semaroute-attempts"), headers.get("x-semaroute-cost-usd"), said];
  };
  const miss = (stream: boolean): unknown[] => ["miss", "1", stream ? null : expect.stringMatching(/^0\.0/), text];
  const hit = (stream: boolean): unknown[] => ["hit", "0", stream ? null : "0", text];

  test.each([false, true])("what came, whole and as a stream, however it came first (stream: %s)", async (first) => {
    const body = { temperature: fresh() };
    const before = upstream.requests.length;
    expect(await play(body, first)).toEqual(miss(first));
    for (const again of [first, !first]) expect(await play(body, again)).toEqual(hit(again));
    expect(upstream.requests.length).toBe(before + 1);
  });

  test("nothing to another tenant, nor to who wants nothing stored", async () => {
    const body = { temperature: fresh() };
    await play(body, false);
    const other = await ask(door, body, { "x-semaroute-cache": "use", authorization: "Bearer key-of-other" });
    const none = await ask(door, body, { "cache-control": "no-store" });
    expect([other, none].map(({ headers }) => headers.get("x-semaroute-cache"))).toEqual(["miss", "bypass"]);
  });
});

/** The text of a stream of any door's. */
function streamed(came: string): string {
  let said = "";
  for (const [, data = ""] of came.matchAll(/^data: (\{.*)$/gm)) {
    const { type, delta, choices } = JSON.parse(data);
    if (type === "response.output_text.delta") said += delta;
    else said += choices?.[0]?.delta.content ?? delta?.text ?? "";
  }
  return said;
}

describe.each(doors)("$path refuses", (door) => {
  test.each([
    { what: "a trace of an invalid version", headers: { traceparent: `ff${parent.slice(2)}` } },
    { what: "a trace with more than its version has", headers: { traceparent: `${parent}-more` } },
    { what: "no time at all", headers: { "x-semaroute-timeout-ms": "0" } },
    { what: "tags that are none", headers: { "x-semaroute-tags": "a" } },
    { what: "an empty affinity", headers: { "x-semaroute-affinity": "" } },
    { what: "another word for the cache", headers: { "x-semaroute-cache": "yes" } },
    { what: "two keys", headers: { "x-api-key": "key-of-other" } },
  ])("$what", async ({ headers }) => {
    const response = await ask(door, {}, headers);
    expect([response.status, await codeOf(response)]).toEqual([400, door.anthropic === true ? "invalid_request_error" : "invalid_request"]);
  });

  test("models outside the key's list", async () => {
    const authorization = `Bearer ${door.model === "chat" ? "key-of-vectors" : "key-of-chats"}`;
    const response = await ask(door, {}, { authorization });
    expect([response.status, await codeOf(response)]).toEqual([403, door.anthropic === true ? "permission_error" : "permission_denied"]);
  });

  test("auto where nothing of its kind is within the key's list", async () => {
    const authorization = `Bearer ${door.model === "chat" ? "key-of-vectors" : "key-of-chats"}`;
    const response = await ask(door, { model: "auto" }, { authorization });
    expect([response.status, await codeOf(response)]).toEqual([404, door.anthropic === true ? "not_found_error" : "model_not_found"]);
  });

  test("another content type, by its name, and none from a page", async () => {
    const plain = await ask(door, {}, { "content-type": "text/plain; charset=utf-8" });
    expect([plain.status, await plain.text()]).toEqual([415, expect.stringContaining(String.raw`\"text/plain\"`)]);
    const latin = await ask(door, {}, { "content-type": "application/json; charset=latin1" });
    expect([latin.status, door.told(JSON.parse(await latin.text()))]).toEqual([200, text]);
    const foreign = await ask(door, {}, { origin: "https://evil.example" });
    expect(foreign.status).toBe(403);
  });
});

describe("lists of models", () => {
  const list = (headers: Readonly<Record<string, string>>, path = "") =>
    fetch(`${house.url}/v1/models${path}`, { headers: { authorization: "Bearer key-of-all", ...headers } });

  test.each(["", "/chat"])("refuse what every door refuses (%s)", async (path) => {
    expect((await list({ traceparent: "none" }, path)).status).toBe(400);
    expect((await list({ "x-api-key": "key-of-other" }, path)).status).toBe(400);
    expect((await list({ "x-api-key": "key-of-all", traceparent: parent }, path)).status).toBe(200);
  });

  test("answer HEAD, and say so to who tries something else", async () => {
    const init = { headers: { authorization: "Bearer key-of-all" } };
    const head = await fetch(`${house.url}/v1/models`, { ...init, method: "HEAD" });
    const other = await fetch(`${house.url}/v1/models`, { ...init, method: "PUT" });
    expect([head.status, other.status, other.headers.get("allow")]).toEqual([200, 405, "GET, HEAD"]);
  });
});

test.each(doorClients)("$name names who was asked when nobody answered", async (door) => {
  const headers = { authorization: "Bearer key-of-all" };
  const refused = await refusal(door.ask(house.url, { model: "broken", headers }));
  const told = ["provider", "model", "attempts"].map((name) => refused.headers.get(`x-semaroute-${name}`));
  expect(told).toEqual(["down", "broken", "1"]);
});
