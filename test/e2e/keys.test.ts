/** Keys that were issued: by every protocol, over restarts, on two replicas, and what becomes of running calls when one is revoked. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KeyStore } from "../../src/core/keys.ts";
import { createMemoryKeys } from "../../src/stores/memory-keys.ts";
import { adminClient } from "../support/admin-client.ts";
import { createUpstream, type Upstream } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClient, doorClients, refusal, routerClient } from "./doors.ts";
import { openHouse } from "./house.ts";
import { isSilent, says, stallsAfterContent, until } from "./scene.ts";
import { chatFrame, openSocket } from "./websocket.ts";

const open = new AsyncDisposableStack();
let upstream: Upstream;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "semaroute-"));
  open.defer(() => rmSync(folder, { recursive: true, force: true }));
  upstream = open.use(
    await createUpstream((reply, request, ordinal) => {
      const { model } = request.body as { model: string };
      const play = model === "stalls" ? stallsAfterContent : model === "silent" ? isSilent : says("hello");
      return play(reply, request, ordinal);
    }),
  );
});
afterAll(() => open.disposeAsync());

const config = (more = ""): string => `
admin: {token: secret}
health: {probe: none}
resilience: {max_attempts: 1}
models: {mine: {targets: [host/a]}, theirs: {targets: [host/c]}}
providers:
  host: {type: openai_compatible, base_url: "${upstream.url}/v1", api_key: key-of-host, models: [a, b, c, stalls, silent]}
${more}`;
const start = (more = "", name = "keys.db"): Promise<ServerProcess> =>
  startServer(config(more), { SEMAROUTE_STORE_URL: `sqlite:${join(folder, name)}` });

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

describe("an issued key", () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = open.use(await start("", "one.db"));
  });
  const make = async (init: Parameters<ReturnType<typeof adminClient>["createKey"]>[0]) => {
    const { key, secret } = await adminClient(server).createKey(init);
    return { id: key?.id ?? "", secret };
  };
  /** How a door says CALLER_UNAUTHENTICATED before and after content. */
  const expectUnauthenticated = (
    door: { readonly rest: boolean },
    refused: { readonly status: number; readonly word: string },
    begun = false,
  ): void =>
    expect([refused.status, refused.word]).toEqual(door.rest ? [begun ? 200 : 401, "invalid_api_key"] : [16, "CALLER_UNAUTHENTICATED"]);

  test("closes the door for those without one, be it the first", async () => {
    expect((await doorClient("REST").ask(server.url, { model: "a" })).text).toBe("hello");
    await make({ name: "first" });
    for (const door of doorClients) expectUnauthenticated(door, await refusal(door.ask(server.url, { model: "a" })));
  });

  test("opens every door, however it is shown", async () => {
    const { secret } = await make({ name: "team" });
    for (const door of doorClients)
      for (const headers of [bearer(secret), { "x-api-key": secret }])
        expect((await door.ask(server.url, { model: "a", headers })).text, door.name).toBe("hello");
    const answer = await fetch(`${server.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": secret, "anthropic-version": "2023-06-01" },
      body: JSON.stringify({ model: "a", max_tokens: 10, messages: [{ role: "user", content: "hi" }] }),
    });
    expect(await answer.json()).toMatchObject({ type: "message", content: [{ type: "text", text: "hello" }] });
    await using socket = await openSocket(server.url, { protocols: [`semaroute.key.${secret}`, "semaroute.v1"] });
    socket.send(chatFrame("x", "a"));
    expect(await socket.end("x")).toMatchObject({ type: "done" });
    expect((await fetch(`${server.url}/v1/models`, { headers: bearer(secret) })).status).toBe(200);
    expect((await routerClient(server.url, "grpc").listModels({}, { headers: bearer(secret) })).models.length).toBeGreaterThan(0);
    const { decisions } = await adminClient(server).listDecisions({ pageSize: 1 });
    expect(decisions[0]?.keyId).toMatch(/^key_[0-9a-f]{24}$/);
  });

  test("may use the models on its list and no others, by every door, and more once that is changed", async () => {
    const { id, secret } = await make({ name: "some", models: ["mine", "host/b"] });
    const headers = bearer(secret);
    for (const door of doorClients) {
      for (const model of ["mine", "host/b"]) expect((await door.ask(server.url, { model, headers })).text, door.name).toBe("hello");
      for (const model of ["theirs", "host/c", "c"]) {
        const refused = await refusal(door.ask(server.url, { model, headers }));
        expect([refused.status, refused.word], door.name).toEqual(door.rest ? [403, "permission_denied"] : [7, "CALLER_FORBIDDEN"]);
      }
    }
    const routing = { fallbackModels: ["theirs"] };
    const client = routerClient(server.url, "grpc");
    await expect(client.chat({ model: "mine", messages: [{ role: 2, text: "hi" }], routing }, { headers })).rejects.toMatchObject({
      code: 7,
    });
    await adminClient(server).updateKey({ id, models: { models: [] } });
    expect((await doorClient("REST").ask(server.url, { model: "theirs", headers })).text).toBe("hello");
  });

  for (const door of doorClients) {
    test(`${door.name}: its running call is cut when it is revoked, and never looks finished`, async () => {
      const { id, secret } = await make({ name: "team" });
      const model = door.streamed ? "stalls" : "silent";
      const before = upstream.requests.length;
      let text = "";
      const ended = refusal(door.ask(server.url, { model, headers: bearer(secret), onText: (piece) => (text += piece) }));
      await until(() => (door.streamed ? text === "half" : upstream.requests.length > before), "the call runs");
      const startMs = performance.now();
      await adminClient(server).revokeKey({ id });
      const refused = await ended;
      expect(performance.now() - startMs).toBeLessThan(1000);
      expectUnauthenticated(door, refused, door.streamed);
      expect([refused.text, refused.body]).toEqual([text, expect.stringContaining("the key was revoked")]);
      const line = await server.logged(({ message, key }) => message === "call" && key === id);
      expect(line).toMatchObject({ reason: "CALLER_UNAUTHENTICATED" });
      const decision = (await adminClient(server).getDecision({ id: String(line["call_id"]) })).decision;
      expect(decision?.attempts).toHaveLength(1);
      expectUnauthenticated(door, await refusal(door.ask(server.url, { model: "a", headers: bearer(secret) })));
    });
  }

  test("by Anthropic's door a stream of it ends with an error event and no message_stop", async () => {
    const { id, secret } = await make({ name: "team" });
    const answer = await fetch(`${server.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": secret, "anthropic-version": "2023-06-01" },
      body: JSON.stringify({ model: "stalls", stream: true, max_tokens: 10, messages: [{ role: "user", content: "hi" }] }),
    });
    let body = "";
    const decoder = new TextDecoder();
    for await (const bytes of answer.body ?? []) {
      if (!body.includes("half") && (body += decoder.decode(bytes)).includes("half")) await adminClient(server).revokeKey({ id });
      else if (body.includes("half")) body += decoder.decode(bytes);
    }
    expect(body).toMatch(/event: error\ndata: \{"type":"error","error":\{"type":"authentication_error","message":"the key was revoked"\}/);
    expect(body).not.toContain("message_stop");
  });

  test("takes its sockets with it: calls on them end first, then they are closed with 1008, the idle ones too", async () => {
    const { id, secret } = await make({ name: "team" });
    const other = await make({ name: "other" });
    await using busy = await openSocket(server.url, { headers: bearer(secret) });
    await using idle = await openSocket(server.url, { headers: bearer(secret) });
    await using foreign = await openSocket(server.url, { headers: bearer(other.secret) });
    busy.send(chatFrame("x", "stalls"));
    await until(() => busy.text("x") === "half", "the call runs");
    await adminClient(server).revokeKey({ id });
    expect(await busy.closed).toBe(1008);
    expect(busy.frames.at(-1)).toMatchObject({ type: "error", id: "x", partial: true, error: { code: "invalid_api_key" } });
    expect(await idle.closed).toBe(1008);
    foreign.send(chatFrame("y", "a"));
    expect(await foreign.end("y")).toMatchObject({ type: "done" });
  });

  test("ends by itself at its time, which a running stream outlives", async () => {
    const { id, secret } = await make({ name: "team", expireTime: timestampFromMs(Date.now() + 1500) });
    const headers = bearer(secret);
    let text = "";
    const leave = new AbortController();
    const asked = doorClient("SSE").ask(server.url, { model: "stalls", headers, signal: leave.signal, onText: (piece) => (text += piece) });
    let over = false;
    const ended = asked.catch(() => undefined).finally(() => (over = true));
    await until(() => text === "half", "the stream runs");
    await until(
      async () =>
        (await doorClient("REST")
          .ask(server.url, { model: "a", headers })
          .catch(() => undefined)) === undefined,
      "it has expired",
    );
    const refused = await refusal(doorClient("REST").ask(server.url, { model: "a", headers }));
    expect([refused.status, refused.body]).toEqual([401, expect.stringContaining("the key has expired")]);
    expect(over).toBe(false);
    leave.abort();
    await ended;
    await adminClient(server).updateKey({ id, neverExpires: true });
    expect((await doorClient("REST").ask(server.url, { model: "a", headers })).text).toBe("hello");
  });

  test("is in no log line, no answer and no file; wrong ones are slowed down", async () => {
    const { secret } = await make({ name: "team" });
    await doorClient("REST").ask(server.url, { model: "a", headers: bearer(secret) });
    await refusal(doorClient("REST").ask(server.url, { model: "nope", headers: bearer(secret) }));
    const shown = [
      JSON.stringify(server.lines),
      server.complaints(),
      await (await fetch(`${server.url}/metrics`)).text(),
      JSON.stringify((await adminClient(server).listKeys({})).keys.map(({ name, prefix }) => [name, prefix])),
      ...readdirSync(folder).map((name) => readFileSync(join(folder, name), "latin1")),
    ].join("\n");
    expect(shown).toContain(secret.slice(0, 9));
    expect(shown).not.toContain(secret.slice(9));
    const statuses: number[] = [];
    for (let each = 0; each < 12; each++)
      statuses.push((await refusal(doorClient("REST").ask(server.url, { model: "a", headers: bearer(`sk-${each}`) }))).status);
    expect([statuses[0], statuses.at(-1)]).toEqual([401, 429]);
    expect((await doorClient("REST").ask(server.url, { model: "a", headers: bearer(secret) })).text).toBe("hello");
    expect(server.lines.filter(({ message, action }) => message === "audit" && action === "CreateKey").length).toBeGreaterThan(5);
  });
});

describe("a restart", () => {
  test("keeps keys, revocations and changes, and the door closed", async () => {
    const kept: { secret: string; id: string }[] = [];
    {
      await using server = await start();
      for (const name of ["good", "bad"]) {
        const { key, secret } = await adminClient(server).createKey({ name });
        kept.push({ id: key?.id ?? "", secret });
      }
      await adminClient(server).revokeKey({ id: kept[1]?.id ?? "" });
      await adminClient(server).updateKey({ id: kept[0]?.id ?? "", name: "better" });
      await server.stop("SIGKILL");
    }
    await using server = await start();
    const [good, bad] = kept;
    expect((await doorClient("REST").ask(server.url, { model: "a", headers: bearer(good?.secret ?? "") })).text).toBe("hello");
    for (const headers of [{}, bearer(bad?.secret ?? "")])
      expect((await refusal(doorClient("REST").ask(server.url, { model: "a", headers }))).status).toBe(401);
    const { keys } = await adminClient(server).listKeys({});
    expect(new Map(keys.map(({ id, name, revokeTime }) => [id, [name, revokeTime !== undefined]]))).toEqual(
      new Map([
        [good?.id, ["better", false]],
        [bad?.id, ["bad", true]],
      ]),
    );
  });

  test("without the configuration's keys does not open the door that they had closed", async () => {
    {
      await using server = await start("auth: {keys: [{name: team, key: key-of-team}]}", "closed.db");
      expect((await doorClient("REST").ask(server.url, { model: "a", headers: bearer("key-of-team") })).text).toBe("hello");
    }
    await using server = await start("", "closed.db");
    expect((await refusal(doorClient("REST").ask(server.url, { model: "a" }))).status).toBe(401);
  });
});

test("a secret that was issued is refused in the configuration, at a reload and at a start", async () => {
  let secret: string;
  const name = "twice.db";
  {
    await using server = await start("", name);
    ({ secret } = await adminClient(server).createKey({ name: "team" }));
    writeFileSync(server.configFile, config(`auth: {keys: [{name: team, key: "${secret}"}]}`));
    const refused = await server.logged(({ message }) => String(message).startsWith("configuration refused"));
    expect(refused).toMatchObject({
      path: "auth.keys[0].key",
      problem: expect.stringMatching(/is the secret of key_[0-9a-f]+, a key that was issued$/),
    });
    expect(JSON.stringify(server.lines)).not.toContain(secret);
  }
  const complaint = await start(`auth: {keys: [{name: team, key: "${secret}"}]}`, name).then(
    () => "it started",
    (error: unknown) => String(error),
  );
  expect(complaint).toMatch(/ended with 78.*auth\.keys\[0\]\.key/s);
  expect(complaint).not.toContain(secret);
});

test("rules of a policy go by a key's labels, and by what they are changed to", async () => {
  await using house = await openHouse(
    config(`
routing_policy:
  type: rules
  config: {rules: [{name: gold, when: '"tier" in key.labels && key.labels.tier == "gold"', model: host/c}], otherwise: {type: cost_based}}
`),
  );
  const { key, secret } = await adminClient(house).createKey({ name: "team", labels: { tier: "gold" } });
  const asked = async (): Promise<unknown> => {
    await doorClient("REST").ask(house.url, { model: "a", headers: bearer(secret) });
    return upstream.requests.at(-1)?.body;
  };
  expect(await asked()).toMatchObject({ model: "c" });
  await adminClient(house).updateKey({ id: key?.id ?? "", labels: { labels: { tier: "tin" } } });
  expect(await asked()).toMatchObject({ model: "a" });
});

describe("two replicas on one store", () => {
  const replica = (keyStore: KeyStore) => openHouse(config(), {}, { keyStore });

  test("know each other's keys at once, and each other's revocations after a look", async () => {
    const keyStore = createMemoryKeys();
    await using here = await replica(keyStore);
    await using elsewhere = await replica(keyStore);
    const { key, secret } = await adminClient(elsewhere).createKey({ name: "team" });
    const headers = bearer(secret);
    for (const door of doorClients) expect((await door.ask(here.url, { model: "a", headers })).text, door.name).toBe("hello");
    let text = "";
    const ended = refusal(doorClient("grpc stream").ask(here.url, { model: "stalls", headers, onText: (piece) => (text += piece) }));
    await until(() => text === "half", "the stream runs");
    await adminClient(elsewhere).revokeKey({ id: key?.id ?? "" });
    await here.keys.list();
    expect(await ended).toMatchObject({ status: 16, word: "CALLER_UNAUTHENTICATED", text: "half" });
    expect(here.bugs).toEqual([]);
  });

  test("begin no call for a request that was still on its way in when its key was revoked", async () => {
    await using here = await replica(createMemoryKeys());
    const { key, secret } = await adminClient(here).createKey({ name: "team" });
    const before = upstream.requests.length;
    const text = new TextEncoder().encode(JSON.stringify({ model: "a", messages: [{ role: "user", content: "hi" }] }));
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(text.slice(0, 10));
        await until(() => here.doors.arriving() === 1, "the request has begun to arrive");
        await adminClient(here).revokeKey({ id: key?.id ?? "" });
        controller.enqueue(text.slice(10));
        controller.close();
      },
    });
    const init = { method: "POST", headers: { "content-type": "application/json", ...bearer(secret) }, body, duplex: "half" } as const;
    expect((await fetch(`${here.url}/v1/chat/completions`, init)).status).toBe(401);
    expect([upstream.requests.length, here.records.length, here.refused.map(({ failure }) => failure)]).toEqual([
      before,
      0,
      ["CALLER_UNAUTHENTICATED"],
    ]);
  });

  test("without the store serve the keys they know, and call no key unknown", async () => {
    const keyStore = createMemoryKeys();
    let away = false;
    const flaky: KeyStore = { ...keyStore, changes: (...args) => (away ? Promise.reject(new Error("away")) : keyStore.changes(...args)) };
    await using here = await replica(flaky);
    await using elsewhere = await replica(keyStore);
    const { secret } = await adminClient(here).createKey({ name: "here" });
    const other = await adminClient(elsewhere).createKey({ name: "elsewhere" });
    away = true;
    for (const door of doorClients) {
      expect((await door.ask(here.url, { model: "a", headers: bearer(secret) })).text, door.name).toBe("hello");
      for (const shown of [other.secret, "sk-wrong"]) {
        const refused = await refusal(door.ask(here.url, { model: "a", headers: bearer(shown) }));
        expect([refused.status, refused.word], door.name).toEqual(door.rest ? [503, "store_unavailable"] : [14, "STORE_UNAVAILABLE"]);
        if (door.rest) expect(refused.headers.get("retry-after")).toBe("2");
        else expect(refused.retryMs).toBe(2000);
      }
    }
    expect((await fetch(`${here.url}/v1/models`, { headers: bearer(other.secret) })).status).toBe(503);
    away = false;
    await until(async () => (await fetch(`${here.url}/v1/models`, { headers: bearer(other.secret) })).ok, "the store is back");
  });
});
