/**
 * K34: what the official SDK makes of each class, and how many HTTP calls it then makes. What upstreams do wrong is in
 * test/clients/openai-sdk-errors.test.ts; here are the classes that are our own.
 */
import OpenAI, { APIError, AuthenticationError, InternalServerError } from "openai";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { doorClient } from "../e2e/doors.ts";
import { until } from "../e2e/scene.ts";
import { canaries } from "./canaries.ts";
import { cell } from "./play.ts";
import { createFaultScene, type FaultScene, says } from "./scene.ts";
import { always, stall } from "./steps.ts";

const retriesMax = 1;
/** As often as the SDK is allowed to. */
const again = retriesMax + 1;

let scene: FaultScene;
beforeAll(async () => {
  scene = await createFaultScene({
    faulty: [
      { name: "silent", script: always(stall), models: ["m"], settings: "timeout: 300ms" },
      { name: "full", script: always(stall), models: ["holder", "m"], settings: "max_concurrent: 1, timeout: 1h" },
      { name: "away", script: says("never said"), models: ["m"] },
    ],
    shared: ["well"],
    resilience: "max_attempts: 1",
    timeouts: "total: 60s",
    serverSettings: "max_body: 65536",
  });
});
afterAll(() => scene[Symbol.asyncDispose]());

interface Row {
  readonly fault: string;
  /** What has to be so before. */
  readonly before?: () => Promise<AsyncDisposable | undefined>;
  readonly model: string;
  readonly apiKey?: string;
  readonly content?: string;
  readonly error: new (...parts: never[]) => Error;
  readonly told: Readonly<Record<string, unknown>>;
  readonly calls: number;
}

const rows: readonly Row[] = [
  {
    fault: "TIMEOUT: asked once, for the upstream has worked for it",
    model: "silent/m",
    error: InternalServerError,
    told: { status: 504, type: "server_error", code: "upstream_timeout" },
    calls: 1,
  },
  {
    fault: "NO_TARGET: asked again when it was told to",
    before: disable("away"),
    model: "away/m",
    error: InternalServerError,
    told: { status: 503, type: "server_error", code: "no_target_available" },
    calls: again,
  },
  {
    fault: "SHED: asked again when it was told to",
    before: fill,
    model: "full/m",
    error: InternalServerError,
    told: { status: 503, type: "overloaded_error", code: "overloaded" },
    calls: again,
  },
  {
    fault: "REQUEST_TOO_LARGE: asked once",
    model: "well",
    content: "x".repeat(70_000),
    error: APIError,
    told: { status: 413, type: "invalid_request_error", code: "request_too_large" },
    calls: 1,
  },
  {
    fault: "CALLER_RATE_LIMITED: asked again when it was told to, and by then it is not limited",
    before: guess,
    model: "well",
    apiKey: "sk-guess",
    error: AuthenticationError,
    told: { status: 401, type: "authentication_error", code: "invalid_api_key" },
    calls: again,
  },
];

describe("the openai package", () => {
  for (const { fault, before, model, apiKey = canaries.callerKey, content = "hi", error, told, calls } of rows) {
    cell({ id: "K34", fault, protocol: "REST" }, async () => {
      await using open = new AsyncDisposableStack();
      open.use(await before?.());
      let made = 0;
      const counting: typeof fetch = (input, init) => {
        made++;
        return fetch(input, init);
      };
      const openai = new OpenAI({ baseURL: `${scene.url}/v1`, apiKey, maxRetries: retriesMax, fetch: counting });
      const thrown: unknown = await openai.chat.completions
        .create({ model, messages: [{ role: "user", content }] })
        .catch((caught: unknown) => caught);
      expect(thrown).toBeInstanceOf(error);
      expect(thrown).toMatchObject(told);
      expect(made, "HTTP calls").toBe(calls);
    });
  }
});

function disable(provider: string) {
  return async (): Promise<undefined> => {
    const answer = await fetch(`${scene.url}/admin/providers/${provider}/state`, {
      method: "POST",
      headers: { authorization: `Bearer ${scene.server.adminToken ?? ""}`, "content-type": "application/json" },
      body: JSON.stringify({ state: "PROVIDER_STATE_DISABLED" }),
    });
    expect(answer.status, await answer.text()).toBe(200);
    return undefined;
  };
}

/** Takes the only slot; given back afterwards. */
async function fill(): Promise<AsyncDisposable> {
  const leaving = new AbortController();
  const left = doorClient("REST")
    .ask(scene.url, { model: "full/holder", headers: scene.headers, signal: leaving.signal })
    .catch(() => undefined);
  await until(() => scene.asked("holder").length > 0, "the slot is taken");
  return {
    async [Symbol.asyncDispose]() {
      leaving.abort();
      await left;
    },
  };
}

/** Shows wrong keys until it is told to wait. */
async function guess(): Promise<undefined> {
  const ask = () => fetch(`${scene.url}/v1/models`, { headers: { authorization: "Bearer sk-guess" } });
  // A handful more than are tolerated: the SDK's own wait is as long as one more is.
  for (let i = 0; i < 40; i++) if ((await ask()).status === 429) break;
  return undefined;
}
