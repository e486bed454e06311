/** The OpenAPI document: valid, complete, and true of what the server answers. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listen } from "../../src/server/listen.ts";
import { restOperations } from "../../src/server/openapi/rest-operations.ts";
import { adminRoutes } from "../../src/server/rest/admin.ts";
import { type House, openHouse } from "../e2e/house.ts";
import { chatFrame, openSocket } from "../e2e/websocket.ts";

const authorization = "Bearer sk-good";
// oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse, and looked at by the test's matchers.
let document: any;
let house: House;
beforeAll(async () => {
  house = await openHouse(`
auth: {keys: [{name: a, key: sk-good}]}
providers: {sim: {type: simulated, models: [m], first_token: 1ms, tokens_per_second: 10000}}
`);
  document = await (await fetch(`${house.url}/openapi.json`)).json();
});
afterAll(() => house[Symbol.asyncDispose]());

const operationsOf = (paths: Readonly<Record<string, object>>): string[] =>
  Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((verb) => `${verb.toUpperCase()} ${path}`));
const sorted = (names: readonly string[]): string[] => names.toSorted();

test("is valid OpenAPI 3.1", async () => {
  const result = await new Validator().validate(document);
  expect(result).toEqual({ valid: true });
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(document.info.version).toBe("1");
});

test("needs no key, and is the same bytes for everybody", async () => {
  const answers = await Promise.all([{}, { authorization }].map((headers) => fetch(`${house.url}/openapi.json`, { headers })));
  expect(answers.map(({ status, headers }) => [status, headers.get("content-type")])).toEqual([
    [200, "application/json"],
    [200, "application/json"],
  ]);
  const [one, other] = await Promise.all(answers.map((answer) => answer.text()));
  expect(one).toBe(other);
  const head = await fetch(`${house.url}/openapi.json`, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length")]).toEqual([200, String(Buffer.byteLength(one ?? ""))]);
  expect((await fetch(`${house.url}/openapi.json`, { headers: { origin: "https://evil.example" } })).status).toBe(403);
});

describe("its operations", () => {
  test("are all that is described and served, and nothing else", () => {
    const rest = Object.keys(restOperations);
    const admin = adminRoutes.map(({ verb, path }) => `${verb} ${path.replace("{providers}", "{id}")}`);
    expect(sorted(operationsOf(document.paths))).toEqual(sorted([...rest, ...admin]));
  });

  test("are described, each by a name of its own", () => {
    const names = Object.values<object>(document.paths).flatMap((methods) => Object.values(methods).map((each) => each.operationId));
    expect(names.every((name) => typeof name === "string")).toBe(true);
    expect(new Set(names).size).toBe(names.length);
  });

  test("are there: each path takes its method", async () => {
    const ask = async (name: string): Promise<number> => {
      const [method = "", path = ""] = name.split(" ");
      const answer = await fetch(house.url + path.replaceAll(/\{\w+\}/g, "x"), { method, headers: { authorization } });
      const text = await answer.text();
      // A path that is there may know nothing of x.
      return answer.status === 404 && !text.includes("there is nothing at") ? 200 : answer.status;
    };
    for (const name of operationsOf(document.paths)) expect(await ask(name), name).not.toBeOneOf([404, 405]);
  });

  test.each([
    { doors: { data: true, admin: false, metrics: false }, has: "/v1/models", hasNot: ["/admin/policy", "/metrics"] },
    { doors: { data: false, admin: true, metrics: false }, has: "/admin/policy", hasNot: ["/v1/models", "/metrics"] },
  ])("are those of the listener that is asked: $doors", async ({ doors, has, hasNot }) => {
    const listener = await listen({ host: "127.0.0.1", port: 0, tls: undefined, handler: house.doors.handler(doors) });
    const told = JSON.parse(await (await fetch(`${listener.url}/openapi.json`)).text());
    await listener.close();
    expect(await new Validator().validate(told)).toEqual({ valid: true });
    expect(Object.keys(told.paths)).toEqual(expect.arrayContaining([has, "/health", "/openapi.json"]));
    for (const path of hasNot) expect(told.paths).not.toHaveProperty([path]);
    expect("admin_token" in told.components.securitySchemes).toBe(doors.admin);
  });
});

test("no reference leads nowhere, and a document that is none is not valid", async () => {
  const text = JSON.stringify(document);
  const references = new Set([...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = ""]) => path));
  expect(references.size).toBeGreaterThan(50);
  for (const path of references) {
    const keys = path.split("/");
    expect(document, path).toHaveProperty(keys);
  }
  const { paths: _, ...rest } = document;
  expect(await new Validator().validate({ ...rest, info: {} })).toMatchObject({ valid: false });
});

describe("its schemas", () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const fits = (name: string, value: unknown): void => {
    const validate = ajv.compile({ $ref: `#/components/schemas/${name}`, components: document.components });
    validate(value);
    expect(validate.errors ?? [], `${name}: ${JSON.stringify(value)}`).toEqual([]);
  };
  const get = async (path: string, headers = { authorization }): Promise<unknown> => (await fetch(house.url + path, { headers })).json();
  const chat = async (body: unknown): Promise<unknown> =>
    (
      await fetch(`${house.url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization, "content-type": "application/json" },
        body: JSON.stringify(body),
      })
    ).json();

  test("fit what REST answers", async () => {
    const request = { model: "m", messages: [{ role: "user", content: "hi" }] };
    fits("ChatCompletionRequest", request);
    fits("ChatCompletion", await chat(request));
    fits("OpenAIError", await chat({ model: "m" }));
    fits("ModelList", await get("/v1/models"));
    fits("Model", await get("/v1/models/m"));
    fits("Health", await get("/health"));
    fits("Status", await get("/health/live"));
    fits("Status", await get("/health/ready"));
  });

  test("fit what WebSocket tells", async () => {
    await using socket = await openSocket(house.url, { headers: { authorization } });
    const frames = [chatFrame("a", "m"), { type: "cancel", id: 7 }, chatFrame("b", "nobody")];
    for (const frame of frames) {
      fits("RealtimeCallerFrame", frame);
      socket.send(frame);
    }
    socket.send("no frame");
    for (const id of ["a", "b", null]) await socket.end(id);
    for (const frame of socket.frames) fits("RealtimeServerFrame", frame);
    expect(new Set(socket.frames.map(({ type }) => type))).toEqual(new Set(["chunk", "done", "error"]));
  });

  test("fit what the control plane answers", async () => {
    const admin = { authorization: "Bearer admin" };
    for (const [path, name] of [
      ["/admin/providers", "ListProvidersResponse"],
      ["/admin/providers/sim", "GetProviderResponse"],
      ["/admin/providers/sim/health", "GetProviderHealthResponse"],
      ["/admin/policy", "GetPolicyResponse"],
      ["/admin/policy/revisions", "ListPolicyRevisionsResponse"],
      ["/admin/stats", "GetStatsResponse"],
    ] as const)
      fits(`semaroute.v1.${name}`, await get(path, admin));
    fits("ConnectError", await get("/admin/providers/nobody", admin));
  });

  test("refuse what does not", () => {
    expect(() => fits("Model", { id: 7 })).toThrow("Model");
    expect(() => fits("semaroute.v1.GetProviderResponse", { provider: { models: "m" } })).toThrow("models");
  });
});
