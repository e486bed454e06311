/** Who may call, for which models, and where keys may go. */
import { stat } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Role } from "../../gen/semaroute/v1/chat_pb.ts";
import { createUpstream, type Upstream } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClient, doorClients, refusal, routerClient } from "./doors.ts";
import { says } from "./scene.ts";
import { frame, grpc, type RawAnswer, request } from "./wire.ts";

const open = new AsyncDisposableStack();
let upstream: Upstream;
/** Redirects every call, and where to. */
let redirecting: Upstream;
let trap: Upstream;
let server: ServerProcess;
beforeAll(async () => {
  upstream = open.use(await createUpstream(says("hello")));
  trap = open.use(await createUpstream(says("never")));
  redirecting = open.use(
    await createUpstream((reply, { body }) => {
      const status = Number((body as { model: string }).model);
      reply.json({}, status, { location: `${trap.url}/v1/chat/completions` });
    }),
  );
  server = open.use(
    await startServer(`
server: {cors: {allowed_origins: ["https://app.example.com"]}}
health: {probe: none}
resilience: {max_attempts: 1}
auth:
  keys:
    - {name: all, key: key-of-all}
    - {name: some, key: key-of-some, models: [mine, host/b]}
models:
  mine: {targets: [host/a]}
  theirs: {targets: [host/c]}
providers:
  host: {type: openai_compatible, base_url: "${upstream.url}/v1", api_key: key-of-host, models: [a, b, c]}
  redirecting: {type: openai_compatible, base_url: "${redirecting.url}/v1", api_key: key-of-redirecting, models: ["302", "307", "308"]}
`),
  );
});
afterAll(() => open.disposeAsync());

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe("a key", () => {
  const wrongs: readonly {
    readonly what: string;
    readonly headers: Record<string, string>;
    readonly status: number;
    readonly code: number;
    readonly word: string;
  }[] = [
    { what: "that is missing", headers: {}, status: 401, code: 16, word: "CALLER_UNAUTHENTICATED" },
    { what: "that is wrong", headers: bearer("guess"), status: 401, code: 16, word: "CALLER_UNAUTHENTICATED" },
    {
      what: "that contradicts another",
      headers: { ...bearer("key-of-all"), "x-api-key": "key-of-some" },
      status: 400,
      code: 3,
      word: "INVALID_REQUEST",
    },
  ];
  const words = { CALLER_UNAUTHENTICATED: "invalid_api_key", INVALID_REQUEST: "invalid_request" };
  for (const { what, headers, status, code, word } of wrongs) {
    // Four doors, so that the throttle of wrong keys stays out of this.
    test(`${what} is refused by every protocol, before anybody is asked`, async () => {
      const before = upstream.requests.length;
      for (const door of doorClients.filter(({ streamed }) => !streamed)) {
        const refused = await refusal(door.ask(server.url, { model: "a", headers }));
        expect([refused.status, refused.word], door.name).toEqual(door.rest ? [status, words[word as keyof typeof words]] : [code, word]);
      }
      expect(upstream.requests.length).toBe(before);
    });
  }

  const rights = [
    bearer("key-of-all"),
    { "x-api-key": "key-of-all" },
    { ...bearer("key-of-all"), "x-api-key": "key-of-all" },
    { authorization: "bearer  key-of-all " },
  ];
  test.each(rights)("shown as %o opens every door", async (headers) => {
    for (const door of doorClients) expect((await door.ask(server.url, { model: "a", headers })).text, door.name).toBe("hello");
    expect(upstream.requests.at(-1)?.headers.authorization).toBe("Bearer key-of-host");
    expect(JSON.stringify(upstream.requests.map(({ headers: sent }) => sent))).not.toContain("key-of-all");
  });

  test("is not needed for health, metrics and reflection", async () => {
    for (const path of ["/health", "/health/live", "/health/ready", "/metrics"])
      expect((await fetch(server.url + path)).status, path).toBe(200);
    expect((await grpc(server.url, "/grpc.health.v1.Health/Check", frame(""))).code).toBe("0");
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(401);
  });
});

describe("a key's list of models", () => {
  const headers = bearer("key-of-some");
  for (const door of doorClients) {
    test(`${door.name}: what is on it is served, and nothing else`, async () => {
      for (const model of ["mine", "host/b"]) expect((await door.ask(server.url, { model, headers })).text).toBe("hello");
      const before = upstream.requests.length;
      for (const model of ["theirs", "host/c", "c"]) {
        const refused = await refusal(door.ask(server.url, { model, headers }));
        expect([refused.status, refused.word], model).toEqual(door.rest ? [403, "permission_denied"] : [7, "CALLER_FORBIDDEN"]);
      }
      expect(upstream.requests.length).toBe(before);
    });
  }

  test("filters the list of models, and bounds `auto` and fallbacks", async () => {
    const listed = async (init: RequestInit): Promise<string[]> => {
      const answer = (await (await fetch(`${server.url}/v1/models`, init)).json()) as { data: { id: string }[] };
      return answer.data.map(({ id }) => id);
    };
    const everything = await listed({ headers: bearer("key-of-all") });
    expect(everything).toEqual(expect.arrayContaining(["mine", "theirs", "a", "b", "c"]));
    const some = await listed({ headers });
    expect(some).toContain("mine");
    for (const model of ["theirs", "c", "302"]) expect(some).not.toContain(model);
    const client = routerClient(server.url, "grpc");
    expect((await client.listModels({}, { headers })).models.map(({ id }) => id)).toEqual(some);
    expect((await fetch(`${server.url}/v1/models/theirs`, { headers })).status).toBe(404);

    const { candidates } = await client.explain({ request: { model: "auto" } }, { headers });
    expect(
      candidates
        .filter(({ rank }) => rank > 0)
        .map(({ upstreamModel }) => upstreamModel)
        .toSorted(),
    ).toEqual(["b"]);
    const routing = { fallbackModels: ["theirs"] };
    await expect(client.chat({ model: "mine", messages: [{ role: Role.USER, text: "hi" }], routing }, { headers })).rejects.toMatchObject({
      code: 7,
    });
  });
});

describe("the admin token", () => {
  const read = (headers: Record<string, string> = {}) => request(`${server.url}/admin/providers`, { headers });
  const change = (headers: Record<string, string> = {}) =>
    request(`${server.url}/admin/providers/host/state`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: "{}",
    });

  test("is kept in a file that only its owner can read; the start-up line tells where, and nothing what", async () => {
    const file = String(server.lines[0]?.["admin_token_file"]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(server.adminToken).toMatch(/^[\w-]{43}$/);
    expect(JSON.stringify(server.lines) + server.complaints()).not.toContain(server.adminToken);
  });

  test("is needed for changes, and not for reading on this machine", async () => {
    expect((await read()).status).toBe(200);
    expect((await change()).status).toBe(401);
    expect((await change(bearer("guess"))).status).toBe(401);
    expect((await change(bearer("key-of-all"))).status).toBe(401);
    const changed = await change(bearer(server.adminToken ?? ""));
    expect([changed.status, changed.headers["cache-control"]]).toEqual([200, "no-store"]);
    expect((await grpc(server.url, "/semaroute.v1.AdminService/ReloadConfig", frame(""))).code).toBe("16");
    expect((await grpc(server.url, "/semaroute.v1.AdminService/GetStats", frame(""))).code).toBe("0");
  });

  test.each(["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via", "cf-connecting-ip", "true-client-ip"])(
    "is needed for reading too once there is %s",
    async (name) => {
      expect((await read({ [name]: "127.0.0.1" })).status).toBe(401);
      expect((await read({ [name]: "127.0.0.1", ...bearer(server.adminToken ?? "") })).status).toBe(200);
    },
  );

  test("is needed for reading under a foreign name, which a page could have pointed here", async () => {
    const statusUnder = (host: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = httpRequest({ port: server.port, host: "127.0.0.1", path: "/admin/providers", headers: { host } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        });
        sent.on("error", reject).end();
      });
    expect(await statusUnder("localhost:1")).toBe(200);
    expect(await statusUnder("evil.example.com")).toBe(401);
  });

  test("that is configured is needed for everything", async () => {
    await using configured = await startServer('admin: {token: "${TOKEN}"}\nproviders: {sim: {type: simulated}}\n', {
      TOKEN: "chosen-token",
    });
    const get = async (headers: Record<string, string>) => (await fetch(`${configured.url}/admin/providers`, { headers })).status;
    expect([await get({}), await get(bearer("wrong")), await get(bearer("chosen-token"))]).toEqual([401, 401, 200]);
    expect(JSON.stringify(configured.lines)).not.toContain("chosen-token");
    expect(configured.lines[0]).not.toHaveProperty("admin_token_file");
  });
});

describe("a page of", () => {
  const paths = [
    "/v1/models",
    "/v1/chat/completions",
    "/semaroute.v1.RouterService/ListModels",
    "/admin/providers",
    "/health",
    "/metrics",
    "/nothing",
  ];
  const ask = (path: string, headers: Record<string, string>): Promise<RawAnswer> =>
    request(server.url + path, {
      method: path.startsWith("/semaroute") || path.includes("chat") ? "POST" : "GET",
      headers: { ...bearer("key-of-all"), ...headers },
    });

  test.each(paths)("a foreign origin gets nothing from %s", async (path) => {
    expect((await ask(path, { origin: "https://evil.example.com" })).status).toBe(403);
    expect((await ask(path, { origin: "null" })).status).toBe(403);
    expect((await ask(path, { "sec-fetch-site": "cross-site" })).status).toBe(403);
  });

  test("our own origin may do what anybody may", async () => {
    expect((await ask("/v1/models", { origin: server.url, "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  test("an allowed origin may read the answers of every door but the admin's", async () => {
    const origin = "https://app.example.com";
    const answer = await ask("/v1/models", { origin, "sec-fetch-site": "cross-site" });
    expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([200, origin]);
    const refused = await ask("/v1/models", { origin, authorization: "Bearer guess" });
    expect([refused.status, refused.headers["access-control-allow-origin"]]).toEqual([401, origin]);
    expect((await ask("/admin/providers", { origin })).status).toBe(403);
    const preflight = { origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization" };
    const allowed = await request(`${server.url}/v1/chat/completions`, { method: "OPTIONS", headers: preflight });
    expect([allowed.status, allowed.headers["access-control-allow-headers"]?.toLowerCase()]).toEqual([
      204,
      expect.stringContaining("authorization"),
    ]);
    expect((await request(`${server.url}/admin/reload`, { method: "OPTIONS", headers: preflight })).status).toBe(403);
  });
});

test.each(["302", "307", "308"])("an upstream's %s is not followed, and the key goes nowhere else", async (model) => {
  for (const name of ["REST", "SSE"]) {
    const refused = await refusal(doorClient(name).ask(server.url, { model, headers: bearer("key-of-all") }));
    expect([refused.status, refused.word]).toEqual([502, "upstream_invalid_response"]);
  }
  expect(redirecting.requests.at(-1)?.headers.authorization).toBe("Bearer key-of-redirecting");
  expect(trap.requests).toEqual([]);
});
