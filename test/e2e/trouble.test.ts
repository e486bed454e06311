/** What callers are told when no upstream can help, and how long everybody waits. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chunk, createUpstream, type UpstreamHandler, type UpstreamRequest } from "../support/scripted-upstream.ts";
import { startServer } from "../support/server.ts";
import { doorClient, doorClients, mainDoors, refusal } from "./doors.ts";
import { breaksOff, createScene, fails, isSilent, says, type Scene, soon, stallsAfterContent, tracked, until } from "./scene.ts";

const rest = doorClient("REST");
const sse = doorClient("SSE");

describe.concurrent("when every target fails", () => {
  let scene: Scene;
  beforeAll(async () => {
    const breaker = "circuit_breaker: {consecutive_failures: 100, failure_ratio: 1, min_calls: 1000}";
    scene = await createScene({ more: `resilience: {max_attempts: 3, retry: {base_delay: 1ms}, ${breaker}}` });
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  test("a lone target is asked again up to max_attempts", async () => {
    const part = scene.part(fails(500));
    const { headers, line } = tracked(scene.server);
    const refused = await refusal(rest.ask(scene.url, { model: part.model, headers }));
    expect([refused.status, refused.word, part.asked("first").length]).toEqual([502, "upstream_unavailable", 3]);
    expect(refused.headers.get("x-semaroute-attempts")).toBe("3");
    expect(await line()).toMatchObject({
      reason: "UPSTREAM_UNAVAILABLE",
      attempts: 3,
      tries: [{ status: 500 }, { status: 500 }, { status: 500 }],
    });
  });

  test("a lone target that recovers in time serves the call", async () => {
    const part = scene.part((reply, request, ordinal) => {
      const tries = part.asked("first").length;
      return tries < 3 ? fails(500)(reply, request, ordinal) : says("at last")(reply, request, ordinal);
    });
    expect((await rest.ask(scene.url, { model: part.model })).text).toBe("at last");
  });

  test("one of two targets is asked at most twice", async () => {
    const part = scene.part(fails(500), fails(500));
    await refusal(rest.ask(scene.url, { model: part.model }));
    expect([part.asked("first").length, part.asked("second").length]).toEqual([2, 1]);
  });

  test("x-semaroute-timeout-ms beyond the configuration's total is clamped, and a routing wish may lower the attempts", async () => {
    const part = scene.part(fails(500));
    const response = await fetch(`${scene.url}/semaroute.v1.RouterService/Chat`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-semaroute-timeout-ms": "999999999" },
      body: JSON.stringify({ model: part.model, messages: [{ role: "ROLE_USER", text: "hi" }], routing: { maxAttempts: 2 } }),
    });
    expect(response.status).toBe(503);
    expect(part.asked("first")).toHaveLength(2);
  });

  // Refused credentials and spent credit put a whole provider out, which these tests share: they are in test/fault.
  const mapped: readonly {
    readonly what: string;
    readonly plays: UpstreamHandler;
    readonly rest: [number, string];
    readonly grpc: [number, string];
    readonly asked: [number, number];
  }[] = [
    {
      what: "a 400",
      plays: fails(400, {}, "bad temperature"),
      rest: [400, "invalid_request"],
      grpc: [3, "INVALID_REQUEST"],
      asked: [1, 0],
    },
    {
      what: "a context overflow",
      plays: fails(400, {}, "This model's maximum context length is 10 tokens. Please reduce the length of the messages."),
      rest: [400, "context_length_exceeded"],
      grpc: [3, "CONTEXT_LENGTH_EXCEEDED"],
      asked: [1, 1],
    },
    {
      what: "a refusal on policy grounds",
      plays: fails(400, {}, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"),
      rest: [400, "content_policy_violation"],
      grpc: [3, "CONTENT_POLICY"],
      asked: [1, 0],
    },
    { what: "a 413", plays: fails(413), rest: [413, "request_too_large"], grpc: [8, "REQUEST_TOO_LARGE"], asked: [1, 1] },
    {
      what: "a 429",
      plays: fails(429, { "retry-after": "7" }),
      rest: [429, "upstream_rate_limited"],
      grpc: [8, "RATE_LIMITED"],
      asked: [1, 1],
    },
    {
      what: "a 503 with retry-after",
      plays: fails(503, { "retry-after": "9" }),
      rest: [503, "upstream_overloaded"],
      grpc: [14, "OVERLOADED"],
      asked: [1, 1],
    },
    {
      what: "a broken connection",
      plays: breaksOff,
      rest: [502, "upstream_unavailable"],
      grpc: [14, "UPSTREAM_UNAVAILABLE"],
      asked: [2, 1],
    },
    {
      what: "no JSON",
      plays: (reply) => reply.sse().raw("<html>").end(),
      rest: [502, "upstream_invalid_response"],
      grpc: [14, "UPSTREAM_PROTOCOL"],
      asked: [2, 1],
    },
    {
      what: "a redirect",
      plays: (reply) => reply.json({}, 302, { location: "http://127.0.0.1:9/" }),
      rest: [502, "upstream_invalid_response"],
      grpc: [14, "UPSTREAM_PROTOCOL"],
      asked: [1, 1],
    },
  ];
  for (const { what, plays, ...wanted } of mapped) {
    test(`${what} from both is told in each door's own shape`, async () => {
      for (const door of mainDoors) {
        const part = scene.part(plays, plays);
        const refused = await refusal(door.ask(scene.url, { model: part.model }));
        expect([refused.status, refused.word]).toEqual(door.rest ? wanted.rest : wanted.grpc);
        expect([part.asked("first").length, part.asked("second").length]).toEqual(wanted.asked);
        const gone = refused.status === 413 || (refused.status >= 500 && wanted.rest[0] !== 503);
        if (door.rest) expect(refused.headers.get("x-should-retry")).toBe(gone ? "false" : null);
        if (wanted.rest[0] === 429) expect(Number(refused.headers.get("retry-after"))).toBe(7);
        if (wanted.rest[0] === 503) expect(Number(refused.headers.get("retry-after"))).toBe(9);
      }
    });
  }
});

describe.concurrent("when time runs out", () => {
  let scene: Scene;
  beforeAll(async () => {
    const timeouts = "timeouts: {connect: 2s, first_token: 1s, idle: 1s, total: 4s}";
    const breaker = "circuit_breaker: {consecutive_failures: 1, open: 60s}";
    scene = await createScene({ more: `resilience: {retry: {base_delay: 1ms}, ${timeouts}, ${breaker}}` });
  });
  afterAll(() => scene[Symbol.asyncDispose]());
  const closed = async (request: UpstreamRequest | undefined): Promise<void> => {
    expect(await Promise.race([request?.closed, soon(1000).then(() => "open")])).toBe("cut");
  };

  for (const door of doorClients) {
    test(`${door.name}: the caller's deadline ends the call, closes the upstream socket, and blames nobody`, async () => {
      const part = scene.part(isSilent, isSilent);
      const { headers, line } = tracked(scene.server);
      const refused = await refusal(door.ask(scene.url, { model: part.model, headers: { ...headers, "x-semaroute-timeout-ms": "600" } }));
      expect([refused.status, refused.word]).toEqual(door.rest ? [504, "deadline_exceeded"] : [4, "DEADLINE_EXCEEDED"]);
      await closed(part.asked("first")[0]);
      expect(part.asked("second")).toEqual([]);
      expect(await line()).toMatchObject({ reason: "DEADLINE_EXCEEDED", status: 504 });
      part.plays("first", says("still trusted"));
      expect((await door.ask(scene.url, { model: part.model })).text).toBe("still trusted");
    });

    if (!door.streamed) continue;
    test(`${door.name}: without a first token in time the next target is asked, and the first one's socket closed`, async () => {
      const part = scene.part((reply) => void reply.sse().data(chunk({ role: "assistant", content: "" })), says("in time"));
      const { headers, line } = tracked(scene.server);
      expect((await door.ask(scene.url, { model: part.model, headers })).text).toBe("in time");
      await closed(part.asked("first")[0]);
      expect(await line()).toMatchObject({ tries: [{ reason: "TIMEOUT" }, { target: `second/${part.model}` }] });
    });

    test(`${door.name}: silence in the middle ends the stream with an error`, async () => {
      const part = scene.part(stallsAfterContent, says("never"));
      const refused = await refusal(door.ask(scene.url, { model: part.model }));
      expect([refused.text, refused.word.toUpperCase()]).toEqual(["half", "STREAM_INTERRUPTED"]);
      await closed(part.asked("first")[0]);
      expect(part.asked("second")).toEqual([]);
    });
  }

  test("the configuration's total is the upstream's fault and not the caller's", async () => {
    const part = scene.part(isSilent);
    const refused = await refusal(rest.ask(scene.url, { model: part.model }));
    expect([refused.status, refused.word, refused.headers.get("x-should-retry")]).toEqual([504, "upstream_timeout", "false"]);
  });

  test("with all targets limited the call is refused at once, with the time to wait", async () => {
    const part = scene.part(fails(429, { "retry-after": "60" }), fails(429, { "retry-after": "60" }));
    for (const door of mainDoors) {
      const refused = await refusal(door.ask(scene.url, { model: part.model }));
      if (door === rest) continue;
      expect([refused.status, refused.word]).toEqual(door.rest ? [503, "no_target_available"] : [14, "NO_TARGET"]);
      const seconds = Number(refused.headers.get("retry-after"));
      expect(seconds).toBeGreaterThan(1);
      expect(seconds).toBeLessThanOrEqual(72);
      expect(refused.headers.get("x-semaroute-attempts")).toBe("0");
    }
    expect([part.asked("first").length, part.asked("second").length]).toEqual([1, 1]);
  });

  test("with all breakers open both are asked all the same, and who is back serves at once", async () => {
    const part = scene.part(fails(500), fails(500));
    const breakers = async (): Promise<string[]> =>
      Promise.all(
        ["first", "second"].map(async (provider) => {
          const { health } = await scene.adminJson(`/admin/providers/${provider}/health`);
          return health[0].targets.find(({ model }: { model: string }) => model === part.model)?.breaker;
        }),
      );
    const isOpen = async (): Promise<boolean> => (await breakers()).every((breaker) => breaker === "BREAKER_STATE_OPEN");
    for (let i = 0; i < 12 && !(await isOpen()); i++) await refusal(rest.ask(scene.url, { model: part.model }));
    part.plays("second", says("back again"));
    expect((await rest.ask(scene.url, { model: part.model })).text).toBe("back again");
    expect((await breakers())[1]).toBe("BREAKER_STATE_CLOSED");
  });
});

describe.concurrent("what a provider and a policy say about time", () => {
  const timed = (name: string, url: string, timeout: string): string =>
    `  ${name}: {type: openai_compatible, base_url: "${url}/v1", models: [m], ${timeout}}`;

  test("a provider's own timeout replaces both limits", async () => {
    await using silent = await createUpstream(isSilent);
    await using good = await createUpstream(says("in time"));
    await using server = await startServer(`
server: {port: 0}
health: {probe: none}
routing_policy: {type: failover, config: {primary_provider: slow, backup_providers: [good], failover_delay: 0s}}
providers:
${timed("slow", silent.url, "timeout: 200ms")}
${timed("good", good.url, "")}
`);
    for (const door of [rest, sse]) expect((await door.ask(server.url, { model: "m" })).text).toBe("in time");
    expect(await Promise.all(silent.requests.map(({ closed }) => closed))).toEqual(["cut", "cut"]);
  });

  test("the primary is left alone for failover_delay after its failure, and then asked again", async () => {
    let broken = true;
    await using primary = await createUpstream((reply, request, ordinal) =>
      (broken ? fails(500) : says("primary"))(reply, request, ordinal),
    );
    await using backup = await createUpstream(says("backup"));
    await using server = await startServer(`
server: {port: 0}
health: {probe: none}
routing_policy: {type: failover, config: {primary_provider: one, backup_providers: [two], failover_delay: 800ms}}
providers:
${timed("one", primary.url, "")}
${timed("two", backup.url, "")}
`);
    const ask = async () => (await rest.ask(server.url, { model: "m" })).text;
    const askedMs = performance.now();
    expect(await ask()).toBe("backup");
    broken = false;
    expect(await ask()).toBe("backup");
    expect(primary.requests).toHaveLength(1);
    await until(async () => (await ask()) === "primary", "the primary is asked again");
    expect(performance.now() - askedMs).toBeGreaterThan(800);
  });
});
